//! The command line as clap parses it: commands, options and their help.

mod auth_string;
mod diff;
mod export;
mod import;
mod ledger;
mod probe;
mod reduce;
mod run;
mod send;
mod serve;
mod shell;
pub mod values;

pub use auth_string::AuthStringArguments;
pub use diff::DiffArguments;
pub use export::ExportArguments;
pub use import::ImportArguments;
pub use ledger::{LedgerArguments, LedgerCommand};
pub use probe::ProbeArguments;
pub use reduce::ReduceArguments;
pub use run::{
    BatchArguments, Color, ConnectArguments, InputArguments, MonitoringArguments, OutputArguments, ReportArguments,
    RunArguments, SelectArguments, TestArguments,
};
pub use send::{MessageArguments, SendArguments};
pub use serve::ServeArguments;
pub use shell::ShellArguments;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use run::{TEST_ABOUT, TEST_EXAMPLES};
use std::path::PathBuf;

const EXIT_STATUSES: &str = "\
Exit status (sysexits.h). If several sessions end differently, the gravest status counts; a batch with rows left ends with their status:
    0  everything passed
    1  an expectation or assert failed
   64  the command line is wrong
   65  a session file or a rendered value is not valid; a source has no value or is not allowed
   66  a file that a session names cannot be read, or there is no session
   68  the host name does not resolve
   69  cannot connect, or the connection was lost
   70  a bug in mailrun
   73  a transcript, report or ledger cannot be written
   74  content was complete and no reply came: it may have been delivered
   75  a 4xx or a timeout: trying later may help
   76  what the server sent is not SMTP, or the TLS handshake failed
   77  authentication refused, or the certificate is not trusted
   78  the server lacks what the session needs
  129  ended by SIGHUP; 130 by Ctrl-C; 143 by SIGTERM

Every option can also be given as an environment variable: --connect-timeout as
MAILRUN_CONNECT_TIMEOUT. Lists have one value per line, flags are 1. The command
line wins, and an empty variable counts as not set.";

/// Runs scripted SMTP dialogues from session files
///
/// A session file lists what to send to a mail server and which replies to expect. mailrun runs it, logs every line of
/// both sides, and exits with a status that cron jobs and CI can act on.
#[derive(Debug, Parser)]
#[command(name = "mailrun", version, after_help = EXIT_STATUSES, subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: CliCommand,
}

/// The commands and options as clap has them. Documentation is made from them, and checked against them.
pub fn definition() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Run sessions and print their transcripts
    Run(Box<RunArguments>),
    /// Run sessions as a test suite: a line for each, a diagnosis for each failure, a summary
    #[command(long_about = TEST_ABOUT, after_help = TEST_EXAMPLES)]
    Test(Box<TestArguments>),
    /// Validate sessions without connecting, and list what they reach
    Check(CheckArguments),
    /// Print a session with implied steps and includes written out
    Show(ShowArguments),
    /// Send one message without a session file
    Send(Box<SendArguments>),
    /// Show, resolve, export and merge ledgers
    Ledger(LedgerArguments),
    /// Make a session file from a transcript or a log of another program
    Import(ImportArguments),
    /// Find the smallest session that still shows a fault
    Reduce(Box<ReduceArguments>),
    /// Run a scripted server, or one that keeps mail
    Serve(ServeArguments),
    /// Show a server's state on one screen, with what is remarkable about it
    Probe(Box<ProbeArguments>),
    /// Send SMTP that is typed at a prompt, or comes from a pipe
    Shell(ShellArguments),
    /// Show where two servers answer differently
    Diff(Box<DiffArguments>),
    /// Print the dialogue of a session as commands for someone without mailrun
    Export(Box<ExportArguments>),
    /// Print the base64 strings for AUTH
    AuthString(AuthStringArguments),
    /// Write a commented session file to start from, or the smoke suite
    New(NewArguments),
    /// Print the JSON Schema of session files
    Schema,
    /// Print shell completions
    Completions(CompletionsArguments),
    /// Print a manual page
    Man(ManArguments),
}

/// Validates sessions, and lists the servers, files, environment variables and commands that they reach.
///
/// It connects to nothing and, without --rows, runs no command. All errors are printed at once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailrun check sessions/\n  mailrun check --rows news.toml")]
pub struct CheckArguments {
    /// Also render every row without connecting: addresses, attachments and sizes
    #[arg(long)]
    pub rows: bool,
    /// Session files, folders or patterns; `-` is standard input
    #[arg(value_name = "SESSION", required = true, value_hint = ValueHint::AnyPath)]
    pub sessions: Vec<String>,
    #[command(flatten)]
    pub inputs: InputArguments,
}

/// Prints a session as a session file that runs the same, with implied steps and includes written out.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mailrun show report.toml > written-out.toml")]
pub struct ShowArguments {
    /// A session file; `-` is standard input
    #[arg(value_name = "SESSION", value_hint = ValueHint::FilePath)]
    pub session: String,
    #[command(flatten)]
    pub inputs: InputArguments,
}

/// Writes a commented session file to start from, or the smoke suite. An existing file is not changed.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailrun new suite smoke && mailrun test --server smtp://127.0.0.1:2525 smoke\n  mailrun new report nightly.toml && mailrun run --dry-run nightly.toml\n  mailrun new smoke smoke.toml\n  mailrun new batch news.toml && mailrun run --dry-run news.toml"
)]
pub struct NewArguments {
    /// What the session is for
    #[arg(value_name = "KIND", value_enum)]
    pub kind: Starter,
    /// The file to write [default: standard output]; for `suite` the folder, which must be given
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
}

/// The starters of `new`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Starter {
    /// Send a report by mail, from cron
    Report,
    /// Smoke-test a mail server
    Smoke,
    /// Reproduce a server's bug
    Bug,
    /// The smoke suite in a folder: session files with their includes, ready for `mailrun test`
    Suite,
    /// Send a message for each row of a file, with a ledger; also writes people.csv next to FILE
    Batch,
}

/// Prints shell completions.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mailrun completions bash > ~/.local/share/bash-completion/completions/mailrun")]
pub struct CompletionsArguments {
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: clap_complete::Shell,
}

/// The commands that have manual pages, for completions.
const COMMANDS: [&str; 18] = [
    "run",
    "test",
    "check",
    "show",
    "send",
    "ledger",
    "import",
    "reduce",
    "serve",
    "probe",
    "shell",
    "diff",
    "export",
    "auth-string",
    "new",
    "schema",
    "completions",
    "man",
];

/// Prints the manual page of mailrun, or of one of its commands.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mailrun man run | man -l -")]
pub struct ManArguments {
    #[arg(value_name = "COMMAND", value_parser = COMMANDS)]
    pub command: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_valid() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_manual_page() {
        let definition = Arguments::command();
        let names: Vec<_> = definition.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(names, COMMANDS);
    }

    #[test]
    fn every_exit_status_is_in_the_help() {
        for status in crate::event::Status::ALL {
            let code = status.code().to_string();
            assert!(EXIT_STATUSES.split_whitespace().any(|word| word == code), "{code} is missing");
        }
    }
}

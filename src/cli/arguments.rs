//! The command line as clap reads it: commands, options, their help.
//!
//! What is not built yet is not here, and so not in `--help` either.

use super::values;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

const EXIT_STATUSES: &str = "\
Exit status (sysexits.h; where several sessions end differently, the gravest):
    0  everything passed
    1  an expectation or assert failed
   64  the command line is wrong
   65  a session file or a rendered value is not valid, or a source has no value or is refused
   66  a file that a session names cannot be read, or there is no session
   68  the host name does not resolve
   69  cannot connect, or the connection was lost
   70  a bug in mailrun
   73  a transcript or other output cannot be written
   74  content was complete and no reply came: delivered or not, trying again may send it twice
   75  a 4xx, or a timeout: trying later may help
   76  what the server sent is not SMTP, or the TLS handshake failed
   77  authentication refused, or the certificate is not to be trusted
   78  the server lacks what the session needs
  130  ended by Ctrl-C; 143 by SIGTERM

Every option can also be given as an environment variable: --connect-timeout as
MAILRUN_CONNECT_TIMEOUT. Lists stand one per line, flags are 1; the command line
wins, and an empty variable counts as not set.";

/// Plays scripted SMTP dialogues from session files.
///
/// A session file lists what to send to a mail server and which replies to expect. mailrun plays it, logs every line of
/// both sides, and ends with a status that cron jobs and CI can act on.
#[derive(Debug, Parser)]
#[command(name = "mailrun", version, after_help = EXIT_STATUSES, subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run sessions and print each transcript
    Run(Box<RunArguments>),
    /// Run sessions as a test suite: a line each, a diagnosis for each failure, a summary, reports
    #[command(long_about = TEST_ABOUT, after_help = TEST_EXAMPLES)]
    Test(Box<RunArguments>),
    /// Read and validate sessions; touches no network
    Check(CheckArguments),
    /// Print a session with everything implied and included spelled out
    Show(ShowArguments),
    /// Show, resolve and merge what batches have sent
    Ledger(LedgerArguments),
    /// Play a transcript's server, or keep mail
    Serve(ServeArguments),
    /// Print the base64 that AUTH wants
    AuthString(AuthStringArguments),
    /// Write a commented session file to begin with
    New(NewArguments),
    /// Print the JSON Schema of session files
    Schema,
    /// Print completions for a shell
    Completions(CompletionsArguments),
    /// Print a manual page
    Man(ManArguments),
}

const TEST_ABOUT: &str = "\
Runs sessions as a test suite.

A line for each session on standard output, a diagnosis with the dialogue around it for each failure, a summary. All files \
are read first: one that is broken counts as an error, and the others run.";

const TEST_EXAMPLES: &str = "\
Examples:
  mailrun test --server smtp://127.0.0.1:2525 sessions/smoke/
  mailrun test --wait 30s --jobs 4 --junit junit.xml --html report.html sessions/
  mailrun test --tag tls --skip-tag slow --fail-fast sessions/
  mailrun test --json - sessions/ | jq 'select(.event == \"step_finished\")'

`mailrun --help` lists the exit statuses.";

const RUN_EXAMPLES: &str = "\
Examples:
  mailrun run report.toml               send what the file says and show the dialogue
  mailrun run --dry-run report.toml     the same against a server inside mailrun
  mailrun run --quiet nightly/          for cron: prints nothing unless something failed
  mailrun run --server smtp://127.0.0.1:2525 --var to=ann@example.com hello.toml
  mailrun run --transcript 'logs/{session}.log' sessions/

Standard output has the transcripts, standard error remarks and errors. `mailrun --help` lists the exit statuses.";

/// Runs sessions one after another and prints each transcript.
///
/// All files are read first: what is wrong with any of them is reported, and the others run.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub struct RunArguments {
    /// Session files, folders (every *.toml below, sorted, but for names that begin with `_`), globs; `-` is standard
    /// input
    #[arg(value_name = "SESSION", required = true, value_hint = ValueHint::AnyPath)]
    pub sessions: Vec<String>,
    #[command(flatten)]
    pub meaning: MeaningArguments,
    #[command(flatten)]
    pub select: SelectArguments,
    #[command(flatten)]
    pub dry: DryRunArguments,
    #[command(flatten)]
    pub batch: BatchArguments,
    #[command(flatten)]
    pub output: OutputArguments,
    #[command(flatten)]
    pub reports: ReportArguments,
    #[command(flatten)]
    pub connect: ConnectArguments,
}

/// What changes what a session means.
#[derive(Debug, Args)]
#[command(next_help_heading = "What the session means")]
pub struct MeaningArguments {
    /// The server in place of the file's: smtp://, smtps://, lmtp://, smtp+unix://, lmtp+unix://
    #[arg(long, value_name = "URL", value_parser = values::server)]
    pub server: Option<String>,
    /// Set a variable, in place of [vars]; repeatable. The value is text: use --vars for numbers and booleans
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::variable)]
    pub var: Vec<(String, String)>,
    /// Set variables from a TOML file of strings, numbers and booleans; repeatable, --var wins
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub vars: Vec<PathBuf>,
    /// Let sessions read files below this folder too, besides their own; repeatable
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub file_root: Vec<PathBuf>,
    /// Let sessions run the commands that their { command = … } name
    #[arg(long)]
    pub allow_commands: bool,
    /// Make random values repeatable
    #[arg(long, value_name = "N", value_parser = values::whole)]
    pub seed: Option<u64>,
    /// Colour on the terminal; NO_COLOR and CLICOLOR_FORCE are honoured
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// Which sessions, and how many at a time.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which sessions")]
pub struct SelectArguments {
    /// Only sessions whose file's name or path fits this pattern (*, ?, [a-z]); repeatable, any of them
    #[arg(long, value_name = "GLOB")]
    pub filter: Vec<String>,
    /// Only sessions that have this tag; repeatable, any of them
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// No session that has this tag; repeatable
    #[arg(long, value_name = "TAG")]
    pub skip_tag: Vec<String>,
    /// Begin no other session once one has failed
    #[arg(long)]
    pub fail_fast: bool,
    /// So many sessions at a time: what each prints stays together, in the order of the files. And so many connections
    /// of a batch, in place of the file's
    #[arg(long, value_name = "N", value_parser = values::few)]
    pub jobs: Option<u16>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Reports")]
pub struct ReportArguments {
    /// Write a JUnit report: a suite for each session, a case for each step
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub junit: Option<PathBuf>,
    /// Write a TAP 14 report
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub tap: Option<PathBuf>,
    /// Write a JSON report; with `-` events go to standard output as JSON Lines, and all else to standard error
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub json: Option<PathBuf>,
    /// Write an HTML report: one file that holds everything
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub html: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Trying it out")]
pub struct DryRunArguments {
    /// Run against a server inside mailrun on a loopback port: nothing leaves the machine
    #[arg(long)]
    pub dry_run: bool,
    /// Where --dry-run keeps the mail; a temporary folder otherwise, named at the end
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub sink: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Batches and load")]
pub struct BatchArguments {
    /// Keep a ledger in this SQLite file: what was sent is never sent again
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ledger: Option<PathBuf>,
    /// Send also what may have been delivered already, with the same Message-ID
    #[arg(long)]
    pub resend_unknown: bool,
    /// Try again what failed temporarily, so many times, as [retry] does
    #[arg(long, value_name = "N")]
    pub retry: Option<u32>,
    /// At most so many rows or sessions a second over all connections, evenly: 50/s, 600/m
    #[arg(long, value_name = "RATE", value_parser = crate::session::parse_rate)]
    pub rate: Option<f64>,
    /// This machine's share of the rows or sessions, the I-th of N; stable over runs and machines
    #[arg(long, value_name = "I/N", value_parser = crate::batch::Shard::parse)]
    pub shard: Option<crate::batch::Shard>,
    /// Load: run everything so many times, and say how fast it went
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub repeat: Option<u64>,
    /// Load: run again and again for so long, and say how fast it went
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub duration: Option<Duration>,
}

const LEDGER_EXAMPLES: &str = "\
Examples:
  mailrun ledger news.db                                counts by state
  mailrun ledger news.db list --state unknown           what may have been delivered, or not
  mailrun ledger news.db resolve ann@example.com sent   it was: never send it again
  mailrun ledger news.db resolve --state unknown pending
  mailrun ledger news.db export --csv > news.csv
  mailrun ledger news.db merge shard-1.db shard-2.db";

/// Shows, resolves and merges what batches have sent.
#[derive(Debug, Args)]
#[command(after_help = LEDGER_EXAMPLES)]
pub struct LedgerArguments {
    /// The ledger that --ledger made
    #[arg(value_name = "LEDGER", value_hint = ValueHint::FilePath)]
    pub ledger: PathBuf,
    #[command(subcommand)]
    pub command: Option<LedgerCommand>,
}

#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// List rows, and recipients of rows with several: key, state, Message-ID, reply
    List {
        /// Only those in this state
        #[arg(long, value_name = "STATE", value_parser = super::ledger::state)]
        state: Option<String>,
    },
    /// Print everything as CSV
    Export {
        /// As CSV, which is the only form
        #[arg(long)]
        csv: bool,
        /// Only those in this state
        #[arg(long, value_name = "STATE", value_parser = super::ledger::state)]
        state: Option<String>,
    },
    /// Say what became of a row, or of all rows in a state: sent, deferred or pending
    Resolve {
        /// The row's key
        #[arg(value_name = "KEY")]
        key: Option<String>,
        /// What it is now: sent, deferred or pending
        #[arg(value_name = "TO")]
        to: Option<String>,
        /// All rows in this state, in place of a key
        #[arg(long, value_name = "STATE", value_parser = super::ledger::state)]
        state: Option<String>,
    },
    /// Take over the rows of other ledgers, such as those of other shards
    Merge {
        /// Ledgers to read
        #[arg(value_name = "LEDGER", required = true, value_hint = ValueHint::FilePath)]
        others: Vec<PathBuf>,
    },
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArguments {
    /// Write the whole transcript to a file; `{session}` in the name gives one file each
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub transcript: Option<PathBuf>,
    /// Put the seconds since connecting in front of each line
    #[arg(long)]
    pub timestamps: bool,
    /// Show message content whole; it is cut at 40 lines on a terminal otherwise
    #[arg(long)]
    pub full: bool,
    /// Show secrets in the transcript and in errors
    #[arg(long)]
    pub show_secrets: bool,
    /// Print nothing unless something failed, and then the transcript and the diagnosis
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Add remarks: resolved addresses, the certificate, decoded prompts, capabilities
    #[arg(short, long)]
    pub verbose: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Connecting")]
pub struct ConnectArguments {
    /// The deadline for each step, in place of the files' `timeout`: 30s, 500ms, 5m
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub timeout: Option<Duration>,
    /// The deadline for connecting and for TLS handshakes, in place of the files' `connect_timeout`
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub connect_timeout: Option<Duration>,
    /// Keep trying to connect until the server is up, for so long at most
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    pub wait: Option<Duration>,
    /// Trust the certificates in this PEM file, besides the system's and the session's; repeatable
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca: Vec<PathBuf>,
    /// Do not verify certificates; said in the result
    #[arg(long)]
    pub insecure: bool,
    /// Connect over IPv4 only
    #[arg(long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Connect over IPv6 only
    #[arg(long)]
    pub ipv6: bool,
    /// Connect to ADDR where HOST:PORT is meant; repeatable
    #[arg(long, value_name = "HOST:PORT:ADDR", value_parser = values::resolve)]
    pub resolve: Vec<(String, u16, IpAddr)>,
}

/// Reads and validates sessions, and lists the servers, files, environment variables and commands that they reach.
///
/// Touches no network, runs no command, and says all that is wrong in one go.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mailrun check sessions/")]
pub struct CheckArguments {
    /// Session files, folders, globs; `-` is standard input
    #[arg(value_name = "SESSION", required = true, value_hint = ValueHint::AnyPath)]
    pub sessions: Vec<String>,
    #[command(flatten)]
    pub meaning: MeaningArguments,
}

/// Prints a session as a session file that runs the same, with implied steps and includes spelled out.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mailrun show report.toml > spelled-out.toml")]
pub struct ShowArguments {
    /// A session file; `-` is standard input
    #[arg(value_name = "SESSION", value_hint = ValueHint::FilePath)]
    pub session: String,
    #[command(flatten)]
    pub meaning: MeaningArguments,
}

const SERVE_EXAMPLES: &str = "\
Examples:
  mailrun serve bug-17.txt               play the transcript's S: side to whoever connects
  mailrun serve bug-17.txt -- ./client   run the client with MAILRUN_SERVER set to the server's URL;
                                         0 only where both came to their end
  mailrun serve --sink mail              accept mail and keep it as mail/*.eml

The first line on standard output is `listening on ADDRESS:PORT`.";

/// Plays the server's side of a transcript, or accepts mail and keeps it.
#[derive(Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub struct ServeArguments {
    /// A transcript to play, or rules by command (*.toml)
    #[arg(value_name = "FILE", required_unless_present = "sink", conflicts_with = "sink", value_hint = ValueHint::FilePath)]
    pub script: Option<PathBuf>,
    /// Accept mail and keep it in this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub sink: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:2525, with a COMMAND 127.0.0.1:0]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// TLS from the first byte
    #[arg(long)]
    pub tls: bool,
    /// The certificate as PEM, with its chain; one is made at start otherwise
    #[arg(long, value_name = "FILE", requires = "key", value_hint = ValueHint::FilePath)]
    pub cert: Option<PathBuf>,
    /// The certificate's key as PEM
    #[arg(long, value_name = "FILE", requires = "cert", value_hint = ValueHint::FilePath)]
    pub key: Option<PathBuf>,
    /// Write the issuer of the certificate that was made, for clients to trust
    #[arg(long, value_name = "FILE", conflicts_with = "cert", value_hint = ValueHint::FilePath)]
    pub write_ca: Option<PathBuf>,
    /// End after that many connections
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub connections: Option<u64>,
    /// Where a server of rules keeps the mail that it accepts
    #[arg(long, value_name = "DIR", conflicts_with = "sink", value_hint = ValueHint::DirPath)]
    pub store: Option<PathBuf>,
    /// A command to run against the server
    #[arg(value_name = "COMMAND", last = true, value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

const AUTH_STRING_EXAMPLES: &str = "\
Examples:
  mailrun auth-string PLAIN --user ann@example.com    asks for the password
  printf '%s\\n' ann secret | mailrun auth-string LOGIN
  mailrun auth-string CRAM-MD5 --user tim --challenge PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+
  mailrun auth-string --decode AHRpbQB0YW5zdGFhZg==

A password on the command line can be seen by other users of the machine: leave it out, or set MAILRUN_PASSWORD.";

/// Prints the base64 that AUTH wants, alone, a line each.
///
/// What is missing is asked for on a terminal, or read from standard input, a line each, in the order user, password
/// or token, challenge.
#[derive(Debug, Args)]
#[command(after_help = AUTH_STRING_EXAMPLES)]
pub struct AuthStringArguments {
    /// PLAIN, LOGIN, CRAM-MD5, XOAUTH2, OAUTHBEARER, EXTERNAL or ANONYMOUS
    #[arg(value_name = "MECHANISM", required_unless_present = "decode")]
    pub mechanism: Option<String>,
    /// The base64 to decode; read from standard input where there is none
    #[arg(value_name = "BASE64", requires = "decode")]
    pub encoded: Vec<String>,
    /// The user's name
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// The password
    #[arg(long, value_name = "PASSWORD")]
    pub password: Option<String>,
    /// The token, for XOAUTH2 and OAUTHBEARER
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// The authorization identity: who to act as
    #[arg(long, value_name = "USER")]
    pub authzid: Option<String>,
    /// The server's challenge, for CRAM-MD5
    #[arg(long, value_name = "BASE64")]
    pub challenge: Option<String>,
    /// The other way: show what base64 says, a line each, a NUL as \x00
    #[arg(long)]
    pub decode: bool,
}

/// Writes a commented session file to begin with. A file that stands there already stays as it is.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailrun new report nightly.toml && mailrun run --dry-run nightly.toml\n  mailrun new smoke smoke.toml"
)]
pub struct NewArguments {
    /// What it is for
    #[arg(value_name = "KIND", value_enum)]
    pub kind: Starter,
    /// The file; standard output otherwise
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Starter {
    /// A report by mail, from cron
    Report,
    /// A smoke test of a mail server
    Smoke,
    /// A dialogue that shows a server's bug
    Bug,
}

/// Prints completions for a shell.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mailrun completions bash > ~/.local/share/bash-completion/completions/mailrun")]
pub struct CompletionsArguments {
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: clap_complete::Shell,
}

/// Prints the manual page of mailrun, or of one of its commands.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mailrun man run | man -l -")]
pub struct ManArguments {
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_exit_status_is_in_the_help() {
        for status in crate::event::Status::ALL {
            let code = status.code().to_string();
            assert!(EXIT_STATUSES.split_whitespace().any(|word| word == code), "{code} is missing");
        }
    }
}

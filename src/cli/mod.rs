//! The command line: arguments, commands, exit statuses.

mod arguments;
mod commands;
mod environment;
mod error;
mod output;
mod sessions;
mod suite_runner;

use crate::event::Status;
pub use arguments::definition;
use arguments::{CliCommand, Color};
use commands::{
    auth_string, check, completions, diff, export, import, ledger, man, new, probe, reduce, run, schema, send, serve,
    shell, show, test,
};
use error::CommandError;
use output::console;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// Runs the program.
pub fn main() -> ExitCode {
    completions::answer();
    // A write beyond the limit on the size of files (`ulimit -f`) is then an error, and does not end the program.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default());
    std::panic::set_hook(Box::new(|info| {
        console::error(&format!("internal error: {info}"));
        console::error("this is a bug in mailrun: please report it, with the session file and the transcript");
    }));
    // The hook prints the panic. Files are finished while the stack unwinds.
    ExitCode::from(catch_unwind(AssertUnwindSafe(dispatch)).unwrap_or_else(|_| match wants_nagios() {
        true => test::print_unknown("an internal error ended mailrun"),
        false => Status::Software.code(),
    }))
}

/// Whether a monitoring system waits for a line.
fn wants_nagios() -> bool {
    test::asks_for_nagios(std::env::args_os(), std::env::var_os("MAILRUN_NAGIOS"))
}

/// Returns the exit status.
fn dispatch() -> u8 {
    let read = match environment::parse(std::env::args_os().collect(), &|name| std::env::var_os(name)) {
        Ok(read) => read,
        Err(error) => {
            // Help and version are not errors. For the others clap's status would be 2, which sysexits.h does not have.
            if !error.use_stderr() {
                return match error.print().and_then(|()| std::io::Write::flush(&mut std::io::stdout())) {
                    Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => {
                        console::error(&format!(
                            "cannot write to standard output: {}",
                            crate::source::io_error_text(&why)
                        ));
                        Status::CantCreate.code()
                    }
                    _ => Status::Passed.code(),
                };
            }
            if wants_nagios() {
                return test::print_unknown(&error.to_string());
            }
            // If standard error cannot be written, nothing can be printed.
            let _ = error.print();
            return Status::Usage.code();
        }
    };
    run_command(&read.arguments.command, &|long| read.origin(long)).unwrap_or_else(|error| {
        if !error.message.is_empty() {
            console::error(&error.message);
        }
        if let Some(help) = &error.help {
            console::print_line(&format!("help: {help}"));
        }
        error.status.code()
    })
}

/// `origin` says whether an option came from the command line or from the environment.
fn run_command(command: &CliCommand, origin: &dyn Fn(&str) -> String) -> Result<u8, CommandError> {
    match command {
        CliCommand::Run(arguments) => set_colour_choice(arguments.inputs.color),
        CliCommand::Test(arguments) => set_colour_choice(arguments.run.inputs.color),
        CliCommand::Check(arguments) => set_colour_choice(arguments.inputs.color),
        CliCommand::Show(arguments) => set_colour_choice(arguments.inputs.color),
        CliCommand::Reduce(arguments) => set_colour_choice(arguments.inputs.color),
        CliCommand::Export(arguments) => set_colour_choice(arguments.inputs.color),
        CliCommand::Send(arguments) => set_colour_choice(arguments.color),
        _ => {}
    }
    let status = match command {
        CliCommand::Test(arguments) => return test::main(arguments, origin),
        CliCommand::Run(arguments) => run::main(arguments, origin),
        CliCommand::Check(arguments) => check::main(arguments, origin),
        CliCommand::Show(arguments) => show::main(arguments, origin),
        CliCommand::Send(arguments) => send::main(arguments, origin),
        CliCommand::Ledger(arguments) => ledger::main(arguments),
        CliCommand::Import(arguments) => import::main(arguments),
        CliCommand::Reduce(arguments) => reduce::main(arguments, origin),
        CliCommand::Serve(arguments) => serve::main(arguments),
        CliCommand::Probe(arguments) => probe::main(arguments, origin),
        CliCommand::Shell(arguments) => shell::main(arguments, origin),
        CliCommand::Diff(arguments) => diff::main(arguments, origin),
        CliCommand::Export(arguments) => export::main(arguments, origin),
        CliCommand::AuthString(arguments) => auth_string::main(arguments, origin),
        CliCommand::New(arguments) => new::main(arguments),
        CliCommand::Schema => Ok(schema::main()),
        CliCommand::Completions(arguments) => completions::main(arguments),
        CliCommand::Man(arguments) => man::main(arguments),
    };
    status.map(Status::code)
}

/// Applies `--color`. With `auto` the terminal, NO_COLOR and CLICOLOR_FORCE decide.
fn set_colour_choice(color: Color) {
    match color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
}

//! Arguments, exit statuses, wiring.

mod alone;
mod arguments;
mod auth_string;
mod batch;
mod blocks;
mod by_hand;
mod check;
mod columns;
mod console;
mod deliveries;
mod dry_run;
mod engine;
mod environment;
mod ledger;
mod machine;
mod new;
mod outcome;
mod patient;
mod progress;
mod reach;
mod reports;
mod run;
mod selection;
mod serve;
mod sessions;
mod suite;
mod test;
mod transcripts;
mod values;
mod variables;
mod workers;
mod written;

use crate::event::Status;
use arguments::{Color, Command};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// The commands and options as clap knows them, for whoever writes or checks documentation.
pub fn definition() -> clap::Command {
    <arguments::Arguments as clap::CommandFactory>::command()
}

/// The program.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        console::error(&format!("internal error: {info}"));
        console::error("this is a bug in mailrun: please report it, with the session file and the transcript");
    }));
    // A panic is told by the hook; what was being written is finished while the stack unwinds.
    let status = catch_unwind(AssertUnwindSafe(dispatch)).unwrap_or(Status::Software);
    ExitCode::from(status.code())
}

fn dispatch() -> Status {
    let read = match environment::read(std::env::args_os().collect(), &|name| std::env::var_os(name)) {
        Ok(read) => read,
        Err(error) => {
            // Help and version are no errors (clap gives 2 for the others, which sysexits.h does not know).
            if !error.use_stderr() {
                return match error.print().and_then(|()| std::io::Write::flush(&mut std::io::stdout())) {
                    Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => {
                        console::error(&format!("cannot write to standard output: {}", crate::source::words(&why)));
                        Status::CantCreate
                    }
                    _ => Status::Passed,
                };
            }
            // Where that cannot be written there is nobody to tell.
            let _ = error.print();
            return Status::Usage;
        }
    };
    let origin = |long: &str| read.origin(long);
    match &read.arguments.command {
        Command::Run(arguments) => {
            colour(arguments.meaning.color);
            run::main(arguments, &origin)
        }
        Command::Test(arguments) => {
            colour(arguments.meaning.color);
            test::main(arguments, &origin)
        }
        Command::Check(arguments) => {
            colour(arguments.meaning.color);
            check::check(arguments, &origin)
        }
        Command::Show(arguments) => {
            colour(arguments.meaning.color);
            check::show_session(arguments, &origin)
        }
        Command::Ledger(arguments) => ledger::main(arguments),
        Command::Serve(arguments) => serve::main(arguments),
        Command::AuthString(arguments) => auth_string::main(arguments, &origin),
        Command::New(arguments) => new::new(arguments),
        Command::Schema => new::schema(),
        Command::Completions(arguments) => new::completions(arguments),
        Command::Man(arguments) => new::man(arguments),
    }
}

/// Colours as `--color` says; `auto` leaves it to the terminal, NO_COLOR and CLICOLOR_FORCE.
fn colour(color: Color) {
    match color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
}

//! `mailrun serve`: a server that plays a transcript, follows rules, or keeps mail.

use crate::cli::arguments::ServeArguments;
use crate::cli::error::CommandError;
use crate::cli::output::{console, server_log::ServerLog};
use crate::cli::sessions::diagnostics::{print_diagnostics, source_error};
use crate::event::Status;
use crate::net::{certificate::ServerCertificate, ending_signals};
use crate::serve::{self, Behaviour, Config, Listen, MatchMode, ReplyRules, Script, SinkOptions, Summary};
use crate::source::io_error_text;
use crate::source::read_argument_file;
use crate::tools::import::{ImportError, LogScript, script_of_log};
use crate::transcript::escape_unprintable;
use signal_hook::consts::{SIGHUP, SIGINT};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 2525);

/// Serves until the server has done its work, or a signal comes.
pub fn main(arguments: &ServeArguments) -> Result<Status, CommandError> {
    let mut config = Config::new(behaviour(arguments)?);
    config.tls = arguments.tls;
    config.connections = arguments.connections.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    // With a number, or a command, that says when the server ends.
    config.ends_at_mismatch = arguments.connections.is_none() && arguments.command.is_empty();
    let log = ServerLog::create(arguments)?;
    // The transcript has what a client did wrong.
    if !ServerLog::is_printed(arguments) {
        config.log = Some(Arc::new(console::print_line));
    }
    config.observers = log.observers();
    if let (Some(chain), Some(key)) = (&arguments.cert, &arguments.key) {
        let made = ServerCertificate::from_pem(&read(chain)?, &read(key)?);
        config.certificate = Some(made.map_err(|error| CommandError::invalid_data(format!("{error:#}")))?);
    }
    let default = if arguments.command.is_empty() { DEFAULT_ADDRESS } else { SocketAddr::new(DEFAULT_ADDRESS.ip(), 0) };
    config.listen = Listen::Tcp(arguments.listen.unwrap_or(default));

    // The number of the system's error is left out.
    let cannot = |error: anyhow::Error| {
        let text = format!("{error:#}");
        CommandError::new(Status::Unavailable, text.split(" (os error").next().unwrap_or_default())
    };
    let before = log.before_listening();
    let server = serve::start(config).map_err(cannot)?;
    if let Some(path) = &arguments.write_ca {
        std::fs::write(path, &server.ca_pem).map_err(|why| {
            CommandError::cannot_create(format!("cannot write {}: {}", shown(path), io_error_text(&why)))
        })?;
    }
    // Who waits for this line finds the CA. With a command, standard output belongs to it.
    let announced = before.listening(&server.address, arguments.command.is_empty());
    if !arguments.command.is_empty() {
        let signal = Arc::new(AtomicUsize::new(0));
        let end = |process| stop_command_at_signal(process, &signal);
        let (status, summary) = serve::run_with_command(server, &arguments.command, end).map_err(|why| {
            let name = arguments.command.first().map(|name| escape_unprintable(name.as_bytes())).unwrap_or_default();
            // The status is that of any file that does not exist.
            CommandError::new(Status::NoInput, format!("cannot run {name}: {}", io_error_text(&why)))
        })?;
        if !status.success() {
            console::error(&format!("the command ended with {status}"));
        }
        let script = Status::worst([print_problems(&summary), log.finish()?]);
        return Ok(match signal_status(&signal) {
            Some(interrupted) => interrupted,
            None if status.success() => script,
            None => Status::Failed,
        });
    }

    let signal = stop_at_signal(server.stop_handle());
    let summary = server.wait();
    let script = print_problems(&summary);
    let written = log.finish()?;
    Ok(signal_status(&signal).unwrap_or_else(|| Status::worst([script, written, announced])))
}

/// The exit status for the signal that came, if any.
fn signal_status(signal: &AtomicUsize) -> Option<Status> {
    match signal.load(Ordering::Relaxed) {
        0 => None,
        SIGINT_NUMBER => Some(Status::Interrupted),
        SIGHUP_NUMBER => Some(Status::HungUp),
        _ => Some(Status::Terminated),
    }
}

/// Passes Ctrl-C, SIGTERM and SIGHUP on to the command; the program ends when the command has ended. A second signal kills the command.
fn stop_command_at_signal(process: u32, signal: &Arc<AtomicUsize>) {
    use rustix::process::{Pid, Signal, kill_process};
    let noticed = Arc::clone(signal);
    let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) else { return };
    // If that fails, signals end the program as usual.
    if let Ok(mut signals) = signal_hook::iterator::Signals::new(ending_signals()) {
        std::thread::spawn(move || {
            for (count, number) in signals.forever().enumerate() {
                noticed.store(usize::try_from(number).unwrap_or(SIGINT_NUMBER), Ordering::Relaxed);
                // The error can only be that the command has ended already.
                let _ = kill_process(process, if count == 0 { Signal::TERM } else { Signal::KILL });
            }
        });
    }
}

const SIGINT_NUMBER: usize = SIGINT as usize;
const SIGHUP_NUMBER: usize = SIGHUP as usize;

/// Prints what went wrong, and returns the exit status.
fn print_problems(summary: &Summary) -> Status {
    // Problems of connections have been printed when they ended.
    summary.unused_scripts_problem().iter().for_each(|problem| console::error(problem));
    if summary.passed() { Status::Passed } else { Status::Failed }
}

/// Stops the server at Ctrl-C, SIGTERM or SIGHUP. Returns where the number of the signal will be.
fn stop_at_signal(stop: impl Fn() + Send + 'static) -> Arc<AtomicUsize> {
    let number = Arc::new(AtomicUsize::new(0));
    let noticed = Arc::clone(&number);
    // If that fails, signals end the program as usual.
    if let Ok(mut signals) = signal_hook::iterator::Signals::new(ending_signals()) {
        std::thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                noticed.store(usize::try_from(signal).unwrap_or(SIGINT_NUMBER), Ordering::Relaxed);
                stop();
            }
        });
    }
    number
}

fn behaviour(arguments: &ServeArguments) -> Result<Behaviour, CommandError> {
    if arguments.script.is_none() && arguments.sink.is_none() {
        let help = "give FILE (a transcript or rules), or --sink DIR to keep all mail";
        return Err(CommandError::usage("nothing to serve").with_help(help));
    }
    let no_script = |arguments: &ServeArguments| {
        let matching =
            arguments.matching.map(|_| CommandError::usage("--match applies to a script, whose lines are compared"));
        matching.map_or(Ok(()), Err)
    };
    let Some(path) = &arguments.script else {
        no_script(arguments)?;
        let store = arguments.sink.as_deref().map(folder).transpose()?;
        return Ok(Behaviour::Sink(SinkOptions { store, ..SinkOptions::default() }));
    };
    let mode = arguments.matching.map_or_else(MatchMode::default, Into::into);
    let text = match String::from_utf8(read(path)?) {
        Ok(text) => text,
        Err(error) => {
            let other = script_of_log(error.as_bytes()).filter(|_| arguments.store.is_none());
            let script = other.ok_or_else(|| CommandError::invalid_data(format!("{} is not UTF-8", shown(path))))?;
            return log_script(path, script, mode).map(Behaviour::Script);
        }
    };
    // A transcript has no line that begins with a bracket.
    let mut lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let table = lines.next().is_some_and(|line| line.starts_with("[["));
    if table || path.extension().is_some_and(|extension| extension == "toml") {
        no_script(arguments)?;
        let name = path.to_string_lossy();
        let rules = ReplyRules::read(&name, &text).map_err(|found| CommandError::printed(print_diagnostics(&found)))?;
        let store = arguments.store.as_deref().map(folder).transpose()?;
        return Ok(Behaviour::Sink(SinkOptions { store, rules, ..SinkOptions::default() }));
    }
    if arguments.store.is_some() {
        let error = CommandError::usage("--store does not apply to a transcript, which accepts no mail");
        return Err(error.with_help("give rules instead, or leave --store out"));
    }
    let script = match Script::parse(&text, mode) {
        Ok(script) => Ok(script),
        Err(errors) => match script_of_log(text.as_bytes()) {
            Some(script) => log_script(path, script, mode),
            None => Err(script_error(path, &errors)),
        },
    };
    script.map(Behaviour::Script)
}

/// The script that the log of another program was made into.
fn log_script(path: &Path, script: Result<LogScript, ImportError>, mode: MatchMode) -> Result<Script, CommandError> {
    let wrong = |what: String| CommandError::invalid_data(format!("{}:{what}", shown(path)));
    let script = script.map_err(|error| {
        let separator = if error.place.is_some() { "" } else { " " };
        wrong(format!("{separator}{error}")).with_help(error.help)
    })?;
    Script::parse(&script.text, mode).map_err(|errors| {
        let first = errors.first().map(|error| {
            let line = script.log_lines.get(error.line.saturating_sub(1)).copied().unwrap_or_default();
            format!("{line}: the log cannot be played: {}", error.why)
        });
        wrong(first.unwrap_or_default())
            .with_help("write the server's lines with S: and the client's with C:; docs/serve.md explains scripts")
    })
}

fn script_error(path: &Path, errors: &[impl std::fmt::Display]) -> CommandError {
    for error in errors {
        console::error(&escape_unprintable(format!("{}:{error}", path.display()).as_bytes()));
    }
    CommandError::printed(Status::DataErr)
}

/// Creates the folder if it does not exist.
fn folder(path: &Path) -> Result<std::path::PathBuf, CommandError> {
    std::fs::create_dir_all(path).map(|()| path.to_owned()).map_err(|why| {
        CommandError::cannot_create(format!("cannot create the folder {}: {}", shown(path), io_error_text(&why)))
    })
}

fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    read_argument_file(path).map_err(source_error)
}

fn shown(path: &Path) -> String {
    escape_unprintable(path.as_os_str().as_bytes())
}

//! `mailrun serve`: a server from a transcript, from rules, or one that keeps mail.

use super::arguments::ServeArguments;
use super::console;
use super::sessions::{tell, why_not};
use crate::event::Status;
use crate::net::certificate::ServerCertificate;
use crate::serve::{self, Behaviour, Config, Listen, Rules, Script, SinkOptions, Summary};
use crate::source::read_named;
use crate::source::words;
use crate::transcript::printable;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Why nothing is served.
type Failure = (Status, String);

const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 2525);

pub fn main(arguments: &ServeArguments) -> Status {
    match serve(arguments) {
        Ok(status) => status,
        Err((status, message)) => {
            message.lines().for_each(console::error);
            status
        }
    }
}

fn serve(arguments: &ServeArguments) -> Result<Status, Failure> {
    let mut config = Config::new(behaviour(arguments)?);
    config.tls = arguments.tls;
    config.connections = arguments.connections.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    config.log = Some(Arc::new(console::say));
    if let (Some(chain), Some(key)) = (&arguments.cert, &arguments.key) {
        let made = ServerCertificate::from_pem(&read(chain)?, &read(key)?);
        config.certificate = Some(made.map_err(|error| (Status::DataErr, format!("{error:#}")))?);
    }
    let default = if arguments.command.is_empty() { DEFAULT } else { SocketAddr::new(DEFAULT.ip(), 0) };
    config.listen = Listen::Tcp(arguments.listen.unwrap_or(default));

    // The system's number says nothing to anybody.
    let cannot = |error: anyhow::Error| {
        let text = format!("{error:#}");
        (Status::Unavailable, text.split(" (os error").next().unwrap_or_default().to_owned())
    };
    let server = serve::start(config).map_err(cannot)?;
    if let Some(path) = &arguments.write_ca {
        std::fs::write(path, &server.ca_pem)
            .map_err(|why| (Status::CantCreate, format!("cannot write {}: {}", shown(path), words(&why))))?;
    }
    if !arguments.command.is_empty() {
        // Standard output is the command's own.
        let signal = Arc::new(AtomicUsize::new(0));
        let end = |process| end_command_at_a_signal(process, &signal);
        let (status, summary) = serve::run_with_command(server, &arguments.command, end).map_err(|why| {
            let name = arguments.command.first().map(|name| printable(name.as_bytes())).unwrap_or_default();
            // As any other file that the command line names and that is not there.
            (Status::NoInput, format!("cannot run {name}: {}", words(&why)))
        })?;
        if !status.success() {
            console::error(&format!("the command ended with {status}"));
        }
        let script = report(&summary);
        return Ok(match by_signal(&signal) {
            Some(interrupted) => interrupted,
            None if status.success() => script,
            None => Status::Failed,
        });
    }

    let signal = end_at_a_signal(server.stopper());
    let said = console::print(&format!("listening on {}\n", server.address));
    let summary = server.wait();
    let script = report(&summary);
    Ok(by_signal(&signal).unwrap_or_else(|| Status::worst([script, said])))
}

/// How the program ends for the signal that came, where one did.
fn by_signal(signal: &AtomicUsize) -> Option<Status> {
    match signal.load(Ordering::Relaxed) {
        0 => None,
        SIGINT_NUMBER => Some(Status::Interrupted),
        _ => Some(Status::Terminated),
    }
}

/// Ctrl-C and SIGTERM end the command, which would go on alone else, and the program when it has ended. One that does
/// not heed the first signal is killed by the next.
fn end_command_at_a_signal(process: u32, signal: &Arc<AtomicUsize>) {
    use rustix::process::{Pid, Signal, kill_process};
    let noticed = Arc::clone(signal);
    let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) else { return };
    // Without signals they end the program the system's way.
    if let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) {
        std::thread::spawn(move || {
            for (count, number) in signals.forever().enumerate() {
                noticed.store(usize::try_from(number).unwrap_or(SIGINT_NUMBER), Ordering::Relaxed);
                // Once it has ended there is none of this number: the error says just that.
                let _ = kill_process(process, if count == 0 { Signal::TERM } else { Signal::KILL });
            }
        });
    }
}

const SIGINT_NUMBER: usize = SIGINT as usize;

/// Says what went wrong.
fn report(summary: &Summary) -> Status {
    // Of connections it was said when they ended.
    summary.nobody_came().iter().for_each(|problem| console::error(problem));
    if summary.passed() { Status::Passed } else { Status::Failed }
}

/// Stops the server at Ctrl-C or SIGTERM. Gives where the signal's number will stand.
fn end_at_a_signal(stop: impl Fn() + Send + 'static) -> Arc<AtomicUsize> {
    let number = Arc::new(AtomicUsize::new(0));
    let noticed = Arc::clone(&number);
    // Without signals the server still serves: they end the program the system's way.
    if let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) {
        std::thread::spawn(move || {
            if let Some(signal) = signals.forever().next() {
                noticed.store(usize::try_from(signal).unwrap_or(SIGINT_NUMBER), Ordering::Relaxed);
                stop();
            }
        });
    }
    number
}

fn behaviour(arguments: &ServeArguments) -> Result<Behaviour, Failure> {
    if arguments.script.is_none() && arguments.sink.is_none() {
        let why = "nothing to serve: give FILE, a transcript or rules, or --sink DIR, which keeps mail".to_owned();
        return Err((Status::Usage, why));
    }
    let Some(path) = &arguments.script else {
        let store = arguments.sink.as_deref().map(folder).transpose()?;
        return Ok(Behaviour::Sink(SinkOptions { store, ..SinkOptions::default() }));
    };
    let text =
        String::from_utf8(read(path)?).map_err(|_| (Status::DataErr, format!("{} is not UTF-8", shown(path))))?;
    // No line of a transcript begins with a bracket.
    let mut lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let table = lines.next().is_some_and(|line| line.starts_with("[["));
    if table || path.extension().is_some_and(|extension| extension == "toml") {
        let name = path.to_string_lossy();
        let rules = Rules::read(&name, &text).map_err(|found| (tell(&found), String::new()))?;
        let store = arguments.store.as_deref().map(folder).transpose()?;
        return Ok(Behaviour::Sink(SinkOptions { store, rules, ..SinkOptions::default() }));
    }
    if arguments.store.is_some() {
        let why = "--store keeps what a server of rules accepts; a transcript's server accepts nothing".to_owned();
        return Err((Status::Usage, why));
    }
    Ok(Behaviour::Script(Script::parse(&text).map_err(|errors| wrong(path, &errors))?))
}

fn wrong(path: &Path, errors: &[impl std::fmt::Display]) -> Failure {
    let lines: Vec<_> = errors.iter().map(|e| printable(format!("{}:{e}", path.display()).as_bytes())).collect();
    (Status::DataErr, lines.join("\n"))
}

/// Makes the folder, where it is not there.
fn folder(path: &Path) -> Result<std::path::PathBuf, Failure> {
    std::fs::create_dir_all(path)
        .map(|()| path.to_owned())
        .map_err(|why| (Status::CantCreate, format!("cannot make the folder {}: {}", shown(path), words(&why))))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    read_named(path).map_err(why_not)
}

fn shown(path: &Path) -> String {
    printable(path.as_os_str().as_bytes())
}

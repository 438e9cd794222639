//! `mailrun shell`: SMTP typed at a prompt.

use crate::cli::arguments::ShellArguments;
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::cli::suite_runner::network_mode::live_network;
use crate::cli::suite_runner::setup::trusted_certificates;
use crate::event::Status;
use crate::exec::{ConnectError, ConnectOptions, Server, TlsLimits, TlsOptions};
use crate::net::SystemClock;
use crate::session::Scheme;
use crate::source::io_error_text;
use crate::tools::shell::{LinkOptions, Shell, ShellLink, run_in_terminal, run_piped};
use std::fs::DirBuilder;
use std::io::{self, IsTerminal};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Reads lines until the input ends. `origin` says where an option came from, for errors.
pub fn main(arguments: &ShellArguments, origin: &dyn Fn(&str) -> String) -> Result<Status, CommandError> {
    let connect = &arguments.connect;
    let url = arguments.url.clone().or_else(|| connect.mx.as_ref().map(|domain| format!("smtp://{domain}")));
    let server = Server::parse(&url.unwrap_or_default()).map_err(CommandError::usage)?;
    let interrupted = Arc::new(AtomicBool::new(false));
    let options = LinkOptions {
        connect: ConnectOptions {
            ipv4_only: connect.ipv4,
            ipv6_only: connect.ipv6,
            resolve: connect.resolve.clone(),
            mx: connect.mx.is_some(),
            expects_greeting: server.scheme != Scheme::Smtps,
            source: None,
        },
        tls: TlsOptions {
            server_name: server.host().to_owned(),
            verify: !connect.insecure,
            ca: trusted_certificates(connect, origin)?,
            system_roots: true,
            limits: TlsLimits::default(),
            client_cert: None,
            alpn: Vec::new(),
            details: false,
        },
        connect_timeout: connect.connect_timeout.unwrap_or(Duration::from_secs(30)),
        timeout: connect.timeout,
        server,
        interrupted: interrupted.clone(),
    };
    let mut network = live_network(connect, &SystemClock::new())?;
    let open = move |server: &Server, options: &ConnectOptions, deadline| network.open(server, options, deadline);
    let run = |session: &str| run_session(arguments, session);
    let link = ShellLink::new(Box::new(open), options);
    let mut shell = Shell::connect(link, &run).map_err(|error| match error {
        ConnectError::CannotResolve { host, why } => {
            CommandError::new(Status::NoHost, format!("cannot connect to {host}: the name does not resolve: {why}"))
        }
        ConnectError::CannotConnect { address, why } => {
            CommandError::new(Status::Unavailable, format!("cannot connect to {address}: {why}"))
        }
    })?;
    let sent = if io::stdin().is_terminal() {
        let history = history_file();
        let read = run_in_terminal(&mut shell, history.as_deref(), &interrupted);
        read.map_err(|error| CommandError::new(Status::NoInput, format!("cannot read the terminal: {error}")))?;
        true
    } else {
        run_piped(&mut shell, io::stdin().lock()).map_err(|error| {
            CommandError::new(Status::NoInput, format!("cannot read standard input: {}", io_error_text(&error)))
        })?
    };
    shell.link().show_unasked();
    shell.link().log().finish();
    if let Some(path) = &arguments.save {
        let text = shell.link().session_file(false);
        shell.link().save(&path.to_string_lossy(), &text);
    }
    let screen_error = shell.link().log().take_screen_error();
    if let Some(error) = &screen_error {
        console::error(&format!("cannot write to standard output: {}", io_error_text(error)));
    }
    Ok(match sent {
        false => Status::Unavailable,
        true if screen_error.is_some() || shell.link().log().lost_file() => Status::CantCreate,
        true => Status::Passed,
    })
}

/// `:run`: the session runs as `mailrun run` does.
fn run_session(arguments: &ShellArguments, session: &str) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("run");
    let connect = &arguments.connect;
    for (option, value) in [("--server", &arguments.url), ("--mx", &connect.mx)] {
        value.iter().for_each(|value| {
            command.arg(option).arg(value);
        });
    }
    for (name, value) in &arguments.var {
        command.arg("--var").arg(format!("{name}={value}"));
    }
    connect.ca.iter().for_each(|path| {
        command.arg("--ca").arg(path);
    });
    for (host, port, address) in &connect.resolve {
        command.arg("--resolve").arg(format!("{host}:{port}:{address}"));
    }
    for (option, time) in [("--timeout", connect.timeout), ("--connect-timeout", connect.connect_timeout)] {
        time.iter().for_each(|time| {
            command.arg(option).arg(format!("{}ms", time.as_millis()));
        });
    }
    let flags = [("--insecure", connect.insecure), ("--ipv4", connect.ipv4), ("--ipv6", connect.ipv6)];
    command.args(flags.iter().filter(|(_, given)| *given).map(|(flag, _)| flag));
    if !io::stdin().is_terminal() {
        // The rest of the pipe is for the shell.
        command.stdin(Stdio::null());
    }
    command.arg("--").arg(session).status().map(drop)
}

/// The history, created so that only its owner can read it. `None` if there is no place for it.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let folder = state.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?.join("mailrun");
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
    let path = folder.join("shell_history");
    std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path).ok()?;
    Some(path)
}

//! `mailrun shell`: SMTP typed at a prompt.

use crate::cli::arguments::ShellArguments;
use crate::cli::error::CommandError;
use crate::cli::sessions::diagnostics::source_error;
use crate::event::Status;
use crate::exec::{ConnectError, ConnectOptions, Server, TlsInput, TlsLimits, TlsOptions};
use crate::net::check_tls_input;
use crate::source::{io_error_text, read_argument_file};
use crate::tools::shell::{LinkOptions, Shell, ShellLink, run_in_terminal, run_piped};
use crate::transcript::escape_unprintable;
use std::fs::DirBuilder;
use std::io::{self, IsTerminal};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Reads lines until the input ends.
pub fn main(arguments: &ShellArguments) -> Result<Status, CommandError> {
    let server = Server::parse(&arguments.url).map_err(CommandError::usage)?;
    let mut ca = Vec::new();
    for path in &arguments.ca {
        let pem = read_argument_file(path).map_err(source_error)?;
        check_tls_input(TlsInput::Trusted(&pem)).map_err(|why| {
            CommandError::invalid_data(format!("{}: {why}", escape_unprintable(path.as_os_str().as_encoded_bytes())))
        })?;
        ca.extend_from_slice(&pem);
        ca.push(b'\n');
    }
    let options = LinkOptions {
        url: arguments.url.clone(),
        connect: ConnectOptions {
            ipv4_only: arguments.ipv4,
            ipv6_only: arguments.ipv6,
            resolve: arguments.resolve.clone(),
            ..ConnectOptions::default()
        },
        tls: TlsOptions {
            server_name: server.host().to_owned(),
            verify: !arguments.insecure,
            ca,
            system_roots: true,
            limits: TlsLimits::default(),
            client_cert: None,
            alpn: Vec::new(),
            details: false,
        },
        connect_timeout: arguments.connect_timeout.unwrap_or(Duration::from_secs(30)),
        timeout: arguments.timeout,
        server,
    };
    let run = |session: &str| run_session(arguments, session);
    let link = ShellLink::new(options, Box::new(io::stdout()));
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
        let read = run_in_terminal(&mut shell, history.as_deref());
        read.map_err(|error| CommandError::new(Status::NoInput, format!("cannot read the terminal: {error}")))?;
        true
    } else {
        run_piped(&mut shell, io::stdin().lock()).map_err(|error| {
            CommandError::new(Status::NoInput, format!("cannot read standard input: {}", io_error_text(&error)))
        })?
    };
    shell.link().show_unasked();
    shell.link().finish();
    if let Some(path) = &arguments.save {
        let text = shell.link().session_file(false);
        let name = path.to_string_lossy();
        if !shell.link().save(&name, &text) {
            return Ok(Status::CantCreate);
        }
    }
    Ok(if sent { Status::Passed } else { Status::Unavailable })
}

/// `:run`: the session runs as `mailrun run` does.
fn run_session(arguments: &ShellArguments, session: &str) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("run").arg("--server").arg(&arguments.url);
    for (name, value) in &arguments.var {
        command.arg("--var").arg(format!("{name}={value}"));
    }
    arguments.ca.iter().for_each(|path| {
        command.arg("--ca").arg(path);
    });
    for (host, port, address) in &arguments.resolve {
        command.arg("--resolve").arg(format!("{host}:{port}:{address}"));
    }
    for (option, time) in [("--timeout", arguments.timeout), ("--connect-timeout", arguments.connect_timeout)] {
        time.iter().for_each(|time| {
            command.arg(option).arg(format!("{}ms", time.as_millis()));
        });
    }
    let flags = [("--insecure", arguments.insecure), ("--ipv4", arguments.ipv4), ("--ipv6", arguments.ipv6)];
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

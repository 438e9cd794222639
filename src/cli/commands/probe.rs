//! `mailrun probe`: a server's state on one screen.

use crate::cli::arguments::ProbeArguments;
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::cli::output::new_file::{cannot_save, save_session};
use crate::cli::sessions::diagnostics::source_error;
use crate::cli::suite_runner::machine;
use crate::cli::suite_runner::network_mode::live_network;
use crate::cli::suite_runner::setup::trusted_certificates;
use crate::cli::suite_runner::signals::signal_clock;
use crate::event::Status;
use crate::exec::{ConnectOptions, LocalHost, RunOptions, ServerTarget, TlsTrust};
use crate::net::check_tls_input;
use crate::session::{Value, closest_name};
use crate::source::SystemSources;
use crate::tools::probe::{
    ProbeOptions, ProbeReport, SavedSessionOptions, probe_json, probe_screen, run_probe, saved_session,
};
use std::io;
use std::path::Path;
use std::time::Duration;

/// The names that `--var` can set.
const VARIABLES: [&str; 3] = ["client_name", "recipient", "elsewhere"];

/// How long connecting and a handshake may take without `--connect-timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Probes the server, and prints the result. `origin` says where an option came from, for errors.
pub fn main(arguments: &ProbeArguments, origin: &dyn Fn(&str) -> String) -> Result<Status, CommandError> {
    check_variables(arguments, origin)?;
    if let Some(path) = &arguments.save
        && path.symlink_metadata().is_ok()
    {
        return Err(cannot_save(path, &io::ErrorKind::AlreadyExists.into()));
    }
    let ca = trusted_certificates(&arguments.connect, origin)?;
    let sources = SystemSources::new(Path::new("."), &[], false).map_err(source_error)?;
    let clock = signal_clock();
    let mut network = live_network(&arguments.connect, &clock)?;
    let options = options(arguments, ca);
    let mut report = run_probe(options, &sources, &mut network, &clock).map_err(CommandError::usage)?;
    if arguments.strict && report.status == Status::Passed && !report.warnings.is_empty() {
        report.status = Status::Failed;
    }
    let printed = match arguments.json {
        true => console::print(&probe_json(&report)),
        false => console::print(&probe_screen(&report)),
    };
    if let Some(failure) = &report.failure {
        console::error(&failure.cause.to_string());
    }
    if let Some(help) = &report.help {
        console::print_line(&format!("help: {help}"));
    }
    if let Some(path) = &arguments.save {
        save(path, arguments, &report)?;
    }
    Ok(if report.status == Status::Passed { printed } else { report.status })
}

/// Checks the names of `--var`.
fn check_variables(arguments: &ProbeArguments, origin: &dyn Fn(&str) -> String) -> Result<(), CommandError> {
    for (name, value) in &arguments.var {
        if !VARIABLES.contains(&name.as_str()) {
            let error =
                CommandError::invalid_data(format!("{} sets \"{name}\", which a probe does not use", origin("var")));
            return Err(error.with_help(match closest_name(name, VARIABLES.into_iter()) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => format!("known names: {}", VARIABLES.join(", ")),
            }));
        }
        if value.contains(['\r', '\n', '\0']) {
            let message = format!("{}: a line break or NUL is not allowed in {name}", origin("var"));
            return Err(CommandError::invalid_data(message));
        }
    }
    Ok(())
}

fn options(arguments: &ProbeArguments, ca: Vec<u8>) -> ProbeOptions {
    let connect = &arguments.connect;
    let client_name = arguments.var.iter().filter(|(name, _)| name == "client_name");
    ProbeOptions {
        run: RunOptions {
            target: ServerTarget { url: arguments.server.clone(), mx: connect.mx.clone(), recipient: None },
            variables: client_name.map(|(name, value)| (name.clone(), Value::Text(value.clone()))).collect(),
            connect: ConnectOptions {
                ipv4_only: connect.ipv4,
                ipv6_only: connect.ipv6,
                resolve: connect.resolve.clone(),
                ..ConnectOptions::default()
            },
            trust: TlsTrust { ca, details: true, check_input: Some(check_tls_input) },
            host: LocalHost { name: machine::hostname(), zone: machine::time_zone() },
            ..RunOptions::default()
        },
        verify: !connect.insecure,
        timeout: connect.timeout,
        connect_timeout: connect.connect_timeout.unwrap_or(CONNECT_TIMEOUT),
    }
}

/// Writes the session file, unless the probe came to no end.
fn save(path: &Path, arguments: &ProbeArguments, report: &ProbeReport) -> Result<(), CommandError> {
    if report.failure.is_some() || report.status.is_signal() {
        console::print_line("no session file was written: the probe came to no end");
        return Ok(());
    }
    let absolute = |path: &std::path::PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let options = SavedSessionOptions {
        variables: arguments.var.clone(),
        ca: arguments.connect.ca.iter().map(absolute).collect(),
        verify: !arguments.connect.insecure,
    };
    save_session(path, &saved_session(report, &options))
}

//! What `run` and `test` check and read before the first session: options, certificates, input files.

use super::machine;
use crate::cli::arguments::{ConnectArguments, RunArguments};
use crate::cli::error::CommandError;
use crate::cli::output::report_files::streams_events;
use crate::cli::output::transcript_files::{FileId, file_id};
use crate::cli::sessions::diagnostics::source_error;
use crate::cli::sessions::load::LoadedSession;
use crate::exec::{ConnectOptions, LocalHost, RunOptions, ServerTarget, TlsInput, TlsTrust};
use crate::net::check_tls_input;
use crate::session::{Session, Value};
use crate::source::read_argument_file;
use crate::transcript::escape_unprintable;
use std::path::PathBuf;

/// Checks options that exclude or need each other, which clap does not check.
pub fn check_options(arguments: &RunArguments, origin: &dyn Fn(&str) -> String) -> Result<(), CommandError> {
    // MAILRUN_SINK may be set for other runs, which are dry.
    if arguments.dry.sink.is_some() && !arguments.dry.dry_run && origin("sink") == "--sink" {
        let error = CommandError::usage("--sink has no effect without --dry-run");
        return Err(error.with_help("give --dry-run too"));
    }
    if arguments.output.prints_transcript() && streams_events(&arguments.reports) {
        let message = format!("{} - and {} - both write to standard output", origin("json"), origin("transcript"));
        return Err(CommandError::usage(message).with_help("write one of them to a file"));
    }
    if let (Some(from), Some(to)) = (arguments.select.part.from_step, arguments.select.part.to_step)
        && from > to
    {
        let message = format!("{} {from} is after {} {to}", origin("from-step"), origin("to-step"));
        return Err(CommandError::usage(message));
    }
    Ok(())
}

/// Reads the certificates of `--ca` as one PEM text.
pub fn trusted_certificates(
    arguments: &ConnectArguments,
    origin: &dyn Fn(&str) -> String,
) -> Result<Vec<u8>, CommandError> {
    let mut all = Vec::new();
    for path in &arguments.ca {
        let pem = read_argument_file(path).map_err(|why| source_error(why).with_prefix(&origin("ca")))?;
        check_tls_input(TlsInput::Trusted(&pem)).map_err(|why| {
            let name = escape_unprintable(path.as_os_str().as_encoded_bytes());
            CommandError::invalid_data(format!("{}: {name}: {why}", origin("ca")))
        })?;
        all.extend_from_slice(&pem);
        all.push(b'\n');
    }
    Ok(all)
}

/// The options of the run, as the executor takes them.
pub fn run_options(arguments: &RunArguments, variables: Vec<(String, Value)>, ca: Vec<u8>) -> RunOptions {
    RunOptions {
        target: ServerTarget {
            url: arguments.inputs.server.clone(),
            mx: arguments.connect.mx.clone(),
            recipient: arguments.batch.to.clone(),
        },
        variables,
        show_secrets: arguments.output.show_secrets,
        seed: arguments.inputs.seed,
        connect: ConnectOptions {
            source: None,
            ipv4_only: arguments.connect.ipv4,
            ipv6_only: arguments.connect.ipv6,
            resolve: arguments.connect.resolve.clone(),
            // The executor sets these two for each connection.
            mx: false,
            expects_greeting: false,
        },
        trust: TlsTrust { ca, details: false, check_input: Some(check_tls_input) },
        dry_run: arguments.dry.dry_run,
        host: LocalHost { name: machine::hostname(), zone: machine::time_zone() },
    }
}

/// Replaces settings of the session file by those of the command line.
pub fn override_settings(connect: &ConnectArguments, session: &mut Session) {
    if connect.timeout.is_some() {
        session.timeout = connect.timeout;
    }
    if let Some(timeout) = connect.connect_timeout {
        session.connect_timeout = timeout;
    }
    if connect.insecure {
        session.tls.verify = false;
    }
    // On a loopback address, a session without [tls] does not verify certificates. With --ca it does.
    if !connect.ca.is_empty() {
        session.has_tls = true;
    }
}

/// The files that the run reads, which no output may replace: sessions, includes, variables, certificates.
pub fn input_files<'a>(arguments: &RunArguments, sessions: impl Iterator<Item = &'a LoadedSession>) -> Vec<FileId> {
    let named = arguments.inputs.vars.iter().chain(&arguments.connect.ca).filter_map(|path| file_id(path));
    let mut files: Vec<_> = named.collect();
    for loaded in sessions {
        let includes = loaded.session.source_map.names().skip(1).map(|name| loaded.path.folder().join(name));
        let own = PathBuf::from(loaded.path.name());
        files.extend(std::iter::once(own).chain(includes).filter_map(|path| file_id(&path)));
    }
    files
}

//! Makes ready what a session needs before its first connection: values, its name, the files of `[tls]`.

use super::RunOptions;
use super::error::StepError;
use super::events::EventSink;
use super::executor::PreparedValues;
use super::ports::{TlsFile, TlsOptions};
use super::values::{self, ValueReader};
use crate::event::Failure;
use crate::session::{HostEnvironment, Scope, Session, SourcePath};
use std::sync::{Arc, Mutex};

/// The name of a machine that has none: an address literal (RFC 5321 §4.1.3).
const NAMELESS: &str = "[127.0.0.1]";

pub fn prepare(reader: &mut ValueReader<'_>, events: &mut EventSink<'_>) -> Result<PreparedValues, StepError> {
    let (session, settings) = (reader.session, reader.settings);
    let moment = Arc::new(Mutex::new(events.clock.timestamp()));
    let now = moment.clone();
    let outside = HostEnvironment {
        now: Arc::new(move || *now.lock().expect("no one panics while holding the moment")),
        hostname: settings.hostname.clone(),
        zone: settings.zone.clone(),
    };
    let mut scope = Scope::new(settings.seed, outside);
    let gathered = reader.gather(&mut scope, events)?;
    let client_name = match &session.client_name {
        Some(template) => values::render_line(session, &scope, events, template)?,
        None if is_name(&settings.hostname) => settings.hostname.clone(),
        None => NAMELESS.to_owned(),
    };
    let server_name = match &session.tls.server_name {
        Some(template) => values::render_line(session, &scope, events, template)?,
        None => gathered.server.host().to_owned(),
    };
    let read = |path: &Option<SourcePath>| match path {
        None => Ok(None),
        Some(path) => {
            let resolved = values::resolve(session, &scope, events, path)?;
            let bytes = reader.sources.read_tls(&resolved);
            bytes.map(Some).map_err(|error| StepError::source(events, &error).at(&path.span))
        }
    };
    let mut ca = read(&session.tls.ca)?.unwrap_or_default();
    check_tls_file(reader, events, &session.tls.ca, TlsFile::Trusted(&ca))?;
    ca.extend_from_slice(&settings.ca);
    let client_cert = match (read(&session.tls.client_cert)?, read(&session.tls.client_key)?) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        // One file may hold both.
        (Some(both), None) => Some((both.clone(), both)),
        (None, _) => None,
    };
    if let Some((certificate, key)) = &client_cert {
        let at = if session.tls.client_key.is_some() { &session.tls.client_key } else { &session.tls.client_cert };
        check_tls_file(reader, events, at, TlsFile::Client { certificate, key })?;
    }
    let tls = TlsOptions {
        server_name,
        verify: session.tls.verify,
        ca,
        system_roots: session.tls.system_roots,
        min_version: session.tls.min_version,
        max_version: session.tls.max_version,
        client_cert,
        alpn: session.tls.alpn.clone(),
    };
    Ok(PreparedValues { scope, gathered, client_name, tls, moment, parts: Arc::default() })
}

/// What is wrong with a file of `[tls]` is said where the session names it, before there is a connection.
fn check_tls_file(
    reader: &ValueReader<'_>,
    events: &EventSink<'_>,
    named: &Option<SourcePath>,
    file: TlsFile<'_>,
) -> Result<(), StepError> {
    let (Some(path), Some(check)) = (named, reader.settings.check_tls_file) else { return Ok(()) };
    let wrong = |why| StepError::bad_value(events, format!("{}: {why}", path.template.source)).at(&path.span);
    check(file).map_err(wrong)
}

/// Whether EHLO can be said with it.
fn is_name(hostname: &str) -> bool {
    !hostname.is_empty()
        && hostname.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

/// What went wrong outside of any step: where the file says the server, if nowhere better.
pub fn failure(session: &Session, settings: &RunOptions, error: StepError) -> Failure {
    // Where `--server` or `--mx` stands for the file's server, no place of the file is meant.
    let own = settings.server.is_none() && settings.mx.is_none();
    let server = session.server.as_ref().filter(|_| own);
    let span = error.span.clone().or_else(|| server.map(|server| server.span.clone()));
    let place = span.map(|span| session.source_map.place(&span)).unwrap_or_default();
    error.failure_in(place, &session.source_map)
}

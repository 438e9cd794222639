//! What a session needs before its first connection: values, the client's name, the files of `[tls]`.

use super::renderer::Renderer;
use super::source::{ValueNotices, ValueReader};
use crate::event::{Failure, StepError};
use crate::prepare::clock::Clock;
use crate::prepare::context::RunContext;
use crate::prepare::options::RunOptions;
use crate::prepare::tls::{TlsInput, TlsLimits, TlsOptions};
use crate::session::{HostEnvironment, Scope, Server, SourcePath};
use crate::transcript::Secrets;
use std::sync::{Arc, Mutex};

/// What is known before the first connection.
#[derive(Clone)]
pub struct PreparedValues {
    pub scope: Scope,
    pub server: Server,
    pub notices: ValueNotices,
    /// `None`: an address literal of the connection.
    pub client_name: Option<String>,
    pub tls: TlsOptions,
    /// What templates take for the present.
    pub moment: Arc<Mutex<jiff::Timestamp>>,
}

/// A scope without values, and what its templates take for the present.
pub fn new_scope(options: &RunOptions, clock: &dyn Clock) -> (Scope, Arc<Mutex<jiff::Timestamp>>) {
    let moment = Arc::new(Mutex::new(clock.timestamp()));
    let now = moment.clone();
    let host = HostEnvironment {
        now: Arc::new(move || *now.lock().expect("no one panics while holding the moment")),
        hostname: options.host.name.clone(),
        zone: options.host.zone.clone(),
    };
    (Scope::new(options.seed, host), moment)
}

/// Reads all values and the files of `[tls]`.
pub fn prepare(run: RunContext<'_>, secrets: &mut Secrets, clock: &dyn Clock) -> Result<PreparedValues, StepError> {
    let (session, options) = (run.session, run.options);
    let (mut scope, moment) = new_scope(options, clock);
    let mut reader = ValueReader::new(run, None, secrets, clock);
    let server = reader.gather(&mut scope)?;
    reader.dkim_key(&scope)?;
    let notices = reader.notices;
    let renderer = Renderer { session, scope: &scope, secrets };
    let client_name = match &session.client_name {
        Some(template) => Some(renderer.render_line(template)?),
        None => Some(&options.host.name).filter(|name| is_qualified_domain(name)).cloned(),
    };
    let server_name = match &session.tls.server_name {
        Some(template) => renderer.render_line(template)?,
        None => server.host().to_owned(),
    };
    let read = |path: &Option<SourcePath>| match path {
        None => Ok(None),
        Some(path) => {
            let bytes = run.sources.read_tls(renderer.resolve(path)?.path());
            bytes.map(Some).map_err(|error| StepError::source(secrets, clock, &error).at(&path.span))
        }
    };
    let mut ca = read(&session.tls.ca)?.unwrap_or_default();
    check_named_file(run, secrets, &session.tls.ca, TlsInput::Trusted(&ca))?;
    ca.extend_from_slice(&options.trust.ca);
    let client_cert = match (read(&session.tls.client_cert)?, read(&session.tls.client_key)?) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        // One file may hold both.
        (Some(both), None) => Some((both.clone(), both)),
        (None, _) => None,
    };
    if let Some((certificate, key)) = &client_cert {
        let at = if session.tls.client_key.is_some() { &session.tls.client_key } else { &session.tls.client_cert };
        check_named_file(run, secrets, at, TlsInput::Client { certificate, key })?;
    }
    if let (Some((list, span)), Some(check)) = (&session.tls.ciphers, options.trust.check_input) {
        let wrong = |why| StepError::bad_value(secrets, format!("ciphers = {list:?}: {why}")).at(span);
        check(TlsInput::Ciphers(list)).map_err(wrong)?;
    }
    let tls = TlsOptions {
        server_name,
        verify: session.tls.verify,
        ca,
        system_roots: session.tls.system_roots,
        limits: TlsLimits {
            min_version: session.tls.min_version,
            max_version: session.tls.max_version,
            ciphers: session.tls.ciphers.as_ref().map(|(list, _)| list.clone()),
            security_level: session.tls.security_level.or(session.tls.lowers_security_level().then_some(0)),
        },
        client_cert,
        alpn: session.tls.alpn.clone(),
        details: options.trust.details || session.needs_tls_details(),
    };
    Ok(PreparedValues { scope, server, notices, client_name, tls, moment })
}

/// An invalid file of `[tls]` is reported where the session names it, before there is a connection.
fn check_named_file(
    run: RunContext<'_>,
    secrets: &Secrets,
    named: &Option<SourcePath>,
    file: TlsInput<'_>,
) -> Result<(), StepError> {
    let (Some(path), Some(check)) = (named, run.options.trust.check_input) else { return Ok(()) };
    let wrong = |why| StepError::bad_value(secrets, format!("{}: {why}", path.template.source)).at(&path.span);
    check(file).map_err(wrong)
}

/// Whether a host name is a domain that servers take in EHLO (RFC 5321 §4.1.2): at least two labels, and no address.
fn is_qualified_domain(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= 255
        && name.contains('.')
        && name.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

/// A failure outside of any step, placed where the file names the server if there is no better place.
pub fn outside_failure(run: RunContext<'_>, error: StepError) -> Failure {
    let (session, target) = (run.session, &run.options.target);
    // If `--server` or `--mx` replaces the file's server, no place of the file is meant.
    let own = target.url.is_none() && target.mx.is_none();
    let server = session.server.as_ref().filter(|_| own);
    let span = error.span.clone().or_else(|| server.map(|server| server.span.clone()));
    let place = span.map(|span| session.source_map.place(&span)).unwrap_or_default();
    error.failure_in(place, &session.source_map)
}

#[cfg(test)]
mod tests {
    use super::is_qualified_domain;

    #[test]
    fn only_a_domain_with_a_dot_is_a_client_name() {
        for name in ["mail.example.com", "a.b", "web-1.example"] {
            assert!(is_qualified_domain(name), "{name}");
        }
        let invalid =
            ["", "localhost", "my_app_1", "my_app.example", "192.0.2.1", "2001:db8::1", "a..b", ".a.b", "a.b."];
        for name in invalid.into_iter().chain(["-a.b", "a-.b", "ä.example", "a b.c"]) {
            assert!(!is_qualified_domain(name), "{name}");
        }
    }
}

//! `--dry-run`: every connection leads to a sink inside the program, whatever server the session names.
//!
//! No name is resolved, and nothing leaves the machine. There is a sink for each host. Its certificate is for that host, and the
//! session's handshakes trust it, so names and certificates are checked as usual.

use crate::cli::sessions::load::LoadedSession;
use crate::exec::RunOptions;
use crate::exec::{ConnectError, ConnectOptions, ConnectionInfo, Network, Stream, TlsError, TlsOptions};
use crate::net::SystemNetwork;
use crate::net::certificate::ServerCertificate;
use crate::serve::{self, Behaviour, Config, RunningServer, SinkOptions};
use crate::session::{
    CloseMode, HostEnvironment, Scheme, Scope, Server, ServerAddress, Sources, TlsFacts, Value, ValueSource, Variable,
};
use crate::source::read_small_file;
use crate::transcript::Secret;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a sink waits for its clients at the end. Usually they are gone already.
const STOP_TIMEOUT: Duration = Duration::from_millis(500);

/// The sinks of a run.
pub struct DryRunNetwork {
    store: PathBuf,
    sockets: SystemNetwork,
    sinks: HashMap<SinkKey, RunningServer>,
    password: Option<String>,
    /// The names in certificates in addition to the host: the session's `server_name`.
    names: Vec<String>,
}

/// What sinks differ in: the names in the certificate, TLS from the first byte, and the password.
#[derive(Clone, PartialEq, Eq, Hash)]
struct SinkKey {
    names: Vec<String>,
    tls: bool,
    password: Option<String>,
}

impl DryRunNetwork {
    /// Mail is kept in `store`, an existing folder.
    pub fn new(store: &Path, sockets: SystemNetwork) -> Self {
        Self { store: store.to_owned(), sockets, sinks: HashMap::new(), password: None, names: Vec::new() }
    }

    /// The network that connects to the sinks.
    pub fn sockets(&self) -> &SystemNetwork {
        &self.sockets
    }

    /// Sets what the next session needs: the password that SCRAM is checked with, and the names in certificates.
    pub fn prepare(&mut self, password: Option<String>, names: Vec<String>) {
        self.password = password;
        self.names = names;
    }

    fn sink(&mut self, server: &Server) -> anyhow::Result<&RunningServer> {
        let mut names = vec![server.host().to_owned()];
        names.extend(self.names.iter().filter(|name| **name != server.host()).cloned());
        let key = SinkKey { names, tls: server.scheme == Scheme::Smtps, password: self.password.clone() };
        match self.sinks.entry(key) {
            std::collections::hash_map::Entry::Occupied(sink) => Ok(sink.into_mut()),
            std::collections::hash_map::Entry::Vacant(place) => {
                let options = SinkOptions {
                    store: Some(self.store.clone()),
                    password: place.key().password.clone().map(Secret::new),
                    ..SinkOptions::default()
                };
                let mut config = Config::new(Behaviour::Sink(options));
                config.tls = place.key().tls;
                config.certificate = Some(ServerCertificate::generate(&place.key().names)?);
                Ok(place.insert(serve::start(config)?))
            }
        }
    }

    /// Stops the sinks. All mail is written by then.
    pub fn stop(&mut self) {
        for (_, sink) in self.sinks.drain() {
            sink.stop(STOP_TIMEOUT);
        }
    }
}

impl Network for DryRunNetwork {
    fn connect(
        &mut self,
        server: &Server,
        _: &ConnectOptions,
        deadline: Instant,
    ) -> Result<(Box<dyn Stream>, ConnectionInfo), ConnectError> {
        let intended = match &server.address {
            ServerAddress::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            ServerAddress::Tcp { host, port } => format!("{host}:{port}"),
            ServerAddress::Unix(path) => path.display().to_string(),
        };
        let failed = |why| ConnectError::CannotConnect { address: intended.clone(), why };
        let (address, ca) = {
            let sink = self.sink(server).map_err(|error| failed(format!("{error:#}")))?;
            let address: SocketAddr =
                sink.address.parse().map_err(|_| failed("the sink has no IP address".to_owned()))?;
            (address, sink.ca_pem.clone().into_bytes())
        };
        let sink = Server {
            scheme: server.scheme,
            address: ServerAddress::Tcp { host: address.ip().to_string(), port: address.port() },
        };
        // Source address, address family and --resolve are for the real server, so they are not used here.
        let (stream, connected) = self.sockets.connect(&sink, &ConnectOptions::default(), deadline)?;
        let connected = ConnectionInfo {
            address: format!("{intended} (dry run)"),
            local: server.is_local(),
            resolved: Vec::new(),
            ..connected
        };
        Ok((Box::new(SinkStream { stream, ca }), connected))
    }
}

/// A stream to a sink. It trusts the issuer of the sink's certificate in addition to the session's.
struct SinkStream {
    stream: Box<dyn Stream>,
    ca: Vec<u8>,
}

impl Stream for SinkStream {
    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        self.stream.read(buffer, deadline)
    }

    fn read_waiting(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.stream.read_waiting(buffer)
    }

    fn write(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<usize> {
        self.stream.write(bytes, deadline)
    }

    fn start_tls(&mut self, options: &TlsOptions, deadline: Instant) -> Result<TlsFacts, TlsError> {
        let mut options = options.clone();
        if !options.ca.ends_with(b"\n") && !options.ca.is_empty() {
            options.ca.push(b'\n');
        }
        options.ca.extend_from_slice(&self.ca);
        self.stream.start_tls(&options, deadline)
    }

    fn end_tls(&mut self, deadline: Instant) -> io::Result<bool> {
        self.stream.end_tls(deadline)
    }

    fn close(&mut self, how: CloseMode) -> io::Result<()> {
        self.stream.close(how)
    }
}

/// The password of `[auth]`, which the sink needs to check SCRAM and CRAM-MD5. `None` if it is known only at run time.
///
/// Prompts and commands are skipped: the run itself asks or runs them, once.
pub fn sink_password(loaded: &LoadedSession, options: &RunOptions) -> Option<String> {
    let session = &loaded.session;
    let password = session.auth.as_ref()?.password.as_ref()?;
    let outside = HostEnvironment {
        now: Arc::new(jiff::Timestamp::now),
        hostname: options.host.name.clone(),
        zone: options.host.zone.clone(),
    };
    let mut scope = Scope::new(options.seed, outside);
    for variable in session.vars.iter().chain(&session.secrets) {
        if let Some(value) = value(variable, loaded, &scope) {
            scope.set(&variable.name, value);
        }
    }
    for (name, value) in &options.variables {
        scope.set(name, session.typed_override(name, value).clone());
    }
    session.templates.render(password, &scope).ok()
}

fn value(variable: &Variable, loaded: &LoadedSession, scope: &Scope) -> Option<Value> {
    match &variable.source {
        ValueSource::Template(template) => loaded.session.templates.render(template, scope).ok().map(Value::Text),
        ValueSource::Literal(value) => Some(value.clone()),
        // A table cannot be a password.
        ValueSource::Csv { .. } | ValueSource::Json { .. } => None,
        ValueSource::Env { name, default } => loaded.files.env(name).ok()?.map(Value::Text).or(default.clone()),
        ValueSource::File { path, default, .. } => {
            let name = loaded.session.templates.render(&path.template, scope).ok()?;
            match read_small_file(&loaded.files, &path.base.join(name)) {
                Ok(bytes) => {
                    let text = String::from_utf8(bytes).ok()?;
                    let text = text.strip_suffix('\n').map(|t| t.strip_suffix('\r').unwrap_or(t)).unwrap_or(&text);
                    Some(Value::Text(text.to_owned()))
                }
                Err(_) => default.clone(),
            }
        }
        ValueSource::Netrc { .. } | ValueSource::Command { .. } | ValueSource::Prompt { .. } => None,
    }
}

/// The names in certificates that a session needs in addition to the host.
pub fn certificate_names(loaded: &LoadedSession) -> Vec<String> {
    let name = loaded.session.tls.server_name.iter().filter(|name| name.is_literal());
    name.map(|name| name.source.clone()).collect()
}

//! The servers inside mailrun: scripted ones, and the sink with rules.

use super::Folder;
use mailrun::net::certificate::ServerCertificate;
use mailrun::serve::{self, Behaviour, Config, ReplyRules, RunningServer, SinkOptions};
use std::time::Duration;

/// A server in the test's own process, with a certificate for `localhost`.
pub struct EmbeddedServer {
    server: RunningServer,
    folder: Folder,
    pub port: u16,
    /// The certificate of the authority that its own is from.
    pub ca_pem: String,
}

impl EmbeddedServer {
    /// A server that runs a transcript as its script.
    pub fn script(script: &str) -> Self {
        Self::start(Config::script(script).unwrap_or_else(|errors| panic!("{errors:?}:\n{script}")))
    }

    /// A server that accepts all mail.
    pub fn sink() -> Self {
        Self::sink_with("")
    }

    /// The same with rules, in TOML.
    pub fn sink_with(rules: &str) -> Self {
        let rules = if rules.is_empty() {
            ReplyRules::default()
        } else {
            ReplyRules::read("rules.toml", rules).unwrap_or_else(|errors| panic!("{errors:?}"))
        };
        Self::start(Config::new(Behaviour::Sink(SinkOptions { rules, ..SinkOptions::default() })))
    }

    /// A server with this configuration; a certificate for `localhost` is made if it has none.
    pub fn start(mut config: Config) -> Self {
        let generate = || ServerCertificate::generate(&["localhost"]).expect("a certificate can be made");
        let certificate = config.certificate.get_or_insert_with(generate);
        let ca_pem = certificate.ca_pem.clone();
        let folder = Folder::new().with("ca.pem", &ca_pem);
        let server = serve::start(config).expect("a loopback port is free");
        let port = server.address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("it listens on TCP");
        Self { server, folder, port, ca_pem }
    }

    /// Its URL with the name that is in its certificate.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://localhost:{}", self.port)
    }

    /// The certificate of its authority, as the argument of `--ca`.
    pub fn ca(&self) -> String {
        self.folder.argument("ca.pem")
    }

    /// Ends it; returns what its clients did wrong.
    pub fn stop(self) -> Vec<String> {
        self.server.stop(Duration::from_secs(5)).problems()
    }
}

//! The harness: `session("…").against("…").exits(0)` runs the program itself against a scripted server.

use mailrun::net::certificate::ServerCertificate;
use mailrun::serve::{self, Config};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// The password that sessions read from `SMTP_PASSWORD`.
pub const PASSWORD: &str = "correct horse";

pub fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

pub fn read(relative: &str) -> String {
    std::fs::read_to_string(path(relative)).unwrap_or_else(|error| panic!("{relative}: {error}"))
}

/// A run that is being described.
pub struct Run {
    session: PathBuf,
    script: String,
    pieces: Option<usize>,
    certificate: Option<ServerCertificate>,
    trusted: bool,
    arguments: Vec<String>,
}

/// A session file, relative to the project.
pub fn session(relative: &str) -> Run {
    Run {
        session: path(relative),
        script: String::new(),
        pieces: None,
        certificate: None,
        trusted: true,
        arguments: Vec::new(),
    }
}

impl Run {
    /// The server plays this transcript.
    pub fn against(mut self, fixture: &str) -> Self {
        self.script = read(fixture);
        self
    }

    /// The server writes so many bytes at a time; everything at once where it is `None`.
    pub fn in_pieces(mut self, bytes: Option<usize>) -> Self {
        self.pieces = bytes;
        self
    }

    /// The server has a certificate that it signed itself.
    pub fn with_a_self_signed_certificate(mut self) -> Self {
        let key = rcgen::KeyPair::generate().expect("a key can be made");
        let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).expect("the name is valid");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "self-signed.example");
        let certificate = params.self_signed(&key).expect("it signs itself");
        self.certificate = Some(
            ServerCertificate::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes())
                .expect("rcgen makes PEM"),
        );
        self.trusted = false;
        self
    }

    pub fn option(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Runs it, and holds the exit status against `status`.
    pub fn exits(self, status: i32) -> Ran {
        let mut config = Config::script(&self.script).expect("the fixture is a transcript");
        config.pieces = self.pieces;
        let made = || ServerCertificate::generate(&["localhost"]).expect("a certificate can be made");
        let certificate = self.certificate.unwrap_or_else(made);
        config.certificate = Some(certificate.clone());
        let server = serve::start(config).expect("a loopback port is free");
        // The session says how it would reach the true server: with TLS from the first byte or not.
        let text = std::fs::read_to_string(&self.session).expect("the session can be read");
        let scheme = if text.contains("\"smtps://") { "smtps" } else { "smtp" };
        let url = format!("{scheme}://localhost:{}", server.address.rsplit(':').next().expect("an address has a port"));

        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
        command.arg("run").args(["--server", &url]).args(&self.arguments);
        if self.trusted {
            let ca = folder.path().join("ca.pem");
            std::fs::write(&ca, &certificate.ca_pem).expect("the certificate can be written");
            command.arg("--ca").arg(ca);
        }
        let output = command
            .arg(&self.session)
            .env("SMTP_PASSWORD", PASSWORD)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .output()
            .expect("mailrun starts");
        let summary = server.stop(Duration::from_secs(5));
        let ran = Ran { output, problems: summary.problems() };
        assert_eq!(ran.output.status.code(), Some(status), "{}{}", ran.transcript(), ran.errors());
        ran
    }
}

/// What a run left behind.
pub struct Ran {
    output: Output,
    /// What the server had to say about the client.
    pub problems: Vec<String>,
}

impl Ran {
    /// Standard output.
    pub fn transcript(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}

/// Takes the address out of `*: connected to …`, the only thing in which two runs of a script may differ.
pub fn without_address(transcript: &str) -> String {
    transcript
        .lines()
        .map(|line| if line.starts_with("*: connected to ") { "*: connected" } else { line })
        .fold(String::new(), |text, line| text + line + "\n")
}

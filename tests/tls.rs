//! The sessions that look at a server's TLS, against servers that are sound and servers that are not.

use mailrun::net::certificate::ServerCertificate;
use mailrun::serve::{self, Config};
use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::X509;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const CERTIFICATE: &str = "\
S: 220 mx.example.com ESMTP\nC: EHLO me.example\nS: 250-mx.example.com\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n*: TLS started\n\
*: match any\nC: EHLO me.example\nS: 250 mx.example.com\nC: QUIT\nS: 221 bye\n*: closed by the server\n";

fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn mailrun(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
    command.args(arguments).env("NO_COLOR", "1").env_remove("GITHUB_ACTIONS");
    command
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs `smoke-certificate.toml` against a certificate that lasts so many days.
fn certificate_of(days: i64, trusted: bool, arguments: &[&str]) -> (Option<i32>, String) {
    let certificate = ServerCertificate::generate_valid(&["localhost"], -1, days).expect("a certificate can be made");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &certificate.ca_pem).expect("the certificate can be written");
    let mut config =
        Config::script(&CERTIFICATE.replacen("\nC: EHLO", "\n*: match verb\nC: EHLO", 1)).expect("a transcript");
    config.certificate = Some(certificate);
    let server = serve::start(config).expect("a loopback port is free");
    let port = server.address.rsplit(':').next().expect("an address has a port").to_owned();
    let mut command = mailrun(&["run", "--server", &format!("smtp://localhost:{port}")]);
    if trusted {
        command.arg("--ca").arg(&ca);
    }
    let output = command.args(arguments).arg(path("sessions/smoke-certificate.toml")).output();
    let output = output.expect("mailrun starts");
    server.stop(Duration::from_secs(5));
    (output.status.code(), told(&output))
}

#[test]
fn a_certificate_that_lasts_passes_and_one_that_does_not_fails() {
    /// Days left, whether the issuer is trusted, arguments; status and words; why.
    type Row = (i64, bool, &'static [&'static str], i32, &'static str, &'static str);
    let table: &[Row] = &[
        (90, true, &[], 0, "TLS started", "it lasts"),
        (5, true, &[], 1, "tls.peer.days_left", "fewer days than the default's 14"),
        (90, true, &["--var", "days=120"], 1, "tls.peer.days_left", "fewer than were asked for"),
        (5, true, &["--var", "days=2"], 0, "TLS started", "as many as were asked for"),
        (90, false, &[], 77, "issuer unknown", "nobody trusts it"),
        (-1, true, &[], 77, "expired on", "it has expired"),
    ];
    for (days, trusted, arguments, status, words, why) in table {
        let (code, told) = certificate_of(*days, *trusted, arguments);
        assert_eq!(code, Some(*status), "{why}:\n{told}");
        assert!(told.contains(words), "{why}: {words:?} is missing in\n{told}");
    }
}

/// What a server makes of a command that came in the clear behind STARTTLS.
#[derive(Clone, Copy, PartialEq)]
enum InjectedCommand {
    Dropped,
    AnsweredInTls,
    AnsweredUnencrypted,
    /// For the beginning of the handshake, which it ends.
    TakenForTls,
}

/// One connection of a server.
fn serve_one(listener: &TcpListener, behind: InjectedCommand) -> std::io::Result<()> {
    let made = ServerCertificate::generate(&["localhost"]).expect("a certificate can be made");
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("an acceptor");
    let key = PKey::private_key_from_pem(made.key_pem.as_bytes()).expect("a key in PEM");
    let own = X509::from_pem(made.chain_pem.as_bytes()).expect("a certificate in PEM");
    acceptor.set_private_key(&key).expect("its key");
    acceptor.set_certificate(&own).expect("its certificate");

    let (mut socket, _) = listener.accept()?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    socket.write_all(b"220 mx ESMTP\r\n")?;
    line(&mut socket)?;
    socket.write_all(b"250-mx\r\n250 STARTTLS\r\n")?;
    assert_eq!(line(&mut socket)?, "STARTTLS");
    assert_eq!(line(&mut socket)?, "NOOP", "it came in the clear");
    socket.write_all(if behind == InjectedCommand::AnsweredUnencrypted {
        b"220 go\r\n250 ok\r\n"
    } else {
        b"220 go\r\n"
    })?;
    if behind == InjectedCommand::TakenForTls {
        return Ok(());
    }
    let Ok(mut tls) = acceptor.build().accept(socket) else { return Ok(()) };
    if behind == InjectedCommand::AnsweredInTls {
        tls.write_all(b"250 ok\r\n")?;
    }
    loop {
        match line(&mut tls)?.as_str() {
            "" => return Ok(()),
            "QUIT" => return tls.write_all(b"221 bye\r\n"),
            _ => tls.write_all(b"250 mx\r\n")?,
        }
    }
}

/// A line, and not a byte more: what follows may be TLS. Empty at the end.
fn line(from: &mut impl Read) -> std::io::Result<String> {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while from.read(&mut byte)? == 1 && byte != [b'\n'] {
        text.extend(byte);
    }
    Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
}

#[test]
fn a_server_that_keeps_a_command_from_behind_starttls_is_found() {
    for (behind, status, words) in [
        (InjectedCommand::Dropped, 0, "TLS started"),
        (InjectedCommand::AnsweredInTls, 1, "the command is forgotten"),
        (InjectedCommand::AnsweredUnencrypted, 1, "S: 250 ok"),
        (InjectedCommand::TakenForTls, 0, "closed by the server"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let server = std::thread::spawn(move || serve_one(&listener, behind));
        let output = mailrun(&["run", "--server", &format!("smtp://{address}")])
            .arg(path("sessions/starttls-injection.toml"))
            .output()
            .expect("mailrun starts");
        let told = told(&output);
        assert_eq!(output.status.code(), Some(status), "{told}");
        assert!(told.contains(words), "{words:?} is missing in\n{told}");
        // Where mailrun was not reached the server still waits for it.
        drop(TcpStream::connect(address));
        drop(server.join().expect("the server did not panic"));
    }
}

#[test]
fn a_file_that_is_no_certificate_is_said_by_name_and_line_before_a_connection() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let made = |name: &str| mailrun::net::certificate::ServerCertificate::generate(&[name]).expect("a name");
    let (one, other) = (made("a.example"), made("b.example"));
    for (name, text) in [("one.crt", &one.chain_pem), ("one.key", &one.key_pem), ("other.key", &other.key_pem)] {
        std::fs::write(folder.path().join(name), text).expect("the folder can be written");
    }
    for (keys, said) in [
        ("ca = 'one.key'", "s.toml:4:6: error: one.key: there is no PEM certificate in it"),
        (
            "client_cert = 'one.crt'\nclient_key = 'other.key'",
            "s.toml:5:14: error: other.key: the key is not this certificate's",
        ),
    ] {
        let session = format!(
            "server = 'smtp://127.0.0.1:1'\nclient_name = 't'\n[tls]\n{keys}\n[[step]]\nexpect = 220\n[[step]]\nstarttls = true\n"
        );
        std::fs::write(folder.path().join("s.toml"), session).expect("the folder can be written");
        for command in ["run", "check"] {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_mailrun"))
                .args([command, "s.toml"])
                .env("NO_COLOR", "1")
                .current_dir(folder.path())
                .output()
                .expect("mailrun starts");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(65), "{command} {keys}: {errors}");
            assert!(errors.starts_with(said), "{command} {keys}: {errors}");
        }
    }
}

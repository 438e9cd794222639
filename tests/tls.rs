//! The sessions that test the TLS of a server, against good servers and bad ones.

mod support;

use mailrun::net::certificate::ServerCertificate;
use mailrun::serve::Config;
use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::X509;
use std::io::{Read, Write};
use support::{EmbeddedServer, Folder, Mailrun, ManualServer, project_path};

const CERTIFICATE: &str = "\
S: 220 mx.example.com ESMTP\nC: EHLO me.example\nS: 250-mx.example.com\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n*: TLS started\n\
*: match any\nC: EHLO me.example\nS: 250 mx.example.com\nC: QUIT\nS: 221 bye\n*: closed by the server\n";

/// Runs `smoke-certificate.toml` against a certificate that expires in `days` days.
fn certificate_of(days: i64, trusted: bool, arguments: &[&str]) -> (i32, String) {
    let mut config =
        Config::script(&CERTIFICATE.replacen("\nC: EHLO", "\n*: match verb\nC: EHLO", 1)).expect("a transcript");
    let certificate = ServerCertificate::generate_valid(&["localhost"], -1, days);
    config.certificate = Some(certificate.expect("a certificate can be made"));
    let server = EmbeddedServer::start(config);
    let mut run = Mailrun::new(["run", "--server", &server.url("smtp")]).args(arguments);
    if trusted {
        run = run.args(["--ca", &server.ca()]);
    }
    let ran = run.args([project_path("sessions/smoke-certificate.toml")]).run();
    server.stop();
    ran.status_and_text()
}

#[test]
fn a_certificate_that_expires_too_soon_fails() {
    /// Days left, whether the issuer is trusted, arguments; status and words; why.
    type Row = (i64, bool, &'static [&'static str], i32, &'static str, &'static str);
    let table: &[Row] = &[
        (90, true, &[], 0, "TLS started", "valid long enough"),
        (5, true, &[], 1, "tls.days_left", "fewer days than the default's 14"),
        (90, true, &["--var", "days=120"], 1, "tls.days_left", "fewer than were asked for"),
        (5, true, &["--var", "days=2"], 0, "TLS started", "as many as were asked for"),
        (90, false, &[], 77, "issuer unknown", "nobody trusts it"),
        (-1, true, &[], 77, "expired on", "it has expired"),
    ];
    for (days, trusted, arguments, status, words, why) in table {
        let (code, text) = certificate_of(*days, *trusted, arguments);
        assert_eq!(code, *status, "{why}:\n{text}");
        assert!(text.contains(words), "{why}: {words:?} is missing in\n{text}");
    }
}

/// The ways to start TLS, each with a server whose certificate nobody trusts.
#[test]
fn a_server_on_this_machine_is_trusted_unless_the_session_or_the_options_speak_of_certificates() {
    let starttls = "S: 220 x\nC: EHLO t\nS: 250-x\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n*: TLS started\n\
                    *: optional\nC: EHLO t\nS: 250 x\n*: end\nC: QUIT\nS: 221 x\n";
    let at_once = "*: TLS started\nS: 220 x\nC: QUIT\nS: 221 x\n";
    let begin = "{ expect = 220 }, { ehlo = \"t\" }";
    let ways = [
        ("login", "smtp", starttls, "{ login = true }".to_owned()),
        ("the step starttls", "smtp", starttls, format!("{begin}, {{ starttls = true }}")),
        (
            "the step tls",
            "smtp",
            starttls,
            format!("{begin}, {{ send = \"STARTTLS\", expect = 220 }}, {{ tls = true }}"),
        ),
        ("smtps", "smtps", at_once, "{ expect = 220 }".to_owned()),
    ];
    for (way, scheme, script, steps) in ways {
        for (tail, arguments, status) in
            [("", &[][..], 0), ("", &["--insecure"], 0), ("[tls]\n", &[], 77), ("[tls]\nverify = false\n", &[], 0)]
        {
            let server = EmbeddedServer::script(script);
            let session = format!(
                "client_name = \"t\"\nstep = [{steps}, {{ quit = true, assert = [\"not tls.verified\"] }}]\n{tail}"
            );
            let folder = Folder::new().with("x.toml", session);
            let ran = folder.mailrun(["run", "--server", &server.url(scheme)]).args(arguments).args(["x.toml"]).run();
            let (got, text) = ran.status_and_text();
            assert_eq!(got, status, "{way}, {tail:?} {arguments:?}:\n{text}");
            let says_why = text.contains("the server is on this machine, and there is no [tls] table");
            assert_eq!(says_why, tail.is_empty() && arguments.is_empty(), "{way}, {tail:?} {arguments:?}:\n{text}");
            drop(server.stop());
        }
    }
}

/// What a server does with an unencrypted command after STARTTLS.
#[derive(Clone, Copy, PartialEq)]
enum Reaction {
    Dropped,
    AnsweredInTls,
    AnsweredUnencrypted,
    /// The server reads it as the beginning of the handshake, which fails.
    TakenForTls,
}

/// One connection of a server.
fn serve_one(server: &ManualServer, reaction: Reaction) -> std::io::Result<()> {
    let made = ServerCertificate::generate(&["localhost"]).expect("a certificate can be made");
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("an acceptor");
    let key = PKey::private_key_from_pem(made.key_pem.as_bytes()).expect("a key in PEM");
    let own = X509::from_pem(made.chain_pem.as_bytes()).expect("a certificate in PEM");
    acceptor.set_private_key(&key).expect("its key");
    acceptor.set_certificate(&own).expect("its certificate");

    let mut client = server.accept();
    client.send("220 mx ESMTP\r\n");
    client.answer_until(&["STARTTLS"], &["STARTTLS"]);
    assert_eq!(client.read_line().as_deref(), Some("NOOP"), "it came unencrypted");
    client.send(if reaction == Reaction::AnsweredUnencrypted { "220 go\r\n250 ok\r\n" } else { "220 go\r\n" });
    if reaction == Reaction::TakenForTls {
        return Ok(());
    }
    let Ok(mut tls) = acceptor.build().accept(client.into_stream()) else { return Ok(()) };
    if reaction == Reaction::AnsweredInTls {
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

/// Reads one line and no byte after it, which may be TLS. Empty at the end.
fn line(from: &mut impl Read) -> std::io::Result<String> {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while from.read(&mut byte)? == 1 && byte != [b'\n'] {
        text.extend(byte);
    }
    Ok(String::from_utf8_lossy(&text).trim_end().to_owned())
}

#[test]
fn a_server_that_answers_a_command_injected_after_starttls_is_found() {
    for (reaction, status, words) in [
        (Reaction::Dropped, 0, "TLS started"),
        (Reaction::AnsweredInTls, 1, "the command is dropped"),
        (Reaction::AnsweredUnencrypted, 1, "S: 250 ok"),
        (Reaction::TakenForTls, 0, "closed by the server"),
    ] {
        let server = ManualServer::start();
        let url = server.url("smtp");
        let serving = std::thread::spawn(move || serve_one(&server, reaction));
        let session = project_path("sessions/starttls-injection.toml");
        let (code, text) = Mailrun::new(["run", "--server", &url]).args([session]).run().status_and_text();
        assert_eq!(code, status, "{text}");
        assert!(text.contains(words), "{words:?} is missing in\n{text}");
        drop(serving.join().expect("the server did not panic"));
    }
}

#[test]
fn an_invalid_file_or_cipher_list_of_tls_is_an_error_before_a_connection_is_made() {
    let folder = Folder::new();
    let made = |name: &str| mailrun::net::certificate::ServerCertificate::generate(&[name]).expect("a name");
    let (one, other) = (made("a.example"), made("b.example"));
    for (name, text) in [("one.crt", &one.chain_pem), ("one.key", &one.key_pem), ("other.key", &other.key_pem)] {
        folder.write(name, text);
    }
    for (keys, said) in [
        ("ca = 'one.key'", "s.toml:4:6: error: one.key: there is no PEM certificate in it"),
        (
            "ciphers = 'NONE-OF-THEM'",
            "s.toml:4:11: error: ciphers = \"NONE-OF-THEM\": OpenSSL knows none of these ciphers",
        ),
        (
            "client_cert = 'one.crt'\nclient_key = 'other.key'",
            "s.toml:5:14: error: other.key: the key is not this certificate's",
        ),
    ] {
        let session = format!(
            "server = 'smtp://127.0.0.1:1'\nclient_name = 't'\n[tls]\n{keys}\n[[step]]\nexpect = 220\n[[step]]\nstarttls = true\n"
        );
        folder.write("s.toml", session);
        for command in ["run", "check"] {
            let output = folder.mailrun([command, "s.toml"]).run();
            let errors = &output.stderr;
            assert_eq!(output.status, 65, "{command} {keys}: {errors}");
            assert!(errors.starts_with(said), "{command} {keys}: {errors}");
        }
    }
}

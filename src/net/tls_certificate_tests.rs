//! Which certificates are accepted, why others are not, and the second connection that fetches them.

use super::*;

#[test]
fn names_are_matched_as_rfc_9525_has_it() {
    let acceptor = |names: &[&str]| {
        let certificate = ServerCertificate::generate(names).expect("names");
        (acceptor_of(&certificate.chain_pem, &certificate.key_pem, None), certificate.ca_pem)
    };
    for (names, wanted, good) in [
        (&["*.mail.example"][..], "mx.mail.example", true),
        (&["*.mail.example"], "MX.Mail.Example.", true),
        (&["*.mail.example"], "mail.example", false),
        (&["*.mail.example"], "a.b.mail.example", false),
        (&["127.0.0.1"], "127.0.0.1", true),
        (&["::1"], "[::1]", true),
        (&["127.0.0.2"], "127.0.0.1", false),
        (&["localhost"], "127.0.0.1", false),
    ] {
        let (acceptor, ca) = acceptor(names);
        let result = handshake(&acceptor, if good { 1 } else { 2 }, &options(wanted, &ca)).0;
        assert_eq!(result.is_ok(), good, "{names:?} for {wanted}");
    }
}

#[test]
fn each_bad_certificate_is_refused_with_its_reason_and_what_it_says() {
    let renamed = |name: &str| {
        let name = name.to_owned();
        move |params: &mut CertificateParams| {
            params.subject_alt_names = vec![SanType::DnsName(name.try_into().expect("ASCII"))];
        }
    };
    let other_ca = ServerCertificate::generate(&["mail.example"]).expect("a name").ca_pem;
    for (made, ca, why) in [
        (made(false, |params| params.not_after = date_time_ymd(2020, 2, 1)), None, "expired on 2020-02-01"),
        (made(false, |params| params.not_before = date_time_ymd(2098, 3, 1)), None, "not yet valid until 2098-03-01"),
        (made(false, renamed("mx.example")), None, "names mx.example, wanted mail.example"),
        (
            made(false, renamed("mail.example\0.evil.example")),
            None,
            "a NUL in a name, names mail.example\0.evil.example, wanted mail.example",
        ),
        (
            made(false, |params| params.subject_alt_names.clear()),
            None,
            "names mail.example only as its CN, which does not count: it has no subjectAltName",
        ),
        (
            made(false, |_| {}),
            Some(other_ca),
            "issuer unknown: the server sent 1 certificate; its issuer CN=Test CA is missing",
        ),
        (made(true, |_| {}), None, "self-signed, and not among the trusted certificates"),
    ] {
        for max in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
            // In TLS 1.2 the certificate is sent unencrypted, and a CN shows after a handshake that was good so far:
            // only else is it asked for once more.
            let connections = if max == SslVersion::TLS1_2 || why.contains("CN, which") { 1 } else { 2 };
            let acceptor = made.acceptor(Some(max));
            let asked = options("mail.example", ca.as_deref().unwrap_or(&made.ca));
            let (result, mut stream) = handshake(&acceptor, connections, &asked);
            let Err(TlsError::Certificate { why: said, details, connected_again, .. }) = result else {
                panic!("{why}: {result:?}");
            };
            assert_eq!(said, why, "{max:?}");
            assert_eq!(connected_again, connections == 2, "{why}, {max:?}: the transcript says of each connection");
            assert!(details.iter().any(|line| line.starts_with("valid: 20")), "{why}: {details:?}");
            assert!(details.contains(&"subject: CN=mail.example,O=Example\\, Inc.".to_owned()), "{details:?}");
            let error = stream.write(b"MAIL FROM:<>\r\n", soon()).expect_err("closed");
            assert_eq!(error.kind(), std::io::ErrorKind::NotConnected);
        }
        // Unverified, the same is a good connection whose facts say so.
        let unverified = TlsOptions { verify: false, ..options("mail.example", "") };
        let facts = handshake(&made.acceptor(None), 1, &unverified).0.expect(why);
        assert!(!facts.verified && facts.peer.is_some(), "{why}");
    }
}

#[test]
fn after_starttls_the_second_look_speaks_smtp_up_to_the_handshake_and_no_further() {
    let made = made(false, |params| params.not_after = date_time_ymd(2020, 2, 1));
    let acceptor = made.acceptor(Some(SslVersion::TLS1_3));
    let (mut stream, thread) = serving(2, move |socket| {
        let mut lines = BufReader::new(socket);
        let mut line = String::new();
        lines.get_mut().write_all(b"220-mx\r\n220 ready\r\n").expect("written");
        lines.read_line(&mut line).expect("a line");
        lines.get_mut().write_all(b"250-mx\r\n250 STARTTLS\r\n").expect("written");
        lines.read_line(&mut line).expect("a line");
        lines.get_mut().write_all(b"220 go\r\n").expect("written");
        assert_eq!(line, "EHLO client.example\r\nSTARTTLS\r\n");
        let mut below = lines.get_ref().try_clone().expect("a second handle");
        let mut said = Vec::new();
        match acceptor.accept(lines.into_inner()) {
            Ok(mut tls) => drop(tls.read_to_end(&mut said)),
            // The next client is served when this one has gone.
            Err(_) => drop(below.read_to_end(&mut Vec::new())),
        }
        assert_eq!(said, b"");
    });
    let mut buffer = [0; 100];
    for command in [&b""[..], b"EHLO client.example\r\n", b"STARTTLS\r\n"] {
        if !command.is_empty() {
            assert_eq!(stream.write(command, soon()).expect("written"), command.len());
        }
        let mut reply = Vec::new();
        while !reply.ends_with(b"\n")
            || reply.split(|byte| *byte == b'\n').rev().nth(1).is_some_and(|line| line.get(3) == Some(&b'-'))
        {
            let count = stream.read(&mut buffer, soon()).expect("a reply");
            reply.extend_from_slice(&buffer[..count]);
        }
    }
    let failure = stream.start_tls(&options("mail.example", &made.ca), soon()).expect_err("expired");
    let TlsError::Certificate { why, .. } = failure else { panic!("{failure:?}") };
    assert_eq!(why, "expired on 2020-02-01");
    thread.join().expect("two connections, each with its dialogue");
}

#[test]
fn a_second_look_that_fails_leaves_the_reason() {
    let made = made(false, |params| params.not_after = date_time_ymd(2020, 2, 1));
    let acceptor = made.acceptor(Some(SslVersion::TLS1_3));
    // The listener is gone with its only connection.
    let result = handshake(&acceptor, 1, &options("mail.example", &made.ca)).0;
    let Err(TlsError::Certificate { why, details, .. }) = result else { panic!("{result:?}") };
    assert!(why.contains("expired"), "{why}");
    assert!(details.is_empty() || why.contains("2020"), "{details:?}");
}

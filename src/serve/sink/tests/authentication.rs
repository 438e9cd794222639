//! AUTH, as the sink hears it.

use super::super::{auth, encode};
use super::{Memory, SinkOptions, dialogue, talk};
use crate::transcript::Secret;

#[test]
fn any_credentials_are_accepted_and_noted() {
    let table = [
        ("AUTH PLAIN with its response", "C: AUTH PLAIN AHUAcA==\nS: 235 2.7.0 accepted", "PLAIN", "u"),
        ("AUTH PLAIN after a 334", "C: AUTH plain\nS: 334 \nC: AHUAcA==\nS: 235 2.7.0 accepted", "PLAIN", "u"),
        ("LOGIN", "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dQ==\nS: 334 UGFzc3dvcmQ6\nC: cA==\nS: 235 …", "LOGIN", "u"),
        ("LOGIN with the user at once", "C: AUTH LOGIN dQ==\nS: 334 UGFzc3dvcmQ6\nC: cA==\nS: 235 …", "LOGIN", "u"),
        ("EXTERNAL of nobody", "C: AUTH EXTERNAL =\nS: 235 …", "EXTERNAL", ""),
        ("ANONYMOUS", "C: AUTH ANONYMOUS dQ==\nS: 235 …", "ANONYMOUS", "u"),
        ("XOAUTH2", "C: AUTH XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHQBAQ==\nS: 235 …", "XOAUTH2", "u"),
        ("OAUTHBEARER", "C: AUTH OAUTHBEARER bixhPXUsAWF1dGg9QmVhcmVyIHQBAQ==\nS: 235 …", "OAUTHBEARER", "u"),
        (
            "CRAM-MD5",
            "C: AUTH CRAM-MD5\nS: 334 PG5vbmNlQGxvY2FsaG9zdD4=\nC: dSAwMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==\nS: 235 …",
            "CRAM-MD5",
            "u",
        ),
        (
            "cancelled, then again",
            "C: AUTH PLAIN\nS: 334 \nC: *\nS: 501 …\nC: AUTH PLAIN AHUAcA==\nS: 235 …",
            "PLAIN",
            "u",
        ),
        (
            "not base64, not PLAIN",
            "C: AUTH PLAIN !\nS: 501 …\nC: AUTH PLAIN dQ==\nS: 501 …\nC: AUTH PLAIN AHUAcA==\nS: 235 …",
            "PLAIN",
            "u",
        ),
        (
            "not offered",
            "C: AUTH SCRAM-SHA-1 x\nS: 504 …\nC: AUTH PLAIN AHUAcA==\nS: 235 …\nC: AUTH PLAIN\nS: 503 …",
            "PLAIN",
            "u",
        ),
    ];
    for (why, lines, mechanism, user) in table {
        // Lines' ends are trimmed here; `334 ` is compared up to its space.
        let lines = lines.replace("S: 334 \n", "S: 334 …\n");
        let mail = "C: MAIL FROM:<>\nS: 250 …\nC: RCPT TO:<a@b.example>\nS: 250 …\nC: DATA\nS: 354 …\nC: .\nS: 250 …";
        let hello = "C: XCLIENT NAME=x+20y ADDR=192.0.2.1\nS: 220 …\nC: EHLO x\n".to_owned()
            + &"S: 250-…\n".repeat(14)
            + "S: 250 AUTH …\n";
        let kept = dialogue(why, &format!("{hello}{lines}\n{mail}"));
        let auth = kept[0].0.auth.as_ref().expect(why);
        assert_eq!((auth.mechanism.as_str(), auth.user.as_str()), (mechanism, user), "{why}");
        assert_eq!(kept[0].0.protocol, "ESMTPA", "{why}");
        assert_eq!(kept[0].0.xclient["NAME"], "x y");
    }
}

/// What the sink says after EHLO to clients of one password.
fn with_password(sent: &str) -> String {
    let options = SinkOptions { password: Some(Secret::new("pencil")), ..SinkOptions::default() };
    let said = talk(&options, format!("EHLO x\r\n{sent}").as_bytes(), usize::MAX, Memory::default());
    let (_, said) = said.split_once("250 AUTH ").expect("AUTH stands last");
    said.split_once("\r\n").map(|(_, said)| said.to_owned()).expect("more lines")
}

#[test]
fn cram_md5_is_checked_where_the_password_is_known() {
    // HMAC-MD5 of `<nonce@localhost>` with `pencil`, computed apart from this program.
    let right = with_password(&format!("AUTH CRAM-MD5\r\n{}\r\n", encode(format!("user {}", CRAM_DIGEST).as_bytes())));
    assert!(right.contains("235 2.7.0"), "{right}");
    let wrong =
        with_password(&format!("AUTH CRAM-MD5\r\n{}\r\n", encode(format!("user {}", "0".repeat(32)).as_bytes())));
    assert!(wrong.contains("535 5.7.8"), "{wrong}");
}

const CRAM_DIGEST: &str = "c1ff80ab02f5de6ba28e3a31ab8b28e5";

/// The program's own client against its own server: SCRAM's two sides are written apart from each other, the client's
/// is held to the RFCs' vectors.
#[test]
fn scram_lets_in_who_knows_the_password() {
    use crate::smtp::sasl::{Credentials, Mechanism, start_exchange};
    let mechanisms =
        [Mechanism::ScramSha1, Mechanism::ScramSha256, Mechanism::ScramSha1Plus, Mechanism::ScramSha256Plus];
    for (mechanism, password) in mechanisms.into_iter().flat_map(|m| [(m, "pen\u{ad}cil"), (m, "pencils")]) {
        let plus = mechanism.name().ends_with("-PLUS");
        let binding = plus.then(|| b"binding".to_vec());
        let credentials = Credentials {
            user: "u,=r".to_owned(),
            password: password.to_owned(),
            channel_binding: binding.clone(),
            plus_offered: plus,
            ..Credentials::default()
        };
        let mut client = start_exchange(mechanism, credentials, "client-nonce");
        let secrets = auth::AuthSecrets {
            password: Some("pencil".to_owned()),
            nonce: "nonce".to_owned(),
            channel_binding: binding,
        };
        let mut server = auth::ServerExchange::new(mechanism.name(), secrets).expect("it is offered");
        let first = client.start().expect("it starts").expect("the client speaks first");
        let mut step = server.start(Some(first.bytes));
        while let auth::AuthStep::Challenge(challenge) = &step {
            let response = client.respond(challenge).expect("the server's messages are right");
            step = server.respond(&response.bytes);
        }
        match step {
            auth::AuthStep::Done(who) => {
                assert_eq!((password, who.user.as_str()), ("pen\u{ad}cil", "u,=r"), "{mechanism}");
                client.finish(None).expect("the server's signature was right");
            }
            other => assert_eq!((password, other), ("pencils", auth::AuthStep::Wrong), "{mechanism}"),
        }
    }
}

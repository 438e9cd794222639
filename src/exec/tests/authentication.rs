//! AUTH against a scripted server, and what is shown of it.

use super::server::ServerAct::{Hear, Say};
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const HELLO: [ServerAct; 3] =
    [Say("220 mx ready\r\n"), Hear("EHLO me"), Say("250-mx\r\n250 AUTH PLAIN XOAUTH2 CRAM-MD5\r\n")];
const STEPS: &str = "step = [{ expect = 220 }, { ehlo = true }, { auth = true }]";

fn auth(settings: &str, after: &[ServerAct]) -> RunResult {
    run_script(
        &format!("{STEPS}\n[auth]\nuser = 'ann'\nallow_plaintext = true\n{settings}"),
        &[&HELLO[..], after].concat(),
    )
}

#[test]
fn success_before_the_credentials_is_no_success() {
    let settings = "password = 'tanstaaf'\nmechanism = 'PLAIN'\ninitial_response = false";
    let ran = auth(settings, &[Hear("AUTH PLAIN"), Say("235 welcome\r\n")]);
    assert_eq!(ran.outcome.status.code(), 76, "{}", ran.log);
    assert!(ran.log.contains("success before the mechanism's last message"), "{}", ran.log);
}

#[test]
fn the_json_of_a_refused_token_is_shown() {
    let sent = format!("AUTH XOAUTH2 {}", STANDARD.encode("user=ann\x01auth=Bearer tanstaaf\x01\x01"));
    let json = format!("334 {}\r\n", STANDARD.encode(r#"{"status":"401","token":"tanstaaf"}"#));
    // The scripts want words that live on.
    let (sent, json): (&str, &str) = (sent.leak(), json.leak());
    let ran = auth("token = 'tanstaaf'", &[Hear(sent), Say(json), Hear(""), Say("535 5.7.8 no\r\n")]);
    assert_eq!(ran.outcome.status.code(), 77, "{}", ran.log);
    let said = r#"535 5.7.8 no; the server said {"status":"401","token":"[secret]"}"#;
    assert!(ran.log.contains(said), "{}", ran.log);
}

#[test]
fn the_password_is_a_secret_before_it_is_sent() {
    let steps = "step = [{ expect = 220 }, { send = 'NOOP {{ p }}', expect = 250 }]\nvars = { p = 'tanstaaf' }";
    for password in ["tanstaaf", "{{ p }}"] {
        let toml = format!("{steps}\n[auth]\nuser = 'ann'\npassword = '{password}'");
        let ran = run_script(&toml, &[Say("220 mx ready\r\n"), Hear("NOOP tanstaaf"), Say("250 tanstaaf\r\n")]);
        assert!(ran.log.contains("C: NOOP [secret]\nS: 250 [secret]\n"), "{password}: {}", ran.log);
    }
}

#[test]
fn a_short_password_is_warned_of_once() {
    let table = [
        ("password = 'abc'", "password", "as it stands"),
        ("password = '{{ v }}'\n[vars]\nv = 'abc'", "password", "a variable's"),
        ("password = '{{ s }}'\n[secrets]\ns = 'abc'", "s", "a secret's own"),
    ];
    for (password, name, why) in table {
        let ran = run_script(&format!("{STEPS}\n[auth]\nuser = 'ann'\nmechanism = 'PLAIN'\n{password}"), &HELLO);
        let notes: Vec<_> = ran.log.lines().filter(|line| line.contains("ShortSecret")).collect();
        assert_eq!(notes.len(), 1, "{why}: {}", ran.log);
        assert!(notes[0].contains(&format!("\"{name}\"")), "{why}: {}", notes[0]);
    }
}

#[test]
fn a_password_that_cannot_be_sent_is_hidden() {
    for password in ["tanstaaf\\nQUIT", "{{ 'tanstaaf\\nQUIT' }}"] {
        let ran = auth(&format!("password = \"{password}\""), &[]);
        let told = format!("{}{:?}", ran.log, ran.outcome);
        assert_eq!(ran.outcome.status.code(), 65, "{told}");
        assert!(told.contains("holds an LF") && !told.contains("tans"), "{told}");
    }
}

#[test]
fn the_reply_to_auth_says_what_is_wrong() {
    // RFC 4954 §4 and §6, RFC 5321 §4.2.4.
    let table = [
        ("454 4.7.0 later", 75, "a temporary failure"),
        ("421 4.3.2 closing", 75, "any other 4yz"),
        ("500 5.5.2 what?", 77, "any other 5yz"),
        ("502 5.5.1 not implemented", 78, "no AUTH"),
        ("503 5.5.1 not now", 78, "not in this state"),
        ("504 5.5.4 unknown type", 78, "not this mechanism"),
        ("530 5.7.0 TLS first", 78, "not unencrypted"),
        ("534 5.7.9 too weak", 77, "the account wants another mechanism"),
        ("535 5.7.8 wrong", 77, "wrong credentials"),
        ("538 5.7.11 encrypt", 78, "not unencrypted, older"),
    ];
    for (reply, status, why) in table {
        let line: &str = format!("{reply}\r\n").leak();
        let ran = auth("password = 'tanstaaf'\nmechanism = 'PLAIN'", &[Hear("AUTH PLAIN "), Say(line), Hear("QUIT")]);
        assert_eq!(ran.outcome.status.code(), status, "{why}: {}", ran.log);
        assert!(
            ran.log.contains(&format!("expected authentication with PLAIN to succeed, got {reply}")),
            "{}",
            ran.log
        );
    }
}

#[test]
fn no_auth_command_is_longer_than_512_octets() {
    // `user=ann^Aauth=Bearer …^A^A` has 23 octets beside the token, `AUTH XOAUTH2 ` and CRLF have 15.
    for length in [349, 350] {
        let token = "t".repeat(length);
        let response = STANDARD.encode(format!("user=ann\x01auth=Bearer {token}\x01\x01"));
        let whole = format!("AUTH XOAUTH2 {response}");
        let settings = format!("token = '{token}'\nmechanism = 'XOAUTH2'");
        let whole: &str = whole.leak();
        let response: &str = response.leak();
        let script: &[ServerAct] = match whole.len() + 2 <= 512 {
            true => &[Hear(whole), Say("235 ok\r\n"), Hear("QUIT")],
            false => &[Hear("AUTH XOAUTH2"), Say("334 \r\n"), Hear(response), Say("235 ok\r\n"), Hear("QUIT")],
        };
        let toml = format!("{STEPS}\n[auth]\nuser = 'ann'\nallow_plaintext = true\n{settings}");
        let ran = run_in_pieces(&toml, &[[&HELLO[..], script].concat()], usize::MAX);
        assert_eq!(ran.outcome.status.code(), 0, "{length}: {}", ran.log);
        let wire = ran.wire();
        let command = wire.split("\r\n").find(|line| line.starts_with("AUTH")).unwrap_or_default();
        assert!(command.len() + 2 <= 512, "{length}: {}", command.len());
        assert_eq!(command == "AUTH XOAUTH2", whole.len() + 2 > 512, "{length}");
        assert!(!ran.log.contains(&token), "{length}: {}", ran.log);
    }
}

#[test]
fn auth_without_mechanisms_is_reported() {
    for offer in ["AUTH", "AUTH ", "AUTH="] {
        let hello: &str = format!("250-mx\r\n250 {offer}\r\n").leak();
        let script = [Say("220 mx ready\r\n"), Hear("EHLO me"), Say(hello), Hear("QUIT")];
        let toml = format!("{STEPS}\n[auth]\nuser = 'ann'\nallow_plaintext = true\npassword = 'tanstaaf'");
        let ran = run_script(&toml, &script);
        assert_eq!(ran.outcome.status.code(), 78, "{}", ran.log);
        assert!(ran.log.contains("server lacks a SASL mechanism: it offers AUTH without mechanisms"), "{}", ran.log);
    }
}

#[test]
fn errors_of_implied_steps_point_to_their_tables() {
    let message = "[message]\nfrom = 'a@example.com'\nto = ['b@example.com']\nsubject = 's'\ntext = 'x'\n";
    let auth = "[auth]\nuser = 'ann'\nallow_plaintext = true\npassword = 'tanstaaf'\n";
    let required = "[tls]\nstarttls = 'required'\n";
    let refused = [Hear("AUTH PLAIN "), Say("535 5.7.8 no\r\n"), Hear("QUIT")];
    let hello = [Say("220 mx\r\n"), Hear("EHLO me"), Say("250-mx\r\n250 AUTH PLAIN\r\n")];
    let quit = [Hear("QUIT")];
    // `server` and `client_name` are the first two lines.
    let table: [(String, &[ServerAct], usize, &str); 3] = [
        (format!("{message}{auth}"), &refused, 8, "the credentials: [auth]"),
        (format!("{message}{required}{auth}"), &quit, 8, "no STARTTLS: [tls]"),
        (
            format!("{message}{auth}mechanism = 'OAUTHBEARER'\ntoken = 'tanstaaf'\n")
                .replace("allow_plaintext = true\n", ""),
            &quit,
            8,
            "no TLS for a token: [auth]",
        ),
    ];
    for (toml, script, line, why) in table {
        let ran = run_script(&toml, &[&hello[..], script].concat());
        let failure = ran.outcome.failure.expect(why);
        assert_eq!(failure.place.line, line, "{why}: {}", ran.log);
    }
}

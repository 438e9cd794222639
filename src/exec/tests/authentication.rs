//! AUTH against a scripted server, and what is shown of it.

use super::server::ServerAct::{Hear, Say};
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const HELLO: [ServerAct; 3] =
    [Say("220 mx ready\r\n"), Hear("EHLO me"), Say("250-mx\r\n250 AUTH PLAIN XOAUTH2 CRAM-MD5\r\n")];
const STEPS: &str = "step = [{ expect = 220 }, { ehlo = true }, { auth = true }]";

fn auth(settings: &str, behind: &[ServerAct]) -> RunResult {
    run_script(
        &format!("{STEPS}\n[auth]\nuser = 'ann'\nallow_plaintext = true\n{settings}"),
        &[&HELLO[..], behind].concat(),
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
fn the_json_of_a_refused_token_is_read_out() {
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
fn a_password_that_cannot_be_sent_is_not_shown() {
    for password in ["tanstaaf\\nQUIT", "{{ 'tanstaaf\\nQUIT' }}"] {
        let ran = auth(&format!("password = \"{password}\""), &[]);
        let told = format!("{}{:?}", ran.log, ran.outcome);
        assert_eq!(ran.outcome.status.code(), 65, "{told}");
        assert!(told.contains("holds an LF") && !told.contains("tans"), "{told}");
    }
}

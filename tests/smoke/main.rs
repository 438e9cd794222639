//! Every session in `sessions/smoke/` passes against a good server, and fails with status 1 against a bad one. The servers
//! are those inside mailrun: a sink with rules, or a script.

#[path = "../support/mod.rs"]
mod support;

mod cases;
mod servers;

use cases::{BAD, Case, GOOD, LATER, Script, SinkWith, USER, case};
use std::collections::BTreeSet;
use std::path::Path;
use support::{EmbeddedServer, Mailrun};

fn exits(case: &Case, status: i32) -> Result<(), String> {
    let server = match case.server {
        SinkWith(rules) => EmbeddedServer::sink_with(rules),
        Script(script) => EmbeddedServer::script(script),
    };
    let scheme = if case.session == "lmtp" { "lmtp" } else { "smtp" };
    let run = Mailrun::new(["test", "--server", &server.url(scheme), "--ca", &server.ca()]).args(case.options);
    let ran = run.args([suite().join(format!("{}.toml", case.session))]).env("SMTP_PASSWORD", "correct horse").run();
    server.stop();
    // A skipped session would prove nothing.
    let first = if status == 0 { "passed " } else { "FAILED " };
    if ran.status == status && ran.stdout.starts_with(first) {
        return Ok(());
    }
    Err(format!("{} ({}): {} instead of {status}\n{ran}", case.session, case.why, ran.status))
}

fn suite() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/sessions/smoke"))
}

/// Runs all in parallel: some wait for silence.
fn all_exit(cases: &'static [Case], status: i32) {
    let running: Vec<_> = cases.iter().map(|case| std::thread::spawn(move || exits(case, status))).collect();
    let results = running.into_iter().map(|thread| thread.join().expect("a run does not panic"));
    let wrong: Vec<String> = results.filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_session_passes_against_a_good_server() {
    all_exit(GOOD, 0);
}

#[test]
fn each_session_fails_against_a_bad_server() {
    all_exit(BAD, 1);
}

#[test]
fn a_server_that_refuses_the_right_password_fails() {
    const NOBODY: &[Case] =
        &[case("auth", SinkWith("[[on]]\nverb = 'AUTH'\nreply = '535 5.7.8 wrong'"), USER, "no password will do")];
    all_exit(NOBODY, 77);
}

/// The situation on a postmaster's own machine: a self-signed certificate on a loopback address.
#[test]
fn only_the_session_about_the_certificate_checks_it_on_a_loopback_address() {
    let server = EmbeddedServer::sink_with(include_str!("../../fixtures/servers/one-domain.toml"));
    let url = format!("smtp://127.0.0.1:{}", server.port);
    let ran = Mailrun::new(["test", "--jobs", "4", "--server", &url, "--skip-tag", "slow"]).args([suite()]).run();
    server.stop();
    let shown = &ran.stdout;
    let wrong: BTreeSet<&str> = shown
        .lines()
        .filter(|line| line.starts_with("FAILED") || line.starts_with("ERROR"))
        .filter_map(|line| line.split('/').next_back()?.split(".toml").next())
        .collect();
    // The sink accepts unencrypted passwords.
    assert_eq!(wrong, BTreeSet::from(["auth-in-clear", "starttls"]), "{shown}");
    assert_eq!(ran.status, 77, "{shown}");
    let passed =
        shown.lines().find(|line| line.starts_with("passed") && line.contains("/dsn.toml")).unwrap_or_default();
    assert!(passed.contains("not verified"), "what was not verified is said: {passed}");
}

#[test]
fn no_session_passes_against_a_server_that_greets_with_421() {
    all_exit(LATER, 75);
}

#[test]
fn every_session_is_tested_both_ways_and_cites_its_source() {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(suite()).expect("the suite is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        if name.starts_with('_') {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a session can be read");
        let header: Vec<_> = text.lines().take_while(|line| line.starts_with('#')).collect();
        let header = header.join("\n");
        assert!(["RFC ", "CVE-"].iter().any(|word| header.contains(word)), "{name} cites nothing");
        assert!(header.contains(&format!("sessions/smoke/{name}.toml")), "{name} does not say how it is run");
        names.insert(name);
    }
    for cases in [GOOD, BAD] {
        let tested: BTreeSet<_> = cases.iter().map(|case| case.session.to_owned()).collect();
        assert_eq!(names, tested);
    }
}

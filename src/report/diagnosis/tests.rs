//! What a person reads when a session has failed.

use super::*;
use crate::event::{CertificateProblem, FailedAssert, ServerResponse};
use std::time::Duration;

const FILE: &str = "step = [\n  { expect = 220 },\n  { send = \"NOOP hunter2-Zaphod\", expect = 250 },\n]\n";

fn place(line: usize, column: usize) -> Place {
    Place { file: "smoke.toml".into(), line, column }
}

fn said(failures: &[Failure], outcome: Outcome, quiet: bool, notes: &[Note]) -> String {
    let mut sources = SourceMap::default();
    sources.add("smoke.toml", FILE);
    let mut redactor = Redactor::default();
    redactor.add("hunter2-Zaphod");
    let mut out = Vec::new();
    let mut terminal = DiagnosisWriter::new(&mut out, sources, redactor, false);
    if quiet {
        terminal = terminal.quiet();
    }
    let mut tell = |fact: Fact<'_>| terminal.observe(&Event { at: Duration::ZERO, connection: "main", fact });
    tell(Fact::SessionStarted { name: SafeText::new("smoke.toml"), server: SafeText::new("smtp://x") });
    notes.iter().for_each(|note| tell(Fact::Noted(note.clone())));
    for failure in failures {
        let step = StepId {
            number: 2,
            title: SafeText::new("NOOP [secret]"),
            named: false,
            place: Place::default(),
            repetition: None,
            attempt: 1,
        };
        let verdict = Verdict::Failed(failure.clone());
        tell(Fact::StepFinished { step: &step, verdict: &verdict, elapsed: Duration::ZERO });
    }
    tell(Fact::SessionFinished { outcome: &outcome });
    assert!(terminal.error().is_none());
    drop(terminal);
    String::from_utf8(out).expect("a diagnosis is text")
}

fn outcome(status: Status, failure: Option<Failure>) -> Outcome {
    Outcome { status, failure, steps_run: 2, skipped: None }
}

fn unexpected() -> Failure {
    Failure::new(
        Status::Failed,
        place(3, 3),
        Cause::Unexpected {
            expected: SafeText::new("250"),
            got: ServerResponse::Reply { code: 550, text: SafeText::new("5.1.1 no") },
        },
    )
}

#[test]
fn a_reply_that_was_not_expected_is_told_with_its_place_and_no_secret() {
    let text = said(&[unexpected(), unexpected()], outcome(Status::Failed, Some(unexpected())), true, &[]);
    assert!(text.starts_with("smoke.toml:3:3: error: expected 250, got 550\n"), "{text}");
    assert!(text.contains("\n3 |   { send = \"NOOP [secret]\", expect = 250 }"), "{text}");
    assert!(text.contains("\n  |   ^^^"), "{text}");
    assert!(
        text.ends_with("\n  = step 2: NOOP [secret]\n  = got: 550 5.1.1 no\nsmoke.toml: failed, status 1\n"),
        "{text}"
    );
    assert_eq!(text.matches("error").count(), 1, "once, not for its group and the session again: {text}");
}

#[test]
fn every_failed_assert_is_shown_with_its_values() {
    let assert = |expression: &str, line| FailedAssert {
        expression: SafeText::new(expression),
        place: place(line, 5),
        values: vec![(SafeText::new("reply.code"), SafeText::new("250"))],
    };
    let failure = Failure::new(
        Status::Failed,
        place(3, 3),
        Cause::AssertsFailed(vec![assert("reply.code == 251", 2), assert("false", 3)]),
    );
    let text = said(std::slice::from_ref(&failure), outcome(Status::Failed, Some(failure.clone())), true, &[]);
    assert!(text.contains("smoke.toml:2:5: error: assert failed: reply.code == 251\n"), "{text}");
    assert!(text.contains("smoke.toml:3:5: error: assert failed: false\n"), "{text}");
    assert_eq!(text.matches("^ reply.code = 250").count(), 2, "{text}");
}

#[test]
fn without_a_place_the_session_is_named() {
    let failure = Failure::new(
        Status::TempFail,
        Place::default(),
        Cause::TimedOut {
            waiting_for: SafeText::new("the greeting"),
            limit: Duration::from_secs(300),
            section: Some("RFC 5321 §4.5.3.2.1"),
            may_expect_tls: true,
        },
    );
    let text = said(&[], outcome(Status::TempFail, Some(failure)), true, &[]);
    assert_eq!(
        text,
        "smoke.toml: error: timeout: waited 5m for the greeting (the limit of RFC 5321 §4.5.3.2.1)\n  \
         = help: a server that expects TLS from the first byte sends no greeting before it: did you mean smtps://?\n  \
         = help: `timeout = \"30s\"` in the step or the session sets another limit\n\
         smoke.toml: failed, status 75 (EX_TEMPFAIL)\n"
    );
}

#[test]
fn a_certificate_is_shown_with_what_it_says() {
    let failure = Failure::new(
        Status::NoPerm,
        place(2, 3),
        Cause::Certificate {
            problem: CertificateProblem::Date,
            why: SafeText::new("expired on 2020-02-01"),
            details: vec![SafeText::new("subject: CN=expired"), SafeText::new("names: localhost")],
        },
    );
    let text = said(&[failure], outcome(Status::NoPerm, None), true, &[]);
    assert!(text.contains("certificate not trusted: expired on 2020-02-01\n"), "{text}");
    assert!(text.contains("\n  = subject: CN=expired\n  = names: localhost\n  = help: "), "{text}");
}

#[test]
fn what_passed_says_nothing_but_warnings() {
    let short = [Note::ShortSecret { name: SafeText::new("pin") }];
    let passed = || outcome(Status::Passed, None);
    let warning = "smoke.toml: warning: the secret pin has fewer than 4 characters: it is hidden only in the lines that send it\n";
    assert_eq!(said(&[], passed(), false, &short), warning);
    assert_eq!(said(&[], passed(), true, &short), "");
    assert!(said(&[], outcome(Status::Failed, None), true, &short).starts_with(warning));
}

#[test]
fn a_thousand_failures_are_counted() {
    let failures: Vec<Failure> = (0..1000).map(|line| Failure { place: place(line, 1), ..unexpected() }).collect();
    let text = said(&failures, outcome(Status::Failed, None), true, &[]);
    assert!(text.contains("\n… and 950 more failures\n"), "{text}");
}

#[test]
fn no_name_becomes_a_command_of_github_actions() {
    assert_eq!(
        escape_workflow_commands("::error::x\nsmoke.toml: a ::b\n:c\n  ::error::indented\n"),
        "\\x3a:error::x\nsmoke.toml: a ::b\n:c\n  \\x3a:error::indented\n"
    );
}

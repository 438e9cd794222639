//! What the facts say in words.

use super::*;
use crate::session::Place;
use crate::smtp::reply::{ReplyCode, ReplyError};
use crate::transcript::SafeText;
use std::time::Duration;

fn shown(text: &str) -> SafeText {
    SafeText::new(text)
}

#[test]
fn every_cause_is_a_sentence() {
    let code = |code| ReplyCode::new(code).expect("three digits");
    let reply = || ServerResponse::Reply { code: 550, text: shown("5.1.1 no") };
    let unexpected = |got| Cause::Unexpected { expected: shown("250"), got };
    let assert = |expression, values: &[(&str, &str)]| FailedAssert {
        expression: shown(expression),
        place: Place::default(),
        values: values.iter().map(|(name, value)| (shown(name), shown(value))).collect(),
    };
    let slow = || assert("reply.elapsed < 0.5", &[("reply.elapsed", "0.7")]);
    let table = [
        (unexpected(reply()), "expected 250, got 550"),
        (unexpected(ServerResponse::Reply { code: 42, text: shown("") }), "expected 250, got 042"),
        (unexpected(ServerResponse::Closed), "expected 250, but the server closed the connection"),
        (unexpected(ServerResponse::Nothing), "expected 250, but nothing came"),
        (Cause::AssertsFailed(vec![slow()]), "assert failed: reply.elapsed < 0.5 (reply.elapsed = 0.7)"),
        (
            Cause::AssertsFailed(vec![slow(), assert("false", &[])]),
            "assert failed: reply.elapsed < 0.5 (reply.elapsed = 0.7); false",
        ),
        (
            Cause::TimedOut {
                waiting_for: shown("the greeting"),
                limit: Duration::from_secs(300),
                section: Some("RFC 5321 §4.5.3.2.1"),
                may_expect_tls: true,
            },
            "timeout: waited 5m for the greeting (the limit of RFC 5321 §4.5.3.2.1)",
        ),
        (
            Cause::TimedOut {
                waiting_for: shown("the greeting"),
                limit: Duration::from_secs(1),
                section: None,
                may_expect_tls: false,
            },
            "timeout: waited 1s for the greeting",
        ),
        (
            Cause::DeliveryUnknown { why: shown("the server closed the connection") },
            "message may have been delivered: no reply to its content (the server closed the connection)",
        ),
        (
            Cause::NotSmtp(ReplyError::CodeChanged { first: code(250), now: code(550) }),
            "protocol error: the code changed from 250 to 550 within a reply",
        ),
        (Cause::NotSmtp(ReplyError::TooMuchText), "protocol error: a reply of over 16 MiB"),
        (Cause::NotSmtp(ReplyError::TooManyLines), "protocol error: a reply of over 10,000 lines"),
        (
            Cause::CannotConnect { address: shown("127.0.0.1:1"), why: shown("connection refused") },
            "cannot connect to 127.0.0.1:1: connection refused",
        ),
        (
            Cause::Recipients {
                refused: vec![RefusedRecipient {
                    address: shown("b@example.com"),
                    reply: shown("550 5.1.1 one"),
                    code: 550,
                }],
                stopped: false,
            },
            "recipient refused: <b@example.com>: 550 5.1.1 one",
        ),
    ];
    for (cause, sentence) in table {
        assert_eq!(cause.to_string(), sentence);
    }
}

#[test]
fn a_failure_names_the_line_of_its_step() {
    let mut failure = Failure::new(
        Status::Failed,
        Place { file: "a\u{1b}.toml".into(), line: 14, column: 1 },
        Cause::Unexpected { expected: shown("250"), got: ServerResponse::Reply { code: 550, text: shown("") } },
    );
    assert_eq!(failure.to_string(), "expected 250, got 550 (a\\x1b.toml:14)");
    failure.place = Place::default();
    assert_eq!(failure.to_string(), "expected 250, got 550", "no place where there is none");
}

#[test]
fn durations_are_shown_as_session_files_write_them() {
    let table = [(0, "0s"), (700, "700ms"), (1000, "1s"), (1500, "1s 500ms"), (90_000, "1m 30s"), (3_600_000, "1h")];
    for (ms, words) in table {
        assert_eq!(HumanDuration(Duration::from_millis(ms)).to_string(), words);
    }
    assert_eq!(HumanDuration(Duration::from_micros(3)).to_string(), "under 1ms");
    assert_eq!([999, 1000, 1_234_567].map(group_thousands), ["999", "1,000", "1,234,567"]);
}

#[test]
fn the_exit_status_is_the_worst_of_all_sessions() {
    let order = [70, 73, 65, 66, 77, 78, 76, 1, 74, 68, 69, 75, 64];
    let of = |code: u8| Status::ALL.into_iter().find(|s| s.code() == code).expect("a code of the table");
    for pair in order.windows(2) {
        assert_eq!(Status::worst([of(pair[1]), of(0), of(pair[0])]), of(pair[0]));
    }
    assert_eq!(Status::worst([]), Status::Passed);
    assert_eq!(Status::worst([Status::Software, Status::Interrupted]), Status::Interrupted);
}

#[test]
fn every_status_has_its_name() {
    let codes: std::collections::HashSet<u8> = Status::ALL.map(Status::code).into_iter().collect();
    assert_eq!(codes.len(), Status::ALL.len(), "each has its own code");
    assert_eq!(Status::TempFail.name(), "EX_TEMPFAIL");
    assert_eq!(Status::CantCreate.name(), "EX_CANTCREAT");
    assert_eq!(Status::Failed.name(), "");
}

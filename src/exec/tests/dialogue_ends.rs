//! What comes in place of a reply, or after a failure: ends that a step expects, groups that continue after them, and
//! messages that must not begin.

use super::server::ServerAct::{self, Content, Fin, Hear, Say};
use super::{run_in_pieces, run_script};
use std::time::Duration;

const GREETING: ServerAct = Say("220 mx ready\r\n");

#[test]
fn a_group_continues_after_an_end_that_its_member_expects() {
    let group =
        "step = [{ expect = 220 }, { pipeline = [{ send = 'A', expect = EXPECTED }, { send = 'B', expect = 250 }] }]";
    let cases: [(&str, &str, &[ServerAct], u8); 5] = [
        ("after no SMTP the next reply is the next member's", "'malformed'", &[Say("hello\r\n250 b\r\n")], 0),
        ("and is judged", "'malformed'", &[Say("hello\r\n550 b\r\n"), Hear("QUIT")], 1),
        ("after the server's end no reply comes", "'close'", &[Fin], 69),
        ("be it one of several that are expected", "[250, 'close']", &[Fin], 69),
        ("an end that nobody expects is told once", "250", &[Fin], 69),
    ];
    for (why, expected, acts, status) in cases {
        let ran = run_script(&group.replace("EXPECTED", expected), &[&[GREETING, Hear("A"), Hear("B")], acts].concat());
        assert_eq!(ran.outcome.status.code(), status, "{why}: {}", ran.log);
        assert!(ran.log.matches("error: ").count() <= 1, "{why}: {}", ran.log);
    }
}

#[test]
fn a_line_that_is_too_long_is_skipped_wherever_it_was_expected() {
    // How much of it is told at a time is as it comes, so only the outcomes are alike.
    let long: &'static str = format!("{}\r\n250 b\r\n", "x".repeat(70_000)).leak();
    let group = "{ pipeline = [{ send = 'A', expect = 'malformed' }, { send = 'B', expect = 250 }] }";
    let starttls = "{ starttls = true, expect = 'malformed' }, { expect = 250 }";
    let cases: [(&str, &[ServerAct]); 2] = [(group, &[Hear("A"), Hear("B")]), (starttls, &[Hear("STARTTLS")])];
    for (step, acts) in cases {
        for piece in [1, 7, 4096, usize::MAX] {
            let script = [&[GREETING][..], acts, &[Say(long)]].concat();
            let ran = run_in_pieces(&format!("step = [{{ expect = 220 }}, {step}]"), &[script], piece);
            assert_eq!(ran.outcome.status.code(), 0, "{step} in pieces of {piece}: {:?}", ran.outcome);
        }
    }
}

#[test]
fn a_group_sees_the_reply_to_its_own_hello() {
    let toml = "step = [{ expect = 220 }, { pipeline = [
        { ehlo = 'x', assert = ['ehlo.size == 77', 'ehlo.name == \"mx.h\"'] },
        { send = 'NOOP', expect = 250, assert = ['ehlo.size == 77', 'session.received > 40'] },
        { helo = 'x', assert = ['not ehlo.capabilities'] } ] }]";
    let replies = Say("250-mx.h hi\r\n250 SIZE 77\r\n250 ok\r\n250 ok\r\n");
    let ran = run_script(toml, &[GREETING, Hear("EHLO"), Hear("NOOP"), Hear("HELO"), replies]);
    assert_eq!(ran.outcome.status.code(), 0, "{}", ran.log);
}

#[test]
fn auth_may_expect_silence() {
    let step = "{ auth = { mechanism = 'PLAIN', user = 'u', password = 'hunter2', allow_plaintext = true,
        initial_response = INITIAL }, expect = EXPECTED, timeout = '3s' }";
    let over: [(&str, &str, &[ServerAct]); 4] = [
        ("the server closes", "[535, 'close']", &[Fin]),
        ("nothing comes", "'silence'", &[]),
        ("what comes is not SMTP", "'malformed'", &[Say("what?\r\n")]),
        ("or it is a reply, of several", "['close', 535]", &[Say("535 no\r\n")]),
    ];
    for (why, expected, acts) in over {
        for (initial, challenge) in [("true", &[][..]), ("false", &[Say("334 \r\n"), Hear("AHUAaHVudGVyMg==")][..])] {
            let step = step.replace("EXPECTED", expected).replace("INITIAL", initial);
            let script = [&[GREETING, Hear("AUTH PLAIN")], challenge, acts].concat();
            let ran = run_script(&format!("step = [{{ expect = 220 }}, {step}]"), &script);
            assert_eq!(ran.outcome.status.code(), 0, "{why}, initial_response = {initial}: {}", ran.log);
        }
    }
}

#[test]
fn the_reply_to_a_cancelled_exchange_is_awaited_briefly() {
    let auth = "{ auth = { mechanism = 'CRAM-MD5', user = 'u', password = 'hunter2' } }";
    let ran = run_script(
        &format!("step = [{{ expect = 220 }}, {auth}]"),
        &[GREETING, Hear("AUTH CRAM-MD5"), Say("334 !!!not\r\n"), Hear("*")],
    );
    assert_eq!((ran.outcome.status.code(), ran.elapsed), (76, Duration::from_secs(2)), "{}", ran.log);
}

#[test]
fn after_a_failure_no_skipped_message_is_begun() {
    let message = |to: &str, rest: &str| {
        format!(
            "{{ message = {{ from = 'a@x.y', to = '{to}@x.y', subject = 's', text = 't', message_id = '{to}@m' }}{rest} }}"
        )
    };
    let (first, second, third) =
        (message("a1", ", always = true"), message("a2", ""), message("a3", ", always = true"));
    let toml = format!(
        "step = [{{ expect = 220 }}, {{ ehlo = true }}, {{ send = 'FAIL', expect = 250 }}, {first}, {second}, {third}]"
    );
    let group = "250 a\r\n250 b\r\n354 go\r\n";
    let transaction = |to: &'static str| [Hear("MAIL"), Hear(to), Hear("DATA"), Say(group), Content, Say("250 ok\r\n")];
    let script = [
        &[GREETING, Hear("EHLO"), Say("250-mx\r\n250 PIPELINING\r\n"), Hear("FAIL"), Say("550 no\r\n")][..],
        &transaction("RCPT TO:<a1@"),
        &transaction("RCPT TO:<a3@"),
        &[Hear("QUIT"), Say("221 bye\r\n")],
    ]
    .concat();
    let ran = run_script(&toml, &script);
    assert_eq!(ran.outcome.status.code(), 1, "{}", ran.log);
    assert!(!ran.wire().contains("a2@x.y") && ran.wire().ends_with("QUIT\r\n"), "{}", ran.log);
}

#[test]
fn starttls_answered_with_421_does_not_continue_unencrypted() {
    let toml =
        "step = [{ expect = 220 }, { ehlo = true }, { starttls = 'opportunistic' }, { send = 'NOOP', expect = 250 }]";
    let hello = [GREETING, Hear("EHLO"), Say("250-mx\r\n250 STARTTLS\r\n"), Hear("STARTTLS")];
    let ran = run_script(toml, &[&hello[..], &[Say("421 bye\r\n"), Fin]].concat());
    assert_eq!(ran.outcome.status.code(), 75, "{}", ran.log);
    let ran = run_script(toml, &[&hello[..], &[Say("454 not now\r\n"), Hear("NOOP"), Say("250 ok\r\n")]].concat());
    assert_eq!(ran.outcome.status.code(), 0, "{}", ran.log);
}

#[test]
fn starttls_counts_as_offered_after_it_was_used() {
    let toml = "requires = ['STARTTLS', 'SIZE']\nstep = [{ login = true }, { send = 'NOOP', expect = 250 }]\n[tls]\nstarttls = 'required'\n";
    let clear = [GREETING, Hear("EHLO"), Say("250-mx\r\n250 STARTTLS\r\n"), Hear("STARTTLS"), Say("220 go\r\n")];
    let inside = [Hear("EHLO"), Say("250-mx\r\n250 SIZE 9\r\n"), Hear("NOOP"), Say("250 ok\r\n")];
    let ran = run_script(toml, &[&clear[..], &inside].concat());
    assert_eq!((ran.outcome.status.code(), ran.outcome.skipped.is_some()), (0, false), "{}", ran.log);
}

#[test]
fn loop_is_defined_with_repeat_even_for_one_run() {
    let toml = "step = [{ expect = 220 }, { send = 'N {{ loop.index }}', expect = 250, repeat = 1 }]";
    let ran = run_script(toml, &[GREETING, Hear("N 1"), Say("250 ok\r\n")]);
    assert_eq!(ran.outcome.status.code(), 0, "{}", ran.log);
}

#[test]
fn after_tls_has_ended_nothing_is_known_of_the_server() {
    let toml = "step = [{ expect = 220 }, { ehlo = 'x' }, { starttls = true }, { ehlo = 'x' }, { close = 'tls' },
        { send = 'NOOP', expect = 250, assert = ['tls is none', 'not ehlo.capabilities'] }, { starttls = 'required' }]";
    const HELLO: ServerAct = Say("250-mx.h hi\r\n250 STARTTLS\r\n");
    let script = [
        GREETING,
        Hear("EHLO"),
        HELLO,
        Hear("STARTTLS"),
        Say("220 go\r\n"),
        Hear("EHLO"),
        HELLO,
        Hear("NOOP"),
        Say("250 ok\r\n"),
    ];
    let ran = run_script(toml, &[&script[..], &[Hear("QUIT")]].concat());
    assert_eq!(ran.outcome.status.code(), 78, "STARTTLS is not offered any more: {}", ran.log);
}

#[test]
fn tls_that_has_not_started_does_not_end() {
    let never = "step = [{ expect = 220 }, { close = 'tls' }]";
    assert_eq!(run_script(never, &[]).outcome.status.code(), 65, "nothing is sent");
    let twice = "step = [{ expect = 220 }, { starttls = true }, { close = 'tls' }, { close = 'tls' }]";
    let ran = run_script(twice, &[GREETING, Hear("STARTTLS"), Say("220 go\r\n"), Hear("QUIT")]);
    assert_eq!(ran.outcome.status.code(), 65, "{}", ran.log);
}

//! What a failure, a stalled server or a signal leaves to be said: what did not leave, and no QUIT where it would be
//! taken for something else.

use super::server::ServerAct::{self, After, Content, Fin, Hear, Reset, Say, Signal, Stall, StallAfter};
use super::{run_in_pieces, run_script};
use std::time::Duration;

const GREETING: ServerAct = Say("220 mx ready\r\n");

#[test]
fn unsent_bytes_are_reported() {
    let big =
        "step = [{ expect = 220 }, { send = 'DATA', expect = 354 }, { body = { file = 'big.eml' }, expect = 250 }]";
    let line = "step = [{ expect = 220 }, { send = 'NOOP 0123456789', expect = 250 }]";
    let cases: [(&str, &str, &[ServerAct], &str); 4] = [
        ("of a line", line, &[StallAfter(4)], "C: NOOP 0123456789\nnote: PartialWrite { bytes: 13 }\n"),
        ("all of a line", line, &[Stall], "C: NOOP 0123456789\nnote: PartialWrite { bytes: 17 }\n"),
        (
            "where a line leaves in pieces, with pauses that take longer than it may",
            "step = [{ expect = 220 }, { send = 'NOOP', expect = 250, chunk = { size = 1, every = '2s' } }]",
            &[Hear("NO")],
            "C: NOOP\nnote: PartialWrite { bytes: 3 }\nerror: timeout: waited 5s for the last piece of NOOP",
        ),
        ("of content", big, &[Hear("DATA"), Say("354 go\r\n"), StallAfter(100)], "note: PartialWrite { bytes: 66491 }"),
    ];
    for (why, toml, acts, has) in cases {
        let ran = run_script(&format!("timeout = '5s'\n{toml}"), &[&[GREETING][..], acts].concat());
        assert_eq!(ran.outcome.status.code(), 75, "{why}: {}", ran.log);
        assert!(ran.log.contains(has), "{why}: {}", ran.log);
    }
}

#[test]
fn after_a_failure_quit_is_sent_only_if_it_is_read_as_a_command() {
    let begun = [GREETING, Hear("DATA")];
    let cases: [(&str, &str, &[ServerAct], bool); 6] = [
        (
            "always, inside content",
            "step = [{ expect = 220 }, { send = 'DATA', expect = 250 }, { quit = true, always = true }]",
            &[Say("354 go\r\n")],
            false,
        ),
        (
            "as a line, in a group, inside content",
            "step = [{ expect = 220 }, { send = 'DATA', expect = 250 },
                { steps = [{ send = 'quit', expect = 221, always = true }] }]",
            &[Say("354 go\r\n")],
            false,
        ),
        (
            "in [[close]] after on_fail = quit, inside SASL",
            "step = [{ expect = 220 }, { send = 'DATA', expect = 250, on_fail = 'quit' }]\nclose = [{ quit = true }]",
            &[Say("334 \r\n")],
            false,
        ),
        (
            "after 421",
            "step = [{ expect = 220 }, { send = 'DATA', expect = 250 }, { quit = true, always = true }]",
            &[Say("421 bye\r\n")],
            false,
        ),
        (
            "always, where the failure was an answer",
            "step = [{ expect = 220 }, { send = 'DATA', expect = 250 }, { quit = true, always = true }]",
            &[Say("503 no\r\n"), Hear("QUIT"), Say("221 bye\r\n")],
            true,
        ),
        (
            "where nothing failed it is the session's to be wrong",
            "step = [{ expect = 220 }, { send = 'DATA', expect = 354 }, { send = 'QUIT', expect = 'silence', timeout = '2s' }]",
            &[Say("354 go\r\n"), Hear("QUIT"), After(Duration::from_secs(3))],
            true,
        ),
    ];
    for (why, toml, acts, said) in cases {
        let ran = run_script(toml, &[&begun[..], acts].concat());
        assert_eq!(ran.wire().to_uppercase().contains("QUIT"), said, "{why}: {}", ran.log);
        assert_eq!(ran.log.contains("EarlierFailure"), !said, "{why}: {}", ran.log);
        assert!(ran.elapsed < Duration::from_secs(10), "{why}: {:?}", ran.elapsed);
    }
}

#[test]
fn a_signal_ends_a_loop_that_never_waits() {
    let never = "{ send = 'NOOP', expect = 250, if = 'false', repeat = 4294967295 }";
    let toml = format!(
        "step = [{{ expect = 220 }}, {{ send = 'RSET', expect = 250 }}, {{ repeat = 4294967295, steps = [{never}] }}]"
    );
    // In one piece: then nothing is waited for between the signal and the loop.
    let ran = run_in_pieces(&toml, &[vec![GREETING, Hear("RSET"), Signal, Say("250 ok\r\n")]], usize::MAX);
    assert_eq!(ran.outcome.status.code(), 130, "{}", ran.log);
    assert!(ran.log.lines().count() < 10 && !ran.wire().contains("NOOP"), "{}", ran.log);
}

#[test]
fn an_undecided_reply_makes_a_row_unknown_only_after_its_content() {
    let toml = "[message]\nfrom = 'a@b.c'\nto = ['d@e.f']\nsubject = 's'\ntext = 't'\nmessage_id = 'm@b.c'\n[tls]\nstarttls = 'never'\n";
    let begun = [GREETING, Hear("EHLO"), Say("250 mx\r\n"), Hear("MAIL"), Say("250 ok\r\n"), Hear("RCPT")];
    let content = [Say("250 ok\r\n"), Hear("DATA"), Say("354 go\r\n"), Content, Say("354 more\r\n")];
    let cases: [(&str, &[ServerAct], &str); 3] = [
        ("to the content", &content, "d@e.f Unknown: 354 more"),
        ("to RCPT", &[Say("354 what\r\n"), Hear("QUIT")], "d@e.f Deferred: 354 what"),
        ("to DATA", &[Say("250 ok\r\n"), Hear("DATA"), Say("334 what\r\n")], "d@e.f Deferred: 334 what"),
    ];
    for (why, acts, has) in cases {
        let ran = run_script(toml, &[&begun[..], acts].concat());
        assert_eq!(ran.outcome.status.code(), 1, "{why}: {}", ran.log);
        assert!(ran.log.contains(has), "{why}: {}", ran.log);
    }
}

#[test]
fn a_reset_during_content_is_reported_as_a_reset() {
    let toml =
        "step = [{ expect = 220 }, { send = 'DATA', expect = 354 }, { body = { file = 'big.eml' }, expect = 250 }]";
    let ran = run_script(toml, &[GREETING, Hear("DATA"), Say("354 go\r\n"), StallAfter(100), Reset]);
    assert_eq!(ran.outcome.status.code(), 69, "{:?}", ran.outcome);
    assert!(ran.log.contains("*: reset by the server\n") && !ran.log.contains("*: closed by the server"));
    assert!(ran.log.contains("the server reset the connection"));
}

#[test]
fn after_the_sending_half_was_closed_no_quit_is_tried() {
    let toml = "step = [{ expect = 220 }, { close = 'write' }, { expect = 250 }]";
    let ran = run_script(toml, &[Say("220 mx\r\n"), Say("550 no\r\n")]);
    assert_eq!((ran.outcome.status.code(), ran.wire().as_str()), (1, ""), "{}", ran.log);
    assert!(!ran.log.contains("QUIT"), "{}", ran.log);
}

#[test]
fn on_fail_quit_runs_close_and_nothing_else() {
    let toml = "step = [{ expect = 220 }, { send = 'A', expect = 250, on_fail = 'quit' }, { send = 'B', expect = 250 }]\nclose = [{ send = 'RSET', expect = 250 }, { quit = true }]";
    let server = [
        GREETING,
        Hear("A"),
        Say("500 no\r\n"),
        Hear("RSET"),
        Say("250 ok\r\n"),
        Hear("QUIT"),
        Say("221 bye\r\n"),
        Fin,
    ];
    let ran = run_script(toml, &server);
    assert_eq!(ran.outcome.status.code(), 1);
    assert!(ran.log.contains("C: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye\n*: closed by the server\n"), "{}", ran.log);
    assert!(!ran.log.contains("C: B"));
}

//! What comes of a dialogue: statuses, verdicts, what is sent, what is told.

use super::server::ServerAct::{self, After, BreakAfter, Content, Fin, Hear, Heard, Reset, Say};
use super::{run_script, run_scripts};
use std::time::Duration;

pub const GREETING: ServerAct = Say("220 mx ready\r\n");
const EHLO: [ServerAct; 2] = [Hear("EHLO me"), Say("250-mx\r\n250 SIZE 1000\r\n")];
const HELLO_STEPS: &str = "{ expect = 220 }, { ehlo = true }";

fn steps(list: &str) -> String {
    format!("step = [ {HELLO_STEPS}, {list} ]")
}

fn script(acts: &[ServerAct]) -> Vec<ServerAct> {
    [&[GREETING][..], &EHLO, acts].concat()
}

struct Case {
    why: &'static str,
    steps: &'static str,
    server: &'static [ServerAct],
    status: u8,
    /// In the log.
    has: &'static [&'static str],
    lacks: &'static [&'static str],
}

const TOLD: &[Case] = &[
    Case {
        why: "a 5yz where 250 is expected is a failure, and QUIT follows it",
        steps: "{ send = 'NOOP', expect = 250 }",
        server: &[Hear("NOOP"), Say("550 no\r\n"), Hear("QUIT"), Say("221 bye\r\n")],
        status: 1,
        has: &["S: 550 no\nfailed: ", "C: QUIT\nS: 221 bye\n*: closed\n"],
        lacks: &[],
    },
    Case {
        why: "a 4yz that is not expected says try later",
        steps: "{ send = 'NOOP', expect = 250 }",
        server: &[Hear("NOOP"), Say("450 later\r\n")],
        status: 75,
        has: &["C: QUIT"],
        lacks: &[],
    },
    Case {
        why: "another 4yz than the expected one is a failure",
        steps: "{ send = 'NOOP', expect = 451 }",
        server: &[Hear("NOOP"), Say("450 later\r\n")],
        status: 1,
        has: &[],
        lacks: &[],
    },
    Case {
        why: "after 421 no QUIT is sent",
        steps: "{ send = 'NOOP', expect = 250 }",
        server: &[Hear("NOOP"), Say("421 bye\r\n")],
        status: 75,
        has: &["S: 421 bye"],
        lacks: &["QUIT"],
    },
    Case {
        why: "an end where a reply is due is a loss, and a partial line is told",
        steps: "{ send = 'NOOP', expect = 250 }",
        server: &[Hear("NOOP"), Say("250-on"), Fin],
        status: 69,
        has: &["S: 250-on\\c\n*: closed by the server\n"],
        lacks: &["QUIT"],
    },
    Case {
        why: "a reset is told as one",
        steps: "{ send = 'NOOP', expect = 250 }",
        server: &[Hear("NOOP"), Reset],
        status: 69,
        has: &["*: reset by the server"],
        lacks: &[],
    },
    Case {
        why: "what is no reply is a protocol error: no QUIT, and nothing else",
        steps: "{ send = 'NOOP', expect = 250, on_fail = 'continue' }, { send = 'RSET', expect = 250 }, { quit = true, always = true }",
        server: &[Hear("NOOP"), Say("what?\r\n")],
        status: 76,
        has: &["S: what?", "skipped 4: RSET EarlierFailure", "skipped 5: QUIT EarlierFailure"],
        lacks: &["C: RSET", "C: QUIT"],
    },
    Case {
        why: "codes that differ are a protocol error",
        steps: "{ send = 'NOOP', expect = 250 }",
        server: &[Hear("NOOP"), Say("250-a\r\n550 b\r\n")],
        status: 76,
        has: &["S: 250-a\nS: 550 b\nerror: "],
        lacks: &["QUIT"],
    },
    Case {
        why: "a second reply in the buffer is out of turn at the next command",
        steps: "{ send = 'NOOP', expect = 250 }, { send = 'RSET', expect = 250 }",
        server: &[Hear("NOOP"), Say("250 ok\r\n250 extra\r\n")],
        status: 76,
        has: &["S: 250 extra"],
        lacks: &["C: RSET", "QUIT"],
    },
    Case {
        why: "a 421 out of turn is the 4yz that it is",
        steps: "{ send = 'NOOP', expect = 250 }, { send = 'RSET', expect = 250 }",
        server: &[Hear("NOOP"), Say("250 ok\r\n421 idle\r\n"), Fin],
        status: 75,
        has: &["S: 421 idle"],
        lacks: &["C: RSET", "QUIT"],
    },
    Case {
        why: "an end seen before a command is a loss",
        steps: "{ send = 'NOOP', expect = 250 }, { send = 'RSET', expect = 250 }",
        server: &[Hear("NOOP"), Say("250 ok\r\n"), Fin],
        status: 69,
        has: &["*: closed by the server"],
        lacks: &["C: RSET"],
    },
    Case {
        why: "before raw nothing is asked, and after a raw that expects nothing neither, until a reply is read",
        steps: "{ raw = 'NO' }, { raw = \"OP\\r\\n\" }, { expect = 250 }, { send = 'RSET', expect = 250 }",
        server: &[Hear("NOOP"), Say("250 ok\r\n"), Hear("RSET"), Say("250 ok\r\n")],
        status: 0,
        has: &["C: NO\\c\nC: OP\nS: 250 ok\nC: RSET\n"],
        lacks: &[],
    },
    Case {
        why: "the server's end may be what is expected",
        steps: "{ send = 'BYE', expect = 'close' }",
        server: &[Hear("BYE"), Fin],
        status: 0,
        has: &["*: closed by the server"],
        lacks: &["failed"],
    },
    Case {
        why: "a reply is no end",
        steps: "{ send = 'BYE', expect = 'close' }",
        server: &[Hear("BYE"), Say("250 ok\r\n")],
        status: 1,
        has: &["expected close"],
        lacks: &[],
    },
    Case {
        why: "what is not SMTP may be expected, and the dialogue continues after it",
        steps: "{ send = 'NOOP', expect = 'malformed' }, { send = 'RSET', expect = 250 }",
        server: &[Hear("NOOP"), Say("2x0 ok\r\n"), Hear("RSET"), Say("250 ok\r\n")],
        status: 0,
        has: &["S: 2x0 ok\nC: RSET"],
        lacks: &[],
    },
    Case {
        why: "something where silence was expected is shown and fails",
        steps: "{ expect = 'silence', timeout = '2s' }",
        server: &[After(Duration::from_secs(1)), Say("250 hi\r\n")],
        status: 1,
        has: &["S: 250 hi", "expected silence"],
        lacks: &[],
    },
    Case {
        why: "always runs after a failure, other steps do not, and the first failure counts",
        steps: "{ send = 'NOOP', expect = 250 }, { send = 'VRFY x', expect = 250 }, { send = 'RSET', expect = 250, always = true }",
        server: &[Hear("NOOP"), Say("550 no\r\n"), Hear("RSET"), Say("450 no\r\n"), Hear("QUIT"), Say("221 bye\r\n")],
        status: 1,
        has: &["skipped 4: VRFY x EarlierFailure", "C: RSET"],
        lacks: &["C: VRFY"],
    },
    Case {
        why: "a group's on_fail holds for the group: its rest is left, what follows it runs",
        steps: "{ steps = [ { send = 'A', expect = 250 }, { send = 'B', expect = 250 } ], on_fail = 'continue' }, { send = 'C', expect = 250 }",
        server: &[Hear("A"), Say("500 no\r\n"), Hear("C"), Say("250 ok\r\n")],
        status: 1,
        has: &["skipped 3: B EarlierFailure", "C: C\nS: 250 ok"],
        lacks: &["C: B"],
    },
    Case {
        why: "repeat counts, in groups too",
        steps: "{ steps = [ { send = 'N{{ loop.index }}', expect = 250 } ], repeat = 2 }",
        server: &[Hear("N1\r"), Say("250 ok\r\n"), Hear("N2\r"), Say("250 ok\r\n")],
        status: 0,
        has: &["C: N1\nS: 250 ok\nC: N2\n"],
        lacks: &[],
    },
    Case {
        why: "a false condition skips the step",
        steps: "{ send = 'A', expect = 250, if = \"'CHUNKING' in ehlo.capabilities\" }, { send = 'B', expect = 250, if = 'ehlo.size == 1000' }",
        server: &[Hear("B"), Say("250 ok\r\n")],
        status: 0,
        has: &["skipped 3: A Condition"],
        lacks: &["C: A"],
    },
    Case {
        why: "retry sends the step again while the reply is one of those",
        steps: "{ send = 'NOOP', expect = 250, retry = { times = 3, wait = '60s', on = '4xx' } }",
        server: &[Hear("NOOP"), Say("450 a\r\n"), Hear("NOOP"), Say("450 b\r\n"), Hear("NOOP"), Say("250 c\r\n")],
        status: 0,
        has: &["S: 450 b", "S: 250 c"],
        lacks: &[],
    },
    Case {
        why: "the last attempt judges",
        steps: "{ send = 'NOOP', expect = 250, retry = { times = 1, wait = '1s', on = '4xx' } }",
        server: &[Hear("NOOP"), Say("450 a\r\n"), Hear("NOOP"), Say("450 b\r\n")],
        status: 75,
        has: &["S: 450 b"],
        lacks: &[],
    },
    Case {
        why: "after a 421 nothing is tried again",
        steps: "{ send = 'NOOP', expect = 250, retry = { times = 1, wait = '1s', on = '4xx' } }",
        server: &[Hear("NOOP"), Say("421 busy\r\n")],
        status: 75,
        has: &["S: 421 busy"],
        lacks: &["Retrying"],
    },
    Case {
        why: "a capture becomes a variable",
        steps: "{ send = 'VRFY x', expect = 252, capture = { tok = 'token=(\\w+)' } }, { send = 'NOOP {{ tok }}', expect = 250 }",
        server: &[Hear("VRFY"), Say("252 token=abc fine\r\n"), Hear("NOOP abc\r"), Say("250 ok\r\n")],
        status: 0,
        has: &[],
        lacks: &[],
    },
    Case {
        why: "a pipeline reads all its replies before it fails",
        steps: "{ pipeline = [ { send = 'A', expect = 250 }, { send = 'B', expect = 250 } ] }",
        server: &[Hear("A"), Hear("B"), Say("550 a\r\n250 b\r\n"), Hear("QUIT"), Say("221 bye\r\n")],
        status: 1,
        has: &["C: A\nC: B\nS: 550 a\nS: 250 b\nfailed: "],
        lacks: &[],
    },
    Case {
        why: "bytes unencrypted after STARTTLS's reply are an injection",
        steps: "{ starttls = true }",
        server: &[Hear("STARTTLS"), Say("220 go\r\n250 injected\r\n")],
        status: 76,
        has: &["S: 250 injected"],
        lacks: &["*: TLS", "QUIT"],
    },
    Case {
        why: "a tester may let them pass: they are told and dropped",
        steps: "{ starttls = true, inject_check = false }, { ehlo = true }",
        server: &[Hear("STARTTLS"), Say("220 go\r\n250 injected\r\n"), Hear("EHLO"), Say("250 mx\r\n")],
        status: 0,
        has: &["S: 250 injected\n*: TLS", "C: EHLO me\nS: 250 mx"],
        lacks: &[],
    },
    Case {
        why: "required and not offered: nothing is sent",
        steps: "{ starttls = 'required' }",
        server: &[Hear("QUIT"), Say("221 bye\r\n")],
        status: 78,
        has: &["STARTTLS", "C: QUIT"],
        lacks: &["C: STARTTLS"],
    },
    Case {
        why: "content without a reply may have been delivered",
        steps: "{ send = 'DATA', expect = 354 }, { body = 'hi', expect = 250 }",
        server: &[Hear("DATA"), Say("354 go\r\n"), Content, Fin],
        status: 74,
        has: &["C: hi\nC: .\n"],
        lacks: &["QUIT"],
    },
    Case {
        why: "content that was cut before its dot was not delivered",
        steps: "{ send = 'DATA', expect = 354 }, { body = 'hi', expect = 250 }",
        server: &[Hear("DATA"), Say("354 go\r\n"), BreakAfter(3), Fin],
        status: 69,
        has: &[],
        lacks: &["QUIT"],
    },
    Case {
        why: "a refusal while content is written is the reply to it",
        steps: "{ send = 'DATA', expect = 354 }, { body = { file = 'big.eml' }, expect = 250 }",
        server: &[Hear("DATA"), Say("354 go\r\n"), Heard(70_000), Say("552 too big\r\n"), Fin],
        status: 1,
        has: &["S: 552 too big\nfailed: "],
        lacks: &["C: .\n", "QUIT"],
    },
    Case {
        why: "and so it is where writing fails",
        steps: "{ send = 'DATA', expect = 354 }, { body = { file = 'big.eml' }, expect = 250 }",
        server: &[Hear("DATA"), Say("354 go\r\n"), BreakAfter(90_000), Heard(90_000), Say("452 full\r\n"), Fin],
        status: 75,
        has: &["S: 452 full\nfailed: "],
        lacks: &["C: .\n", "QUIT"],
    },
    Case {
        why: "a success before the last dot is none",
        steps: "{ send = 'DATA', expect = 354 }, { body = { file = 'big.eml' }, expect = 250 }",
        server: &[Hear("DATA"), Say("354 go\r\n"), Heard(70_000), Say("250 thanks\r\n")],
        status: 76,
        has: &["S: 250 thanks\nerror: "],
        lacks: &["C: .\n", "QUIT"],
    },
    Case {
        why: "a refusal before content begins is out of turn",
        steps: "{ send = 'DATA', expect = 354 }, { body = 'hi', expect = 250 }",
        server: &[Hear("DATA"), Say("354 go\r\n552 no\r\n")],
        status: 76,
        has: &["S: 552 no"],
        lacks: &["C: hi"],
    },
    Case {
        why: "a file that ends early never gets a dot",
        steps: "{ send = 'DATA', expect = 354 }, { body = { file = 'short.eml' }, expect = 250 }",
        server: &[Hear("DATA"), Say("354 go\r\n")],
        status: 66,
        has: &[],
        lacks: &["C: .\n", "QUIT"],
    },
    Case {
        why: "inside content no QUIT is sent",
        steps: "{ send = 'DATA', expect = 250 }",
        server: &[Hear("DATA"), Say("354 go\r\n")],
        status: 1,
        has: &[],
        lacks: &["QUIT"],
    },
];

#[test]
fn every_end_of_a_dialogue_has_its_status_and_its_last_lines() {
    for case in TOLD {
        let ran = run_script(&steps(case.steps), &script(case.server));
        assert_eq!(ran.outcome.status.code(), case.status, "{}\n{}", case.why, ran.log);
        for has in case.has {
            assert!(ran.log.contains(has), "{}: {has:?} is missing in\n{}", case.why, ran.log);
        }
        for lacks in case.lacks {
            assert!(!ran.log.contains(lacks), "{}: {lacks:?} is in\n{}", case.why, ran.log);
        }
    }
}

#[test]
fn a_line_break_in_a_variable_is_rejected_before_anything_is_sent() {
    let ran = run_script(
        "vars = { x = \"a>\\r\\nRCPT TO:<evil@example.com\" }\nstep = [{ expect = 220 }, { send = 'MAIL FROM:<{{ x }}>', expect = 250 }]",
        &[GREETING],
    );
    assert_eq!((ran.outcome.status.code(), ran.wire().as_str()), (65, ""));
}

#[test]
fn a_missing_file_ends_the_session_before_it_connects() {
    let ran = run_scripts(&steps("{ body = { file = 'gone.eml' }, expect = 250 }"), &[]);
    assert_eq!(ran.outcome.status.code(), 66, "{}", ran.log);
}

#[test]
fn a_secret_is_hidden_even_if_the_server_sends_it() {
    let toml = "secrets = { pw = { env = 'PW' } }\nstep = [{ expect = 220 }, { send = 'NOOP {{ pw }}', expect = 250 }]";
    let ran = run_script(toml, &[GREETING, Hear("NOOP hunter2-Zaphod"), Say("500 hunter2-Zaphod unknown\r\n")]);
    assert!(ran.log.contains("C: NOOP [secret]\nS: 500 [secret] unknown\n"), "{}", ran.log);
    assert!(!format!("{}{:?}", ran.log, ran.outcome).contains("hunter2"));
}

#[test]
fn a_server_that_lacks_a_required_extension_gets_quit() {
    let server = script(&[Hear("QUIT"), Say("221 bye\r\n")]);
    let ran = run_script(&format!("requires = ['CHUNKING']\n{}", steps("{ send = 'NOOP', expect = 250 }")), &server);
    assert_eq!(ran.outcome.status.code(), 0);
    assert!(ran.outcome.skipped.is_some_and(|why| why.as_str().contains("CHUNKING")));
    assert!(ran.log.contains("C: QUIT") && !ran.log.contains("C: NOOP"), "{}", ran.log);
}

#[test]
fn another_connection_has_its_own_dialogue() {
    let toml = "step = [{ expect = 220 }, { on = 'b', expect = 421 }, { send = 'NOOP', expect = 250 }]";
    let scripts = [vec![GREETING, Hear("NOOP"), Say("250 ok\r\n")], vec![Say("421 one at a time\r\n"), Fin]];
    let ran = run_scripts(toml, &scripts);
    assert_eq!(ran.outcome.status.code(), 0, "{}", ran.log);
    assert!(ran.log.contains("S[b]: 421 one at a time\nC: NOOP\n"), "{}", ran.log);
}

#[test]
fn a_broken_connection_is_usable_after_it_is_reopened() {
    let toml = "step = [{ expect = 220, on_fail = 'continue' }, { send = 'A', expect = 250 }, { connect = true }, { expect = 220 }]";
    let ran = run_scripts(toml, &[vec![Say("hello\r\n")], vec![GREETING]]);
    assert_eq!(ran.outcome.status.code(), 76);
    assert!(ran.log.contains("skipped 2: A EarlierFailure\n") && ran.log.contains("S: 220 mx ready"), "{}", ran.log);
}

#[test]
fn an_assert_that_needs_a_missed_capture_is_not_reported_too() {
    let step = "{ send = 'NOOP', expect = 250, capture = { tok = 'token=(\\w+)' }, assert = [\"tok == 'x'\"] }";
    let ran = run_script(
        &format!("step = [{{ expect = 220 }}, {step}]"),
        &[Say("220 mx\r\n"), Hear("NOOP"), Say("250 ok\r\n")],
    );
    let failure = ran.outcome.failure.expect("the capture is missing");
    assert!(failure.to_string().starts_with("capture failed: tok"), "{failure}");
    assert_eq!(failure.details.others, [], "{}", ran.log);
}

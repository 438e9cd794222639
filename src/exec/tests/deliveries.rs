//! The short form's message: refused recipients, content that cannot be completed, the farewell.

use super::dialogues::GREETING;
use super::run_script;
use super::server::ServerAct::{self, Bdat, Content, Fin, Hear, Say};

const MESSAGE: &str = "[message]\nfrom = 'a@example.com'\nto = ['b@example.com', 'c@example.com']\ntext = 'hi'\ndate = '2026-11-03'\nmessage_id = '<1@example.com>'\n";

#[test]
fn a_refused_recipient_stops_the_message_unless_it_is_skipped() {
    let before = [GREETING, Hear("EHLO"), Say("250 mx\r\n"), Hear("MAIL FROM:<a@example.com>"), Say("250 ok\r\n")];
    let rcpt = [Hear("RCPT TO:<b@example.com>"), Say("550 5.1.1 no\r\n")];
    let quit = [Hear("QUIT"), Say("221 bye\r\n"), Fin];
    let ran = run_script(MESSAGE, &[&before[..], &rcpt, &quit].concat());
    assert_eq!(ran.outcome.status.code(), 1, "{}", ran.log);
    assert!(
        ran.log.contains("b@example.com Refused: 550 5.1.1 no\n") && !ran.log.contains("C: RCPT TO:<c@"),
        "{}",
        ran.log
    );
    let second = [
        Hear("RCPT TO:<c@example.com>"),
        Say("251 forward\r\n"),
        Hear("DATA"),
        Say("354 go\r\n"),
        Content,
        Say("250 ok\r\n"),
    ];
    let ran = run_script(&format!("{MESSAGE}on_refused = 'skip'\n"), &[&before[..], &rcpt, &second, &quit].concat());
    assert_eq!(ran.outcome.status.code(), 1, "{}", ran.log);
    assert!(ran.log.contains("c@example.com Accepted: 250 ok\n"), "{}", ran.log);
}

#[test]
fn the_refusal_of_a_skipped_recipient_is_the_first_failure() {
    let before = [GREETING, Hear("EHLO"), Say("250 mx\r\n"), Hear("MAIL FROM:<a@example.com>"), Say("250 ok\r\n")];
    let (rcpt, other) = (Hear("RCPT TO:<b@example.com>"), [Hear("RCPT TO:<c@example.com>"), Say("250 ok\r\n")]);
    let data = [Hear("DATA"), Say("354 go\r\n"), Content];
    let quit = [Hear("QUIT"), Say("221 bye\r\n"), Fin];
    let refused = |reply: &str| format!("recipient refused: <b@example.com>: {reply}");
    let later = "recipient deferred: <b@example.com>: 450 later".to_owned();
    /// What RCPT gets, what follows, the status, what is told, why.
    type Case = (&'static str, Vec<ServerAct>, u8, [String; 2], &'static str);
    let table: [Case; 4] = [
        (
            "550 5.1.1 no\r\n",
            [&data[..], &[Say("450 full\r\n")], &quit].concat(),
            1,
            [refused("550 5.1.1 no"), "expected 250, got 450".to_owned()],
            "the content is put off",
        ),
        (
            "550 5.1.1 no\r\n",
            [&[Hear("DATA"), Say("451 full\r\n")][..], &quit].concat(),
            1,
            [refused("550 5.1.1 no"), "expected 354, got 451".to_owned()],
            "DATA is",
        ),
        (
            "450 later\r\n",
            [&data[..], &[Say("554 no\r\n")], &quit].concat(),
            75,
            [later.clone(), "expected 250, got 554".to_owned()],
            "the other way round",
        ),
        (
            "550 5.1.1 no\r\n",
            [&data[..], &[Fin]].concat(),
            74,
            ["message may have been delivered: ".to_owned(), refused("550 5.1.1 no")],
            "whether it was delivered is unknown: no other status says so",
        ),
    ];
    for (reply, rest, status, said, why) in table {
        let script = [&before[..], &[rcpt.clone(), Say(reply)], &other, &rest].concat();
        let ran = run_script(&format!("{MESSAGE}on_refused = 'skip'\n"), &script);
        assert_eq!(ran.outcome.status.code(), status, "{why}: {}", ran.log);
        let failure = ran.outcome.failure.expect("it failed");
        let told: Vec<_> =
            std::iter::once(&failure).chain(&failure.details.others).map(|one| one.cause.to_string()).collect();
        assert!(told.len() == 2 && told[0].contains(&said[0]) && told[1].contains(&said[1]), "{why}: {told:?}");
    }
}

#[test]
fn an_attachment_that_shrinks_closes_the_connection_without_a_dot() {
    let toml = MESSAGE.replace(", 'c@example.com'", "") + "attach = ['short.eml']\n";
    let server = [
        GREETING,
        Hear("EHLO"),
        Say("250 mx\r\n"),
        Hear("MAIL"),
        Say("250 ok\r\n"),
        Hear("RCPT"),
        Say("250 ok\r\n"),
        Hear("DATA"),
        Say("354 go\r\n"),
    ];
    let ran = run_script(&toml.replace("['short.eml']", "[{ file = 'short.eml', name = 'x.bin' }]"), &server);
    assert_eq!(ran.outcome.status.code(), 66, "{}", ran.log);
    assert!(!ran.log.contains("C: .\n") && !ran.log.contains("C: QUIT"), "{}", ran.log);
}

#[test]
fn a_lone_dot_follows_pipelined_data_if_all_recipients_were_refused() {
    let toml = MESSAGE.replace(", 'c@example.com'", "");
    let server = [
        GREETING,
        Hear("EHLO"),
        Say("250-mx\r\n250 PIPELINING\r\n"),
        Hear("MAIL"),
        Hear("RCPT"),
        Hear("DATA"),
        Say("250 ok\r\n550 no\r\n354 go\r\n"),
        Content,
        Say("554 no valid recipients\r\n"),
        Hear("QUIT"),
        Say("221 bye\r\n"),
    ];
    let ran = run_script(&toml, &server);
    assert_eq!(ran.outcome.status.code(), 1, "{}", ran.log);
    assert!(ran.log.contains("S: 354 go\n") && ran.log.contains("C: .\nS: 554 no valid recipients\n"), "{}", ran.log);
}

#[test]
fn after_a_delivered_message_a_failed_quit_changes_nothing() {
    let server = [
        GREETING,
        Hear("EHLO"),
        Say("250 mx\r\n"),
        Hear("MAIL"),
        Say("250 ok\r\n"),
        Hear("RCPT"),
        Say("250 ok\r\n"),
        Hear("RCPT"),
        Say("250 ok\r\n"),
        Hear("DATA"),
        Say("354 go\r\n"),
        Content,
        Say("250 ok\r\n"),
        Hear("QUIT"),
        Say("nonsense\r\n"),
    ];
    let ran = run_script(MESSAGE, &server);
    assert_eq!(ran.outcome.status.code(), 0, "{}", ran.log);
    assert!(ran.log.contains("QuitFailed"), "{}", ran.log);
}

#[test]
fn after_content_that_the_server_took_a_failed_quit_changes_nothing() {
    let (dot, bdat) = ([Hear("DATA"), Say("354 go\r\n"), Content], [Bdat]);
    let taken: [(&str, &[ServerAct]); 3] = [
        ("{ send = 'DATA', expect = 354 }, { body = 'hi', expect = 250 }, { quit = true }", &dot),
        ("{ bdat = 'hi', last = true }, { quit = true }", &bdat),
        ("{ send = 'DATA', expect = 354 }, { pipeline = [{ body = 'hi', expect = 250 }, { quit = true }] }", &dot),
    ];
    for (steps, content) in taken {
        let toml = format!("step = [{{ expect = 220 }}, {steps}]");
        for (reply, quit, status) in
            [("250 ok\r\n", "550 no\r\n", 0), ("250 ok\r\n", "nonsense\r\n", 0), ("550 no\r\n", "221 bye\r\n", 1)]
        {
            let server = [&[GREETING], content, &[Say(reply), Hear("QUIT"), Say(quit)]].concat();
            let ran = run_script(&toml, &server);
            assert_eq!(ran.outcome.status.code(), status, "{toml}\n{}", ran.log);
            assert_eq!(ran.log.contains("QuitFailed"), status == 0, "{toml}\n{}", ran.log);
        }
    }
    // Without a message the failure counts, and so does the expectation of a QUIT that is written as a line.
    let ran = run_script("step = [{ expect = 220 }, { quit = true }]", &[GREETING, Hear("QUIT"), Say("550 no\r\n")]);
    assert_eq!(ran.outcome.status.code(), 1, "{}", ran.log);
    let toml = "step = [{ expect = 220 }, { bdat = 'hi', last = true }, { send = 'QUIT', expect = 221 }]";
    let server = [GREETING, Bdat, Say("250 ok\r\n"), Hear("QUIT"), Say("550 no\r\n"), Hear("QUIT")];
    let ran = run_script(toml, &server);
    assert_eq!(ran.outcome.status.code(), 1, "{}", ran.log);
}

//! The short form's message: refused recipients, content that cannot be completed, the farewell.

use super::dialogues::GREETING;
use super::play;
use super::server::Act::{Content, Fin, Hear, Say};

const MESSAGE: &str = "[message]\nfrom = 'a@example.com'\nto = ['b@example.com', 'c@example.com']\ntext = 'hi'\ndate = 'x'\nmessage_id = '<1@example.com>'\n";

#[test]
fn a_refused_recipient_stops_the_message_for_all_unless_it_is_skipped() {
    let before = [GREETING, Hear("EHLO"), Say("250 mx\r\n"), Hear("MAIL FROM:<a@example.com>"), Say("250 ok\r\n")];
    let rcpt = [Hear("RCPT TO:<b@example.com>"), Say("550 5.1.1 no\r\n")];
    let quit = [Hear("QUIT"), Say("221 bye\r\n"), Fin];
    let ran = play(MESSAGE, &[&before[..], &rcpt, &quit].concat());
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
    let ran = play(&format!("{MESSAGE}on_refused = 'skip'\n"), &[&before[..], &rcpt, &second, &quit].concat());
    assert_eq!(ran.outcome.status.code(), 1, "{}", ran.log);
    assert!(ran.log.contains("c@example.com Accepted: 250 ok\n"), "{}", ran.log);
}

#[test]
fn an_attachment_that_shrinks_while_it_is_sent_ends_the_connection_without_a_dot() {
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
    let ran = play(&toml.replace("['short.eml']", "[{ file = 'short.eml', name = 'x.bin' }]"), &server);
    assert_eq!(ran.outcome.status.code(), 66, "{}", ran.log);
    assert!(!ran.log.contains("C: .\n") && !ran.log.contains("C: QUIT"), "{}", ran.log);
}

#[test]
fn where_all_were_refused_and_data_was_pipelined_a_lone_dot_follows() {
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
    let ran = play(&toml, &server);
    assert_eq!(ran.outcome.status.code(), 1, "{}", ran.log);
    assert!(ran.log.contains("S: 354 go\n") && ran.log.contains("C: .\nS: 554 no valid recipients\n"), "{}", ran.log);
}

#[test]
fn behind_a_delivered_message_a_failed_quit_changes_nothing() {
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
    let ran = play(MESSAGE, &server);
    assert_eq!(ran.outcome.status.code(), 0, "{}", ran.log);
    assert!(ran.log.contains("QuitFailed"), "{}", ran.log);
}

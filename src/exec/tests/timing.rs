//! Deadlines and interruptions, in virtual time.

use super::run_script;
use super::server::ServerAct::{After, Content, Drip, Fin, Hear, Say, Signal, Stall};
use crate::event::Cause;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_silent_server_times_out_without_a_second_wait() {
    let ran = run_script("timeout = '7s'\nstep = [{ expect = 220 }]", &[]);
    assert_eq!((ran.outcome.status.code(), ran.elapsed), (75, 7 * SECOND), "{}", ran.log);
    assert_eq!(ran.wire(), "");
}

#[test]
fn the_greeting_has_five_minutes_by_default_and_the_message_names_the_section() {
    let ran = run_script("step = [{ expect = 220 }]", &[]);
    assert_eq!(ran.elapsed, 300 * SECOND);
    assert!(ran.log.contains("RFC 5321 §4.5.3.2.1") || ran.log.contains("4.5.3.2.1"), "{}", ran.log);
}

#[test]
fn a_silent_server_on_the_port_for_tls_is_given_up_after_seconds() {
    let silent = |more: &str| run_script(&format!("server = 'smtp://127.0.0.1:465'\n{more}"), &[]);
    let ran = silent("step = [{ expect = 220 }]");
    assert_eq!((ran.outcome.status.code(), ran.elapsed), (75, 5 * SECOND), "{}", ran.log);
    let cause = ran.outcome.failure.map(|failure| failure.cause);
    assert!(matches!(cause, Some(Cause::TimedOut { may_expect_tls: true, .. })), "{cause:?}");
    assert_eq!(silent("timeout = '7s'\nstep = [{ expect = 220 }]").elapsed, 7 * SECOND, "the session's own limit");
}

#[test]
fn single_bytes_do_not_extend_the_deadline() {
    let drip = Drip("220-xxxxxxxxxxxxxxxxxxxxxxxxxxx", SECOND / 4);
    let ran = run_script("timeout = '2s'\nstep = [{ expect = 220 }]", &[drip]);
    assert_eq!((ran.outcome.status.code(), ran.elapsed), (75, 2 * SECOND));
    assert!(ran.log.contains("S: 220-xxx") && ran.log.contains("\\c\n"), "{}", ran.log);
}

#[test]
fn a_handshake_has_the_shorter_of_connect_timeout_and_the_steps_own_deadline() {
    let server = [Say("220 mx\r\n"), Hear("STARTTLS"), Say("220 go\r\n"), Stall];
    for (own, connect, seconds) in
        [("", "", 30), ("", "9s", 9), (", timeout = '7s'", "", 7), (", timeout = '7s'", "2s", 2)]
    {
        let connect = if connect.is_empty() { String::new() } else { format!("connect_timeout = '{connect}'\n") };
        for action in ["{ starttls = true", "{ send = 'STARTTLS', expect = 220 }, { tls = true"] {
            let ran = run_script(&format!("{connect}step = [{{ expect = 220 }}, {action}{own} }}]"), &server);
            let expected = (75, seconds * SECOND);
            assert_eq!((ran.outcome.status.code(), ran.elapsed), expected, "{connect}{action}{own}\n{}", ran.log);
        }
    }
    // TLS from the first byte is a part of connecting.
    let step = "server = 'smtps://127.0.0.1'\nstep = [{ expect = 220, timeout = '7s' }]";
    assert_eq!(run_script(step, &[Stall]).elapsed, 30 * SECOND);
}

#[test]
fn silence_lasts_as_long_as_the_timeout() {
    let ran = run_script("step = [{ expect = 'silence', timeout = '3s' }]", &[After(4 * SECOND), Say("220 late\r\n")]);
    assert_eq!((ran.outcome.status.code(), ran.elapsed), (0, 3 * SECOND), "{}", ran.log);
}

#[test]
fn a_server_that_reads_no_content_times_out_after_the_blocks_deadline_and_gets_no_dot() {
    let toml =
        "timeout = '5s'\nstep = [{ expect = 220 }, { send = 'DATA', expect = 354 }, { body = 'hi', expect = 250 }]";
    let ran = run_script(toml, &[Say("220 mx\r\n"), Hear("DATA"), Say("354 go\r\n"), Stall]);
    assert_eq!((ran.outcome.status.code(), ran.elapsed), (75, 5 * SECOND), "{}", ran.log);
    assert!(ran.wire().ends_with("DATA\r\n"));
}

#[test]
fn a_message_without_a_reply_in_time_is_unknown() {
    let toml =
        "timeout = '5s'\nstep = [{ expect = 220 }, { send = 'DATA', expect = 354 }, { body = 'hi', expect = 250 }]";
    let ran = run_script(toml, &[Say("220 mx\r\n"), Hear("DATA"), Say("354 go\r\n"), Content]);
    assert_eq!((ran.outcome.status.code(), ran.elapsed), (74, 5 * SECOND), "{}", ran.log);
}

#[test]
fn the_reply_to_quit_after_a_failure_is_awaited_for_two_seconds() {
    let ran = run_script("step = [{ expect = 220 }]", &[Say("554 no\r\n"), Hear("QUIT")]);
    assert_eq!((ran.outcome.status.code(), ran.elapsed), (1, 2 * SECOND), "{}", ran.log);
}

#[test]
fn quit_waits_two_seconds_for_the_server_to_close() {
    let ran = run_script(
        "step = [{ expect = 220 }, { quit = true }]",
        &[Say("220 mx\r\n"), Hear("QUIT"), Say("221 bye\r\n")],
    );
    assert_eq!((ran.outcome.status.code(), ran.elapsed), (0, 2 * SECOND), "{}", ran.log);
}

#[test]
fn the_client_waits_for_the_close_after_221_whoever_wrote_the_quit() {
    let toml = "step = [{ expect = 220 }, { send = 'QUIT', expect = 221 }]";
    let ran = run_script(toml, &[Say("220 mx\r\n"), Hear("QUIT"), Say("221 bye\r\n"), After(SECOND), Fin]);
    assert_eq!((ran.outcome.status.code(), ran.elapsed), (0, SECOND));
    assert!(ran.log.ends_with("S: 221 bye\n*: closed by the server\n"), "{}", ran.log);
}

#[test]
fn an_interruption_ends_a_wait_at_once() {
    let toml =
        "step = [{ expect = 220 }, { send = 'NOOP', expect = 250 }, { send = 'RSET', expect = 250, always = true }]";
    let ran = run_script(toml, &[Say("220 mx\r\n"), Hear("NOOP"), After(SECOND), Signal]);
    assert_eq!(ran.outcome.status.code(), 130, "{}", ran.log);
    assert!(ran.elapsed < 2 * SECOND && !ran.log.contains("C: RSET"), "{}", ran.log);
}

#[test]
fn a_message_in_flight_has_five_more_seconds_after_a_signal() {
    let toml = "step = [{ expect = 220 }, { send = 'DATA', expect = 354 }, { body = 'hi', expect = 250 }, { send = 'NOOP', expect = 250 }]";
    let start = [Say("220 mx\r\n"), Hear("DATA"), Say("354 go\r\n"), Content, Signal];
    let in_time = [After(4 * SECOND), Say("250 ok\r\n")];
    let ran = run_script(toml, &[&start[..], &in_time].concat());
    assert_eq!(ran.outcome.status.code(), 130, "{}", ran.log);
    assert!(ran.log.contains("S: 250 ok") && !ran.log.contains("C: NOOP"), "{}", ran.log);
    let too_late = [After(9 * SECOND), Say("250 ok\r\n")];
    let ran = run_script(toml, &[&start[..], &too_late].concat());
    assert_eq!(ran.outcome.status.code(), 130, "{}", ran.log);
    assert!(ran.elapsed < 6 * SECOND && !ran.log.contains("S: 250 ok"), "{}", ran.log);
}

#[test]
fn a_delay_comes_before_the_first_attempt_only() {
    let toml = "step = [{ expect = 220 }, { send = 'NOOP', expect = 250, delay = '3s', retry = { times = 1, wait = '1s', on = '4xx' } }]";
    let server = [Say("220 mx\r\n"), Hear("NOOP"), Say("450 later\r\n"), Hear("NOOP"), Say("250 ok\r\n")];
    let ran = run_script(toml, &server);
    assert_eq!((ran.outcome.status.code(), ran.elapsed), (0, 4 * SECOND), "{}", ran.log);
}

#[test]
fn each_piece_is_written_separately_after_its_pause() {
    let toml = "step = [{ expect = 220 }, { send = 'NOOP', expect = 250, chunk = { size = 1, every = '1s' } }]";
    let ran = run_script(toml, &[Say("220 mx\r\n"), Hear("NOOP"), Say("250 ok\r\n")]);
    assert_eq!((ran.outcome.status.code(), ran.elapsed), (0, 5 * SECOND), "{}", ran.log);
    assert_eq!(ran.wire.iter().map(Vec::len).collect::<Vec<_>>(), [1; 6]);
}

//! Logs that are cut, or go on as another log.

use super::*;

/// The lines of the client in a log must be in it, also where the log is cut or another one goes on.
fn invents_nothing(log: &[u8]) {
    let Some(format) = detect_log_format(log) else { return };
    let Ok(dialogue) = formats::read_log(log, format) else { return };
    // s_client does not show its own commands, and JavaMail not those of AUTH.
    if !matches!(format, LogFormat::SClient | LogFormat::JavaMail) && !has_escapes(log, format) {
        // They show a line without the dot that stuffs it, or the dot apart.
        let is_unstuffed = matches!(format, LogFormat::NetSmtp | LogFormat::Mutt);
        for logged in &dialogue.events {
            let dialogue::LogEvent::Line { body, .. } = &logged.event else { continue };
            for piece in body.pieces.iter().filter(|piece| !piece.contains(&b'\\') && piece.is_ascii()) {
                let shown = if is_unstuffed { piece.strip_prefix(b".").unwrap_or(piece) } else { piece };
                assert!(memchr::memmem::find(log, shown).is_some(), "invented: {}", String::from_utf8_lossy(piece));
            }
        }
    }
    if matches!(format, LogFormat::Telnet | LogFormat::SClient) {
        ends_at_another_log(log, &dialogue);
    }
    let session = builder::build(&dialogue);
    let text = session_text::write_session("x", format, &dialogue, &session);
    assert!(!text.is_empty());
    let script = script_text::write_script(&dialogue).text;
    let strange = script.lines().find(|line| !["C: ", "S: ", "*: "].iter().any(|mark| line.starts_with(mark)));
    assert_eq!(strange, None, "{script}");
}

/// Whether the log shows bytes otherwise than as themselves: in hexadecimal, or cut into rows.
fn has_escapes(log: &[u8], format: LogFormat) -> bool {
    format == LogFormat::Curl && memchr::memmem::find(log, b"0000: ").is_some()
}

/// No command of a paste without marks is a line of another format.
fn ends_at_another_log(log: &[u8], dialogue: &dialogue::LoggedDialogue) {
    let mut content = dialogue::ContentTracker::default();
    for logged in &dialogue.events {
        let dialogue::LogEvent::Line { side, body } = &logged.event else { continue };
        let line = body.bytes().unwrap_or_default();
        if *side == dialogue::Side::Client && !content.is_in_content() {
            let text = || format!("{}\n{}", String::from_utf8_lossy(line), String::from_utf8_lossy(log));
            assert!(!formats::marks::is_of_another_log(line), "not a command: {}", text());
        }
        content.note(*side, line);
    }
}

/// A log, cut after its `end` bytes, alone and with another log.
fn check_cut(log: &[u8], end: usize, other: &[u8]) {
    if let Err(error) = import("x", &log[..end], None) {
        assert!(!error.message.contains("cannot be written"), "{error}\n{}", String::from_utf8_lossy(&log[..end]));
    }
    invents_nothing(&log[..end]);
    invents_nothing(&log[end..]);
    invents_nothing(&[&log[..end], other].concat());
    invents_nothing(&[other, &log[end..]].concat());
}

/// Each log, each place where it can be cut, and each other log.
fn cuts() -> Vec<(usize, usize, usize)> {
    let logs = logs();
    let lines = logs.iter().enumerate().flat_map(|(log, bytes)| {
        bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(move |(end, _)| (log, end + 1))
    });
    lines.flat_map(|(log, end)| (0..FIXTURES.len()).map(move |other| (log, end, other))).collect()
}

fn logs() -> Vec<Vec<u8>> {
    FIXTURES.iter().map(|(name, _, _)| fixture(name)).collect()
}

#[test]
fn cut_and_mixed_logs_never_panic_and_invent_no_line() {
    const SAMPLES: usize = 120;
    let (logs, mut cuts) = (logs(), cuts());
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    fastrand::Rng::with_seed(seed).shuffle(&mut cuts);
    for (log, end, other) in cuts.into_iter().take(SAMPLES) {
        check_cut(&logs[log], end, &logs[other]);
    }
}

#[test]
#[ignore = "make soak"]
fn logs_cut_at_each_line_and_mixed_with_each_other_invent_no_line() {
    let logs = logs();
    for (log, end, other) in cuts() {
        check_cut(&logs[log], end, &logs[other]);
    }
}

#[test]
fn a_session_that_would_be_too_large_for_a_run_is_not_made() {
    assert_eq!(check_length(16 << 20), Ok(()));
    let error = check_length((16 << 20) + 1).expect_err("it is too long");
    assert!(error.message.contains("larger than 16 MiB") && !error.help.is_empty(), "{error}");
}

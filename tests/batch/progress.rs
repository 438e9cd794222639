//! The progress of a batch and of a suite: on terminals of any width, and never in a pipe.

use crate::fixture::{BatchFixture, SESSION, replying_on_release};
use crate::support::{PROGRAM, tool};
use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

/// What a terminal of that width shows: until `needle` appears, while the server holds its reply, and then to the end.
fn on_a_terminal(batch: &BatchFixture, columns: usize, arguments: &str, needle: &str) -> String {
    let server = replying_on_release();
    let command = format!(
        "stty rows 24 cols {columns}; exec timeout 60 {PROGRAM} {arguments} --server smtp://127.0.0.1:{}",
        server.port
    );
    let mut script = tool("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(batch.path("."))
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script starts");
    server.wait_until_held();
    let mut screen = script.stdout.take().expect("it is piped");
    let mut shown = Vec::new();
    let mut piece = [0; 1024];
    while !String::from_utf8_lossy(&shown).contains(needle) {
        let count = screen.read(&mut piece).expect("the screen can be read");
        assert!(count > 0, "{needle} did not come: {}", String::from_utf8_lossy(&shown));
        shown.extend_from_slice(&piece[..count]);
    }
    server.release();
    screen.read_to_end(&mut shown).expect("the screen can be read");
    assert!(script.wait().expect("it ends").success(), "{}", String::from_utf8_lossy(&shown));
    String::from_utf8_lossy(&shown).into_owned()
}

/// The lines of a screen without the sequences that move the cursor or set colours. Each line that was drawn over is one.
fn drawn_lines(shown: &str) -> Vec<String> {
    let control = regex::Regex::new("\x1b\\[[0-9;?]*[A-Za-z]").expect("it is valid");
    let lines = shown.split(['\r', '\n']).map(|line| control.replace_all(line, "").into_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn one_line_shows_the_progress_of_a_batch_or_of_several_sessions() {
    let batch = BatchFixture::new(3);
    let alone = on_a_terminal(&batch, 80, "test c.toml", " rows, ");
    assert!(!alone.contains(" of 1 sessions"), "{alone}");
    batch.write("d.toml", SESSION);
    let several = on_a_terminal(&batch, 80, "test c.toml d.toml", " of 2 sessions");
    assert!(!several.contains(" rows, "), "{several}");
}

#[test]
fn the_progress_of_a_batch_fits_the_terminal_and_each_row_has_a_line_above_it() {
    let batch = BatchFixture::new(3);
    for columns in [24, 60, 120] {
        let shown = on_a_terminal(&batch, columns, "run c.toml", " of 3 rows");
        let lines = drawn_lines(&shown);
        let bars: Vec<_> = lines.iter().filter(|line| line.contains(" of 3 rows")).collect();
        assert!(!bars.is_empty(), "{shown}");
        for bar in bars {
            assert!(bar.chars().count() <= columns, "{columns} columns: {bar:?}");
        }
        for number in 0..3 {
            let row = format!("sent u{number}@x.example: 250");
            assert_eq!(lines.iter().filter(|line| line.starts_with(&row)).count(), 1, "{row}: {lines:?}");
        }
        assert!(!shown.contains("C: MAIL"), "{shown}");
    }
}

#[test]
fn the_progress_of_a_suite_fits_the_terminal() {
    let batch = BatchFixture::new(1);
    let long = format!("{}.toml", "long-name-".repeat(8));
    batch.write(&long, SESSION);
    for columns in [60, 120] {
        let shown = on_a_terminal(&batch, columns, &format!("test {long} c.toml"), " of 2 sessions");
        for line in drawn_lines(&shown).iter().filter(|line| line.contains(" of 2 sessions")) {
            assert!(line.chars().count() < columns, "{columns} columns: {line:?}");
        }
    }
}

#[test]
fn a_pipe_gets_the_transcript_and_no_progress() {
    let batch = BatchFixture::new(3);
    let server = replying_on_release();
    let run = batch.mailrun(&["run", "--server", &server.url("smtp"), "c.toml"]).start();
    server.wait_until_held();
    // Long enough for a progress line, if there were one.
    std::thread::sleep(Duration::from_millis(1200));
    server.release();
    let ran = run.wait().exits(0);
    assert!(!ran.text().contains(['\r', '\x1b']) && !ran.text().contains(" rows, "), "{ran}");
}

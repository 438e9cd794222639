//! `--from-step` and `--to-step` run a part of a session.

mod support;

use support::Folder;

const STEPS: &str = r#"
server = "smtp://mx.example"
step = [
    { expect = 220 },
    { send = "EHLO client.example", expect = 250 },
    { send = "NOOP", expect = 250, capture = { word = '\w+$' } },
    { send = "VRFY {{ word }}", expect = "any" },
    { send = "QUIT", expect = 221 },
]
"#;

const SHORT: &str = r#"
server = "smtp://mx.example"
[message]
from = "ann@example.com"
to = "bob@example.com"
subject = "hello"
text = "hello"
"#;

/// The verbs of the commands that a dry run sends.
fn sent(session: &str, options: &[&str]) -> Vec<String> {
    let folder = Folder::new().with("case.toml", session);
    let ran = folder.mailrun(["run", "--dry-run", "--sink", "mail", "case.toml"]).args(options).run().exits(0);
    let lines = ran.stdout.lines().filter_map(|line| line.strip_prefix("C: "));
    lines.filter_map(|line| line.split([' ', ':']).next()).map(str::to_owned).collect()
}

#[test]
fn only_the_steps_in_the_range_are_run() {
    let table: &[(&[&str], &[&str], &str)] = &[
        (&["--to-step", "2"], &["EHLO"], "from the beginning"),
        (&["--from-step", "4", "--var", "word=ann"], &["VRFY", "QUIT"], "the greeting is still read"),
        (&["--from-step", "2", "--to-step", "3"], &["EHLO", "NOOP"], "in the middle"),
        (&["--from-step", "5", "--to-step", "5"], &["QUIT"], "one step"),
        (&["--from-step", "1", "--to-step", "5"], &["EHLO", "NOOP", "VRFY", "QUIT"], "all"),
    ];
    for (options, commands, why) in table {
        assert_eq!(sent(STEPS, options), *commands, "{why}");
    }
}

#[test]
fn the_short_form_is_three_steps() {
    assert!(sent(SHORT, &["--from-step", "2"]).contains(&"MAIL".to_owned()));
    let login = sent(SHORT, &["--to-step", "1"]);
    assert!(login.contains(&"EHLO".to_owned()) && login.contains(&"QUIT".to_owned()), "{login:?}");
    assert!(!login.contains(&"MAIL".to_owned()), "{login:?}");
}

#[test]
fn the_range_applies_to_every_row() {
    let session = r#"
server = "smtp://mx.example"
open = [ { expect = 220 }, { ehlo = true } ]
step = [ { send = "NOOP {{ row.name }}", expect = 250 }, { send = "RSET", expect = 250 } ]
close = [ { quit = true } ]
[rows]
file = "-"
"#;
    let folder = Folder::new();
    folder.write("case.toml", session.replace("\"-\"", "\"people.csv\""));
    folder.write("people.csv", "name\nann\nbob\n");
    let output = folder.mailrun(["run", "--dry-run", "--to-step", "3", "--json", "-", "case.toml"]).run();
    let text = &output.stdout;
    assert_eq!(output.status, 0, "{text}");
    let left_out = text.lines().filter(|line| line.contains("\"left-out\"")).count();
    assert_eq!(left_out, 2, "RSET of each row: {text}");
    assert!(!text.contains("\"RSET\\r"), "{text}");
    assert!(text.contains("NOOP bob"), "{text}");
}

#[test]
fn rows_without_a_step_in_the_range_are_skipped() {
    let session = r#"
server = "smtp://mx.example"
open = [ { login = true } ]
step = [ { send = "NOOP {{ row.name }}", expect = 250 } ]
close = [ { quit = true } ]
[rows]
file = "people.csv"
"#;
    let folder = Folder::new();
    folder.write("case.toml", session);
    folder.write("people.csv", "name\nann\nbob\n");
    let output = folder.mailrun(["run", "--dry-run", "--to-step", "1", "case.toml"]).run();
    let (out, errors) = (&output.stdout, &output.stderr);
    assert_eq!(output.status, 0, "{out}{errors}");
    assert!(errors.contains("2 skipped") && !errors.contains("sent"), "{errors}");
    assert!(out.contains("C: QUIT") && !out.contains("NOOP"), "{out}");
}

#[test]
fn an_invalid_range_is_an_error_before_anything_is_sent() {
    let table: &[(&[&str], i32, &str)] = &[
        (&["--from-step", "0"], 64, "1 or more"),
        (&["--to-step", "x"], 64, "whole number"),
        (&["--from-step", "6"], 64, "case.toml: there is no step 6: the session has 5 steps"),
        (&["--from-step", "3", "--to-step", "2"], 64, "--from-step 3 is after --to-step 2"),
        (&["--from-step", "2", "--ledger", "l.db"], 64, "cannot be used with"),
        (&["--from-step", "4"], 65, "case.toml:7:23: error: nothing defines the name \"word\""),
    ];
    for (options, status, words) in table {
        for command in ["run", "test"] {
            let folder = Folder::new();
            folder.write("case.toml", STEPS);
            let output = folder.mailrun([command, "--dry-run", "case.toml"]).args(*options).run();
            let errors = &output.stderr;
            assert_eq!(output.status, *status, "{options:?}: {errors}");
            assert!(errors.contains(words), "{options:?}: {errors}");
        }
    }
}

//! The sessions in `sessions/bugs/`: each passes against its sound server and fails against its broken one. The servers are the
//! transcripts in `fixtures/bugs/`.

mod support;

use std::collections::BTreeSet;
use support::{EmbeddedServer, Mailrun, project_path};

/// Each session with the status and the words that it ends with against the broken server.
const BUGS: &[(&str, i32, &str)] = &[
    ("421-in-a-pipeline", 1, "expected close, got 500"),
    ("auth-cancelled", 1, "expected 501, got 334"),
    ("auth-twice", 1, "expected 503, got 235"),
    ("bdat-announces-less", 1, "expected 5xx, got 221"),
    ("bdat-announces-more", 1, "expected 250, got 221"),
    ("bdat-last-two-replies", 1, "expected 221, got 250"),
    ("close-notify-in-bdat", 1, "expected close, got 250"),
    ("data-without-recipients", 1, "expected 5xx, got 250"),
    ("reply-split-over-packets", 1, "ehlo.size == 10000000"),
    ("smuggling-cr-dot-cr", 1, "expected 221 or close, got 250"),
    ("smuggling-crlf-dot-lf", 1, "expected 221 or close, got 250"),
    ("smuggling-lf-dot-crlf", 1, "expected 221 or close, got 250"),
    ("smuggling-lf-dot-lf", 1, "expected 221 or close, got 250"),
    ("starttls-command-injection", 1, "expected 221, got 250"),
    ("starttls-response-injection", 76, "CVE-2011-0411"),
    ("xclient-before-ehlo", 1, "expected 5xx or 421, got 220"),
];

/// Runs a session against one of its servers; gives the run and what the server says of its client.
fn run(name: &str, kind: &str) -> (support::Finished, Vec<String>) {
    let path = project_path(&format!("fixtures/bugs/{name}.{kind}.txt"));
    let script = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}.{kind}: {error}"));
    let server = EmbeddedServer::script(&script);
    let session = project_path(&format!("sessions/bugs/{name}.toml"));
    let run = Mailrun::new(["run", "--server", &server.url("smtp")]).args([session]);
    let ran = run.env("SMTP_PASSWORD", "correct horse").run();
    (ran, server.stop())
}

#[test]
fn each_session_passes_against_its_sound_server() {
    for (name, ..) in BUGS {
        let (ran, problems) = run(name, "sound");
        ran.exits(0);
        assert!(problems.is_empty(), "{name}: {problems:?}");
    }
}

#[test]
fn each_session_fails_against_its_broken_server() {
    for (name, status, words) in BUGS {
        let (ran, _) = run(name, "broken");
        let ran = ran.exits(*status);
        assert!(ran.stderr.contains(words), "{name}: {words} in {ran}");
    }
}

#[test]
fn no_session_and_no_fixture_is_forgotten() {
    let files = |folder: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(project_path(folder)).expect("the folder is there");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    };
    let mut sessions = files("sessions/bugs");
    sessions.retain(|name| !name.starts_with('_'));
    assert_eq!(sessions, BUGS.iter().map(|(name, ..)| format!("{name}.toml")).collect());
    let both = BUGS.iter().flat_map(|(name, ..)| ["broken", "sound"].map(|kind| format!("{name}.{kind}.txt")));
    assert_eq!(files("fixtures/bugs"), both.collect());
}

#[test]
fn each_session_says_what_it_shows_and_to_whom_that_matters() {
    for (name, ..) in BUGS {
        let text = std::fs::read_to_string(project_path(&format!("sessions/bugs/{name}.toml"))).expect("a session");
        let comment: String = text.lines().map_while(|line| line.strip_prefix('#')).collect();
        assert!(comment.contains("For people who"), "{name}");
        assert!(comment.contains(&format!("fixtures/bugs/{name}.")), "{name}");
    }
}

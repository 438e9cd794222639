use super::*;
use crate::event::{Status, StepId, Verdict};
use crate::session::Place;
use crate::transcript::SafeText;
use jiff::Timestamp;
use std::time::Duration;

fn step(number: usize, name: Option<&str>, reply_code: Option<u16>) -> StepRecord {
    let title = SafeText::new(name.unwrap_or("NOOP"));
    let place = Place { file: "a.toml".to_owned(), line: number, column: 1 };
    StepRecord {
        id: StepId { number, title, named: name.is_some(), place, repetition: None, attempt: 1 },
        row: None,
        turn: None,
        connection: "main".to_owned(),
        verdict: Verdict::Passed,
        started: Duration::ZERO,
        elapsed: Duration::from_millis(5),
        reply_code,
        retried: false,
        resent: false,
        multiple_attempts: false,
        phases: Vec::new(),
    }
}

fn record(file: &str, judgement: Judgement, status: Status, steps: Vec<StepRecord>) -> Record {
    Record { steps, ..Record::not_started(SafeText::new(file), judgement, status) }
}

fn metrics_of(records: Vec<Record>) -> String {
    let mut out = Vec::new();
    let run = RunRecord {
        status: Status::Passed,
        started: Timestamp::from_second(1_000).expect("a time"),
        elapsed: Duration::from_millis(1_500),
        records,
    };
    write(&run, &mut out).expect("a Vec takes all");
    String::from_utf8(out).expect("it is text")
}

#[test]
fn each_sample_has_its_labels() {
    let steps = vec![
        step(1, None, Some(220)),
        step(2, Some("say \"hi\""), Some(250)),
        step(3, Some("twice"), Some(354)),
        step(4, Some("twice"), None),
    ];
    let mut one = record("smoke/a.toml", Judgement::Passed, Status::Passed, steps);
    one.certificates_end = Some(Timestamp::from_second(2_000).expect("a time"));
    let text = metrics_of(vec![one]);
    let expected = [
        "mailrun_session_success{session=\"a\",file=\"smoke/a.toml\"} 1",
        "mailrun_session_skipped{session=\"a\"} 0",
        "mailrun_session_duration_seconds{session=\"a\"} 0.000000",
        "mailrun_session_status{session=\"a\"} 0",
        "mailrun_step_reply_code{session=\"a\",step=\"1\"} 220",
        "mailrun_step_reply_code{session=\"a\",step=\"say \\\"hi\\\"\"} 250",
        "mailrun_step_reply_code{session=\"a\",step=\"3\"} 354",
        "mailrun_step_duration_seconds{session=\"a\",step=\"1\"} 0.005000",
        "mailrun_step_duration_seconds{session=\"a\",step=\"say \\\"hi\\\"\"} 0.005000",
        "mailrun_step_duration_seconds{session=\"a\",step=\"3\"} 0.005000",
        "mailrun_step_duration_seconds{session=\"a\",step=\"4\"} 0.005000",
        "mailrun_tls_certificate_not_after_timestamp_seconds{session=\"a\"} 2000",
        "mailrun_last_run_timestamp_seconds 1001.500",
    ];
    let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(samples, expected);
    assert_eq!(text.matches("# TYPE ").count(), 8);
    assert_eq!(text.matches("# HELP ").count(), 8);
}

#[test]
fn sessions_that_share_a_name_are_told_apart_by_their_paths() {
    let passed = |file| record(file, Judgement::Passed, Status::Passed, Vec::new());
    let failed = record("c.toml", Judgement::Failed, Status::Failed, Vec::new());
    let skipped = record("d.toml", Judgement::Skipped("why".to_owned()), Status::Passed, Vec::new());
    let text = metrics_of(vec![passed("x/a.toml"), passed("y/a.toml"), failed, skipped]);
    for expected in [
        "mailrun_session_success{session=\"x/a\",file=\"x/a.toml\"} 1",
        "mailrun_session_success{session=\"y/a\",file=\"y/a.toml\"} 1",
        "mailrun_session_success{session=\"c\",file=\"c.toml\"} 0",
        "mailrun_session_success{session=\"d\",file=\"d.toml\"} 1",
        "mailrun_session_skipped{session=\"d\"} 1",
        "mailrun_session_status{session=\"c\"} 1",
    ] {
        assert!(text.lines().any(|line| line == expected), "{expected}\n{text}");
    }
}

#[test]
fn a_file_that_is_given_twice_has_two_names() {
    let passed = || record("b.toml", Judgement::Passed, Status::Passed, Vec::new());
    let text = metrics_of(vec![passed(), passed()]);
    assert!(text.contains("mailrun_session_status{session=\"b (2)\"} 0\n"), "{text}");
    let mut samples: Vec<&str> =
        text.lines().filter_map(|line| line.rsplit_once(' ')).map(|(sample, _)| sample).collect();
    samples.retain(|sample| !sample.starts_with('#'));
    let all = samples.len();
    samples.sort_unstable();
    samples.dedup();
    assert_eq!(samples.len(), all, "{text}");
}

#[test]
fn the_last_repetition_counts_and_skipped_steps_have_no_sample() {
    let mut repeated = step(1, None, Some(250));
    repeated.id.repetition = Some(1);
    let mut last = step(1, None, Some(550));
    last.id.repetition = Some(2);
    let mut skipped = step(2, None, None);
    skipped.verdict = Verdict::Skipped(crate::event::SkipReason::Condition);
    let text = metrics_of(vec![record("a.toml", Judgement::Failed, Status::Failed, vec![repeated, last, skipped])]);
    assert!(text.contains("mailrun_step_reply_code{session=\"a\",step=\"1\"} 550\n"), "{text}");
    assert!(!text.contains("step=\"2\""), "{text}");
    assert_eq!(text.matches("step=\"1\"").count(), 2, "{text}");
}

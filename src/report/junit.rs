//! JUnit XML: a suite for each session, a case for each step. Only elements and attributes of Jenkins' schema are written,
//! and the file and line of a case, which Jenkins ignores and GitLab shows.
//! The content of messages is left out: others may read such reports.

use super::duration::format_duration;
use super::record::{Judgement, Record, RunRecord, SessionFailure, StepRecord, without_content};
use crate::event::{Cause, Failure, ServerResponse};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::HashMap;
use std::io::{self, Write};

/// How many failed repetitions of a step are named.
const MAX_REPETITIONS: usize = 20;

/// Writes the report.
pub fn write(run: &RunRecord, out: impl io::Write) -> io::Result<()> {
    let mut report = Report::new("mailrun");
    report.set_time(run.elapsed);
    report.add_test_suites(run.records.iter().map(suite));
    let mut out = SchemaFilter { head: Some(Vec::new()), failure: None, out };
    // The serializer's own error does not say why it could not write.
    report.serialize(&mut out).map_err(|why| out.failure.take().unwrap_or_else(|| io::Error::other(why)))?;
    out.flush()
}

/// Removes the attribute `skipped` from the outermost element, where Jenkins' schema does not allow it.
struct SchemaFilter<W> {
    /// What was written so far, until that element's tag is complete.
    head: Option<Vec<u8>>,
    /// Why something could not be written.
    failure: Option<io::Error>,
    out: W,
}

impl<W: Write> SchemaFilter<W> {
    fn write_filtered(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(head) = &mut self.head else { return self.out.write(bytes) };
        head.extend_from_slice(bytes);
        let text = String::from_utf8_lossy(head);
        if let Some((before, tag)) = text.split_once("<testsuites ")
            && let Some((tag, behind)) = tag.split_once('>')
        {
            let known: Vec<&str> = tag.split(' ').filter(|attribute| !attribute.starts_with("skipped=")).collect();
            write!(self.out, "{before}<testsuites {}>{behind}", known.join(" "))?;
            self.head = None;
        }
        Ok(bytes.len())
    }
}

impl<W: Write> Write for SchemaFilter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_filtered(bytes).inspect_err(|why| {
            let same = why.raw_os_error().map_or_else(|| why.kind().into(), io::Error::from_raw_os_error);
            self.failure.get_or_insert(same);
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.head.take().unwrap_or_default())?;
        self.out.flush()
    }
}

fn suite(record: &Record) -> TestSuite {
    let mut suite = TestSuite::new(record.file.as_str());
    suite.set_time(record.elapsed);
    if !record.server.is_empty() {
        suite.add_property(Property::new("server", record.server.as_str()));
    }
    if let Some(description) = &record.description {
        suite.add_property(Property::new("description", description.as_str()));
    }
    suite.add_property(Property::new("status", record.status.code().to_string()));
    let class = class(record);
    let mut cases: Vec<TestCase> = repetitions(&record.steps).iter().map(|steps| case(record, steps, &class)).collect();
    make_names_unique(&mut cases);
    suite.add_test_cases(cases);
    suite.add_test_cases(record.failures.iter().map(|outside| session_case(record, outside, &class)));
    // A session without a case would not be displayed.
    let said = match &record.judgement {
        Judgement::UnexpectedPass(_) => Some(non_success(NonSuccessKind::Failure, record.judgement.reason(), "xfail")),
        Judgement::NotRun(why) => Some(skipped(why)),
        Judgement::Skipped(why) if record.steps.is_empty() => Some(skipped(why)),
        Judgement::Failed | Judgement::Error if record.failure_count() == 0 => {
            let kind =
                if record.judgement == Judgement::Error { NonSuccessKind::Error } else { NonSuccessKind::Failure };
            let why = record.remarks.first().cloned().unwrap_or_else(|| "it did not pass".to_owned());
            Some(non_success(kind, Some(why), "session"))
        }
        _ => None,
    };
    if let Some(status) = said {
        let mut case = TestCase::new("session", status);
        case.set_classname(class);
        set_place(&mut case, record.file.as_str(), 1);
        suite.add_test_case(case);
    }
    if !record.lines.is_empty() {
        suite.set_system_out(record.lines.text_without_content());
    }
    if !record.remarks.is_empty() {
        suite.set_system_err(record.remarks.join("\n"));
    }
    suite
}

/// The class name of a session's cases. Jenkins takes what precedes the last dot for a package.
fn class(record: &Record) -> String {
    record.file.as_str().trim_end_matches(".toml").trim_start_matches("./").replace('.', "_").replace('/', ".")
}

/// The steps by case: all repetitions of a step's own `repeat` are one.
fn repetitions(steps: &[StepRecord]) -> Vec<Vec<&StepRecord>> {
    let mut cases: Vec<Vec<&StepRecord>> = Vec::new();
    // The case of the last repetition on each connection: only that one can go on.
    let mut open: HashMap<&str, usize> = HashMap::new();
    for step in steps {
        let last = open.get(step.connection.as_str()).copied().filter(|_| step.id.repetition.is_some());
        match last.filter(|index| cases[*index].last().is_some_and(|other| repeats(other, step))) {
            Some(index) => cases[index].push(step),
            None => {
                open.insert(&step.connection, cases.len());
                cases.push(vec![step]);
            }
        }
    }
    cases
}

/// Whether two records are of the same step of the same row and attempt.
fn repeats(one: &StepRecord, other: &StepRecord) -> bool {
    let of_row = |step: &StepRecord| step.row.as_ref().map(|row| (row.number, row.attempt, row.repetition));
    one.id.repetition.is_some()
        && (one.id.number, &one.id.place, of_row(one), one.turn)
            == (other.id.number, &other.id.place, of_row(other), other.turn)
}

/// The case of a step, or of all its repetitions: it fails if one of them does.
fn case(record: &Record, steps: &[&StepRecord], class: &str) -> TestCase {
    let bad: Vec<&&StepRecord> = steps.iter().filter(|step| step.is_bad()).collect();
    let ran = steps.iter().find(|step| step.skip_reason().is_none() && !step.retried);
    let step = bad.first().copied().or(ran).unwrap_or(&steps[0]);
    let mut status = status_of(record, step);
    if steps.len() > 1 && !bad.is_empty() {
        let mut text = format!("{} of {} repetitions failed\n", bad.len(), steps.len());
        for other in bad.iter().take(MAX_REPETITIONS) {
            let cause = other.failure().map(|failure| failure.cause.to_string()).unwrap_or_default();
            text.push_str(&format!("repetition {}: {cause}\n", other.id.repetition.unwrap_or_default()));
        }
        let detail = match &status {
            TestCaseStatus::NonSuccess { description: Some(detail), .. } => detail.as_str().to_owned(),
            _ => String::new(),
        };
        status.set_description(format!("{text}{detail}"));
    }
    let title = if steps.len() > 1 { step.title_of_all_repetitions() } else { step.title() };
    let mut case = TestCase::new(format!("{}. {title}", step.id.number), status);
    case.set_classname(class).set_time(steps.iter().map(|step| step.elapsed).sum());
    match step.id.place.file.is_empty() {
        true => set_place(&mut case, record.file.as_str(), 1),
        false => set_place(&mut case, &step.id.place.file, step.id.place.line),
    }
    case
}

/// Where the step is written, as GitLab and PHPUnit's readers know it.
fn set_place(case: &mut TestCase, file: &str, line: usize) {
    case.extra.insert("file".into(), file.into());
    case.extra.insert("line".into(), line.to_string().into());
}

fn status_of(record: &Record, step: &StepRecord) -> TestCaseStatus {
    match (step.failure(), step.skip_reason(), &record.judgement) {
        (Some(failure), _, Judgement::ExpectedFailure(why)) => {
            skipped(&format!("failed as expected ({why}): {}", failure.cause))
        }
        // A later attempt succeeded, or the last one reports the failure.
        (Some(failure), ..) if step.retried => skipped(&format!("failed, and was tried again: {}", failure.cause)),
        (Some(failure), ..) => failed(failure, Some(step), record),
        (None, Some(_), Judgement::Skipped(why)) => skipped(why),
        (None, Some(why), _) => skipped(why),
        (None, None, _) => TestCaseStatus::success(),
    }
}

/// Numbers cases that have the same name, which Jenkins would merge: `open` runs on each connection of a batch.
fn make_names_unique(cases: &mut [TestCase]) {
    let mut seen: HashMap<String, usize> = HashMap::new();
    for case in cases {
        let count = seen.entry(case.name.as_str().to_owned()).or_default();
        *count += 1;
        if *count > 1 {
            case.name = format!("{}, time {count}", case.name.as_str()).into();
        }
    }
}

fn session_case(record: &Record, outside: &SessionFailure, class: &str) -> TestCase {
    let status = match (&record.judgement, outside) {
        (Judgement::ExpectedFailure(why), _) => skipped(&format!("failed as expected ({why}): {}", outside.message())),
        (_, SessionFailure::Failure(failure)) => failed(failure, None, record),
        (_, SessionFailure::InvalidFile { text, .. } | SessionFailure::Message(text)) => {
            let mut status = non_success(NonSuccessKind::Error, Some(outside.message()), "session file");
            status.set_description(text.clone());
            status
        }
    };
    let mut case = TestCase::new("session", status);
    case.set_classname(class);
    match outside {
        SessionFailure::Failure(failure) if !failure.place.file.is_empty() => {
            set_place(&mut case, &failure.place.file, failure.place.line);
        }
        _ => set_place(&mut case, record.file.as_str(), 1),
    }
    case
}

fn failed(failure: &Failure, step: Option<&StepRecord>, record: &Record) -> TestCaseStatus {
    let kind = if failure.cause.has_answer() { NonSuccessKind::Failure } else { NonSuccessKind::Error };
    let mut message = failure.cause.to_string();
    let mut text = format!("{failure}\n");
    if let Cause::Unexpected { got: ServerResponse::Reply { code, text: reply }, .. } = &failure.cause {
        message = format!("{message} {reply}");
        text.push_str(&format!("got: {code:03} {reply}\n"));
    }
    failure.details.mismatches.iter().for_each(|part| text.push_str(&format!("{part}\n")));
    if let Cause::AssertsFailed(failed) = &failure.cause {
        failed.iter().for_each(|one| text.push_str(&format!("assert failed: {one}\n")));
    }
    if let Cause::Certificate { details, .. } = &failure.cause {
        details.iter().for_each(|detail| text.push_str(&format!("{detail}\n")));
    }
    failure.details.others.iter().for_each(|other| text.push_str(&format!("{other}\n")));
    if let Some(step) = step {
        text.push_str(&format!("step {}, after {}\n\n", step.id.number, format_duration(step.elapsed)));
    }
    let index = step.and_then(|step| record.steps.iter().position(|other| std::ptr::eq(step, other)));
    text.push_str(&without_content(&record.lines.context_of(index, 20)));
    let name = match failure.status.name() {
        "" => "expectation",
        name => name,
    };
    let mut status = non_success(kind, Some(message), name);
    status.set_description(text);
    status
}

fn non_success(kind: NonSuccessKind, message: Option<String>, name: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(name);
    if let Some(message) = message {
        status.set_message(message);
    }
    status
}

fn skipped(why: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(why);
    status
}

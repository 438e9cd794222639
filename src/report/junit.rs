//! JUnit XML: a suite for each session, a case for each step. Only elements and attributes of Jenkins' schema are written.

use super::duration::format_duration;
use super::record::{Judgement, Record, RunRecord, SessionFailure, StepRecord};
use crate::event::{Cause, Failure, ServerResponse};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::HashMap;
use std::io::{self, Write};

/// Writes the report.
pub fn write(run: &RunRecord, out: impl io::Write) -> io::Result<()> {
    let mut report = Report::new("mailrun");
    report.set_time(run.elapsed);
    report.add_test_suites(run.records.iter().map(suite));
    let mut out = SchemaFilter { head: Some(Vec::new()), out };
    report.serialize(&mut out).map_err(io::Error::other)?;
    out.flush()
}

/// Removes the attribute `skipped` from the outermost element, where Jenkins' schema does not allow it.
struct SchemaFilter<W> {
    /// What was written so far, until that element's tag is complete.
    head: Option<Vec<u8>>,
    out: W,
}

impl<W: Write> Write for SchemaFilter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
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
    let mut cases: Vec<TestCase> = record.steps.iter().map(|step| case(record, step, &class)).collect();
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
        suite.add_test_case(case);
    }
    if !record.lines.is_empty() {
        suite.set_system_out(record.lines.text());
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

fn case(record: &Record, step: &StepRecord, class: &str) -> TestCase {
    let status = match (step.failure(), step.skip_reason(), &record.judgement) {
        (Some(failure), _, Judgement::ExpectedFailure(why)) => {
            skipped(&format!("failed as expected ({why}): {}", failure.cause))
        }
        // A later attempt succeeded, or the last one reports the failure.
        (Some(failure), ..) if step.retried => skipped(&format!("failed, and was tried again: {}", failure.cause)),
        (Some(failure), ..) => failed(failure, Some(step), record),
        (None, Some(_), Judgement::Skipped(why)) => skipped(why),
        (None, Some(why), _) => skipped(why),
        (None, None, _) => TestCaseStatus::success(),
    };
    let mut case = TestCase::new(format!("{}. {}", step.id.number, step.title()), status);
    case.set_classname(class).set_time(step.elapsed);
    case
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
    record.lines.context_of(index, 20).iter().for_each(|line| text.push_str(&format!("{}\n", line.text)));
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

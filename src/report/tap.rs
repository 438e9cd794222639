//! TAP 13: a test point for each session with its steps as an indented subtest, as in TAP 14; diagnostics are YAML of the kind
//! that Perl's `prove` reads. The content of messages is left out: others may read such reports.

use super::record::{Judgement, Record, RunRecord, SessionFailure, StepRecord};
use crate::event::{Cause, Failure, ServerResponse, Status};
use std::io::{self, Write};

/// Writes the report.
pub fn write(run: &RunRecord, mut out: impl Write) -> io::Result<()> {
    writeln!(out, "TAP version 13\n1..{}", run.records.len())?;
    for (index, record) in run.records.iter().enumerate() {
        session(index + 1, record, &mut out)?;
    }
    let signal = match run.status {
        Status::HungUp => Some("SIGHUP"),
        Status::Interrupted => Some("SIGINT"),
        Status::Terminated => Some("SIGTERM"),
        _ => None,
    };
    if let Some(signal) = signal {
        writeln!(out, "Bail out! ended by {signal}")?;
    }
    out.flush()
}

fn session(number: usize, record: &Record, out: &mut impl Write) -> io::Result<()> {
    let name = escaped(record.file.as_str());
    let steps: Vec<&StepRecord> = record.steps.iter().collect();
    if !steps.is_empty() {
        writeln!(out, "# Subtest: {name}\n    1..{}", steps.len())?;
        // TAP calls a test that is expected to fail a TODO.
        let todo = matches!(record.judgement, Judgement::ExpectedFailure(_));
        for (index, one) in steps.iter().enumerate() {
            step(index + 1, one, todo, out)?;
        }
    }
    let why = record.judgement.reason().map(|why| escaped(&why)).unwrap_or_default();
    let (ok, directive) = match &record.judgement {
        Judgement::Passed => (true, String::new()),
        Judgement::Skipped(_) | Judgement::NotRun(_) => (true, format!(" # SKIP {why}")),
        Judgement::ExpectedFailure(_) => (false, format!(" # TODO {why}")),
        // With a TODO these would count as passed.
        Judgement::UnexpectedPass(_) | Judgement::Failed | Judgement::Error => (false, String::new()),
    };
    writeln!(out, "{} {number} - {name}{directive}", ok_prefix(ok))?;
    let mut yaml = Yaml::new("  ");
    yaml.number("duration_ms", record.elapsed.as_secs_f64() * 1000.0);
    if !record.server.is_empty() {
        yaml.text("server", record.server.as_str());
    }
    let weaknesses: Vec<_> = record.weaknesses().map(String::as_str).collect();
    if !weaknesses.is_empty() {
        yaml.text("remark", &weaknesses.join("; "));
    }
    if !ok {
        yaml.number("status", f64::from(record.status.code()));
        match record.failures.first() {
            Some(SessionFailure::Failure(failure)) => yaml.failure(failure),
            Some(outside @ (SessionFailure::InvalidFile { .. } | SessionFailure::Message(_))) => {
                yaml.text("message", &outside.message());
                yaml.text("severity", "error");
                if let SessionFailure::InvalidFile { text, .. } = outside {
                    yaml.text("details", text);
                }
            }
            None => {
                if let Some(why) = record.reason() {
                    yaml.text("message", &why);
                }
            }
        }
        yaml.block("transcript", &record.lines.text_without_content());
    }
    out.write_all(yaml.end().as_bytes())
}

fn step(number: usize, step: &StepRecord, todo: bool, out: &mut impl Write) -> io::Result<()> {
    let failure = step.failure();
    let directive = match (step.skip_reason(), failure) {
        (Some(why), _) => format!(" # SKIP {why}"),
        (None, Some(_)) if todo => " # TODO expected to fail".to_owned(),
        // A harness does not count a TODO.
        (None, Some(_)) if step.retried => " # TODO tried again".to_owned(),
        _ => String::new(),
    };
    writeln!(out, "    {} {number} - {}{directive}", ok_prefix(failure.is_none()), escaped(&step.title()))?;
    let mut yaml = Yaml::new("      ");
    yaml.number("duration_ms", step.elapsed.as_secs_f64() * 1000.0);
    if let Some(failure) = failure {
        yaml.failure(failure);
    }
    out.write_all(yaml.end().as_bytes())
}

fn ok_prefix(ok: bool) -> &'static str {
    if ok { "ok" } else { "not ok" }
}

/// Escapes `#`, which begins a directive, and the backslash.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#").replace(['\n', '\r'], " ")
}

fn lines_of<T: ToString>(list: &[T]) -> String {
    list.iter().map(|one| one.to_string() + "\n").collect()
}

/// A YAML block of diagnostics. Strings are in single quotes, or block scalars if they have several lines.
struct Yaml {
    indent: &'static str,
    text: String,
}

impl Yaml {
    fn new(indent: &'static str) -> Self {
        Self { indent, text: format!("{indent}---\n") }
    }

    fn line(&mut self, text: &str) {
        self.text.push_str(&format!("{}{text}\n", self.indent));
    }

    fn number(&mut self, key: &str, value: f64) {
        self.line(&format!("{key}: {}", (value * 1000.0).round() / 1000.0));
    }

    fn text(&mut self, key: &str, value: &str) {
        if value.contains(['\n', '\r']) {
            self.block(key, value);
        } else {
            self.line(&format!("{key}: '{}'", value.replace('\'', "''")));
        }
    }

    /// A block scalar. The first line must not begin with white space, from which readers take the indentation.
    fn block(&mut self, key: &str, text: &str) {
        let text = text.trim_start().trim_end();
        if !text.is_empty() {
            self.line(&format!("{key}: |"));
            text.split(['\n', '\r']).for_each(|line| self.line(&format!("  {line}")));
        }
    }

    fn failure(&mut self, failure: &Failure) {
        self.text("message", &failure.cause.to_string());
        self.text("severity", if failure.cause.has_answer() { "fail" } else { "error" });
        if let Cause::Unexpected { expected, got } = &failure.cause {
            self.text("expected", expected.as_str());
            if let ServerResponse::Reply { code, text } = got {
                self.text("got", &format!("{code:03} {text}"));
            }
        }
        self.block("parts", &lines_of(&failure.details.mismatches));
        self.block("also", &lines_of(&failure.details.others));
        if let Cause::Certificate { details, .. } = &failure.cause {
            let details: Vec<&str> = details.iter().map(|detail| detail.as_str()).collect();
            self.block("certificate", &details.join("\n"));
        }
        if !failure.place.file.is_empty() {
            self.line("at:");
            self.line(&format!("  file: '{}'", failure.place.file.replace('\'', "''")));
            self.line(&format!("  line: {}", failure.place.line));
            self.line(&format!("  column: {}", failure.place.column));
        }
    }

    fn end(mut self) -> String {
        self.line("...");
        self.text
    }
}

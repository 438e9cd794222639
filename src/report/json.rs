//! The JSON report: `version`, `status`, `sessions[].steps[]`. docs/report.schema.json describes it.

use super::record::{Record, RunRecord, SessionFailure, StepPhase, StepRecord, Totals};
use crate::event::{Cause, Failure, ServerResponse, SessionAttempt};
use crate::session::Place;
use crate::transcript::escape_unprintable;
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::time::Duration;

/// The version of the format. It changes when programs that read the old one cannot read the new one.
pub const VERSION: u32 = 1;

/// The program and its version.
pub const PROGRAM: &str = concat!("mailrun ", env!("CARGO_PKG_VERSION"));

/// Writes the report, one session at a time.
pub fn write(run: &RunRecord, mut out: impl Write) -> io::Result<()> {
    let head = json!({
        "version": VERSION,
        "program": PROGRAM,
        "status": run.status.code(),
        "started": run.started.to_string(),
        "elapsed": seconds(run.elapsed),
        "totals": totals(&run.totals()),
    });
    let head = head.to_string();
    out.write_all(head.strip_suffix('}').unwrap_or(&head).as_bytes())?;
    out.write_all(b",\n\"sessions\":[")?;
    for (index, record) in run.records.iter().enumerate() {
        out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut out, &session(record))?;
    }
    out.write_all(b"\n]}\n")?;
    out.flush()
}

/// Seconds, rounded to microseconds.
pub fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

pub fn totals(totals: &Totals) -> Value {
    json!({
        "sessions": totals.sessions,
        "passed": totals.passed,
        "failed": totals.failed,
        "errors": totals.errors,
        "skipped": totals.skipped,
        "xfailed": totals.expected_failures,
        "not_run": totals.not_run,
        "steps": totals.steps,
        "failures": totals.failures,
    })
}

/// One session.
pub fn session(record: &Record) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("file", record.file.as_str().into());
    if let Some(description) = &record.description {
        put("description", description.as_str().into());
    }
    if !record.server.is_empty() {
        put("server", record.server.as_str().into());
    }
    put("verdict", record.judgement.as_str().into());
    if let Some(reason) = record.judgement.reason() {
        put("reason", reason.into());
    }
    put("status", record.status.code().into());
    put("elapsed", seconds(record.elapsed).into());
    put("steps", record.steps.iter().map(step).collect());
    if record.omitted_steps > 0 {
        put("steps_left_out", record.omitted_steps.into());
    }
    if !record.failures.is_empty() {
        put("failures", record.failures.iter().map(session_failure).collect());
    }
    if !record.remarks.is_empty() {
        put("remarks", record.remarks.clone().into());
    }
    put("transcript", record.lines.text().lines().map(Value::from).collect());
    Value::Object(out)
}

fn session_failure(outside: &SessionFailure) -> Value {
    match outside {
        SessionFailure::Failure(one) => failure(one),
        SessionFailure::InvalidFile { status, text } => {
            json!({ "kind": "session-file", "message": outside.message(), "status": status.code(), "details": text })
        }
        SessionFailure::Message(text) => json!({ "kind": "session", "message": text }),
    }
}

pub fn step(step: &StepRecord) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("number", step.id.number.into());
    put("title", step.id.title.as_str().into());
    put("connection", escape_unprintable(step.connection.as_bytes()).into());
    if let Some(repetition) = step.repetition() {
        put("repetition", repetition.into());
    }
    put("attempt", step.attempt().into());
    if let Some(turn) = &step.turn {
        put("turn", attempt_fields(turn));
    }
    if let Some(row) = &step.row {
        let mut fields = json!({ "number": row.number, "key": row.key.as_str(), "attempt": row.attempt });
        if let Some(repetition) = row.repetition {
            fields["repetition"] = repetition.into();
        }
        put("row", fields);
    }
    if step.retried {
        put("retried", true.into());
    }
    put("verdict", step.as_str().into());
    if let Some(why) = step.skip_reason() {
        put("reason", why.into());
    }
    put("started", seconds(step.started).into());
    put("elapsed", seconds(step.elapsed).into());
    put("place", place(&step.id.place));
    if let Some(one) = step.failure() {
        put("failure", failure(one));
    }
    put("phases", step.phases.iter().map(phase).collect());
    Value::Object(out)
}

fn phase(phase: &StepPhase) -> Value {
    json!({ "kind": phase.kind.as_str(), "started": seconds(phase.started), "elapsed": seconds(phase.elapsed) })
}

/// An attempt at a whole session, if there may be several.
pub fn attempt_fields(turn: &SessionAttempt) -> Value {
    let mut fields = json!({ "attempt": turn.attempt });
    if let Some(repetition) = turn.repetition {
        fields["repetition"] = repetition.into();
    }
    fields
}

/// `null` if there is no place.
pub fn place(place: &Place) -> Value {
    if place.file.is_empty() {
        return Value::Null;
    }
    json!({ "file": escape_unprintable(place.file.as_bytes()), "line": place.line, "column": place.column })
}

/// A failure: its kind, a sentence, and details.
pub fn failure(failure: &Failure) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("kind", kind(&failure.cause).into());
    put("message", failure.cause.to_string().into());
    put("status", failure.status.code().into());
    put("place", place(&failure.place));
    if !failure.details.mismatches.is_empty() {
        put("parts", failure.details.mismatches.iter().map(|part| Value::from(part.as_str())).collect());
    }
    if !failure.details.others.is_empty() {
        put("also", failure.details.others.iter().map(self::failure).collect());
    }
    match &failure.cause {
        Cause::Unexpected { expected, got } => {
            put("expected", expected.as_str().into());
            let got = match got {
                ServerResponse::Reply { code, text } => json!({ "code": code, "text": text.as_str() }),
                ServerResponse::Closed => "closed".into(),
                ServerResponse::Reset => "reset".into(),
                ServerResponse::Nothing => "nothing".into(),
                ServerResponse::Malformed => "malformed".into(),
                ServerResponse::Bytes => "bytes".into(),
                ServerResponse::TlsStarted => "tls".into(),
            };
            put("got", got);
        }
        Cause::AssertsFailed(failed) => {
            let asserts = failed.iter().map(|one| {
                let values: Map<String, Value> =
                    one.values.iter().map(|(name, value)| (name.to_string(), value.as_str().into())).collect();
                json!({ "expression": one.expression.as_str(), "place": place(&one.place), "values": values })
            });
            put("asserts", asserts.collect());
        }
        Cause::Recipients { refused, stopped: _ } => {
            let refused =
                refused.iter().map(|one| json!({ "address": one.address.as_str(), "reply": one.reply.as_str() }));
            put("refused", refused.collect());
        }
        Cause::Certificate { details, .. } => {
            put("details", details.iter().map(|detail| Value::from(detail.as_str())).collect());
        }
        _ => {}
    }
    Value::Object(out)
}

/// The `kind` of a failure.
fn kind(cause: &Cause) -> &'static str {
    match cause {
        Cause::Unexpected { .. } => "unexpected",
        Cause::AssertsFailed(_) => "assert",
        Cause::CaptureMissed { .. } => "capture",
        Cause::TimedOut { .. } => "timeout",
        Cause::ConnectionLost { .. } => "lost",
        Cause::DeliveryUnknown { .. } => "delivery-unknown",
        Cause::NotSmtp(_) | Cause::LineTooLong => "not-smtp",
        Cause::UnsolicitedInput { .. } => "out-of-turn",
        Cause::BytesAfterStarttls { .. } => "injected",
        Cause::CannotResolve { .. } => "resolve",
        Cause::CannotConnect { .. } => "connect",
        Cause::Certificate { .. } => "certificate",
        Cause::TlsFailed { .. } => "tls",
        Cause::TlsRefused { .. } => "tls-refused",
        Cause::AuthRefused { .. } => "auth-refused",
        Cause::MissingCapability { .. } => "lacking",
        Cause::Sasl { .. } => "sasl",
        Cause::BadValue { .. } => "bad-value",
        Cause::Unreadable { .. } => "unreadable",
        Cause::Recipients { .. } => "recipients",
        Cause::Interrupted { .. } => "interrupted",
    }
}

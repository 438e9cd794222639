//! The events of `--json -` as JSON Lines, each written when it happens.

use super::json::{attempt_fields, failure, place, seconds};
use crate::event::{Event, Fact, Note, Observer, RedactedLine, RowId, SkipReason, Status, Verdict, json_line};
use crate::session::CloseMode;
use crate::transcript::{SafeText, escape_unprintable};
use serde_json::{Map, Value, json};
use std::io::Write;

/// Why a session is skipped if none of its steps runs.
pub const ALL_CONDITIONS_FALSE: &str = "the `if` of every step was false";

/// Writes the events of one session. The numbers distinguish sessions that run in parallel.
pub struct JsonEventWriter<W: Write> {
    out: W,
    /// Counted from 1.
    session: usize,
    /// The path of the session file.
    file: SafeText,
    /// The number of steps whose `if` was false.
    false_conditions: usize,
}

impl<W: Write> JsonEventWriter<W> {
    /// Errors are ignored here; `out` remembers them.
    pub fn new(out: W, session: usize, file: SafeText) -> Self {
        Self { out, session, file, false_conditions: 0 }
    }
}

/// Writes one line with a single call to `write`.
pub fn write_line(out: &mut impl Write, value: &Value) {
    let _ = out.write_all(json_line(value).as_bytes()).and_then(|()| out.flush());
}

impl<W: Write> Observer for JsonEventWriter<W> {
    fn observe(&mut self, event: &Event<'_>) {
        let (name, fields) = match &event.fact {
            Fact::SessionStarted { name, server } => (
                "session_started",
                json!({ "file": self.file.as_str(), "name": name.as_str(), "server": server.as_str() }),
            ),
            Fact::HostResolved { host, addresses } => {
                let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
                ("host_resolved", json!({ "host": host.as_str(), "addresses": addresses }))
            }
            Fact::Connected { address } => ("connected", json!({ "address": address.as_str() })),
            Fact::TlsStarted { tls, verify: _ } => {
                let subject = tls.peer.as_ref().map(|peer| escape_unprintable(peer.subject.as_bytes()));
                let fields = json!({
                    "version": tls.version, "cipher": tls.cipher, "verified": tls.verified, "subject": subject,
                    "not_after": tls.peer.as_ref().map(|peer| peer.not_after.to_string()),
                    "chain_not_after": tls.certificates_end().map(|end| end.to_string()),
                });
                ("tls_started", fields)
            }
            Fact::LineSent(line) => ("line_sent", line_fields(line, false)),
            Fact::Content(block) => {
                block.lines().for_each(|line| self.write(event, "line_sent", line_fields(&line, true)));
                return;
            }
            Fact::LineReceived(line) => ("line_received", line_fields(line, false)),
            // Its lines say the same.
            Fact::ContentSent | Fact::RecipientAnswered { .. } | Fact::ContentAnswered { .. } => return,
            Fact::Paused { duration } => ("paused", json!({ "duration": seconds(*duration) })),
            Fact::TlsClosedByClient => ("tls_closed_by_client", json!({})),
            Fact::ClosedByServer => ("closed_by_server", json!({})),
            Fact::ResetByServer => ("reset_by_server", json!({})),
            Fact::ClosedByClient { how } => {
                let how = match how {
                    CloseMode::Fin => "fin",
                    CloseMode::Reset => "reset",
                    CloseMode::Write => "write",
                };
                ("closed_by_client", json!({ "how": how }))
            }
            Fact::AttemptStarted { turn } => ("turn_started", attempt_fields(turn)),
            Fact::RowStarted { row } => ("row_started", row_fields(row)),
            Fact::RowFinished { row, outcome } => {
                let mut fields = row_fields(row);
                fields["status"] = outcome.status.code().into();
                fields["failure"] = outcome.failure.as_ref().map(failure).into();
                ("row_finished", fields)
            }
            Fact::StepStarted { step } => {
                let mut fields = step_fields(step);
                fields.insert("place".to_owned(), place(&step.place));
                ("step_started", Value::Object(fields))
            }
            Fact::StepFinished { step, verdict, elapsed } => {
                let mut fields = step_fields(step);
                let (word, more) = match verdict {
                    Verdict::Passed => ("passed", None),
                    Verdict::Failed(one) => ("failed", Some(("failure", failure(one)))),
                    Verdict::Error(one) => ("error", Some(("failure", failure(one)))),
                    Verdict::Skipped(reason) => {
                        let reason = match reason {
                            SkipReason::Condition => {
                                self.false_conditions += 1;
                                "condition"
                            }
                            SkipReason::EarlierFailure => "earlier-failure",
                            SkipReason::NotOffered => "not-offered",
                            SkipReason::AlreadySent => "sent-before",
                            SkipReason::Excluded => "excluded",
                            SkipReason::Deselected => "left-out",
                            SkipReason::MissingCapability => "lacking",
                        };
                        ("skipped", Some(("reason", reason.into())))
                    }
                };
                fields.insert("verdict".to_owned(), word.into());
                fields.insert("elapsed".to_owned(), seconds(*elapsed).into());
                fields.extend(more.map(|(key, value)| (key.to_owned(), value)));
                ("step_finished", Value::Object(fields))
            }
            Fact::Noted(one) => note_fields(one),
            Fact::SessionFinished { outcome } => {
                // The run counts such a session as skipped.
                let idle = outcome.status == Status::Passed && outcome.steps_run == 0 && self.false_conditions > 0;
                let skipped = outcome.skipped.as_ref().map(SafeText::as_str).or(idle.then_some(ALL_CONDITIONS_FALSE));
                let fields = json!({
                    "status": outcome.status.code(),
                    "steps_run": outcome.steps_run,
                    "failure": outcome.failure.as_ref().map(failure),
                    "skipped": skipped,
                });
                ("session_finished", fields)
            }
        };
        self.write(event, name, fields);
    }
}

impl<W: Write> JsonEventWriter<W> {
    fn write(&mut self, event: &Event<'_>, name: &str, fields: Value) {
        debug_assert!(super::event_docs::documents(name, &fields), "docs/events.md describes {name} with these fields");
        let mut line = Map::new();
        line.insert("event".to_owned(), name.into());
        line.insert("session".to_owned(), self.session.into());
        line.insert("at".to_owned(), seconds(event.at).into());
        line.insert("connection".to_owned(), escape_unprintable(event.connection.as_bytes()).into());
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        write_line(&mut self.out, &Value::Object(line));
    }
}

/// A line as the transcript shows it, without secrets.
fn line_fields(line: &RedactedLine<'_>, content: bool) -> Value {
    let mut text = String::new();
    line.notation(&mut text);
    json!({ "line": text, "bytes": line.wire_length(), "content": content })
}

fn step_fields(step: &crate::event::StepId) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("step".to_owned(), step.number.into());
    fields.insert("title".to_owned(), step.title.as_str().into());
    fields.extend(step.repetition.map(|repetition| ("repetition".to_owned(), repetition.into())));
    fields.insert("attempt".to_owned(), step.attempt.into());
    fields
}

fn row_fields(row: &RowId) -> Value {
    let mut fields = json!({ "row": row.number, "key": row.key.as_str(), "attempt": row.attempt });
    if let Some(repetition) = row.repetition {
        fields["repetition"] = repetition.into();
    }
    fields
}

fn note_fields(note: &Note) -> (&'static str, Value) {
    match note {
        Note::Unencrypted { why } => ("going_on_in_clear", json!({ "why": why.as_str() })),
        Note::ConnectedAgain => ("connected_again", json!({})),
        Note::MailExchanger { domain, host, preference } => {
            let fields = json!({ "domain": domain.as_str(), "host": host.as_str(), "preference": preference });
            ("exchanger_found", fields)
        }
        Note::MailExchangerUnreachable { host, why } => {
            ("exchanger_unreachable", json!({ "host": host.as_str(), "why": why.as_str() }))
        }
        Note::HandshakeRefused { why, .. } => ("tls_handshake_refused", json!({ "why": why.as_str() })),
        Note::SecurityLevelLowered => ("tls_security_level_lowered", json!({ "level": 0 })),
        Note::NoCloseNotify => ("tls_close_unanswered", json!({})),
        Note::OutsideTls { line } => ("outside_tls", json!({ "line": line.as_str() })),
        Note::NotVerified { why } => ("certificate_not_verified", json!({ "why": why.as_str() })),
        Note::DecodedChallenge { text } => ("prompt_decoded", json!({ "text": text.as_str() })),
        Note::Capabilities { list } => {
            ("capabilities_told", json!({ "capabilities": list.iter().map(SafeText::as_str).collect::<Vec<_>>() }))
        }
        Note::QuitFailed { why } => ("quit_failed", json!({ "why": why.as_str() })),
        Note::RecipientExcluded { address } => ("recipient_excluded", json!({ "address": address.as_str() })),
        Note::InvalidText { what } => ("invalid_text", json!({ "what": what.as_str() })),
        Note::PlaceholderUsed { name, why } => ("placeholder", json!({ "name": name.as_str(), "why": why.as_str() })),
        Note::DefaultUsed { name, why } => ("default_taken", json!({ "name": name.as_str(), "why": why.as_str() })),
        Note::PartRemoved { what } => ("part_removed", json!({ "what": what })),
        Note::SecretInArguments { name } => ("given_secret", json!({ "name": name.as_str() })),
        Note::ShortSecret { name } => ("short_secret", json!({ "name": name.as_str() })),
        Note::Retrying { attempt, times, wait } => {
            ("retrying", json!({ "attempt": attempt, "times": times, "wait": seconds(*wait) }))
        }
        Note::SessionRetrying { attempt, times, wait } => {
            ("turn_retrying", json!({ "attempt": attempt, "times": times, "wait": seconds(*wait) }))
        }
        Note::RecipientResult { address, outcome, reply, message: _ } => {
            ("recipient", json!({ "address": address.as_str(), "outcome": outcome.name(), "reply": reply.as_str() }))
        }
        Note::MessageAccepted { recipients, size, queue_id } => (
            "message_sent",
            json!({ "recipients": recipients, "size": size, "queue_id": queue_id.as_ref().map(SafeText::as_str) }),
        ),
        Note::ChunkingDisabled { reply } => ("chunking_disabled", json!({ "reply": reply.as_str() })),
        Note::PartialWrite { bytes } => ("not_written", json!({ "bytes": bytes })),
        Note::Interrupted { signal } => ("interrupted", json!({ "signal": signal })),
    }
}

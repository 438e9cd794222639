//! Replaces every displayed text by `x`: in events, and in what the row source gets.

use crate::event::{
    Cause, Event, Fact, FailedAssert, Failure, Note, Observer, Outcome, RedactedLine, RefusedRecipient, RowId,
    ServerResponse, StepId, Verdict,
};
use crate::exec::{DeliveryIntent, RecipientResult, Row, RowResult, RowSource};
use crate::smtp::lines::{LineEnd, WireLine};
use crate::transcript::SafeText;

const X: WireLine<'static> = WireLine { bytes: b"x", end: LineEnd::CrLf };

fn x() -> SafeText {
    SafeText::new("x")
}

/// An observer that sees no text.
pub struct HiddenTexts<O> {
    pub observer: O,
    pub hides: bool,
}

impl<O: Observer> Observer for HiddenTexts<O> {
    fn observe(&mut self, event: &Event<'_>) {
        if !self.hides {
            return self.observer.observe(event);
        }
        let mut emit = |fact: Fact<'_>| self.observer.observe(&Event { at: event.at, connection: "x", fact });
        match &event.fact {
            Fact::SessionStarted { .. } => emit(Fact::SessionStarted { name: x(), server: x() }),
            Fact::HostResolved { .. } => emit(Fact::HostResolved { host: x(), addresses: Vec::new() }),
            Fact::Connected { .. } => emit(Fact::Connected { address: x() }),
            Fact::TlsStarted { tls, verify } => emit(Fact::TlsStarted { tls, verify: *verify }),
            Fact::LineSent(_) => emit(Fact::LineSent(RedactedLine::new(X, &[]))),
            Fact::LineReceived(_) => emit(Fact::LineReceived(RedactedLine::new(X, &[]))),
            Fact::Content(_) => {}
            Fact::ContentSent => emit(Fact::ContentSent),
            Fact::RecipientAnswered { index, code } => emit(Fact::RecipientAnswered { index: *index, code: *code }),
            Fact::ContentAnswered { code } => emit(Fact::ContentAnswered { code: *code }),
            Fact::Paused { duration } => emit(Fact::Paused { duration: *duration }),
            Fact::TlsClosedByClient => emit(Fact::TlsClosedByClient),
            Fact::ClosedByServer => emit(Fact::ClosedByServer),
            Fact::ResetByServer => emit(Fact::ResetByServer),
            Fact::ClosedByClient { how } => emit(Fact::ClosedByClient { how: *how }),
            Fact::AttemptStarted { turn } => emit(Fact::AttemptStarted { turn: *turn }),
            Fact::RowStarted { row } => emit(Fact::RowStarted { row: &hidden_id(row) }),
            Fact::RowFinished { row, outcome } => {
                emit(Fact::RowFinished { row: &hidden_id(row), outcome: &hidden_outcome(outcome) });
            }
            Fact::StepStarted { step } => emit(Fact::StepStarted { step: &hidden_step(step) }),
            Fact::StepFinished { step, verdict, elapsed } => {
                let verdict = match verdict {
                    Verdict::Failed(failure) => Verdict::Failed(hidden_failure(failure)),
                    Verdict::Error(failure) => Verdict::Error(hidden_failure(failure)),
                    other => Verdict::clone(other),
                };
                emit(Fact::StepFinished { step: &hidden_step(step), verdict: &verdict, elapsed: *elapsed });
            }
            Fact::Noted(note) => emit(Fact::Noted(hidden_note(note))),
            Fact::SessionFinished { outcome } => emit(Fact::SessionFinished { outcome: &hidden_outcome(outcome) }),
        }
    }
}

/// A row source that gets no text except the names of recipients, by which a ledger knows them.
pub struct HiddenRowTexts<'s> {
    pub source: &'s mut dyn RowSource,
    pub hides: bool,
}

impl RowSource for HiddenRowTexts<'_> {
    fn next(&mut self) -> Option<Row> {
        self.source.next()
    }

    fn peek(&mut self, index: usize) -> Option<Row> {
        self.source.peek(index)
    }

    fn record_intent(&mut self, intents: &[DeliveryIntent<'_>]) -> Result<(), String> {
        if !self.hides {
            return self.source.record_intent(intents);
        }
        let earlier: Vec<_> = intents.iter().map(|intent| hidden_recipients(intent.earlier)).collect();
        let intents = intents.iter().zip(&earlier);
        let intents: Vec<_> = intents.map(|(intent, earlier)| DeliveryIntent { earlier, ..intent.clone() }).collect();
        self.source.record_intent(&intents)
    }

    fn finished(&mut self, row: &Row, mut result: RowResult) {
        if self.hides {
            result.outcome = hidden_outcome(&result.outcome);
            result.recipients = hidden_recipients(&result.recipients);
            result.raw.content_reply = result.raw.content_reply.map(|_| "x".to_owned());
            result.raw.last_reply = result.raw.last_reply.map(|_| "x".to_owned());
        }
        self.source.finished(row, result);
    }
}

fn hidden_recipients(recipients: &[RecipientResult]) -> Vec<RecipientResult> {
    recipients.iter().map(|one| RecipientResult { address: x(), reply: x(), ..one.clone() }).collect()
}

fn hidden_id(id: &RowId) -> RowId {
    RowId { key: x(), place: x(), ..id.clone() }
}

fn hidden_step(step: &StepId) -> StepId {
    StepId { title: x(), ..step.clone() }
}

fn hidden_outcome(outcome: &Outcome) -> Outcome {
    Outcome {
        failure: outcome.failure.as_ref().map(hidden_failure),
        skipped: outcome.skipped.as_ref().map(|_| x()),
        ..outcome.clone()
    }
}

fn hidden_failure(failure: &Failure) -> Failure {
    let mut hidden = failure.clone();
    hidden.cause = hidden_cause(&failure.cause);
    hidden.details.mismatches = failure.details.mismatches.iter().map(|_| x()).collect();
    hidden.details.others = failure.details.others.iter().map(hidden_failure).collect();
    hidden
}

fn hidden_cause(cause: &Cause) -> Cause {
    match cause {
        Cause::Unexpected { got: ServerResponse::Reply { code, .. }, .. } => {
            Cause::Unexpected { expected: x(), got: ServerResponse::Reply { code: *code, text: x() } }
        }
        Cause::Unexpected { got, .. } => Cause::Unexpected { expected: x(), got: got.clone() },
        Cause::AssertsFailed(asserts) => Cause::AssertsFailed(
            asserts.iter().map(|one| FailedAssert { expression: x(), values: Vec::new(), ..one.clone() }).collect(),
        ),
        Cause::CaptureMissed { .. } => Cause::CaptureMissed { name: x(), pattern: x(), text: x() },
        Cause::TimedOut { limit, section, may_expect_tls, waiting_for: _ } => {
            Cause::TimedOut { waiting_for: x(), limit: *limit, section: *section, may_expect_tls: *may_expect_tls }
        }
        Cause::ConnectionLost { .. } => Cause::ConnectionLost { why: x() },
        Cause::DeliveryUnknown { .. } => Cause::DeliveryUnknown { why: x() },
        Cause::UnsolicitedInput { .. } => Cause::UnsolicitedInput { text: x() },
        Cause::BytesAfterStarttls { .. } => Cause::BytesAfterStarttls { text: x() },
        Cause::CannotResolve { .. } => Cause::CannotResolve { host: x(), why: x() },
        Cause::CannotConnect { .. } => Cause::CannotConnect { address: x(), why: x() },
        Cause::Certificate { problem, .. } => Cause::Certificate { problem: *problem, why: x(), details: Vec::new() },
        Cause::TlsFailed { after_handshake, .. } => Cause::TlsFailed { why: x(), after_handshake: *after_handshake },
        Cause::TlsRefused { .. } => Cause::TlsRefused { why: x(), chosen_version: None },
        Cause::AuthRefused { code, .. } => Cause::AuthRefused { mechanism: x(), reply: x(), code: *code },
        Cause::MissingCapability { .. } => Cause::MissingCapability { what: x(), help: None },
        Cause::Sasl { .. } => Cause::Sasl { mechanism: x(), why: x() },
        Cause::BadValue { .. } => Cause::BadValue { what: x() },
        Cause::Unreadable { .. } => Cause::Unreadable { what: x() },
        Cause::Recipients { refused, stopped } => {
            let hide = |one: &RefusedRecipient| RefusedRecipient { address: x(), reply: x(), code: one.code };
            Cause::Recipients { refused: refused.iter().map(hide).collect(), stopped: *stopped }
        }
        Cause::NotSmtp(_) | Cause::LineTooLong | Cause::Interrupted { .. } => cause.clone(),
    }
}

fn hidden_note(note: &Note) -> Note {
    match note {
        Note::RecipientResult { outcome, message, .. } => {
            Note::RecipientResult { address: x(), outcome: *outcome, reply: x(), message: message.clone() }
        }
        Note::MessageAccepted { recipients, size, .. } => {
            Note::MessageAccepted { recipients: *recipients, size: *size, queue_id: None }
        }
        Note::Capabilities { .. } => Note::Capabilities { list: Vec::new() },
        Note::InvalidText { .. } => Note::InvalidText { what: x() },
        Note::HandshakeRefused { of_certificate, .. } => {
            Note::HandshakeRefused { why: x(), of_certificate: *of_certificate }
        }
        Note::OutsideTls { .. } => Note::OutsideTls { line: x() },
        Note::QuitFailed { .. } => Note::QuitFailed { why: x() },
        // The others hold numbers only, or come before any row.
        other => other.clone(),
    }
}

//! Tables: what a row was told, and the state that it has then.

use super::*;
use crate::exec::{RawDialogue, RecipientResult};
use RecipientOutcome::{Accepted, Deferred, Refused, Unknown};

/// Every text is the same: none of them may decide anything.
fn text() -> SafeText {
    SafeText::new("x")
}

fn recipient(outcome: RecipientOutcome) -> RecipientResult {
    let code = match outcome {
        Accepted => Some(250),
        Refused => Some(550),
        Deferred => Some(450),
        Unknown => None,
    };
    RecipientResult { name: "x".to_owned(), address: text(), outcome, reply: text(), code }
}

/// How the row ended.
enum End {
    Passed,
    /// An expectation was not met.
    Failed,
    /// The same with a reply that is temporary.
    Temporary,
    Lost,
    TimedOut,
    NoReply,
    Interrupted,
    Invalid,
    /// A recipient was refused; `true`: that stopped the message for all.
    Recipients(bool),
}

fn outcome(end: &End) -> Outcome {
    let (status, cause) = match end {
        End::Passed => return Outcome { status: Status::Passed, failure: None, steps_run: 1, skipped: None },
        End::Failed => (Status::Failed, unexpected(550)),
        End::Temporary => (Status::TempFail, unexpected(450)),
        End::Lost => (Status::Unavailable, Cause::ConnectionLost { why: text() }),
        End::TimedOut => {
            let limit = std::time::Duration::from_secs(1);
            (Status::TempFail, Cause::TimedOut { waiting_for: text(), limit, section: None, may_expect_tls: false })
        }
        End::NoReply => (Status::IoErr, Cause::DeliveryUnknown { why: text() }),
        End::Interrupted => (Status::Interrupted, Cause::Interrupted { signal: "SIGINT" }),
        End::Invalid => (Status::DataErr, Cause::BadValue { what: text() }),
        End::Recipients(stopped) => {
            let refused = vec![RefusedRecipient { address: text(), reply: text(), code: 550 }];
            (Status::Failed, Cause::Recipients { refused, stopped: *stopped })
        }
    };
    let failure = Some(Failure::new(status, Place::default(), cause));
    Outcome { status, failure, steps_run: 1, skipped: None }
}

fn unexpected(code: u16) -> Cause {
    Cause::Unexpected { expected: text(), got: ServerResponse::Reply { code, text: text() } }
}

fn result(end: &End, recipients: &[RecipientOutcome], raw: RawDialogue) -> RowResult {
    RowResult {
        outcome: outcome(end),
        recipients: recipients.iter().copied().map(recipient).collect(),
        raw,
        started: true,
        ..RowResult::not_started()
    }
}

#[test]
fn the_outcomes_of_recipients_decide_the_row() {
    let (sent, refused) = (Some(RowState::Sent), Some(RowState::Refused));
    let (deferred, unknown) = (Some(RowState::Deferred), Some(RowState::Unknown));
    let failed = Some(RowState::Failed);
    /// How the row ended, what became of its recipients, its state, its state if a message was not begun, why.
    type Case<'c> = (End, &'c [RecipientOutcome], Option<RowState>, Option<RowState>, &'c str);
    let table: [Case<'_>; 21] = [
        (End::Passed, &[Accepted, Accepted], sent, deferred, "all have it"),
        (End::Passed, &[], sent, sent, "a row without mail"),
        (End::Passed, &[Accepted, Unknown], unknown, unknown, "passed, since no reply was expected"),
        (End::Passed, &[Accepted, Deferred], deferred, deferred, "passed, since 450 was expected"),
        (End::Failed, &[Accepted], sent, deferred, "what failed came after the message"),
        (End::Failed, &[Refused], refused, deferred, "the content was refused"),
        (End::Temporary, &[Deferred], deferred, deferred, "or deferred"),
        (End::Failed, &[Accepted, Refused], refused, deferred, "one of two"),
        (End::Recipients(true), &[Refused], refused, deferred, "a recipient was"),
        (End::Recipients(true), &[Refused, Deferred], refused, deferred, "and that stopped the message"),
        (End::Recipients(true), &[Deferred, Deferred], deferred, deferred, "deferred, which stopped the message"),
        (End::Recipients(false), &[Refused, Deferred], deferred, deferred, "others come again"),
        (End::Recipients(false), &[Refused, Accepted], refused, deferred, "others have it"),
        (End::Lost, &[Deferred], deferred, deferred, "lost before the content was complete"),
        (End::NoReply, &[Unknown], unknown, unknown, "or after it"),
        (End::NoReply, &[Accepted, Unknown], unknown, unknown, "LMTP: one reply of two"),
        (End::TimedOut, &[Unknown], unknown, unknown, "the end may have left"),
        (End::Interrupted, &[Deferred], None, None, "a signal before the end of content"),
        (End::Interrupted, &[Unknown], unknown, unknown, "after it"),
        (End::Interrupted, &[Accepted], sent, deferred, "after the reply"),
        (End::Invalid, &[], failed, failed, "a value of the row is not valid"),
    ];
    for (end, recipients, state, with_unsent, why) in table {
        let mut result = result(&end, recipients, RawDialogue::default());
        assert_eq!(row_state(&result), state, "{why}");
        result.unsent_messages = true;
        assert_eq!(row_state(&result), with_unsent, "{why}, and a message was not begun");
    }
}

#[test]
fn a_row_without_a_step_has_no_state() {
    for (end, steps_run, state, why) in [
        (End::Passed, 0, None, "all were skipped"),
        (End::Passed, 1, Some(RowState::Sent), "one ran"),
        (End::Invalid, 0, Some(RowState::Failed), "the row is not valid"),
    ] {
        let mut result = result(&end, &[], RawDialogue::default());
        result.outcome.steps_run = steps_run;
        assert_eq!(row_state(&result), state, "{why}");
    }
}

#[test]
fn the_reply_to_raw_content_decides_the_row() {
    use ContentAnswer as Answer;
    let raw = |content, accepted_before, rejected| RawDialogue {
        content,
        accepted_before,
        rejected,
        ..RawDialogue::default()
    };
    let (sent, refused) = (Some(RowState::Sent), Some(RowState::Refused));
    let (deferred, unknown) = (Some(RowState::Deferred), Some(RowState::Unknown));
    let failed = Some(RowState::Failed);
    /// How the row ended, its last content, whether one before it was accepted, the first refusal, its state, why.
    type Case<'c> = (End, RawContent, bool, Option<Rejection>, Option<RowState>, &'c str);
    let none = RawContent::NotSent;
    let table: [Case<'_>; 18] = [
        (End::Passed, RawContent::Sent(Answer::Accepted), false, None, sent, "accepted"),
        (End::Passed, RawContent::Sent(Answer::Refused), false, None, sent, "a refusal that was expected"),
        (End::Failed, RawContent::Sent(Answer::Accepted), false, None, sent, "an assert failed after it"),
        (End::Failed, RawContent::Sent(Answer::Refused), false, None, refused, "refused"),
        (End::Temporary, RawContent::Sent(Answer::Deferred), false, None, deferred, "deferred"),
        (End::Lost, RawContent::Sent(Answer::Unknown), false, None, unknown, "no reply"),
        (End::Interrupted, RawContent::Sent(Answer::Unknown), false, None, unknown, "a signal in place of it"),
        (End::Lost, RawContent::Sent(Answer::Unknown), true, None, unknown, "the second of two"),
        (End::Failed, RawContent::Sent(Answer::Refused), true, None, unknown, "a part of the row was sent"),
        (End::Failed, RawContent::Sent(Answer::Accepted), true, None, sent, "both were"),
        (End::Lost, none, true, None, unknown, "the end of the second did not leave"),
        (End::Lost, none, false, None, deferred, "nor that of the only one"),
        (End::TimedOut, none, false, None, deferred, "the server did not take it"),
        (End::Interrupted, none, false, None, None, "a signal before its end"),
        (End::NoReply, none, false, None, unknown, "the executor knows better"),
        (End::Failed, none, false, Some(Rejection::Delivery), refused, "RCPT or DATA was refused"),
        (End::Failed, none, false, Some(Rejection::Other), deferred, "MAIL was, or something before it"),
        (End::Failed, none, false, None, failed, "nothing was refused: an assert failed"),
    ];
    for (end, content, accepted_before, rejected, state, why) in table {
        let result = result(&end, &[], raw(content, accepted_before, rejected));
        assert_eq!(row_state(&result), state, "{why}");
    }
}

#[test]
fn the_deciding_reply_is_kept() {
    let reply = |word: &str| Some(word.to_owned());
    let raw = RawDialogue {
        content: RawContent::Sent(ContentAnswer::Accepted),
        content_reply: reply("of the content"),
        last_reply: reply("the last one"),
        ..RawDialogue::default()
    };
    /// How the row ended, its recipients, what the session wrote itself, the state, the reply, why.
    type Case<'c> = (End, &'c [RecipientOutcome], RawDialogue, RowState, Option<&'c str>, &'c str);
    let table: [Case<'_>; 9] = [
        (End::Passed, &[Accepted], raw.clone(), RowState::Sent, Some("x"), "a recipient's"),
        (End::Failed, &[Accepted, Refused], raw.clone(), RowState::Refused, Some("x"), "that of the one refused"),
        (End::Passed, &[], raw.clone(), RowState::Sent, Some("of the content"), "of the session's own content"),
        (
            End::Passed,
            &[],
            RawDialogue { content_reply: None, ..raw.clone() },
            RowState::Sent,
            Some("the last one"),
            "of no content",
        ),
        (End::Failed, &[], RawDialogue::default(), RowState::Refused, Some("550 x"), "the unexpected one"),
        (End::Lost, &[Deferred], RawDialogue::default(), RowState::Deferred, Some("x"), "what was said before"),
        (End::Lost, &[], RawDialogue::default(), RowState::Deferred, None, "nothing was said"),
        (End::NoReply, &[Unknown], raw.clone(), RowState::Unknown, None, "there is none"),
        (End::Recipients(false), &[], RawDialogue::default(), RowState::Refused, Some("x"), "an earlier attempt's"),
    ];
    for (end, recipients, raw, state, expected, why) in table {
        assert_eq!(deciding_reply(state, &result(&end, recipients, raw)).as_deref(), expected, "{why}");
    }
}
#[test]
fn a_reply_that_decided_nothing_is_not_the_reason() {
    let ends_with_250 = Failure::new(Status::Failed, Place::default(), unexpected(250));
    let failed = Outcome { failure: Some(ends_with_250), ..outcome(&End::Failed) };
    let odd = RecipientResult { code: Some(250), reply: SafeText::new("250 ok"), ..recipient(Deferred) };
    let accepted = RawDialogue {
        content: RawContent::Sent(ContentAnswer::Accepted),
        content_reply: Some("250 ok".to_owned()),
        ..RawDialogue::default()
    };
    let base = result(&End::Failed, &[], RawDialogue::default());
    for (result, why) in [
        (RowResult { recipients: vec![odd], ..base.clone() }, "RCPT or DATA was answered with it"),
        (RowResult { raw: accepted, ..base }, "an earlier content was"),
    ] {
        let result = RowResult { outcome: failed.clone(), ..result };
        let said = recorded_reason(RowState::Deferred, &result);
        assert!(said.as_deref().is_some_and(|said| said.starts_with("expected x")), "{why}: {said:?}");
    }
    for (end, recipients, state) in [
        (End::Lost, &[][..], RowState::Deferred),
        (End::NoReply, &[Unknown], RowState::Unknown),
        (End::Passed, &[Unknown], RowState::Unknown),
        (End::Invalid, &[], RowState::Failed),
    ] {
        let said = recorded_reason(state, &result(&end, recipients, RawDialogue::default()));
        assert!(said.is_some_and(|said| !said.is_empty()), "{state:?} without a reply has a reason too");
    }
}

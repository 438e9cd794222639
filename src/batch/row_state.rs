//! The state that a row gets in the ledger: a function of what came of it, and of no text.

use super::retry::is_temporary;
use super::tally::RowState;
use crate::event::{Cause, Failure, Outcome, RecipientOutcome, RefusedRecipient, ServerResponse, Status};
use crate::exec::{ContentAnswer, RawContent, Rejection, RowResult};
use crate::session::Place;
use crate::transcript::SafeText;

/// Whether no step of the row ran, since `if` or a part of the session skipped all of them.
pub fn is_skipped(outcome: &Outcome) -> bool {
    outcome.status == Status::Passed && outcome.failure.is_none() && outcome.steps_run == 0
}

/// The state of a row after one run of its steps; `None` if all of them were skipped, or an interruption ended it and
/// nothing was sent.
pub fn row_state(result: &RowResult) -> Option<RowState> {
    if is_skipped(&result.outcome) {
        return None;
    }
    match state_of_begun(result) {
        // The messages that were not begun are still to be sent; what was sent or refused is not sent again.
        Some(RowState::Sent | RowState::Refused) if result.unsent_messages && !result.recipients.is_empty() => {
            Some(RowState::Deferred)
        }
        state => state,
    }
}

/// The state as far as messages were begun.
fn state_of_begun(result: &RowResult) -> Option<RowState> {
    use RecipientOutcome::{Accepted, Deferred, Refused, Unknown};
    let Some(failure) = &result.outcome.failure else {
        return Some(state_of_recipients(result).unwrap_or(RowState::Sent));
    };
    let last_accepted = result.recipients.is_empty() && result.raw.content == RawContent::Sent(ContentAnswer::Accepted);
    if result.raw.accepted_before && !last_accepted {
        // A part of the row was sent: to send the row again would send that part twice.
        return Some(RowState::Unknown);
    }
    if any(result, Unknown) || matches!(failure.cause, Cause::DeliveryUnknown { .. }) {
        return Some(RowState::Unknown);
    }
    if any(result, Refused) && matches!(failure.cause, Cause::Recipients { stopped: true, .. }) {
        // As long as this recipient is refused the others do not get the message either.
        return Some(RowState::Refused);
    }
    if any(result, Accepted) {
        return state_of_recipients(result);
    }
    // What a `message` reports of its recipients is all there is to know.
    if let RawContent::Sent(answer) = result.raw.content
        && result.recipients.is_empty()
    {
        return Some(match answer {
            ContentAnswer::Accepted => RowState::Sent,
            ContentAnswer::Deferred => RowState::Deferred,
            ContentAnswer::Refused => RowState::Refused,
            ContentAnswer::Unknown => RowState::Unknown,
        });
    }
    if matches!(failure.cause, Cause::Interrupted { .. }) {
        return None;
    }
    Some(match failure.status {
        _ if any(result, Deferred) => RowState::Deferred,
        _ if any(result, Refused) => RowState::Refused,
        // It says nothing about the row, whatever its status.
        _ if matches!(failure.cause, Cause::AuthRefused { .. }) => RowState::Deferred,
        Status::TempFail | Status::Unavailable | Status::NoHost | Status::Protocol | Status::NoPerm => {
            RowState::Deferred
        }
        Status::Failed => match result.raw.rejected {
            Some(Rejection::Delivery) => RowState::Refused,
            Some(Rejection::Other) => RowState::Deferred,
            None => RowState::Failed,
        },
        _ => RowState::Failed,
    })
}

/// The worst of the recipients' states; `None` if the row has none.
fn state_of_recipients(result: &RowResult) -> Option<RowState> {
    use RecipientOutcome::{Deferred, Refused, Unknown};
    let states = [(Unknown, RowState::Unknown), (Deferred, RowState::Deferred), (Refused, RowState::Refused)];
    let state = states.into_iter().find(|(outcome, _)| any(result, *outcome)).map(|(_, state)| state);
    state.or_else(|| (!result.recipients.is_empty()).then_some(RowState::Sent))
}

/// Whether a recipient of the row has that outcome.
pub fn any(result: &RowResult, outcome: RecipientOutcome) -> bool {
    result.recipients.iter().any(|one| one.outcome == outcome)
}

/// The reply that put the row into `state`, for people who read the ledger.
fn deciding_reply(state: RowState, result: &RowResult) -> Option<String> {
    let wanted = match state {
        RowState::Sent => RecipientOutcome::Accepted,
        RowState::Refused => RecipientOutcome::Refused,
        RowState::Deferred => RecipientOutcome::Deferred,
        RowState::Unknown | RowState::Failed => return None,
    };
    let mut recipients = result.recipients.iter();
    // A 250 that the step did not expect, for example, says nothing by itself: what was expected does.
    let decides = |code: u16| state == RowState::Sent || code >= 400;
    if let Some(one) = recipients.find(|one| one.outcome == wanted && one.code.is_some_and(decides)) {
        return Some(one.reply.as_str().to_owned());
    }
    let cause = result.outcome.failure.as_ref().map(|failure| &failure.cause);
    let is_deciding = match result.raw.content {
        _ if !result.recipients.is_empty() => false,
        RawContent::Sent(ContentAnswer::Deferred) => matches!(state, RowState::Sent | RowState::Deferred),
        RawContent::Sent(ContentAnswer::Refused) => matches!(state, RowState::Sent | RowState::Refused),
        RawContent::Sent(_) => state == RowState::Sent,
        RawContent::NotSent => false,
    };
    let of_content = result.raw.content_reply.clone().filter(|_| is_deciding);
    of_content.or_else(|| match cause {
        Some(Cause::Unexpected { got: ServerResponse::Reply { code, text }, .. }) if decides(*code) => {
            Some(format!("{code:03} {}", text.as_str().replace('\n', " / ")))
        }
        // An earlier attempt found them so.
        Some(Cause::Recipients { refused, .. }) if state == RowState::Refused => {
            refused.first().map(|one| one.reply.as_str().to_owned())
        }
        Some(_) => None,
        None => result.raw.last_reply.clone().filter(|_| result.recipients.is_empty()),
    })
}

/// What is said of a row in `state`: the reply that decided it, or what went wrong (of a row that was sent: afterwards).
pub fn reason(state: RowState, result: &RowResult) -> Option<String> {
    let failure = result.outcome.failure.as_ref();
    let decided = deciding_reply(state, result).filter(|_| state != RowState::Sent || failure.is_none());
    decided.or_else(|| failure.map(|failure| failure.cause.to_string())).or_else(|| {
        let unanswered = result.recipients.iter().find(|one| one.outcome == RecipientOutcome::Unknown);
        unanswered.map(|one| one.reply.as_str().to_owned())
    })
}

/// Why the row is in `state`, for the ledger: the reply that decided it, or why there was none.
pub fn recorded_reason(state: RowState, result: &RowResult) -> Option<String> {
    deciding_reply(state, result).or_else(|| reason(state, result))
}

/// The status of a row that is deferred: what another run may change comes before a refusal that came first.
pub fn status_of_deferred(result: &RowResult) -> Status {
    let own = result.outcome.status;
    if matches!(own, Status::NoHost | Status::Unavailable | Status::TempFail | Status::Config) {
        return own;
    }
    let others = result.outcome.failure.iter().flat_map(|failure| &failure.details.others);
    let lost = others.map(|other| other.status).find(|status| is_temporary(*status));
    let deferred = result.recipients.iter().filter(|one| one.outcome == RecipientOutcome::Deferred);
    let mut codes = deferred.filter_map(|one| one.code);
    lost.or_else(|| codes.any(|code| code / 100 == 4).then_some(Status::TempFail)).unwrap_or(own)
}

/// The recipients that earlier runs found refused, with the replies to them, as a failure of the row.
pub fn recorded_refusal(refused: &[(String, String)]) -> Option<Box<Failure>> {
    let refused: Vec<_> = refused
        .iter()
        .map(|(address, reply)| RefusedRecipient {
            address: SafeText::new(address),
            reply: SafeText::new(reply),
            code: reply.get(..3).and_then(|code| code.parse().ok()).unwrap_or(550),
        })
        .collect();
    let cause = Cause::Recipients { refused, stopped: false };
    let is_empty = matches!(&cause, Cause::Recipients { refused, .. } if refused.is_empty());
    (!is_empty).then(|| Box::new(Failure::new(Status::Failed, Place::default(), cause)))
}

/// The recipients that were refused permanently, as a failure of the row if other recipients are tried again.
pub fn refusal(result: &RowResult) -> Option<Failure> {
    let place = result.refused_at.clone()?;
    let refused: Vec<_> = result
        .recipients
        .iter()
        .filter(|one| one.outcome == RecipientOutcome::Refused)
        .map(|one| RefusedRecipient {
            address: one.address.clone(),
            reply: one.reply.clone(),
            code: one.code.unwrap_or_default(),
        })
        .collect();
    (!refused.is_empty()).then(|| Failure::new(Status::Failed, place, Cause::Recipients { refused, stopped: false }))
}

/// What several attempts found refused, in their order.
pub fn merge_refusals(earlier: Option<Box<Failure>>, now: Option<Failure>) -> Option<Box<Failure>> {
    let Some(mut all) = earlier else { return now.map(Box::new) };
    let more = now.map(|now| now.cause);
    if let (Cause::Recipients { refused, .. }, Some(Cause::Recipients { refused: more, .. })) = (&mut all.cause, more) {
        refused.extend(more);
    }
    Some(all)
}

#[cfg(test)]
mod tests;

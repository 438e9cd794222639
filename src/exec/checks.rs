//! The closer look at a reply: captures and asserts.

use super::error::StepError;
use super::executor::Executor;
use crate::event::{Cause, FailedAssert, ServerResponse, Status};
use crate::session::{ReplyFacts, Step, Value};
use crate::transcript::SafeText;

/// Captures, then asserts. All that fail are told: the first, and with it the others.
pub fn check_reply(executor: &mut Executor<'_>, step: &Step, facts: Option<&ReplyFacts>) -> Result<(), StepError> {
    let text = facts.map(|facts| facts.reply.text()).unwrap_or_default();
    let mut errors = Vec::new();
    for capture in &step.captures {
        let Some(found) = capture.pattern.captures(&text) else {
            let shown = |text: &str| executor.events.shown(text);
            let text = facts.map(|facts| facts.reply.display_text()).unwrap_or_default();
            let (name, pattern, text) = (shown(&capture.name), shown(capture.pattern.as_str()), shown(&text));
            let cause = Cause::CaptureMissed { name, pattern, text };
            errors.push(StepError::new(Status::Failed, cause).at(&capture.span));
            continue;
        };
        let value = found.get(1).or_else(|| found.get(0)).map_or("", |value| value.as_str());
        executor.scope.set(&capture.name, Value::Text(value.to_owned()));
    }
    // An assert may use what was not captured: that it cannot be evaluated then is no news.
    let missed = !errors.is_empty();
    errors.extend(asserts(executor, step, facts, missed));
    let mut errors = errors.into_iter();
    match errors.next() {
        None => Ok(()),
        Some(first) => Err(first.with(errors)),
    }
}

/// Whether a well-formed reply came, and another than was expected.
pub fn is_unexpected_reply(error: &StepError) -> bool {
    matches!(error.cause, Cause::Unexpected { got: ServerResponse::Reply { .. }, .. }) && !error.closes_connection
}

/// The asserts of a step whose reply is not the one that was expected: nothing is captured from it.
pub fn check_asserts_only(
    executor: &Executor<'_>,
    step: &Step,
    facts: Option<&ReplyFacts>,
    error: StepError,
) -> StepError {
    let others = asserts(executor, step, facts, true);
    error.with(others)
}

/// The asserts that do not hold, as one error, and those that cannot be evaluated, unless the step failed before.
fn asserts(executor: &Executor<'_>, step: &Step, facts: Option<&ReplyFacts>, failed_before: bool) -> Vec<StepError> {
    let mut errors = Vec::new();
    let mut failed = Vec::new();
    let mut first = None;
    for assert in &step.asserts {
        let evaluation = match assert.evaluate_assert(&executor.session.templates, &executor.scope) {
            Ok(evaluation) if evaluation.holds => continue,
            Ok(evaluation) => evaluation,
            Err(_) if failed_before => continue,
            Err(error) => {
                errors.push(StepError::bad_value(&executor.events, error.message).at(&error.span));
                continue;
            }
        };
        let shown = |text: &String| executor.events.shown(text);
        first.get_or_insert(&assert.span);
        failed.push(FailedAssert {
            expression: shown(&assert.source),
            place: executor.session.source_map.place(&assert.span),
            values: evaluation
                .values
                .iter()
                .map(|(name, value)| (shown(name), self::shown(executor, value, facts)))
                .collect(),
        });
    }
    if let Some(span) = first {
        errors.push(StepError::new(Status::Failed, Cause::AssertsFailed(failed)).at(span));
    }
    errors
}

/// The longest value that a failed assert shows, in characters.
const SHOWN: usize = 160;

fn shown(executor: &Executor<'_>, value: &str, facts: Option<&ReplyFacts>) -> SafeText {
    let reply = facts.map(|facts| facts.reply.display_text()).unwrap_or_default();
    executor.events.redactor.redact_value(&as_sent(value, facts), &reply, SHOWN)
}

/// A value as it was sent: where expressions see U+FFFD for the reply's bytes that are not UTF-8, the bytes.
fn as_sent(value: &str, facts: Option<&ReplyFacts>) -> String {
    let mut shown = value.to_owned();
    let Some(reply) = facts.map(|facts| &facts.reply).filter(|_| value.contains('\u{fffd}')) else { return shown };
    for (seen, sent) in
        reply.text().split('\n').zip(reply.display_text().split('\n')).filter(|(seen, sent)| seen != sent)
    {
        shown = shown.replace(seen, sent);
    }
    shown
}

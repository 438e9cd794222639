//! What a reply is held against: expectations, captures, asserts.

use super::context::StepContext;
use super::error::{Deadline, StepError};
use super::events::EventSink;
use super::exchange::server_response;
use super::read_outcome::{ReadOutcome, StreamEnd};
use crate::event::{Cause, FailedAssert, ServerResponse, Status};
use crate::session::{CodePattern, Expectation, ReplyFacts, ReplyPattern, Span, Step, Template, Value};
use crate::smtp::reply::Reply;
use crate::transcript::SafeText;
use regex::Regex;

/// An expectation that the program itself has: `25x`.
pub fn codes(words: &str) -> Expectation {
    let code = words.split(" or ").filter_map(CodePattern::parse).collect();
    let any_of = vec![ReplyPattern::Reply { code, enhanced: None, text: None, lines: None }];
    Expectation { span: Span::default(), words: words.to_owned(), any_of }
}

/// Any reply will do: what it means is for the caller to say.
pub fn any() -> Expectation {
    Expectation { span: Span::default(), words: "any".to_owned(), any_of: vec![ReplyPattern::Any] }
}

/// Any reply will do, and so does an end of another kind that `expect` names.
pub fn any_or_end(expect: &Expectation) -> Expectation {
    let ends = expect
        .any_of
        .iter()
        .filter(|pattern| matches!(pattern, ReplyPattern::Close | ReplyPattern::Silence | ReplyPattern::Malformed));
    let any_of = std::iter::once(ReplyPattern::Any).chain(ends.cloned()).collect();
    Expectation { any_of, ..expect.clone() }
}

/// Compares what came with what was expected. `waiting_for` and `deadline` are for the message if nothing came.
pub fn judge(
    context: &StepContext<'_, '_>,
    expect: &Expectation,
    outcome: ReadOutcome,
    waiting_for: &str,
    deadline: Deadline,
) -> Result<Option<ReplyFacts>, StepError> {
    let (secrets, renderer) = (&context.events.secrets, context.renderer());
    let regex = |pattern: &Template| {
        let source = renderer.render(pattern)?;
        Regex::new(&source).map_err(|error| StepError::bad_value(secrets, error.to_string()).at(&pattern.span))
    };
    let unexpected = |got| Cause::Unexpected { expected: secrets.shown(&expect.words), got };
    match outcome {
        ReadOutcome::Reply(facts) => {
            let mut invalid = None;
            let accepted = expect.accepts(&facts.reply, &mut |pattern| match regex(pattern) {
                Ok(regex) => Some(regex),
                Err(error) => {
                    invalid.get_or_insert(error);
                    None
                }
            });
            match invalid {
                _ if accepted => Ok(Some(facts)),
                Some(error) => Err(error),
                None => {
                    let mismatches = expect.mismatches(&facts.reply, &mut |pattern| regex(pattern).ok());
                    let parts = mismatches.iter().map(|part| secrets.shown(part)).collect();
                    Err(mismatch(context.events, expect, &facts.reply).with_mismatches(parts))
                }
            }
        }
        ReadOutcome::Ended(StreamEnd::Fin | StreamEnd::Reset) if expect.accepts_close() => Ok(None),
        ReadOutcome::Ended(end @ (StreamEnd::Fin | StreamEnd::Reset)) if expect.accepts_silence() => {
            let got = if end == StreamEnd::Fin { ServerResponse::Closed } else { ServerResponse::Reset };
            Err(at_expectation(StepError::closing(Status::Failed, unexpected(got)), expect))
        }
        ReadOutcome::Ended(end) => Err(StepError::lost(secrets, &end)),
        ReadOutcome::Nothing { partial: false } if expect.accepts_silence() => Ok(None),
        ReadOutcome::Nothing { partial: false } if expect.accepts_close() => {
            Err(at_expectation(StepError::new(Status::Failed, unexpected(ServerResponse::Nothing)), expect))
        }
        ReadOutcome::Nothing { partial: true } if expect.accepts_silence() || expect.accepts_close() => {
            Err(at_expectation(StepError::closing(Status::Failed, unexpected(ServerResponse::Bytes)), expect))
        }
        ReadOutcome::Nothing { .. } => Err(StepError::timed_out(secrets, waiting_for, deadline)),
        ReadOutcome::Malformed(_) if expect.accepts_malformed() => Ok(None),
        ReadOutcome::Malformed(_) if expect.accepts_silence() => {
            Err(at_expectation(StepError::closing(Status::Failed, unexpected(ServerResponse::Malformed)), expect))
        }
        ReadOutcome::Malformed(malformed) => Err(StepError::malformed(&malformed)),
        ReadOutcome::Interrupted(interrupt) => Err(StepError::interrupted(interrupt)),
    }
}

/// A reply that was not expected.
pub fn mismatch(events: &EventSink<'_>, expect: &Expectation, reply: &Reply) -> StepError {
    let cause = Cause::Unexpected { expected: events.shown(&expect.words), got: server_response(events, reply) };
    at_expectation(StepError::new(status_of(expect, reply), cause), expect)
}

/// The failure is placed at the expectation; the program's own expectations have no place.
pub fn at_expectation(error: StepError, expect: &Expectation) -> StepError {
    if expect.span == Span::default() { error } else { error.at(&expect.span) }
}

/// 75 if trying later may help: a 4yz that the step does not expect.
fn status_of(expect: &Expectation, reply: &Reply) -> Status {
    if reply.code.class() == 4 && !expect.accepts_some_4xx() { Status::TempFail } else { Status::Failed }
}

/// Captures, then asserts. All that fail are reported: the first, and with it the others.
pub fn check_reply(
    context: &mut StepContext<'_, '_>,
    step: &Step,
    facts: Option<&ReplyFacts>,
) -> Result<(), StepError> {
    let text = facts.map(|facts| facts.reply.text()).unwrap_or_default();
    let mut errors = Vec::new();
    for capture in &step.captures {
        let Some(found) = capture.pattern.captures(&text) else {
            let shown = |text: &str| context.events.shown(text);
            let text = facts.map(|facts| facts.reply.display_text()).unwrap_or_default();
            let (name, pattern, text) = (shown(&capture.name), shown(capture.pattern.as_str()), shown(&text));
            let cause = Cause::CaptureMissed { name, pattern, text };
            errors.push(StepError::new(Status::Failed, cause).at(&capture.span));
            continue;
        };
        let value = found.get(1).or_else(|| found.get(0)).map_or("", |value| value.as_str());
        context.row.scope.set(&capture.name, Value::Text(value.to_owned()));
    }
    // An assert may use what was not captured: that it cannot be evaluated then is no news.
    let missed = !errors.is_empty();
    errors.extend(asserts(context, step, facts, missed));
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
    context: &StepContext<'_, '_>,
    step: &Step,
    facts: Option<&ReplyFacts>,
    error: StepError,
) -> StepError {
    let others = asserts(context, step, facts, true);
    error.with(others)
}

/// The asserts that do not hold, as one error, and those that cannot be evaluated, unless the step failed before.
fn asserts(
    context: &StepContext<'_, '_>,
    step: &Step,
    facts: Option<&ReplyFacts>,
    failed_before: bool,
) -> Vec<StepError> {
    let mut errors = Vec::new();
    let mut failed = Vec::new();
    let mut first = None;
    for assert in &step.asserts {
        let evaluation = match assert.evaluate_assert(&context.run.session.templates, &context.row.scope) {
            Ok(evaluation) if evaluation.holds => continue,
            Ok(evaluation) => evaluation,
            Err(_) if failed_before => continue,
            Err(error) => {
                errors.push(StepError::bad_value(&context.events.secrets, error.message).at(&error.span));
                continue;
            }
        };
        let shown = |text: &String| context.events.shown(text);
        first.get_or_insert(&assert.span);
        failed.push(FailedAssert {
            expression: shown(&assert.source),
            place: context.run.session.source_map.place(&assert.span),
            values: evaluation
                .values
                .iter()
                .map(|(name, value)| (shown(name), self::shown(context, value, facts)))
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

fn shown(context: &StepContext<'_, '_>, value: &str, facts: Option<&ReplyFacts>) -> SafeText {
    let reply = facts.map(|facts| facts.reply.display_text()).unwrap_or_default();
    context.events.secrets.redactor.redact_value(&as_sent(value, facts), &reply, SHOWN)
}

/// A value as it was sent: expressions see U+FFFD in place of the reply's bytes that are not UTF-8; these are put back.
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

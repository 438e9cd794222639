//! The closer look at a reply: captures and asserts.

use super::player::Player;
use super::trouble::Trouble;
use crate::event::{Cause, FailedAssert, Got, Status};
use crate::session::{ReplyFacts, Step, Value};
use crate::transcript::Shown;

/// Captures, then asserts. All that fail are told: the first, and with it the others.
pub fn look_closer(player: &mut Player<'_>, step: &Step, facts: Option<&ReplyFacts>) -> Result<(), Trouble> {
    let text = facts.map(|facts| facts.reply.text()).unwrap_or_default();
    let mut troubles = Vec::new();
    for capture in &step.captures {
        let Some(found) = capture.pattern.captures(&text) else {
            let shown = |text: &str| player.narrator.shown(text);
            let text = facts.map(|facts| facts.reply.readable()).unwrap_or_default();
            let (name, pattern, text) = (shown(&capture.name), shown(capture.pattern.as_str()), shown(&text));
            let cause = Cause::CaptureMissed { name, pattern, text };
            troubles.push(Trouble::new(Status::Failed, cause).at(&capture.span));
            continue;
        };
        let value = found.get(1).or_else(|| found.get(0)).map_or("", |value| value.as_str());
        player.scope.set(&capture.name, Value::Text(value.to_owned()));
    }
    // An assert may use what was not captured: that it cannot be evaluated then is no news.
    let missed = !troubles.is_empty();
    troubles.extend(asserts(player, step, facts, missed));
    let mut troubles = troubles.into_iter();
    match troubles.next() {
        None => Ok(()),
        Some(first) => Err(first.with(troubles)),
    }
}

/// Whether a well-formed reply came, and another than was expected.
pub fn is_unexpected_reply(trouble: &Trouble) -> bool {
    matches!(trouble.cause, Cause::Unexpected { got: Got::Reply { .. }, .. }) && !trouble.severs
}

/// The asserts of a step whose reply is not the one that was expected: nothing is captured from it.
pub fn look_anyway(player: &Player<'_>, step: &Step, facts: Option<&ReplyFacts>, trouble: Trouble) -> Trouble {
    let others = asserts(player, step, facts, true);
    trouble.with(others)
}

/// The asserts that do not hold, as one trouble, and those that cannot be evaluated, unless the step failed before.
fn asserts(player: &Player<'_>, step: &Step, facts: Option<&ReplyFacts>, failed_before: bool) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    let mut failed = Vec::new();
    let mut first = None;
    for assert in &step.asserts {
        let evaluation = match assert.asserted(&player.session.templates, &player.scope) {
            Ok(evaluation) if evaluation.holds => continue,
            Ok(evaluation) => evaluation,
            Err(_) if failed_before => continue,
            Err(error) => {
                troubles.push(Trouble::bad_value(&player.narrator, error.message).at(&error.span));
                continue;
            }
        };
        let shown = |text: &String| player.narrator.shown(text);
        first.get_or_insert(&assert.span);
        failed.push(FailedAssert {
            expression: shown(&assert.source),
            place: player.session.sources.place(&assert.span),
            values: evaluation
                .values
                .iter()
                .map(|(name, value)| (shown(name), self::shown(player, value, facts)))
                .collect(),
        });
    }
    if let Some(span) = first {
        troubles.push(Trouble::new(Status::Failed, Cause::AssertsFailed(failed)).at(span));
    }
    troubles
}

/// The longest value that a failed assert shows, in characters.
const SHOWN: usize = 160;

fn shown(player: &Player<'_>, value: &str, facts: Option<&ReplyFacts>) -> Shown {
    let reply = facts.map(|facts| facts.reply.readable()).unwrap_or_default();
    player.narrator.redactor.shown_value(&as_sent(value, facts), &reply, SHOWN)
}

/// A value as it was sent: where expressions see U+FFFD for the reply's bytes that are not UTF-8, the bytes.
fn as_sent(value: &str, facts: Option<&ReplyFacts>) -> String {
    let mut shown = value.to_owned();
    let Some(reply) = facts.map(|facts| &facts.reply).filter(|_| value.contains('\u{fffd}')) else { return shown };
    for (seen, sent) in reply.text().split('\n').zip(reply.readable().split('\n')).filter(|(seen, sent)| seen != sent) {
        shown = shown.replace(seen, sent);
    }
    shown
}

//! The closer look at a reply that passed: captures and asserts.

use super::player::Player;
use super::trouble::Trouble;
use crate::event::{Cause, FailedAssert, Status};
use crate::session::{ReplyFacts, Step, Value};

/// Captures, then asserts: all that do not hold are told.
pub fn look_closer(player: &mut Player<'_>, step: &Step, facts: Option<&ReplyFacts>) -> Result<(), Trouble> {
    let text = facts.map(|facts| facts.reply.text()).unwrap_or_default();
    for capture in &step.captures {
        let Some(found) = capture.pattern.captures(&text) else {
            let shown = |text: &str| player.narrator.shown(text);
            let (name, pattern, text) = (shown(&capture.name), shown(capture.pattern.as_str()), shown(&text));
            let cause = Cause::CaptureMissed { name, pattern, text };
            return Err(Trouble::new(Status::Failed, cause).at(&capture.span));
        };
        let value = found.get(1).or_else(|| found.get(0)).map_or("", |value| value.as_str());
        player.scope.set(&capture.name, Value::Text(value.to_owned()));
    }
    let mut failed = Vec::new();
    let mut first = None;
    for assert in &step.asserts {
        let evaluation = player.evaluate(assert)?;
        if !evaluation.holds {
            let shown = |text: &String| player.narrator.shown(text);
            first.get_or_insert(&assert.span);
            failed.push(FailedAssert {
                expression: shown(&assert.source),
                place: player.session.sources.place(&assert.span),
                values: evaluation.values.iter().map(|(name, value)| (shown(name), shown(value))).collect(),
            });
        }
    }
    match first {
        None => Ok(()),
        Some(span) => Err(Trouble::new(Status::Failed, Cause::AssertsFailed(failed)).at(span)),
    }
}

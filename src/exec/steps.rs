//! The step loop: sections and groups, conditions, repetition, and what of it a failure lets run.

use super::actions::{Done, Next};
use super::attempts::after;
use super::player::{MAIN, Player};
use super::several::{has_always, has_message};
use super::trouble::Trouble;
use super::words::words;
use crate::event::{Fact, SkipReason, StepId, Verdict};
use crate::session::{Action, Step};
use crate::transcript::Shown;

/// What a list of steps leaves to those that follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flow {
    #[default]
    On,
    /// A failure stopped the session: what is `always` still runs.
    Stopped,
    /// As `Stopped`, but `[[close]]` runs as a whole.
    Quitting,
    /// Nothing runs any more: the session is skipped, or was interrupted.
    Over,
}

/// Where a step stands.
#[derive(Clone, Copy)]
pub struct Position<'p> {
    pub number: usize,
    /// The group's connection.
    pub connection: &'p str,
    repetition: Option<u32>,
    /// Only what is `always` runs, behind a failure.
    pub tidying: bool,
    /// The message that follows, if one does.
    pub next: Option<Next<'p>>,
}

impl Player<'_> {
    /// Plays a section's steps. `number` counts the steps of all sections; `behind` is what follows the last of these.
    pub fn section(&mut self, steps: &[Step], number: &mut usize, mut flow: Flow, behind: Option<Next<'_>>) -> Flow {
        for (index, step) in steps.iter().enumerate() {
            *number += 1;
            let next = match steps.get(index + 1) {
                Some(step) => Next::of(step, MAIN, None),
                None => behind,
            };
            let position = Position { number: *number, connection: MAIN, repetition: None, tidying: false, next };
            flow = flow.max(self.step(step, position, flow));
        }
        flow
    }

    /// Plays a step, group or not. `before` is what earlier steps left.
    fn step(&mut self, step: &Step, position: Position<'_>, before: Flow) -> Flow {
        let connection = step.on.as_deref().unwrap_or(position.connection);
        // What follows does not see this step's own variables; behind a failure it may not run at all.
        let next = position.next.filter(|_| step.with.is_empty() && before == Flow::On);
        let position = Position { connection, next, tidying: before > Flow::On || self.quitting, ..position };
        if step.left_out {
            self.skip(step, position, SkipReason::LeftOut);
            return before;
        }
        let left = before > Flow::On && !step.always;
        let runs = !left || matches!(&step.action, Action::Steps(members) if has_always(members));
        if before == Flow::Over || !runs {
            self.skip(step, position, SkipReason::EarlierFailure);
            return before;
        }
        // What is `always` in a group runs though the group does not.
        let flow = if left { self.once(step, position, before) } else { self.repeated(step, position) };
        flow.max(before)
    }

    fn repeated(&mut self, step: &Step, position: Position<'_>) -> Flow {
        let mut flow = Flow::On;
        for index in 1..=step.times() {
            let repetition = if step.repeat.is_some() { Some(index) } else { position.repetition };
            let again = if index < step.times() { Some(index + 1) } else { None };
            let next = match again {
                // The next time its own variables are others.
                Some(again) => Next::again(step, position.connection, again).filter(|_| step.with.is_empty()),
                None => position.next,
            };
            let position = Position { repetition, next, ..position };
            if repetition.is_some() {
                self.scope.set_loop(repetition);
            }
            flow = self.once(step, position, Flow::On);
            if step.repeat.is_some() {
                // What a surrounding group counts is its own again.
                self.scope.set_loop(None);
            }
            // Steps whose condition is false wait for nothing that would notice a signal.
            if flow == Flow::On
                && again.is_some()
                && !self.is_in_flight()
                && let Some(interrupt) = self.narrator.clock.interrupted()
            {
                let id = self.identify(step, position, 1, None);
                flow = self.failing_before(step, &id, position, Err(Trouble::interrupted(interrupt)));
            }
            if flow > Flow::On {
                if again.is_some() {
                    self.leaves_out(step);
                }
                break;
            }
        }
        flow
    }

    /// What follows a failure is not begun: a ledger must not take the row for one that is done with.
    fn leaves_out(&mut self, step: &Step) {
        if has_message(step) {
            self.feed.left_out();
        }
    }

    /// Once, with its own variables. `before` matters to a group of which only what is `always` runs.
    fn once(&mut self, step: &Step, position: Position<'_>, before: Flow) -> Flow {
        let channel = self.take_channel(position.connection);
        self.show_facts(&channel);
        self.put_channel(channel);
        match self.with(&step.with) {
            Ok(with) => self.scope.push(with),
            Err(trouble) => {
                let id = self.identify(step, position, 1, None);
                return self.failing_before(step, &id, position, Err(trouble));
            }
        }
        let flow = self.conditionally(step, position, before);
        self.scope.pop();
        flow
    }

    fn conditionally(&mut self, step: &Step, position: Position<'_>, before: Flow) -> Flow {
        if let Some(condition) = &step.condition {
            match self.evaluate(condition) {
                Ok(true) => {}
                Ok(false) => {
                    self.skip(step, position, SkipReason::Condition);
                    return Flow::On;
                }
                Err(trouble) => {
                    let id = self.identify(step, position, 1, None);
                    return self.failing_before(step, &id, position, Err(trouble));
                }
            }
        }
        match &step.action {
            Action::Steps(members) => {
                if let Some(delay) = step.delay.filter(|_| before == Flow::On)
                    && let Err(trouble) = self.pause(position.connection, delay)
                {
                    let id = self.identify(step, position, 1, None);
                    return self.failing_before(step, &id, position, Err(trouble));
                }
                match self.group(members, position, before) {
                    Flow::Stopped => after(step.on_fail),
                    flow => flow,
                }
            }
            _ => self.attempts(step, position),
        }
    }

    fn group(&mut self, members: &[Step], position: Position<'_>, mut flow: Flow) -> Flow {
        for (index, member) in members.iter().enumerate() {
            let next = match members.get(index + 1) {
                Some(member) => Next::of(member, position.connection, position.repetition),
                None => position.next,
            };
            flow = flow.max(self.step(member, Position { next, ..position }, flow));
        }
        flow
    }

    /// A step that failed before it could begin.
    fn failing_before(
        &mut self,
        step: &Step,
        id: &StepId,
        position: Position<'_>,
        result: Result<Done, Trouble>,
    ) -> Flow {
        let mut channel = self.take_channel(position.connection);
        self.narrator.tell(&channel.name, Fact::StepStarted { step: id });
        let flow = self.finish(&mut channel, step, id, result, std::time::Duration::ZERO, false);
        self.put_channel(channel);
        flow
    }

    /// Tells that a step, or a group with all its steps, does not run.
    pub(super) fn skip(&mut self, step: &Step, position: Position<'_>, reason: SkipReason) {
        if reason == SkipReason::EarlierFailure {
            self.leaves_out(step);
        }
        let id = self.identify(step, position, 1, None);
        let connection = position.connection;
        self.narrator.tell(connection, Fact::StepStarted { step: &id });
        let reason = match reason {
            // Nothing failed: the session was skipped before it came to this step.
            SkipReason::EarlierFailure if self.skipped.is_some() && self.failure.is_none() => SkipReason::Lacking,
            reason => reason,
        };
        let verdict = Verdict::Skipped(reason);
        self.narrator
            .tell(connection, Fact::StepFinished { step: &id, verdict: &verdict, elapsed: std::time::Duration::ZERO });
    }

    pub(super) fn identify(&self, step: &Step, position: Position<'_>, attempt: u32, line: Option<&str>) -> StepId {
        let title = match (&step.name, &step.action) {
            (Some(name), _) => self.render(name).unwrap_or_else(|_| name.source.clone()),
            // A short secret is hidden only in the line: the title shows the template.
            (None, Action::Send(template)) if !self.secrets_in(template).is_empty() => template.source.clone(),
            (None, action) => line.map_or_else(|| words(action), str::to_owned),
        };
        let mut shown = self.narrator.shown(title);
        // A title is for people: what would fill a screen is cut, once the secrets are out.
        if let Some((at, _)) = shown.as_str().char_indices().nth(200) {
            shown = Shown::new(shown.as_str().get(..at).unwrap_or_default());
        }
        StepId {
            number: position.number,
            title: shown,
            place: self.session.sources.place(&step.span),
            repetition: position.repetition,
            attempt,
        }
    }
}

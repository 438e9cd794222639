//! The step loop: sections and groups, conditions, repetition, and what of it a failure lets run.

use super::action_info::action_title;
use super::actions::{ActionOutcome, FollowingMessage};
use super::attempts::after;
use super::error::StepError;
use super::executor::{Executor, MAIN};
use super::numbering::{has_always, has_message};
use crate::event::{Fact, SkipReason, StepId, Verdict};
use crate::session::{Action, Step};
use crate::transcript::SafeText;

/// What a list of steps leaves to those that follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flow {
    #[default]
    Continue,
    /// A failure stopped the session: what is `always` still runs.
    SkipRest,
    /// As `SkipRest`, but `[[close]]` runs as a whole.
    CloseOnly,
    /// Nothing runs any more: the session is skipped, or was interrupted.
    Abort,
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
    pub next: Option<FollowingMessage<'p>>,
}

impl Executor<'_> {
    /// Plays a section's steps. `number` counts the steps of all sections; `behind` is what follows the last of these.
    pub fn section(
        &mut self,
        steps: &[Step],
        number: &mut usize,
        mut flow: Flow,
        behind: Option<FollowingMessage<'_>>,
    ) -> Flow {
        for (index, step) in steps.iter().enumerate() {
            *number += 1;
            let next = match steps.get(index + 1) {
                Some(step) => FollowingMessage::of(step, MAIN, None),
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
        let next = position.next.filter(|_| step.with.is_empty() && before == Flow::Continue);
        let position = Position { connection, next, tidying: before > Flow::Continue || self.quitting, ..position };
        if step.deselected {
            self.skip(step, position, SkipReason::Deselected);
            return before;
        }
        let left = before > Flow::Continue && !step.always;
        let runs = !left || matches!(&step.action, Action::Steps(members) if has_always(members));
        if before == Flow::Abort || !runs {
            self.skip(step, position, SkipReason::EarlierFailure);
            return before;
        }
        // What is `always` in a group runs though the group does not.
        let flow = if left { self.once(step, position, before) } else { self.repeated(step, position) };
        flow.max(before)
    }

    fn repeated(&mut self, step: &Step, position: Position<'_>) -> Flow {
        let mut flow = Flow::Continue;
        for index in 1..=step.repeat_count() {
            let repetition = if step.repeat.is_some() { Some(index) } else { position.repetition };
            let again = if index < step.repeat_count() { Some(index + 1) } else { None };
            let next = match again {
                // The next time its own variables are others.
                Some(again) => {
                    FollowingMessage::again(step, position.connection, again).filter(|_| step.with.is_empty())
                }
                None => position.next,
            };
            let position = Position { repetition, next, ..position };
            if repetition.is_some() {
                self.scope.set_loop(repetition);
            }
            flow = self.once(step, position, Flow::Continue);
            if step.repeat.is_some() {
                // What a surrounding group counts is its own again.
                self.scope.set_loop(None);
            }
            // Steps whose condition is false wait for nothing that would notice a signal.
            if flow == Flow::Continue
                && again.is_some()
                && !self.is_in_flight()
                && let Some(interrupt) = self.events.clock.interrupted()
            {
                let id = self.identify(step, position, 1, None);
                flow = self.failing_before(step, &id, position, Err(StepError::interrupted(interrupt)));
            }
            if flow > Flow::Continue {
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
            self.record.unsent_messages = true;
        }
    }

    /// Once, with its own variables. `before` matters to a group of which only what is `always` runs.
    fn once(&mut self, step: &Step, position: Position<'_>, before: Flow) -> Flow {
        let connection = self.take_connection(position.connection);
        self.show_facts(&connection);
        self.put_connection(connection);
        match self.with(&step.with) {
            Ok(with) => self.scope.push_layer(with),
            Err(error) => {
                let id = self.identify(step, position, 1, None);
                return self.failing_before(step, &id, position, Err(error));
            }
        }
        let flow = self.conditionally(step, position, before);
        self.scope.pop_layer();
        flow
    }

    fn conditionally(&mut self, step: &Step, position: Position<'_>, before: Flow) -> Flow {
        if let Some(condition) = &step.condition {
            match self.evaluate(condition) {
                Ok(true) => {}
                Ok(false) => {
                    self.skip(step, position, SkipReason::Condition);
                    return Flow::Continue;
                }
                Err(error) => {
                    let id = self.identify(step, position, 1, None);
                    return self.failing_before(step, &id, position, Err(error));
                }
            }
        }
        match &step.action {
            Action::Steps(members) => {
                if let Some(delay) = step.delay.filter(|_| before == Flow::Continue)
                    && let Err(error) = self.pause(position.connection, delay)
                {
                    let id = self.identify(step, position, 1, None);
                    return self.failing_before(step, &id, position, Err(error));
                }
                match self.group(members, position, before) {
                    Flow::SkipRest => after(step.on_fail),
                    flow => flow,
                }
            }
            _ => self.attempts(step, position),
        }
    }

    fn group(&mut self, members: &[Step], position: Position<'_>, mut flow: Flow) -> Flow {
        for (index, member) in members.iter().enumerate() {
            let next = match members.get(index + 1) {
                Some(member) => FollowingMessage::of(member, position.connection, position.repetition),
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
        result: Result<ActionOutcome, StepError>,
    ) -> Flow {
        let mut connection = self.take_connection(position.connection);
        self.events.emit(&connection.name, Fact::StepStarted { step: id });
        self.record.begin_attempt(1);
        let flow = self.finish(&mut connection, step, id, result, std::time::Duration::ZERO, false);
        self.put_connection(connection);
        flow
    }

    /// Tells that a step, or a group with all its steps, does not run.
    pub(super) fn skip(&mut self, step: &Step, position: Position<'_>, reason: SkipReason) {
        if reason == SkipReason::EarlierFailure {
            self.leaves_out(step);
        }
        let id = self.identify(step, position, 1, None);
        let connection = position.connection;
        self.events.emit(connection, Fact::StepStarted { step: &id });
        let reason = match reason {
            // Nothing failed: the session was skipped before it came to this step.
            SkipReason::EarlierFailure if self.skipped.is_some() && self.failure.is_none() => {
                SkipReason::MissingCapability
            }
            reason => reason,
        };
        let verdict = Verdict::Skipped(reason);
        self.events
            .emit(connection, Fact::StepFinished { step: &id, verdict: &verdict, elapsed: std::time::Duration::ZERO });
    }

    pub(super) fn identify(&self, step: &Step, position: Position<'_>, attempt: u32, line: Option<&str>) -> StepId {
        let title = match (&step.name, &step.action) {
            (Some(name), _) => self.render(name).unwrap_or_else(|_| name.source.clone()),
            // A short secret is hidden only in the line: the title shows the template.
            (None, Action::Send(template)) if !self.secrets_in(template).is_empty() => template.source.clone(),
            (None, action) => line.map_or_else(|| action_title(action), str::to_owned),
        };
        let mut shown = self.events.shown(title);
        // A title is for people: what would fill a screen is cut, once the secrets are out.
        if let Some((at, _)) = shown.as_str().char_indices().nth(200) {
            shown = SafeText::new(shown.as_str().get(..at).unwrap_or_default());
        }
        StepId {
            number: position.number,
            title: shown,
            place: self.session.source_map.place(&step.span),
            repetition: position.repetition,
            attempt,
        }
    }
}

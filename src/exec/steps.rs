//! The step loop: conditions, repetition, retries, what follows a failure, captures and asserts.

use super::actions::{self, Done, Next};
use super::channel::Channel;
use super::closer::{is_unexpected_reply, look_anyway, look_closer};
use super::player::{Attempted, MAIN, Player};
use super::several::{has_always, has_message};
use super::trouble::{self, Trouble};
use super::words::{awaits_greeting, is_prelude, words};
use crate::event::{Cause, Fact, Note, SkipReason, StepId, Verdict};
use crate::session::{Action, CloseHow, OnFail, Step};
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
struct Position<'p> {
    number: usize,
    /// The group's connection.
    connection: &'p str,
    repetition: Option<u32>,
    /// The message that follows, if one does.
    next: Option<Next<'p>>,
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
            let position = Position { number: *number, connection: MAIN, repetition: None, next };
            flow = flow.max(self.step(step, position, flow));
        }
        flow
    }

    /// Plays a step, group or not. `before` is what earlier steps left.
    fn step(&mut self, step: &Step, position: Position<'_>, before: Flow) -> Flow {
        let connection = step.on.as_deref().unwrap_or(position.connection);
        // What follows does not see this step's own variables.
        let next = position.next.filter(|_| step.with.is_empty());
        let position = Position { connection, next, ..position };
        if step.left_out {
            self.skip(step, position, SkipReason::LeftOut);
            return before;
        }
        let tidying = before > Flow::On && !step.always;
        let runs = !tidying || matches!(&step.action, Action::Steps(members) if has_always(members));
        if before == Flow::Over || !runs {
            self.skip(step, position, SkipReason::EarlierFailure);
            return before;
        }
        // What is `always` in a group runs though the group does not.
        let flow = if tidying { self.once(step, position, before) } else { self.repeated(step, position) };
        flow.max(before)
    }

    fn repeated(&mut self, step: &Step, position: Position<'_>) -> Flow {
        let mut flow = Flow::On;
        for index in 1..=step.repeat.max(1) {
            let repetition = if step.repeat > 1 { Some(index) } else { position.repetition };
            let again = if index < step.repeat { Some(index + 1) } else { None };
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
            if step.repeat > 1 {
                // What a surrounding group counts is its own again.
                self.scope.set_loop(None);
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

    /// A step that is no group, as often as its `retry` allows.
    fn attempts(&mut self, step: &Step, position: Position<'_>) -> Flow {
        let mut channel = self.take_channel(position.connection);
        let flow =
            if channel.broken && !self.is_in_flight() && !matches!(step.action, Action::Connect | Action::Sleep(_)) {
                self.skip(step, position, SkipReason::EarlierFailure);
                Flow::On
            } else {
                self.attempts_on(&mut channel, step, position)
            };
        self.put_channel(channel);
        flow
    }

    fn attempts_on(&mut self, channel: &mut Channel, step: &Step, position: Position<'_>) -> Flow {
        let times = step.retry.as_ref().map_or(0, |retry| retry.times);
        let (line, mut unrendered) = match actions::rendered_title(self, step) {
            Ok(line) => (line, None),
            Err(trouble) => (None, Some(trouble)),
        };
        for attempt in 1..=times.saturating_add(1) {
            let id = self.identify(step, position, attempt, line.as_deref());
            let started = self.narrator.now();
            self.narrator.tell(&channel.name, Fact::StepStarted { step: &id });
            let replies = channel.replies;
            self.attempted = Attempted::default();
            let result = match unrendered.take() {
                Some(trouble) => Err(trouble),
                None => self.attempt(channel, step, line.clone(), attempt == 1, position.next),
            };
            let again = attempt <= times
                && channel.replies > replies
                && !channel.broken
                && self.asks_again(channel, step, &result);
            let result = if again { result } else { self.conclude(channel, step, result, channel.replies > replies) };
            let elapsed = self.narrator.now().saturating_duration_since(started);
            if attempt == 1 {
                self.steps_run += 1;
            }
            let flow = self.finish(channel, step, &id, result, elapsed, again);
            // The failure of a row leaves the envelope of the next one as it is.
            let stays = flow == Flow::On || (flow == Flow::Stopped && self.is_next_row_ahead());
            if !stays || channel.broken {
                actions::settle(self, channel);
            }
            let Some(retry) = step.retry.as_ref().filter(|_| again && flow < Flow::Over) else { return flow };
            let note = Note::Retrying { attempt: attempt + 1, times: times.saturating_add(1), wait: retry.wait };
            self.note(channel, note);
            if let Err(trouble) = self.pause(&channel.name, retry.wait) {
                return self.finish(channel, step, &id, Err(trouble), elapsed, false);
            }
        }
        Flow::On
    }

    /// Whether `retry` wants the step sent again: never a message that somebody has already, or may have.
    fn asks_again(&self, channel: &Channel, step: &Step, result: &Result<Done, Trouble>) -> bool {
        let severed = result.as_ref().is_err_and(|trouble| trouble.severs) || self.attempted.reached;
        match (&step.retry, &channel.reply) {
            (Some(retry), Some(facts)) if !severed && channel.is_open() && facts.reply.code.get() != 421 => {
                let reply = self.attempted.decided_by.as_ref().unwrap_or(&facts.reply);
                retry.on.accepts(reply, &mut |pattern| regex::Regex::new(&self.render(pattern).ok()?).ok())
            }
            _ => false,
        }
    }

    fn attempt(
        &mut self,
        channel: &mut Channel,
        step: &Step,
        line: Option<String>,
        first: bool,
        next: Option<Next<'_>>,
    ) -> Result<Done, Trouble> {
        if let Some(interrupt) = self.narrator.clock.interrupted().filter(|_| !self.is_in_flight()) {
            return Err(Trouble::interrupted(interrupt));
        }
        if let Some(delay) = step.delay.filter(|_| first) {
            self.pause(&channel.name, delay)?;
        }
        let offline = matches!(step.action, Action::Connect | Action::Sleep(_));
        if !offline && !channel.was_open() {
            self.connect(channel, awaits_greeting(&step.action))?;
        }
        if channel.tls_due && !offline && !matches!(step.action, Action::Proxy { .. } | Action::Close(_)) {
            let verify = self.tls.verify;
            actions::handshake(self, channel, verify, None)?;
        }
        let prelude = offline || is_prelude(&step.action);
        if !prelude && channel.name == MAIN && self.lacks_required(channel) {
            return Ok(Done::SkipSession);
        }
        actions::act(self, channel, step, line, next)
    }

    /// Captures and asserts, where the step passed.
    fn conclude(
        &mut self,
        channel: &Channel,
        step: &Step,
        result: Result<Done, Trouble>,
        replied: bool,
    ) -> Result<Done, Trouble> {
        let facts = channel.reply.as_ref().filter(|_| replied);
        match result {
            Ok(Done::Passed) => {
                self.show_facts(channel);
                look_closer(self, step, facts).map(|()| Done::Passed)
            }
            Ok(done) => Ok(done),
            Err(trouble) if is_unexpected_reply(&trouble) && !matches!(step.action, Action::Pipeline(_)) => {
                self.show_facts(channel);
                Err(look_anyway(self, step, facts, trouble))
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Tells the verdict, keeps the first failure, and says what follows from it.
    fn finish(
        &mut self,
        channel: &mut Channel,
        step: &Step,
        id: &StepId,
        result: Result<Done, Trouble>,
        elapsed: std::time::Duration,
        again: bool,
    ) -> Flow {
        let (verdict, flow) = match result {
            Ok(Done::Passed) => (Verdict::Passed, Flow::On),
            Ok(Done::NotOffered) => (Verdict::Skipped(SkipReason::NotOffered), Flow::On),
            Ok(Done::SentBefore) => (Verdict::Skipped(SkipReason::SentBefore), Flow::On),
            Ok(Done::SkipSession) => {
                let verdict =
                    if is_prelude(&step.action) { Verdict::Passed } else { Verdict::Skipped(SkipReason::Lacking) };
                (verdict, Flow::Over)
            }
            Err(trouble) => {
                let trouble = trouble.in_row(&self.narrator, &self.row.place);
                let severs = trouble.severs;
                let interrupted = matches!(trouble.cause, Cause::Interrupted { .. });
                let place = match &trouble.span {
                    Some(span) => self.session.sources.place(span),
                    None => id.place.clone(),
                };
                let failure = trouble.failure_in(place, &self.session.sources);
                if !again {
                    self.failure.get_or_insert_with(|| failure.clone());
                }
                let verdict = trouble::verdict(failure);
                self.narrator.tell(&channel.name, Fact::StepFinished { step: id, verdict: &verdict, elapsed });
                if interrupted {
                    self.interrupted = self.narrator.clock.interrupted();
                }
                if severs {
                    channel.broken = true;
                    channel.close(&mut self.narrator, CloseHow::Fin);
                }
                return if interrupted {
                    Flow::Over
                } else if again {
                    Flow::On
                } else {
                    after(step.on_fail)
                };
            }
        };
        self.narrator.tell(&channel.name, Fact::StepFinished { step: id, verdict: &verdict, elapsed });
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
    fn skip(&mut self, step: &Step, position: Position<'_>, reason: SkipReason) {
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

    fn identify(&self, step: &Step, position: Position<'_>, attempt: u32, line: Option<&str>) -> StepId {
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

fn after(on_fail: OnFail) -> Flow {
    match on_fail {
        OnFail::Stop => Flow::Stopped,
        OnFail::Continue => Flow::On,
        OnFail::Quit => Flow::Quitting,
    }
}

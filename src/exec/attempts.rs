//! A step that is no group: its attempts, what each does to the connection, its captures and asserts, and what follows.

use super::actions::{self, Done, Next};
use super::channel::Channel;
use super::closer::{is_unexpected_reply, look_anyway, look_closer};
use super::player::{Attempted, MAIN, Player};
use super::steps::{Flow, Position};
use super::trouble::{self, Trouble};
use super::words::{awaits_greeting, is_prelude, is_quit};
use crate::event::{Cause, Fact, Note, SkipReason, StepId, Verdict};
use crate::session::{Action, CloseHow, OnFail, Step};

impl Player<'_> {
    /// A step that is no group, as often as its `retry` allows.
    pub(super) fn attempts(&mut self, step: &Step, position: Position<'_>) -> Flow {
        let mut channel = self.take_channel(position.connection);
        let flow =
            if channel.broken && !self.is_in_flight() && !matches!(step.action, Action::Connect | Action::Sleep(_)) {
                self.skip(step, position, SkipReason::EarlierFailure);
                Flow::On
            } else if position.tidying && is_quit(&step.action) && channel.is_open() && !channel.may_quit() {
                // Where a failure left the dialogue inside content or SASL, QUIT would be taken for some of it.
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
    pub(super) fn finish(
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
}

/// What a failure leaves to the steps behind it.
pub fn after(on_fail: OnFail) -> Flow {
    match on_fail {
        OnFail::Stop => Flow::Stopped,
        OnFail::Continue => Flow::On,
        OnFail::Quit => Flow::Quitting,
    }
}

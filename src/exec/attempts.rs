//! A step that is no group: its attempts, what each does to the connection, its captures and asserts, and what follows.

use super::action_info::{awaits_greeting, is_prelude, is_quit};
use super::actions::{self, ActionOutcome, FollowingMessage};
use super::checks::{check_asserts_only, check_reply, is_unexpected_reply};
use super::connection::SmtpConnection;
use super::error::{self, StepError};
use super::executor::{Executor, MAIN, MessageAttempt};
use super::steps::{Flow, Position};
use crate::event::{Cause, Fact, Note, SkipReason, StepId, Verdict};
use crate::session::{Action, CloseMode, FailurePolicy, Step};

impl Executor<'_> {
    /// A step that is no group, as often as its `retry` allows.
    pub(super) fn attempts(&mut self, step: &Step, position: Position<'_>) -> Flow {
        let mut connection = self.take_connection(position.connection);
        let flow = if connection.broken
            && !self.is_in_flight()
            && !matches!(step.action, Action::Connect | Action::Sleep(_))
        {
            self.skip(step, position, SkipReason::EarlierFailure);
            Flow::Continue
        } else if position.tidying && is_quit(&step.action) && connection.is_open() && !connection.may_quit() {
            // Where a failure left the dialogue inside content or SASL, QUIT would be taken for some of it.
            self.skip(step, position, SkipReason::EarlierFailure);
            Flow::Continue
        } else {
            self.attempts_on(&mut connection, step, position)
        };
        self.put_connection(connection);
        flow
    }

    fn attempts_on(&mut self, connection: &mut SmtpConnection, step: &Step, position: Position<'_>) -> Flow {
        let times = step.retry.as_ref().map_or(0, |retry| retry.times);
        let (line, mut unrendered) = match actions::rendered_title(self, step) {
            Ok(line) => (line, None),
            Err(error) => (None, Some(error)),
        };
        for attempt in 1..=times.saturating_add(1) {
            let id = self.identify(step, position, attempt, line.as_deref());
            let started = self.events.now();
            self.events.emit(&connection.name, Fact::StepStarted { step: &id });
            self.record.begin_attempt(attempt);
            let replies = connection.replies;
            self.attempted = MessageAttempt::default();
            let result = match unrendered.take() {
                Some(error) => Err(error),
                None => self.attempt(connection, step, line.clone(), attempt == 1, position.next),
            };
            let again = attempt <= times
                && connection.replies > replies
                && !connection.broken
                && self.asks_again(connection, step, &result);
            let result =
                if again { result } else { self.conclude(connection, step, result, connection.replies > replies) };
            let elapsed = self.events.now().saturating_duration_since(started);
            if attempt == 1 {
                self.steps_run += 1;
            }
            let flow = self.finish(connection, step, &id, result, elapsed, again);
            // The failure of a row leaves the envelope of the next one as it is.
            let stays = flow == Flow::Continue || (flow == Flow::SkipRest && self.is_next_row_ahead());
            if !stays || connection.broken {
                actions::discard_queued(self, connection);
            }
            let Some(retry) = step.retry.as_ref().filter(|_| again && flow < Flow::Abort) else { return flow };
            let note = Note::Retrying { attempt: attempt + 1, times: times.saturating_add(1), wait: retry.wait };
            self.note(connection, note);
            if let Err(error) = self.pause(&connection.name, retry.wait) {
                return self.finish(connection, step, &id, Err(error), elapsed, false);
            }
        }
        Flow::Continue
    }

    /// Whether `retry` wants the step sent again: never a message that somebody has already, or may have.
    fn asks_again(&self, connection: &SmtpConnection, step: &Step, result: &Result<ActionOutcome, StepError>) -> bool {
        let closes = result.as_ref().is_err_and(|error| error.closes_connection) || self.attempted.maybe_delivered;
        match (&step.retry, &connection.reply) {
            (Some(retry), Some(facts)) if !closes && connection.is_open() && facts.reply.code.get() != 421 => {
                let reply = self.attempted.decided_by.as_ref().unwrap_or(&facts.reply);
                retry.on.accepts(reply, &mut |pattern| regex::Regex::new(&self.render(pattern).ok()?).ok())
            }
            _ => false,
        }
    }

    fn attempt(
        &mut self,
        connection: &mut SmtpConnection,
        step: &Step,
        line: Option<String>,
        first: bool,
        next: Option<FollowingMessage<'_>>,
    ) -> Result<ActionOutcome, StepError> {
        if let Some(interrupt) = self.events.clock.interrupted().filter(|_| !self.is_in_flight()) {
            return Err(StepError::interrupted(interrupt));
        }
        if let Some(delay) = step.delay.filter(|_| first) {
            self.pause(&connection.name, delay)?;
        }
        let offline = matches!(step.action, Action::Connect | Action::Sleep(_));
        if !offline && !connection.was_open() {
            self.connect(connection, awaits_greeting(&step.action))?;
        }
        if connection.tls_due && !offline && !matches!(step.action, Action::Proxy { .. } | Action::Close(_)) {
            let verify = self.tls.verify;
            actions::handshake(self, connection, verify, None)?;
        }
        let prelude = offline || is_prelude(&step.action);
        if !prelude && connection.name == MAIN && self.lacks_required(connection) {
            return Ok(ActionOutcome::SkipSession);
        }
        actions::act(self, connection, step, line, next)
    }

    /// Captures and asserts, where the step passed.
    fn conclude(
        &mut self,
        connection: &SmtpConnection,
        step: &Step,
        result: Result<ActionOutcome, StepError>,
        replied: bool,
    ) -> Result<ActionOutcome, StepError> {
        let facts = connection.reply.as_ref().filter(|_| replied);
        match result {
            Ok(ActionOutcome::Passed) => {
                self.show_facts(connection);
                check_reply(self, step, facts).map(|()| ActionOutcome::Passed)
            }
            Ok(done) => Ok(done),
            Err(error) if is_unexpected_reply(&error) && !matches!(step.action, Action::Pipeline(_)) => {
                self.show_facts(connection);
                Err(check_asserts_only(self, step, facts, error))
            }
            Err(error) => Err(error),
        }
    }

    /// Tells the verdict, keeps the first failure, and says what follows from it.
    pub(super) fn finish(
        &mut self,
        connection: &mut SmtpConnection,
        step: &Step,
        id: &StepId,
        result: Result<ActionOutcome, StepError>,
        elapsed: std::time::Duration,
        again: bool,
    ) -> Flow {
        let (verdict, flow) = match result {
            Ok(ActionOutcome::Passed) => (Verdict::Passed, Flow::Continue),
            Ok(ActionOutcome::NotOffered) => (Verdict::Skipped(SkipReason::NotOffered), Flow::Continue),
            Ok(ActionOutcome::AlreadySent) => (Verdict::Skipped(SkipReason::AlreadySent), Flow::Continue),
            Ok(ActionOutcome::SkipSession) => {
                let verdict = if is_prelude(&step.action) {
                    Verdict::Passed
                } else {
                    Verdict::Skipped(SkipReason::MissingCapability)
                };
                (verdict, Flow::Abort)
            }
            Err(error) => {
                let error = error.in_row(&self.events, &self.row.place);
                let closes_connection = error.closes_connection;
                let interrupted = matches!(error.cause, Cause::Interrupted { .. });
                let place = match &error.span {
                    Some(span) => self.session.source_map.place(span),
                    None => id.place.clone(),
                };
                let failure = error.failure_in(place, &self.session.source_map);
                if !again {
                    self.failure.get_or_insert_with(|| failure.clone());
                }
                self.record.step_failed(&failure.place);
                let verdict = error::verdict(failure);
                self.events.emit(&connection.name, Fact::StepFinished { step: id, verdict: &verdict, elapsed });
                if interrupted {
                    self.interrupted = self.events.clock.interrupted();
                }
                if closes_connection {
                    connection.broken = true;
                    connection.close(&mut self.events, CloseMode::Fin);
                }
                return if interrupted {
                    Flow::Abort
                } else if again {
                    Flow::Continue
                } else {
                    after(step.on_fail)
                };
            }
        };
        self.events.emit(&connection.name, Fact::StepFinished { step: id, verdict: &verdict, elapsed });
        flow
    }
}

/// What a failure leaves to the steps behind it.
pub fn after(on_fail: FailurePolicy) -> Flow {
    match on_fail {
        FailurePolicy::Stop => Flow::SkipRest,
        FailurePolicy::Continue => Flow::Continue,
        FailurePolicy::Quit => Flow::CloseOnly,
    }
}

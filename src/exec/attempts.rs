//! A step that is not a group: its attempts, what each does to the connection, its captures and asserts.

use super::actions::{ActionOutcome, act, at_tls, handshake, rendered_line};
use super::checks::{check_asserts_only, check_reply, is_unexpected_reply};
use super::connection::{ConnectionState, TlsStart};
use super::context::{MessageAttempt, StepContext};
use super::error::StepError;
use super::events::MAIN;
use super::exchange::pause;
use super::flow::{Flow, StepPosition};
use super::message::discard_queued;
use crate::event::{Cause, Fact, Note, SkipReason, StepId, Verdict};
use crate::prepare::Renderer;
use crate::session::{Action, Step};
use crate::transcript::SafeText;
use std::time::Duration;

/// The longest title of a step, in characters.
const MAX_TITLE: usize = 200;

/// Runs the step as often as its `retry` allows. `is_in_flight`: the next message has left as a whole, so that its turn
/// comes whatever happens. `Err`: the step does not run.
pub fn run_attempts<'a>(
    context: &mut StepContext<'_, 'a>,
    position: StepPosition<'a>,
    is_in_flight: bool,
) -> Result<Flow, SkipReason> {
    let (step, connection) = (context.step, &*context.connection);
    let is_offline = matches!(step.action, Action::Connect | Action::Sleep(_));
    // After a failure within content or SASL, QUIT would be taken for some of it.
    let would_be_content =
        position.after_failure && step.action.is_quit() && connection.is_open() && !connection.may_quit();
    if (connection.has_failed() && !is_in_flight && !is_offline) || would_be_content {
        return Err(SkipReason::EarlierFailure);
    }
    let times = step.retry.as_ref().map_or(0, |retry| retry.times);
    let (line, mut unrendered) = match rendered_line(context, step) {
        Ok(line) => (line, None),
        Err(error) => (None, Some(error)),
    };
    for attempt in 1..=times.saturating_add(1) {
        let id = step_id(&context.renderer(), step, position, attempt, line.as_deref());
        let started = context.events.last_now();
        context.events.emit(&context.connection.name, Fact::StepStarted { step: &id });
        let replies = context.connection.server.replies;
        context.progress.attempt = MessageAttempt::default();
        context.progress.record.begin_attempt(attempt);
        let result = match unrendered.take() {
            Some(error) => Err(error),
            None => match before_action(context, attempt == 1, is_in_flight) {
                Ok(true) => match line.clone().map_or_else(|| rendered_line(context, step), |line| Ok(Some(line))) {
                    Ok(line) => act(context, line, position.index, position.following),
                    Err(error) => Err(error),
                },
                Ok(false) => Ok(ActionOutcome::SkipSession),
                Err(error) => Err(error),
            },
        };
        let replied = context.connection.server.replies > replies;
        let again = attempt <= times && replied && !context.connection.has_failed() && wants_retry(context, &result);
        let result = if again { result } else { check_outcome(context, result, replied) };
        let elapsed = context.events.now().saturating_duration_since(started);
        // A row whose recipients are all excluded is skipped.
        let is_run = attempt == 1 && !matches!(result, Ok(ActionOutcome::Excluded));
        context.progress.steps_run += usize::from(is_run);
        let flow = finish_step(context, &id, result, elapsed, again);
        // The failure of a row leaves the envelope of the next one as it is.
        let is_next_row_queued =
            context.connection.outbox.first_queued().is_some_and(|queued| queued.next_row.is_some());
        let stays = flow == Flow::Continue || (flow == Flow::SkipRest && is_next_row_queued);
        if !stays || context.connection.has_failed() {
            discard_queued(context.connection, context.events);
        }
        let Some(retry) = step.retry.as_ref().filter(|_| again && flow < Flow::Abort) else { return Ok(flow) };
        let (times, wait) = (times.saturating_add(1), retry.wait);
        context.note(Note::Retrying { attempt: attempt + 1, times, wait });
        if let Err(error) = pause(context.events, &context.connection.name, wait) {
            return Ok(finish_step(context, &id, Err(error), elapsed, false));
        }
    }
    Ok(Flow::Continue)
}

/// Whether `retry` wants the step sent again: never a message that somebody has already, or may have.
fn wants_retry(context: &StepContext<'_, '_>, result: &Result<ActionOutcome, StepError>) -> bool {
    let attempt = &context.progress.attempt;
    let closes = result.as_ref().is_err_and(|error| error.closes_connection) || attempt.maybe_delivered;
    match (&context.step.retry, &context.connection.server.reply) {
        (Some(retry), Some(facts)) if !closes && context.connection.is_open() && facts.reply.code.get() != 421 => {
            let (reply, renderer) = (attempt.decided_by.as_ref().unwrap_or(&facts.reply), context.renderer());
            retry.on.accepts(reply, &mut |pattern| regex::Regex::new(&renderer.render(pattern).ok()?).ok())
        }
        _ => false,
    }
}

/// Waits, connects, and starts TLS, as far as the action needs it. False: the server lacks what the session requires.
fn before_action(context: &mut StepContext<'_, '_>, is_first: bool, is_in_flight: bool) -> Result<bool, StepError> {
    if let Some(interrupt) = context.events.clock.interrupted().filter(|_| !is_in_flight) {
        return Err(StepError::interrupted(interrupt));
    }
    let step = context.step;
    if let Some(delay) = step.delay.filter(|_| is_first) {
        pause(context.events, &context.connection.name, delay)?;
    }
    let is_offline = matches!(step.action, Action::Connect | Action::Sleep(_));
    if !is_offline && context.connection.server.info.is_none() {
        context.connect(step.action.awaits_greeting())?;
    } else if !is_offline {
        context.check_server()?;
    }
    let is_tls_due = context.connection.state == ConnectionState::AwaitingTls(TlsStart::FirstByte);
    if is_tls_due && !is_offline && !matches!(step.action, Action::Tls | Action::Proxy(_) | Action::Close(_)) {
        handshake(context).map_err(|error| at_tls(context, error))?;
    }
    let is_before_requires = is_offline || step.action.is_prelude();
    Ok(is_before_requires || context.connection.name != MAIN || !context.lacks_required())
}

/// Captures and asserts, if the step passed.
fn check_outcome(
    context: &mut StepContext<'_, '_>,
    result: Result<ActionOutcome, StepError>,
    replied: bool,
) -> Result<ActionOutcome, StepError> {
    let step = context.step;
    let facts = context.connection.server.reply.clone().filter(|_| replied);
    match result {
        Ok(ActionOutcome::Passed) => {
            context.update_scope();
            check_reply(context, step, facts.as_ref()).map(|()| ActionOutcome::Passed)
        }
        Err(error) if is_unexpected_reply(&error) && !matches!(step.action, Action::Pipeline(_)) => {
            context.update_scope();
            Err(check_asserts_only(context, step, facts.as_ref(), error))
        }
        result => result,
    }
}

/// A step fails before it can begin.
pub fn fail_before_start(context: &mut StepContext<'_, '_>, position: StepPosition<'_>, error: StepError) -> Flow {
    context.events.now();
    let id = step_id(&context.renderer(), context.step, position, 1, None);
    context.events.emit(&context.connection.name, Fact::StepStarted { step: &id });
    context.progress.record.begin_attempt(1);
    finish_step(context, &id, Err(error), Duration::ZERO, false)
}

/// Emits the verdict, keeps the first failure, and says what follows from it. `again`: there will be another attempt.
fn finish_step(
    context: &mut StepContext<'_, '_>,
    id: &StepId,
    result: Result<ActionOutcome, StepError>,
    elapsed: Duration,
    again: bool,
) -> Flow {
    let step = context.step;
    let (verdict, flow) = match result {
        Ok(ActionOutcome::Passed) => (Verdict::Passed, Flow::Continue),
        Ok(ActionOutcome::NotOffered) => (Verdict::Skipped(SkipReason::NotOffered), Flow::Continue),
        Ok(ActionOutcome::AlreadySent) => (Verdict::Skipped(SkipReason::AlreadySent), Flow::Continue),
        Ok(ActionOutcome::Excluded) => (Verdict::Skipped(SkipReason::Excluded), Flow::Continue),
        Ok(ActionOutcome::SkipSession) if step.action.is_prelude() => (Verdict::Passed, Flow::Abort),
        Ok(ActionOutcome::SkipSession) => (Verdict::Skipped(SkipReason::MissingCapability), Flow::Abort),
        Err(error) => return finish_failed(context, id, error, elapsed, again),
    };
    context.events.emit(&context.connection.name, Fact::StepFinished { step: id, verdict: &verdict, elapsed });
    flow
}

fn finish_failed(
    context: &mut StepContext<'_, '_>,
    id: &StepId,
    error: StepError,
    elapsed: Duration,
    again: bool,
) -> Flow {
    let error = error.in_row(&context.events.secrets, &context.row.row.place);
    let closes_connection = error.closes_connection;
    let interrupted = matches!(error.cause, Cause::Interrupted { .. });
    let sources = &context.run.session.source_map;
    let place = error.span.as_ref().map_or_else(|| id.place.clone(), |span| sources.place(span));
    let failure = error.failure_in(place, sources);
    if !again {
        context.progress.failure.get_or_insert_with(|| failure.clone());
    }
    context.progress.record.step_failed(&failure.place);
    let verdict = Verdict::of(failure);
    context.events.emit(&context.connection.name, Fact::StepFinished { step: id, verdict: &verdict, elapsed });
    if interrupted {
        context.progress.interrupted = context.events.clock.interrupted();
    }
    if closes_connection {
        context.connection.fail(context.events);
    }
    match (interrupted, again) {
        (true, _) => Flow::Abort,
        (false, true) => Flow::Continue,
        (false, false) => Flow::after_failure(context.step.on_fail),
    }
}

/// Which step an event is about. `line` is what was rendered of it.
pub fn step_id(
    renderer: &Renderer<'_>,
    step: &Step,
    position: StepPosition<'_>,
    attempt: u32,
    line: Option<&str>,
) -> StepId {
    let title = match (&step.name, &step.action) {
        (Some(name), _) => renderer.render(name).unwrap_or_else(|_| name.source.clone()),
        // A short secret is hidden only in the line: the title shows the template.
        (None, Action::Send(template)) if !renderer.short_secrets(template).is_empty() => template.source.clone(),
        (None, action) => line.map_or_else(|| action.title(), str::to_owned),
    };
    let mut title = renderer.secrets.shown(title);
    // A title is for people: what would fill a screen is cut, once the secrets are out.
    if let Some((at, _)) = title.as_str().char_indices().nth(MAX_TITLE) {
        title = SafeText::new(title.as_str().get(..at).unwrap_or_default());
    }
    let place = renderer.session.source_map.place(&step.span);
    StepId {
        number: position.number,
        title,
        named: step.name.is_some(),
        place,
        repetition: position.repetition,
        attempt,
    }
}

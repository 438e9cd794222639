//! Watches a session for the fault.

use super::command_log::{AnsweredCommand, CommandLog};
use super::condition::{FaultCondition, StepState};
use crate::event::{Cause, Event, Fact, Failure, Note, Observer, ServerResponse, Status, StepId, Verdict};
use crate::session::{HostEnvironment, RenderError, Scope, SessionFacts};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};
use std::sync::Arc;
use std::time::Duration;

/// What kind of failure it is. A session that fails in another way does not show the same fault: without a step that waits for
/// the greeting, the greeting would be taken for an unexpected reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureKind {
    cause: Discriminant<Cause>,
    response: Option<Discriminant<ServerResponse>>,
    code: Option<u16>,
}

impl FailureKind {
    fn of(failure: &Failure) -> Self {
        let response = match &failure.cause {
            Cause::Unexpected { got, .. } => Some(discriminant(got)),
            _ => None,
        };
        Self { cause: discriminant(&failure.cause), response, code: failure_codes(failure).first().copied() }
    }
}

/// Where the fault showed.
#[derive(Clone, Debug)]
pub struct FaultSighting {
    /// The step's number in the session that is reduced.
    pub number: usize,
    pub title: String,
    /// The first line of the deciding reply: `503 5.5.1 bad sequence`.
    pub reply: Option<String>,
    /// Why the step failed, if it did.
    pub failure: Option<String>,
    /// The kind of the failure that the session ends with, if it failed.
    pub kind: Option<FailureKind>,
}

impl FaultSighting {
    /// What shows the fault: the reply, or why the step failed.
    pub fn evidence(&self) -> Option<&str> {
        self.reply.as_deref().or(self.failure.as_deref())
    }
}

/// Evaluates the condition after each step of one run.
pub struct FaultWatcher<'w> {
    condition: &'w FaultCondition,
    scope: Scope,
    /// The original numbers of the steps.
    numbers: &'w [usize],
    /// The only kind of failure that counts, if the condition is about failures.
    kind: Option<FailureKind>,
    connections: BTreeMap<String, CommandLog>,
    session: SessionFacts,
    /// The first failure.
    failure: Option<Failure>,
    /// Whether the last step was the first one that failed, which a retry takes back.
    has_just_failed: bool,
    is_closed: bool,
    /// The commands of the last step with their replies.
    answered: Vec<AnsweredCommand>,
    /// The last step that ended, and its failure; `None` while a step runs.
    last_step: Option<(StepId, Option<Failure>)>,
    /// The time of the longest step.
    pub longest_step: Duration,
    /// The first time that the fault showed.
    pub sighting: Option<FaultSighting>,
    /// The state after the last step.
    pub last_state: Option<StepState>,
    pub error: Option<RenderError>,
}

impl<'w> FaultWatcher<'w> {
    /// `numbers` are the original numbers of the session's steps. With `kind`, other failures do not count.
    pub fn new(condition: &'w FaultCondition, numbers: &'w [usize], kind: Option<FailureKind>) -> Self {
        let now = Arc::new(jiff::Timestamp::now);
        let scope = Scope::new(None, HostEnvironment { now, hostname: String::new(), zone: TimeZone::UTC });
        Self {
            condition,
            scope,
            numbers,
            kind,
            connections: BTreeMap::new(),
            session: SessionFacts::default(),
            failure: None,
            has_just_failed: false,
            is_closed: false,
            answered: Vec::new(),
            last_step: None,
            longest_step: Duration::ZERO,
            sighting: None,
            last_state: None,
            error: None,
        }
    }

    fn connection(&mut self, name: &str) -> &mut CommandLog {
        self.connections.entry(name.to_owned()).or_default()
    }

    fn step_finished(&mut self, connection: &str, step: &StepId, verdict: &Verdict, elapsed: Duration) {
        let failure = match verdict {
            Verdict::Passed => None,
            Verdict::Failed(failure) | Verdict::Error(failure) => Some(failure.clone()),
            Verdict::Skipped(_) => return,
        };
        if failure.as_ref().is_some_and(|failure| matches!(failure.cause, Cause::Interrupted { .. })) {
            return;
        }
        self.longest_step = self.longest_step.max(elapsed);
        self.has_just_failed = self.failure.is_none() && failure.is_some();
        self.failure = self.failure.take().or_else(|| failure.clone());
        let unanswered = self.connection(connection).unanswered();
        if self.answered.is_empty() || unanswered.is_some() {
            self.answered.push(AnsweredCommand { command: unanswered, reply: None });
        }
        self.last_step = Some((step.clone(), failure));
        self.evaluate();
    }

    /// Evaluates the condition for each command of the last step.
    fn evaluate(&mut self) {
        let Some((step, failure)) = &self.last_step else { return };
        let kind = failure.as_ref().or(self.failure.as_ref()).map(FailureKind::of);
        let counts = self.kind.is_none() || self.kind == kind;
        let failing = failure.as_ref().map(|failure| failing_replies(failure, &self.answered)).unwrap_or_default();
        for (index, answered) in self.answered.iter().enumerate() {
            let state = StepState {
                status: self.failure.as_ref().map_or(Status::Passed, |failure| failure.status).code(),
                failed: failing.contains(&index),
                closed: self.is_closed,
                reply: answered.reply.clone(),
                name: step.title.as_str().to_owned(),
                number: step.number.checked_sub(1).and_then(|at| self.numbers.get(at)).copied().unwrap_or(step.number),
                command: answered.command.clone(),
                session: self.session.clone(),
            };
            match self.condition.holds(&state, &mut self.scope) {
                Ok(true) if counts && self.sighting.is_none() => {
                    self.sighting = Some(FaultSighting {
                        number: state.number,
                        title: state.name.clone(),
                        reply: state.reply.as_ref().map(|facts| first_line(&facts.reply.code_and_text())),
                        failure: failure.as_ref().map(|failure| first_line(&failure.cause.to_string())),
                        kind,
                    });
                }
                Ok(_) => {}
                Err(error) => drop(self.error.get_or_insert(error)),
            }
            self.last_state = Some(state);
        }
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Which of these replies the failure is about: those with its codes, or the last one.
fn failing_replies(failure: &Failure, answered: &[AnsweredCommand]) -> Vec<usize> {
    let codes: Vec<u16> = std::iter::once(failure).chain(&failure.details.others).flat_map(failure_codes).collect();
    let code = |answered: &AnsweredCommand| answered.reply.as_ref().map(|facts| facts.reply.code.get());
    let with_code =
        (0..answered.len()).filter(|index| code(&answered[*index]).is_some_and(|code| codes.contains(&code)));
    let found: Vec<usize> = with_code.collect();
    if found.is_empty() { answered.len().checked_sub(1).into_iter().collect() } else { found }
}

fn failure_codes(failure: &Failure) -> Vec<u16> {
    match &failure.cause {
        Cause::Unexpected { got: ServerResponse::Reply { code, .. }, .. } | Cause::AuthRefused { code, .. } => {
            vec![*code]
        }
        Cause::Recipients { refused, .. } => refused.iter().map(|one| one.code).collect(),
        _ => Vec::new(),
    }
}

impl Observer for FaultWatcher<'_> {
    fn observe(&mut self, event: &Event<'_>) {
        self.session.elapsed = event.at;
        match &event.fact {
            Fact::SessionStarted { name, server } => {
                self.session.name = name.as_str().to_owned();
                self.session.server = server.as_str().to_owned();
            }
            Fact::LineSent(line) => {
                self.session.sent += line.wire_length() as u64;
                self.connection(event.connection).sent(line, event.at);
            }
            Fact::Content(block) => {
                self.session.sent += block.wire_length() as u64;
                self.connection(event.connection).content_sent(block.wire_length());
            }
            Fact::LineReceived(line) => {
                self.session.received += line.wire_length() as u64;
                let answered = self.connection(event.connection).received(line, event.at);
                // What is said between steps belongs to none.
                self.answered.extend(answered.filter(|_| self.last_step.is_none()));
            }
            Fact::StepStarted { .. } => {
                self.last_step = None;
                self.answered.clear();
            }
            Fact::StepFinished { step, verdict, elapsed } => {
                self.step_finished(event.connection, step, verdict, *elapsed);
            }
            Fact::ClosedByServer | Fact::ResetByServer if self.connection(event.connection).last_code() != 221 => {
                self.is_closed = true;
                self.evaluate();
            }
            Fact::Noted(Note::Retrying { .. }) if self.has_just_failed => self.failure = None,
            _ => {}
        }
    }
}

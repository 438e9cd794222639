//! Makes the [`Record`] of a session from its events.

use super::lines::{RecordedLine, RecordedLines};
use super::session::{Judgement, Record, SessionFailure, UNVERIFIED_REMARK};
use super::step::{PhaseKind, StepPhase, StepRecord};
use crate::event::{
    Event, Fact, Failure, Note, Observer, Outcome, RedactedLine, RowId, SessionAttempt, Status, Verdict,
};
use crate::report::transcript::{TranscriptOptions, TranscriptWriter};
use crate::transcript::SafeText;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most steps that are kept; further steps that passed are only counted.
const MAX_STEPS: usize = 20_000;
/// The most failures of rows, and of steps, that are kept; further ones are only counted.
const MAX_FAILURES: usize = 50_000;

/// The most phases of one step.
const MAX_PHASES: usize = 1_000;

/// Observes the events of one session.
pub struct Recorder {
    writer: TranscriptWriter<Vec<u8>>,
    server: SafeText,
    steps: Vec<StepRecord>,
    omitted_steps: usize,
    lines: RecordedLines,
    connections: Vec<ConnectionTiming>,
    /// When the session began. Times of events start later, with the first connection.
    started_at: Instant,
    /// The difference between the two.
    offset: Option<Duration>,
    elapsed: Option<Duration>,
    failure: Option<Failure>,
    /// Why a certificate was not verified.
    unverified: Option<SafeText>,
    given_secrets: Vec<SafeText>,
    certificates_end: Option<Timestamp>,
    /// Failures of rows that are not failures of a step.
    row_failures: Vec<Failure>,
}

/// What is needed of a connection to compute the phases of its steps.
struct ConnectionTiming {
    name: Arc<str>,
    /// When the last event on it happened.
    last: Duration,
    /// Whether a reply is being read.
    replying: bool,
    /// When the current step began.
    step: Option<Duration>,
    /// The phases of the current step; between steps those of the next one: the first connection is made before the first step.
    phases: Vec<StepPhase>,
    /// The code of the last reply since the step began.
    reply_code: Option<u16>,
    row: Option<RowId>,
    turn: Option<SessionAttempt>,
}

impl Recorder {
    /// Starts the clock of the session.
    pub fn new(verbose: bool) -> Self {
        let options = TranscriptOptions { timestamps: false, full: false, verbose, live: true, hex: false };
        Self {
            writer: TranscriptWriter::new(Vec::new(), options),
            server: SafeText::default(),
            steps: Vec::new(),
            omitted_steps: 0,
            lines: RecordedLines::default(),
            connections: Vec::new(),
            started_at: Instant::now(),
            offset: None,
            elapsed: None,
            failure: None,
            unverified: None,
            given_secrets: Vec::new(),
            certificates_end: None,
            row_failures: Vec::new(),
        }
    }

    /// Ends the record.
    pub fn finish(mut self, file: SafeText, judgement: Judgement, status: Status) -> Record {
        if judgement == Judgement::Passed {
            // If the session passed, a later attempt made up for each failure.
            self.steps.iter_mut().for_each(|step| step.retried |= step.failure().is_some());
        }
        let told = |failure: &Failure| self.steps.iter().any(|step| step.failure() == Some(failure));
        let mut failures: Vec<&Failure> = self.row_failures.iter().collect();
        // The failure of a session with rows is that of its first failed row.
        let last = self.failure.iter().filter(|failure| !told(failure) && !self.row_failures.contains(failure));
        failures.extend(last);
        let failures = failures.into_iter().cloned().map(SessionFailure::Failure).collect();
        Record {
            server: self.server,
            elapsed: self.elapsed.unwrap_or_else(|| self.started_at.elapsed()),
            steps: self.steps,
            omitted_steps: self.omitted_steps,
            failures,
            lines: self.lines,
            given_secrets: self.given_secrets,
            certificates_end: self.certificates_end,
            remarks: self.unverified.iter().map(|why| format!("{UNVERIFIED_REMARK}: {why}")).collect(),
            ..Record::not_started(file, judgement, status)
        }
    }

    /// The time of an event since the session began.
    fn time(&mut self, event: &Event<'_>) -> Duration {
        if let Some(offset) = self.offset {
            return offset + event.at;
        }
        let now = self.started_at.elapsed();
        if matches!(event.fact, Fact::Connected { .. } | Fact::HostResolved { .. }) {
            self.offset = Some(now.saturating_sub(event.at));
        }
        now
    }

    fn connection(&mut self, name: &str, now: Duration) -> &mut ConnectionTiming {
        let index = match self.connections.iter().position(|connection| &*connection.name == name) {
            Some(index) => index,
            None => {
                let name = Arc::from(name);
                self.connections.push(ConnectionTiming {
                    name,
                    last: now,
                    replying: false,
                    step: None,
                    phases: Vec::new(),
                    reply_code: None,
                    row: None,
                    turn: None,
                });
                self.connections.len() - 1
            }
        };
        &mut self.connections[index]
    }

    fn step_started(&mut self, connection: &str, now: Duration) {
        let connection = self.connection(connection, now);
        let began = connection.phases.first().map_or(now, |phase| phase.started);
        connection.step = Some(began);
    }

    fn step_finished(&mut self, event: &Event<'_>, now: Duration) {
        let Fact::StepFinished { step, verdict, elapsed } = &event.fact else { return };
        let connection = self.connection(event.connection, now);
        let (started, phases) = (connection.step.take().unwrap_or(now), std::mem::take(&mut connection.phases));
        let reply_code = connection.reply_code.take();
        let row = connection.row.clone();
        let turn = self.turn_of(event.connection);
        let row_attempt = row.as_ref().map_or(1, |row| row.attempt);
        let turn_attempt = turn.map_or(1, |turn| turn.attempt);
        let most = if verdict_is_bad(verdict) { MAX_FAILURES } else { MAX_STEPS };
        if self.steps.len() >= most {
            self.omitted_steps += 1;
            return;
        }
        self.steps.push(StepRecord {
            id: (*step).clone(),
            row,
            turn,
            connection: event.connection.to_owned(),
            verdict: (*verdict).clone(),
            started,
            elapsed: (*elapsed).max(now.saturating_sub(started)),
            reply_code,
            retried: false,
            resent: false,
            multiple_attempts: row_attempt > 1 || turn_attempt > 1,
            phases,
        });
    }

    fn turn_started(&mut self, connection: &str, turn: SessionAttempt, now: Duration) {
        self.connection(connection, now).turn = Some(turn);
        // This attempt decides about what failed in the one before.
        let earlier = |other: SessionAttempt| other.repetition == turn.repetition && other.attempt < turn.attempt;
        for step in self.steps.iter_mut().filter(|step| step.turn.is_some_and(earlier)) {
            step.retried |= step.failure().is_some();
            step.multiple_attempts = true;
        }
    }

    /// The attempt that runs on a connection: `2_second` belongs to `2`, and `second` to `main`.
    fn turn_of(&self, connection: &str) -> Option<SessionAttempt> {
        let lane = connection.split_once('_').map_or("main", |(lane, _)| lane);
        let turn = |name: &str| self.connections.iter().find(|known| &*known.name == name).and_then(|known| known.turn);
        turn(connection).or_else(|| turn(lane)).or_else(|| turn("main"))
    }

    fn row_started(&mut self, connection: &str, row: &RowId, now: Duration) {
        self.connection(connection, now).row = Some(row.clone());
        if row.attempt > 1 {
            // This attempt decides about what failed in the one before.
            let earlier = |other: &RowId| other.number == row.number && other.attempt < row.attempt;
            for step in self.steps.iter_mut().filter(|step| step.row.as_ref().is_some_and(earlier)) {
                step.retried |= step.failure().is_some();
                step.multiple_attempts = true;
            }
        }
    }

    /// Keeps the failure of a row unless it is the failure of one of its last steps.
    fn row_failed(&mut self, failure: Option<&Failure>) {
        let Some(failure) = failure else { return };
        let told = self.steps.iter().rev().take(200).any(|step| step.failure() == Some(failure));
        if !told && self.row_failures.len() < MAX_FAILURES {
            self.row_failures.push(failure.clone());
        }
    }

    fn received(&mut self, connection: &str, line: &RedactedLine<'_>, now: Duration) {
        let connection = self.connection(connection, now);
        connection.reply_code = line.final_reply_code().or(connection.reply_code);
        let (since, replying) = (connection.last, std::mem::replace(&mut connection.replying, true));
        connection.last = now;
        match connection.phases.last_mut() {
            Some(phase) if replying && phase.kind == PhaseKind::Reply => {
                phase.elapsed = now.saturating_sub(phase.started);
            }
            _ => connection.phase(PhaseKind::Reply, since, now),
        }
    }

    fn connected(&mut self, connection: &str, now: Duration) {
        let first = self.connections.iter().all(|known| known.phases.is_empty() && known.step.is_none());
        let first = first && self.steps.is_empty();
        let connection = self.connection(connection, now);
        let since = if first { Duration::ZERO } else { connection.step.unwrap_or(now) };
        connection.phase(PhaseKind::Connect, since, now);
        (connection.last, connection.replying) = (now, false);
    }

    /// Moves new lines from the transcript writer to the record.
    fn take_lines(&mut self, connection: &str, step: Option<usize>, failure: bool, content: bool) {
        if self.writer.get_ref().is_empty() {
            return;
        }
        let text = std::mem::take(self.writer.get_mut());
        let text = String::from_utf8_lossy(&text);
        let connection = match self.connections.iter().find(|known| &*known.name == connection) {
            Some(known) => known.name.clone(),
            None => connection.into(),
        };
        for line in text.lines() {
            // Content may be written together with the remark after it.
            let failure = failure && line.starts_with('*');
            let content = content && line.starts_with('C');
            let connection = connection.clone();
            self.lines.push(RecordedLine { text: line.to_owned(), step, connection, failure, content });
        }
    }

    fn session_finished(&mut self, outcome: &Outcome, now: Duration) {
        self.elapsed = Some(now);
        self.failure = outcome.failure.clone();
    }
}

impl Observer for Recorder {
    fn observe(&mut self, event: &Event<'_>) {
        let now = self.time(event);
        // The current step, or the one that ends with this event.
        let open = self.connections.iter().any(|known| &*known.name == event.connection && known.step.is_some());
        let step = open.then_some(self.steps.len());
        let mut failure = false;
        let content = match &event.fact {
            Fact::Content(_) => true,
            Fact::LineSent(line) => line.is_content,
            _ => false,
        };
        match &event.fact {
            Fact::SessionStarted { name: _, server } => self.server = server.clone(),
            Fact::HostResolved { .. } => {}
            Fact::Connected { .. } => self.connected(event.connection, now),
            Fact::TlsStarted { tls, .. } => {
                self.certificates_end = self.certificates_end.into_iter().chain(tls.certificates_end()).min();
                let connection = self.connection(event.connection, now);
                connection.phase(PhaseKind::Tls, connection.last, now);
                connection.last = now;
            }
            Fact::LineSent(_) | Fact::Content(_) => {
                let connection = self.connection(event.connection, now);
                (connection.last, connection.replying) = (now, false);
            }
            Fact::LineReceived(line) => self.received(event.connection, line, now),
            // Its lines say the same.
            Fact::ContentSent | Fact::RecipientAnswered { .. } | Fact::ContentAnswered { .. } => return,
            Fact::Paused { duration } => {
                self.connection(event.connection, now).phase(PhaseKind::Pause, now, now + *duration);
            }
            Fact::TlsClosedByClient | Fact::ClosedByServer | Fact::ResetByServer | Fact::ClosedByClient { .. } => {}
            Fact::AttemptStarted { turn } => self.turn_started(event.connection, *turn, now),
            Fact::RowStarted { row } => self.row_started(event.connection, row, now),
            Fact::RowFinished { row: _, outcome } => {
                failure = outcome.failure.is_some();
                self.connection(event.connection, now).row = None;
                self.row_failed(outcome.failure.as_ref());
            }
            Fact::StepStarted { step: _ } => self.step_started(event.connection, now),
            Fact::StepFinished { step: _, verdict, elapsed: _ } => {
                failure = verdict_is_bad(verdict);
                self.step_finished(event, now);
            }
            Fact::Noted(note) => match note {
                Note::SessionRetrying { .. } => {}
                Note::Retrying { .. } => {
                    let last = self.steps.iter_mut().rev().find(|step| step.connection == event.connection);
                    if let Some(last) = last {
                        last.retried = last.failure().is_some();
                        last.resent = last.retried;
                    }
                }
                Note::NotVerified { why } => self.unverified = Some(why.clone()),
                Note::SecretInArguments { name } => self.given_secrets.push(name.clone()),
                Note::Unencrypted { .. }
                | Note::ConnectedAgain
                | Note::HandshakeRefused { .. }
                | Note::SecurityLevelLowered
                | Note::NoCloseNotify
                | Note::OutsideTls { .. }
                | Note::MailExchanger { .. }
                | Note::MailExchangerUnreachable { .. }
                | Note::DecodedChallenge { .. }
                | Note::Capabilities { .. }
                | Note::QuitFailed { .. }
                | Note::RecipientExcluded { .. }
                | Note::InvalidText { .. }
                | Note::ShortSecret { .. }
                | Note::PlaceholderUsed { .. }
                | Note::DefaultUsed { .. }
                | Note::PartRemoved { .. }
                | Note::RecipientResult { .. }
                | Note::ChunkingDisabled { .. }
                | Note::MessageAccepted { .. }
                | Note::PartialWrite { .. }
                | Note::Interrupted { .. } => {}
            },
            Fact::SessionFinished { outcome } => {
                failure = outcome.failure.is_some();
                self.session_finished(outcome, now);
            }
        }
        self.writer.observe(event);
        if content {
            self.writer.flush();
        }
        self.take_lines(event.connection, step, failure, content);
    }
}

impl ConnectionTiming {
    fn phase(&mut self, kind: PhaseKind, started: Duration, until: Duration) {
        // The dialogue of one step may be very long.
        if self.phases.len() < MAX_PHASES {
            self.phases.push(StepPhase { kind, started, elapsed: until.saturating_sub(started) });
        }
    }
}

fn verdict_is_bad(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Failed(_) | Verdict::Error(_))
}

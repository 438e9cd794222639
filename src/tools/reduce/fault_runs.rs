//! Runs sessions over fresh connections, to see whether they show the fault.

use super::condition::{FaultCondition, StepState};
use super::fault_watcher::{FailureKind, FaultSighting, FaultWatcher};
use super::minimize::Stopped;
use super::reducer::FaultCheck;
use super::secret_exposure::SecretExposure;
use crate::event::{Cause, Failure};
use crate::exec::{Clock, Interrupt, Network, RunOptions, run};
use crate::session::{RenderError, Session, Sources};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

/// A step has this much time at least, and this many times as long as the longest step of the whole session.
const LEAST_STEP_LIMIT: Duration = Duration::from_secs(1);
const TIMES_AS_LONG: u32 = 5;

/// A run has this much time at least.
const LEAST_RUN_LIMIT: Duration = Duration::from_secs(3);

/// A longer file stays a file.
const MAX_INLINED: u64 = 256 * 1024;

/// Reads the text of a session; `None` if it is not valid.
pub type LoadCandidate<'a> = &'a dyn Fn(&str) -> Option<Session>;

/// What sessions run with.
pub struct FaultRuns<'a> {
    pub condition: &'a FaultCondition,
    pub load: LoadCandidate<'a>,
    pub options: &'a RunOptions,
    pub sources: &'a dyn Sources,
    pub network: &'a mut dyn Network,
    pub clock: &'a dyn Clock,
    /// How often each check is repeated.
    pub confirm: u32,
    /// Called before each run with the number of runs and of steps.
    pub progress: &'a mut dyn FnMut(u64, usize),
    pub tally: RunTally,
}

/// What the runs came to.
#[derive(Default)]
pub struct RunTally {
    /// How many sessions were run.
    pub runs: u64,
    /// How many sessions showed the fault in some of their runs only.
    pub flaky: u64,
    /// Where the fault showed in the smallest session.
    pub sighting: Option<FaultSighting>,
    /// Where the fault showed in the whole session.
    pub first_sighting: Option<FaultSighting>,
    /// The kind of failure that counts.
    kind: Option<FailureKind>,
    limits: Option<RunLimits>,
    /// How the whole session protects its secrets.
    exposure: SecretExposure,
    /// The smallest session that showed the fault, and the original numbers of its steps.
    smallest: (String, Vec<usize>),
}

/// How long a reduced session may take, so that one that waits for what never comes does not cost minutes.
#[derive(Clone, Copy)]
struct RunLimits {
    step: Duration,
    run: Duration,
}

impl RunLimits {
    /// `step` is the longest step of the whole session, `run` all of it.
    fn new(step: Duration, run: Duration) -> Self {
        Self { step: (step * TIMES_AS_LONG).max(LEAST_STEP_LIMIT), run: (run * TIMES_AS_LONG).max(LEAST_RUN_LIMIT) }
    }
}

/// What the whole session came to.
pub enum WholeSession {
    /// It shows the fault.
    Faulty,
    /// It shows the fault in this many of its runs, but not in all.
    Flaky(u32),
    /// It does not show the fault. This is the state after its last step.
    Faultless(Box<StepState>),
    /// It failed before any step ended.
    NotRun(Option<Box<Failure>>),
    /// The expression cannot be evaluated.
    Invalid(RenderError),
    /// A signal ended it.
    Interrupted,
}

/// What the last run of the smallest session came to.
pub enum LastRun {
    Faulty,
    /// The fault did not show: the session ended with this failure, or without one.
    Faultless(Option<Box<Failure>>),
    Interrupted,
}

/// How one run ended.
struct FaultRun {
    sighting: Option<FaultSighting>,
    last_state: Option<StepState>,
    error: Option<RenderError>,
    failure: Option<Failure>,
    longest_step: Duration,
    elapsed: Duration,
}

impl FaultRuns<'_> {
    /// Runs the whole session. Its times limit those of the sessions that are checked later.
    pub fn run_whole(&mut self, text: &str, numbers: &[usize]) -> WholeSession {
        let (mut held, mut step, mut whole) = (0, Duration::ZERO, Duration::ZERO);
        if let Some(session) = (self.load)(text) {
            self.tally.exposure = SecretExposure::new(&session, numbers);
        }
        self.tally.smallest = (text.to_owned(), numbers.to_vec());
        let mut last = None;
        for _ in 0..self.confirm {
            let Some(run) = self.run_once(text, numbers) else { return WholeSession::NotRun(None) };
            if self.clock.interrupted().is_some() {
                return WholeSession::Interrupted;
            }
            if let Some(error) = run.error {
                return WholeSession::Invalid(error);
            }
            (step, whole) = (step.max(run.longest_step), whole.max(run.elapsed));
            match (run.sighting, run.last_state) {
                (Some(sighting), _) => {
                    held += 1;
                    self.tally.kind = sighting.kind.filter(|_| self.condition.is_about_failure());
                    self.tally.first_sighting = Some(sighting.clone());
                    self.tally.sighting = Some(sighting);
                }
                (None, None) => return WholeSession::NotRun(run.failure.map(Box::new)),
                (None, Some(state)) => last = Some(Box::new(state)),
            }
        }
        self.tally.limits = Some(RunLimits::new(step, whole));
        match last {
            None => WholeSession::Faulty,
            Some(_) if held > 0 => WholeSession::Flaky(held),
            Some(state) => WholeSession::Faultless(state),
        }
    }

    /// Runs the smallest session once more, to see whether the fault still shows: the server may have died.
    pub fn run_smallest(&mut self) -> LastRun {
        let (text, numbers) = self.tally.smallest.clone();
        let run = self.run_once(&text, &numbers);
        match run {
            _ if self.clock.interrupted().is_some() => LastRun::Interrupted,
            Some(FaultRun { sighting: Some(_), .. }) => LastRun::Faulty,
            run => LastRun::Faultless(run.and_then(|run| run.failure).map(Box::new)),
        }
    }

    /// Whether the smallest session does not reach its server any more either.
    fn is_server_gone(&mut self) -> bool {
        match self.run_smallest() {
            LastRun::Faultless(failure) => is_unreachable(&failure.map(|failure| *failure)),
            LastRun::Faulty | LastRun::Interrupted => false,
        }
    }

    /// Runs a session once; `None` if it is not valid, or would send a secret outside of TLS that the whole session sends inside.
    fn run_once(&mut self, text: &str, numbers: &[usize]) -> Option<FaultRun> {
        let mut session = (self.load)(text).filter(|session| self.tally.exposure.allows(session, numbers))?;
        (self.progress)(self.tally.runs, numbers.len());
        self.tally.runs += 1;
        let started = self.clock.now();
        let mut clock = LimitedClock { clock: self.clock, until: None };
        if let Some(limits) = self.tally.limits {
            session.timeout = Some(session.timeout.map_or(limits.step, |own| own.min(limits.step)));
            session.connect_timeout = session.connect_timeout.min(limits.run);
            clock.until = started.checked_add(limits.run);
        }
        let mut watcher = FaultWatcher::new(self.condition, numbers, self.tally.kind);
        let outcome = run(&session, self.options, self.sources, self.network, &clock, &mut watcher);
        Some(FaultRun {
            sighting: watcher.sighting,
            last_state: watcher.last_state,
            error: watcher.error,
            failure: outcome.failure,
            longest_step: watcher.longest_step,
            elapsed: self.clock.now().saturating_duration_since(started),
        })
    }
}

impl FaultCheck for FaultRuns<'_> {
    fn content(&mut self, file: &str) -> Option<Vec<u8>> {
        let source = self.sources.open(Path::new(file)).ok().filter(|source| source.length <= MAX_INLINED)?;
        let mut content = Vec::new();
        source.reader.take(MAX_INLINED).read_to_end(&mut content).ok()?;
        Some(content)
    }

    fn holds(&mut self, session: &str, numbers: &[usize]) -> Result<bool, Stopped> {
        let mut sighting = None;
        for repetition in 0..self.confirm {
            let run = self.run_once(session, numbers);
            if self.clock.interrupted().is_some() {
                return Err(Stopped);
            }
            let is_unreached = run.as_ref().is_some_and(|run| run.sighting.is_none() && is_unreachable(&run.failure));
            if is_unreached && self.is_server_gone() {
                return Err(Stopped);
            }
            let Some(seen) = run.and_then(|run| run.sighting) else {
                self.tally.flaky += u64::from(repetition > 0);
                return Ok(false);
            };
            sighting = Some(seen);
        }
        self.tally.sighting = sighting;
        self.tally.smallest = (session.to_owned(), numbers.to_vec());
        Ok(true)
    }
}

/// Whether there was no connection.
fn is_unreachable(failure: &Option<Failure>) -> bool {
    let cause = failure.as_ref().map(|failure| &failure.cause);
    matches!(cause, Some(Cause::CannotConnect { .. } | Cause::CannotResolve { .. }))
}

/// A clock whose run ends at a time, as if a signal had come.
struct LimitedClock<'c> {
    clock: &'c dyn Clock,
    until: Option<Instant>,
}

impl Clock for LimitedClock<'_> {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn timestamp(&self) -> jiff::Timestamp {
        self.clock.timestamp()
    }

    fn sleep_until(&self, until: Instant) {
        self.clock.sleep_until(self.until.map_or(until, |end| end.min(until)));
    }

    fn interrupted(&self) -> Option<Interrupt> {
        let end = self.until.filter(|end| *end <= self.clock.now());
        self.clock.interrupted().or(end.map(|at| Interrupt { name: "the time limit", at }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_five_times_as_long_as_the_longest_and_at_least_a_second() {
        for (longest, limit) in [(0, 1000), (200, 1000), (201, 1005), (60_000, 300_000)] {
            let limits = RunLimits::new(Duration::from_millis(longest), Duration::ZERO);
            assert_eq!(limits.step, Duration::from_millis(limit), "{longest} ms");
        }
    }
}

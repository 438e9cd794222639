//! Runs sessions over fresh connections, to see whether they show the fault.

use super::condition::{FaultCondition, StepState};
use super::fault_watcher::{FailureKind, FaultSighting, FaultWatcher};
use super::minimize::Stopped;
use super::reducer::FaultCheck;
use crate::event::Failure;
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

    /// Runs a session once; `None` if it is not valid.
    fn run_once(&mut self, text: &str, numbers: &[usize]) -> Option<FaultRun> {
        let mut session = (self.load)(text)?;
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
            let Some(seen) = run.and_then(|run| run.sighting) else {
                self.tally.flaky += u64::from(repetition > 0);
                return Ok(false);
            };
            sighting = Some(seen);
        }
        self.tally.sighting = sighting;
        Ok(true)
    }
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

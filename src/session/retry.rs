//! How often something is tried again, and after which pauses.

use super::Expectation;
use std::time::Duration;

/// `[retry]`, or `--retry N`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetrySettings {
    pub times: u32,
    pub wait: Duration,
    pub backoff: f64,
    pub max_wait: Option<Duration>,
}

impl RetrySettings {
    /// The settings of `--retry N`.
    pub fn with_times(times: u32) -> Self {
        Self { times, wait: Duration::from_secs(1), backoff: 2.0, max_wait: None }
    }
}

/// `retry = { times = 3, wait = "60s", on = "4xx" }` of a step.
#[derive(Clone, Debug)]
pub struct StepRetry {
    pub times: u32,
    pub wait: Duration,
    pub on: Expectation,
}

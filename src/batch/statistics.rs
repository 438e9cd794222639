//! Statistics of a load test: messages and bytes per second, latencies by kind of step, failures by cause and code.

use crate::event::{Cause, Fact, Failure, ServerResponse, Verdict, group_thousands};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::Duration;

/// The most kinds of steps, and causes of failures, that are counted apart.
const MAX_KINDS: usize = 64;

/// Latencies, failures and bytes of a load test.
#[derive(Default)]
pub struct Statistics {
    kinds: BTreeMap<String, Histogram<u64>>,
    failures: BTreeMap<String, usize>,
    bytes: u64,
}

impl Statistics {
    /// Counts a finished step, or bytes that were sent.
    pub fn observe(&mut self, fact: &Fact<'_>) {
        match fact {
            Fact::LineSent(line) => self.bytes += line.wire_length() as u64,
            Fact::Content(block) => self.bytes += block.wire_length() as u64,
            Fact::StepFinished { step, verdict, elapsed } => match verdict {
                Verdict::Passed => self.record(step.title.as_str(), *elapsed),
                Verdict::Failed(failure) | Verdict::Error(failure) => {
                    self.record(step.title.as_str(), *elapsed);
                    self.record_failure(failure);
                }
                Verdict::Skipped(_) => {}
            },
            _ => {}
        }
    }

    fn record(&mut self, title: &str, elapsed: Duration) {
        // `MAIL FROM:<a@example.com>` is counted as MAIL, whoever it is from.
        let first = title.split([' ', ':']).next().unwrap_or_default();
        let verb = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_uppercase());
        let kind = if verb { first } else { title };
        let kind = if self.kinds.contains_key(kind) || self.kinds.len() < MAX_KINDS { kind } else { "other steps" };
        if !self.kinds.contains_key(kind) {
            // Three significant digits; microseconds up to an hour. Longer steps count as an hour.
            let Ok(histogram) = Histogram::new_with_bounds(1, HOUR, 3) else { return };
            self.kinds.insert(kind.to_owned(), histogram);
        }
        if let Some(histogram) = self.kinds.get_mut(kind) {
            histogram.saturating_record(u64::try_from(elapsed.as_micros()).unwrap_or(HOUR).clamp(1, HOUR));
        }
    }

    fn record_failure(&mut self, failure: &Failure) {
        let words = match &failure.cause {
            Cause::Unexpected { expected, got: ServerResponse::Reply { code, .. } } => {
                format!("expected {expected}, got {code}")
            }
            Cause::Recipients { refused, stopped: _ } => {
                let code = refused.first().map_or(0, |one| one.code);
                format!("recipient refused, {code:03}")
            }
            cause => cause.to_string(),
        };
        let words: String = words.chars().take(100).collect();
        let key = if self.failures.contains_key(&words) || self.failures.len() < MAX_KINDS {
            words
        } else {
            "other causes".to_owned()
        };
        *self.failures.entry(key).or_default() += 1;
    }

    /// The report, a line each.
    pub fn report_lines(&self, messages: usize, elapsed: Duration) -> Vec<String> {
        let seconds = elapsed.as_secs_f64().max(1e-6);
        let rate = |count: f64| format!("{:.1}", count / seconds);
        let mut lines = vec![format!(
            "{} messages in {seconds:.2} s: {} messages/s, {} bytes/s",
            group_thousands(messages),
            rate(messages as f64),
            group_thousands((self.bytes as f64 / seconds) as usize),
        )];
        for (kind, histogram) in &self.kinds {
            let at = |quantile| millis(histogram.value_at_quantile(quantile));
            lines.push(format!(
                "{kind}: {} times, p50 {}, p90 {}, p99 {}, max {}",
                group_thousands(usize::try_from(histogram.len()).unwrap_or(usize::MAX)),
                at(0.5),
                at(0.9),
                at(0.99),
                millis(histogram.max()),
            ));
        }
        lines.extend(self.failures.iter().map(|(cause, count)| format!("{} failed: {cause}", group_thousands(*count))));
        lines
    }
}

const HOUR: u64 = 3_600_000_000;

fn millis(micros: u64) -> String {
    format!("{:.2} ms", micros as f64 / 1000.0)
}

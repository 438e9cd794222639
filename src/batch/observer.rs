//! The one observer of a batch, shared by its workers.

use super::statistics::Statistics;
use crate::event::{Event, Fact, Observer};
use std::sync::{Mutex, PoisonError};

/// The observer as each worker sees it.
pub struct SharedObserver<'s, 'o> {
    /// The observer that all workers share.
    pub observer: &'s Mutex<&'o mut (dyn Observer + Send)>,
    /// The statistics of a load test.
    pub statistics: Option<&'s Mutex<Statistics>>,
}

impl Observer for SharedObserver<'_, '_> {
    fn observe(&mut self, event: &Event<'_>) {
        if let (Some(statistics), Fact::StepFinished { .. } | Fact::LineSent(_) | Fact::Content(_)) =
            (self.statistics, &event.fact)
            && let Ok(mut statistics) = statistics.lock()
        {
            statistics.observe(&event.fact);
        }
        // The panic of another worker's thread is no reason to report nothing here.
        self.observer.lock().unwrap_or_else(PoisonError::into_inner).observe(event);
    }
}

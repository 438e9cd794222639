//! Secrets that age: those with `refresh`.

use crate::session::Value;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The secrets with `refresh`, as they are now. All connections of a session share them, and one at a time fetches.
#[derive(Default)]
pub struct AgingSecrets {
    list: Mutex<Vec<AgingSecret>>,
}

/// A secret with `refresh`.
pub struct AgingSecret {
    pub name: String,
    /// The age at which the command runs again.
    pub limit: Duration,
    /// When its command was last started.
    pub fetched: Instant,
    /// All its values, each of which stays hidden; the last one counts.
    pub values: Vec<Value>,
}

impl AgingSecrets {
    /// A secret has its first value, from a command that began at `fetched`.
    pub fn add(&self, name: &str, limit: Duration, fetched: Instant, value: Value) {
        self.lock().push(AgingSecret { name: name.to_owned(), limit, fetched, values: vec![value] });
    }

    /// The secrets; other connections wait for them.
    pub fn lock(&self) -> MutexGuard<'_, Vec<AgingSecret>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

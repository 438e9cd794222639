//! What the names in templates and expressions mean at a moment.

use super::{EhloFacts, ReplyFacts, SessionFacts, TlsFacts};

/// A variable's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
}

/// Names and their values. Later layers hide earlier ones: facts (`reply`, `ehlo`, `tls`, `session`, `loop`), variables
/// and secrets, captures, then each `with`.
pub struct Scope {
    // …
}

impl Scope {
    /// `seed` makes `random(…)` and `uuid()` repeatable; `now` is the clock.
    pub fn new(seed: Option<u64>, now: std::sync::Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>) -> Self {
        let _ = (seed, now);
        todo!()
    }

    /// Sets a variable, secret or capture.
    pub fn set(&mut self, name: &str, value: Value) {
        let _ = (name, value);
        todo!()
    }

    pub fn push(&mut self, variables: Vec<(String, Value)>) {
        let _ = variables;
        todo!()
    }

    pub fn pop(&mut self) {
        todo!()
    }

    pub fn set_reply(&mut self, reply: Option<ReplyFacts>) {
        let _ = reply;
        todo!()
    }

    pub fn set_ehlo(&mut self, ehlo: EhloFacts) {
        let _ = ehlo;
        todo!()
    }

    pub fn set_tls(&mut self, tls: Option<TlsFacts>) {
        let _ = tls;
        todo!()
    }

    pub fn set_session(&mut self, session: SessionFacts) {
        let _ = session;
        todo!()
    }

    /// `loop.index` in `repeat`, from 1; `None` outside.
    pub fn set_loop(&mut self, index: Option<u32>) {
        let _ = index;
        todo!()
    }

    /// A random text of letters, from the seeded source: also for boundaries and nonces.
    pub fn random_letters(&mut self, count: usize) -> String {
        let _ = count;
        todo!()
    }
}

//! Events, and who observes them.

use super::fact::Fact;
use std::time::Duration;

/// Something that happened.
#[derive(Debug)]
pub struct Event<'a> {
    /// Since the session's first connection was made; zero before.
    pub at: Duration,
    /// The connection's name; `main` is the default one.
    pub connection: &'a str,
    pub fact: Fact<'a>,
}

/// Hears what happens. Reports and transcripts are observers, and nothing else.
pub trait Observer {
    fn observe(&mut self, event: &Event<'_>);
}

impl<T: Observer + ?Sized> Observer for &mut T {
    fn observe(&mut self, event: &Event<'_>) {
        (**self).observe(event);
    }
}

impl<T: Observer + ?Sized> Observer for Box<T> {
    fn observe(&mut self, event: &Event<'_>) {
        (**self).observe(event);
    }
}

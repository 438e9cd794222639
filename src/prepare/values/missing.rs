//! The names that got no value: all are reported together.

use crate::event::{Cause, Status, StepError};
use crate::session::{Session, ValueSource, Variable};

/// The names that got no value, and why.
#[derive(Default)]
pub struct MissingValues {
    names: Vec<String>,
    why: Vec<StepError>,
}

impl MissingValues {
    /// Keeps what went wrong for later; an interruption is not kept.
    pub fn keep(&mut self, variable: &Variable, result: Result<(), StepError>) -> Result<(), StepError> {
        match result {
            Err(error) if matches!(error.cause, Cause::Interrupted { .. }) => return Err(error),
            Err(error) => {
                self.names.push(variable.name.clone());
                self.why.push(error);
            }
            Ok(()) => {}
        }
        Ok(())
    }

    /// Whether a name is made of one that is missing: then it is missing, too, and that is no news.
    pub fn explains(&mut self, session: &Session, variable: &Variable) -> bool {
        let template = match &variable.source {
            ValueSource::Template(template) => template,
            ValueSource::File { path, .. } => &path.template,
            _ => return false,
        };
        let explained = session.templates.names(template).iter().any(|name| self.names.contains(name));
        if explained {
            self.names.push(variable.name.clone());
        }
        explained
    }

    /// All of them in the order of the file, each with its own place; the session ends as the worst of them asks.
    pub fn told(self) -> Result<(), StepError> {
        let status = Status::worst(self.why.iter().map(|error| error.status));
        let mut all = self.why;
        // Secrets are read first, wherever they stand.
        all.sort_by_key(|error| error.span.as_ref().map(|span| (span.file, span.bytes.start)));
        let mut all = all.into_iter();
        let Some(first) = all.next() else { return Ok(()) };
        Err(StepError { status, ..first }.with(all))
    }
}

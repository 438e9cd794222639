//! The names that got no value: all are told together.

use crate::event::{Cause, Status};
use crate::exec::narrate::Narrator;
use crate::exec::trouble::Trouble;
use crate::session::{Session, ValueSource, Variable};

/// The names that got no value, and why.
#[derive(Default)]
pub struct Missing {
    names: Vec<String>,
    why: Vec<Trouble>,
}

impl Missing {
    /// Keeps what went wrong for later; an interruption is not kept.
    pub fn keep(&mut self, variable: &Variable, result: Result<(), Trouble>) -> Result<(), Trouble> {
        match result {
            Err(trouble) if matches!(trouble.cause, Cause::Interrupted { .. }) => return Err(trouble),
            Err(trouble) => {
                self.names.push(variable.name.clone());
                self.why.push(trouble);
            }
            Ok(()) => {}
        }
        Ok(())
    }

    /// Whether a name is made of one that is missing: then it is missing, too, and that is no news.
    pub fn explains(&mut self, session: &Session, variable: &Variable) -> bool {
        let template = match &variable.source {
            ValueSource::Template(template) => template,
            ValueSource::File { path, .. } => &path.written,
            _ => return false,
        };
        let explained = session.templates.names(template).iter().any(|name| self.names.contains(name));
        if explained {
            self.names.push(variable.name.clone());
        }
        explained
    }

    /// One trouble for all.
    pub fn told(self, narrator: &Narrator<'_>) -> Result<(), Trouble> {
        let mut why = self.why;
        if why.len() < 2 {
            return why.pop().map_or(Ok(()), Err);
        }
        let status = Status::worst(why.iter().map(|trouble| trouble.status));
        let all: Vec<String> = why.iter().map(|trouble| trouble.cause.to_string()).collect();
        let what = format!("{} values are missing: {}", all.len(), all.join("; "));
        let span = why.first().and_then(|trouble| trouble.span.clone());
        Err(Trouble { status, span, ..Trouble::bad_value(narrator, what) })
    }
}

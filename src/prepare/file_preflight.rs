//! What a session's files alone show: the preflight without environment, commands, questions, netrc and standard input.
//! `mailrun check` reports it, so that a run with the same options finds nothing more before it connects, except in
//! those.

use super::clock::Clock;
use super::context::{RowContext, RunContext};
use super::preflight::{KnownNames, Preflight, PreflightFindings, remove_captures};
use super::values::{KnownValues, ValueReader, new_scope};
use crate::event::StepError;
use crate::session::{MessageNumbering, SourcePath, Visitor};
use crate::transcript::Secrets;
use std::path::PathBuf;

/// What a session's files alone show.
pub struct FilePreflight<'p, 'a>(Preflight<'p, 'a>);

impl<'p, 'a> FilePreflight<'p, 'a> {
    /// Renders and opens all that is known. Messages are not signed: the key is not read.
    pub fn new(run: RunContext<'a>, secrets: &'p mut Secrets, clock: &'p dyn Clock) -> Self {
        run.shared.signing.set_fixed(None);
        let (mut scope, moment) = new_scope(run.options, clock);
        let KnownValues { mut names, server, errors } =
            ValueReader::new(run, None, secrets, clock).gather_known(&mut scope);
        remove_captures(run.session, &mut names);
        let row = RowContext::new(scope, moment, MessageNumbering::default());
        let known = KnownNames { names, without_input: true };
        let findings = PreflightFindings::default();
        let mut preflight = Preflight { run, row, server, secrets, clock, known, step: None, findings };
        errors.into_iter().for_each(|error| preflight.findings.add(error));
        let session = run.session;
        [&session.client_name, &session.tls.server_name]
            .into_iter()
            .flatten()
            .for_each(|line| preflight.visit_line(line));
        preflight.visit_session(session);
        Self(preflight)
    }

    /// Takes the errors, in the order in which a run would find them.
    pub fn take_errors(&mut self) -> Vec<StepError> {
        std::mem::take(&mut self.0.findings.errors)
    }

    /// Where a file of the session lies; `None` if that is not known, or is an error.
    pub fn path(&self, path: &SourcePath) -> Option<PathBuf> {
        let known = self.0.is_known(&path.template);
        known.then(|| Some(self.0.renderer().resolve(path).ok()?.path().to_owned()))?
    }
}

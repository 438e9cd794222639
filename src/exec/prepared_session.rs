//! A session that is ready for its connections.

use super::events::{ConnectionLabel, EventSink, MAIN};
use super::rows::invalid_row;
use crate::event::{Cause, Fact, Failure, Note, Observer, Outcome, Status, StepError};
use crate::prepare::{
    AgingSecrets, Clock, FilePreflight, PreparedValues, Row, RowPreflight, RunContext, RunOptions, SharedByMessages,
    outside_failure, preflight, prepare,
};
use crate::session::{ExclusionList, Session, SourceError, SourcePath, Sources, Span};
use crate::transcript::{SafeText, Secrets};
use std::path::PathBuf;
use std::sync::Arc;

/// A session whose names have their values, and that was checked: ready for its connections.
pub struct PreparedSession<'a> {
    session: &'a Session,
    options: &'a RunOptions,
    sources: &'a dyn Sources,
    shared: SharedByMessages,
    exclusions: Option<Arc<ExclusionList>>,
    aging: AgingSecrets,
    pub(super) values: PreparedValues,
    pub(super) secrets: Secrets,
}

/// What was found in a row that was rendered without connecting.
pub struct CheckedRow {
    /// What is wrong with it.
    pub failures: Vec<Failure>,
    /// The size of its largest message in bytes.
    pub message_bytes: u64,
    /// Addresses that servers need not accept, and why.
    pub long_addresses: Vec<SafeText>,
    /// All its recipients are excluded, so that a run skips it.
    pub is_excluded: bool,
}

impl<'a> PreparedSession<'a> {
    /// Reads and renders all that can be before anything is sent, and emits that the session started; the outcome if it
    /// cannot go on.
    pub fn new(
        session: &'a Session,
        options: &'a RunOptions,
        sources: &'a dyn Sources,
        clock: &dyn Clock,
        observer: &mut dyn Observer,
    ) -> Result<Self, Box<Outcome>> {
        let (shared, aging) = (SharedByMessages::default(), AgingSecrets::default());
        let run = RunContext { session, options, sources, exclusions: None, shared: &shared, aging: &aging };
        let mut events =
            EventSink::new(observer, clock, Secrets::new(options.show_secrets), &ConnectionLabel::default());
        let mut values = match prepare(run, &mut events.secrets, clock) {
            Ok(values) => values,
            Err(error) => {
                let started = Fact::SessionStarted { name: events.shown(&session.name), server: SafeText::default() };
                events.emit(MAIN, started);
                return Err(Box::new(Outcome::failed(outside_failure(run, error))));
            }
        };
        // Passwords are learnt in the preflight, before anything is shown.
        let checked = preflight::check(run, &mut values, &mut events.secrets, clock);
        let (name, server) = (events.shown(&session.name), events.shown(values.server.to_string()));
        events.emit(MAIN, Fact::SessionStarted { name, server });
        emit_notices(run, &values, &mut events);
        let secrets = events.secrets;
        match checked {
            Ok(()) => Ok(Self { session, options, sources, shared, exclusions: None, aging, values, secrets }),
            Err(error) => Err(Box::new(Outcome::failed(outside_failure(run, error)))),
        }
    }

    /// Sends no message to these recipients.
    pub fn exclude(&mut self, list: Option<Arc<ExclusionList>>) {
        self.exclusions = list;
    }

    pub(super) fn run(&self) -> RunContext<'_> {
        RunContext {
            session: self.session,
            options: self.options,
            sources: self.sources,
            exclusions: self.exclusions.as_deref(),
            shared: &self.shared,
            aging: &self.aging,
        }
    }

    /// Renders rows without connecting. `found` gets the place of each row, and what was found.
    pub fn check_rows(
        &self,
        rows: &mut dyn Iterator<Item = Row>,
        clock: &dyn Clock,
        found: &mut dyn FnMut(&str, CheckedRow),
    ) {
        let mut secrets = self.secrets.clone();
        let mut checker = RowPreflight::new(self.run(), &self.values, &mut secrets, clock);
        let sources = &self.session.source_map;
        for row in rows {
            let place = row.place.clone();
            let findings = checker.check_row(row);
            let failures = findings.errors.into_iter().map(|error| {
                let place = error.span.as_ref().map(|span| sources.place(span)).unwrap_or_default();
                error.failure(place)
            });
            let checked = CheckedRow {
                failures: failures.collect(),
                message_bytes: findings.message_bytes,
                long_addresses: findings.long_addresses.iter().map(|text| self.shown(text)).collect(),
                is_excluded: findings.is_excluded,
            };
            found(&place, checked);
        }
    }

    /// Reports an invalid row without connecting.
    pub fn report_invalid_row(
        &self,
        label: &ConnectionLabel,
        row: Row,
        clock: &dyn Clock,
        observer: &mut dyn Observer,
    ) -> Outcome {
        let mut events = EventSink::new(observer, clock, self.secrets.clone(), label);
        let why = row.error.unwrap_or_default();
        let outcome = Outcome::failed(invalid_row(self.session, &self.secrets, &row.place, &why));
        if let Some(id) = &row.id {
            events.emit(MAIN, Fact::RowStarted { row: id });
            events.emit(MAIN, Fact::RowFinished { row: id, outcome: &outcome });
        }
        outcome
    }

    /// Where a file of the session lies.
    pub fn path(&self, path: &SourcePath) -> Result<PathBuf, Box<Outcome>> {
        let rendered = self.session.templates.render(&path.template, &self.values.scope);
        let rendered =
            rendered.map_err(|error| Box::new(self.refuse(&SourceError::Refused(error.message), &error.span)))?;
        Ok(path.base.join(rendered))
    }

    /// How the session ends if a file that it names cannot be used.
    pub fn refuse(&self, error: &SourceError, at: &Span) -> Outcome {
        let (status, cause) = match error {
            SourceError::Refused(what) => (Status::DataErr, Cause::BadValue { what: self.shown(what) }),
            SourceError::Unreadable(what) => (Status::NoInput, Cause::Unreadable { what: self.shown(what) }),
        };
        Outcome::failed(Failure::new(status, self.session.source_map.place(at), cause))
    }

    /// What `text` is in facts: secrets hidden, and escaped.
    pub fn shown(&self, text: &str) -> SafeText {
        self.secrets.shown(text)
    }
}

/// What a session's files alone show to be wrong: without its environment, commands, questions and a connection.
pub struct FileFindings {
    /// In the order in which a run would find them.
    pub errors: Vec<StepError>,
    /// Where the files lie of which that is known, in the order of `paths`.
    pub paths: Vec<Option<PathBuf>>,
    /// Those that the files contain. A path may be made of one.
    pub secrets: Secrets,
}

impl FileFindings {
    /// Renders and opens all that is known. Also finds where `paths` lie.
    pub fn new(
        session: &Session,
        options: &RunOptions,
        sources: &dyn Sources,
        clock: &dyn Clock,
        paths: &[&SourcePath],
    ) -> Self {
        let (shared, aging) = (SharedByMessages::default(), AgingSecrets::default());
        let run = RunContext { session, options, sources, exclusions: None, shared: &shared, aging: &aging };
        let mut secrets = Secrets::new(options.show_secrets);
        let mut preflight = FilePreflight::new(run, &mut secrets, clock);
        let errors = preflight.take_errors();
        let paths = paths.iter().map(|path| preflight.path(path)).collect();
        Self { errors, paths, secrets }
    }
}

/// What is to be said of the values before the first connection.
fn emit_notices(run: RunContext<'_>, values: &PreparedValues, events: &mut EventSink<'_>) {
    for name in &values.notices.short_names {
        let name = events.shown(name);
        events.note(MAIN, Note::ShortSecret { name });
    }
    for (name, value) in &run.options.variables {
        if !events.secrets.redactor.find(value.to_string().as_bytes()).is_empty() {
            let name = events.shown(name);
            events.note(MAIN, Note::SecretInArguments { name });
        }
    }
    for (name, why) in &values.notices.placeholders {
        let name = events.shown(name);
        events.note(MAIN, Note::PlaceholderUsed { name, why: why.clone() });
    }
    for (name, why) in &values.notices.defaults {
        events.note_default_used(name, why);
    }
}

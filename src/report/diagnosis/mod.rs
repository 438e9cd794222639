//! The diagnosis of a failed session on standard error: what is wrong, where, what was expected, what the server sent.
//!
//! ```text
//! smoke.toml:6:3: error: expected 250, got 550
//!   |
//! 6 |   { send = "RCPT TO:<b@example.com>", expect = 250 },
//!   |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
//!   = step 4: RCPT TO:<b@example.com>
//!   = got: 550 5.1.1 no such user
//! smoke.toml: failed, status 1
//! ```

mod literal_secrets;
mod long_lines;
mod notes;
#[cfg(test)]
mod tests;

pub use literal_secrets::literal_secrets;
pub use long_lines::cut_long_lines;

use crate::event::{
    Cause, Event, Fact, Failure, Note, Observer, Outcome, RowId, Status, StepId, Verdict, group_thousands,
};
use crate::report::transcript::chunking_disabled;
use crate::session::{Diagnostic, Diagnostics, Place, SourceMap};
use crate::transcript::{Redactor, SafeText, escape_unprintable};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};

/// The most failures of one session that are shown; further ones are counted.
const MAX_FAILURES: usize = 50;

/// Writes the failures of a session when it ends; nothing if there are none.
pub struct DiagnosisWriter<W: Write> {
    out: W,
    /// The sources of the session; the list is replaced for each diagnosis.
    diagnostics: Diagnostics,
    redactor: Redactor,
    colour: bool,
    quiet: bool,
    /// The failures of rows are printed elsewhere: a hash of each, since the session fails with one of them.
    omitted_rows: Option<HashSet<u64>>,
    /// The width of the terminal, if there is one.
    columns: Option<usize>,
    name: SafeText,
    /// Shown instead of the session's name.
    shown_name: Option<SafeText>,
    warnings: Vec<String>,
    /// The failures so far, each with the number of its row.
    reported: Vec<(Failure, Option<u64>)>,
    /// The rows that are running, with their connections.
    rows: Vec<ActiveRow>,
    text: String,
    omitted: usize,
    error: Option<io::Error>,
}

/// A row that is running.
struct ActiveRow {
    connection: String,
    row: RowId,
    /// One of its steps failed, and was reported or counted.
    failed: bool,
}

impl<W: Write> DiagnosisWriter<W> {
    /// For one session. `redactor` hides the literal secrets of its file, see [`literal_secrets`].
    pub fn new(out: W, sources: SourceMap, redactor: Redactor, colour: bool) -> Self {
        Self {
            out,
            diagnostics: Diagnostics { list: Vec::new(), sources },
            redactor,
            colour,
            quiet: false,
            omitted_rows: None,
            columns: None,
            name: SafeText::default(),
            shown_name: None,
            warnings: Vec::new(),
            reported: Vec::new(),
            rows: Vec::new(),
            text: String::new(),
            omitted: 0,
            error: None,
        }
    }

    /// Shows this name instead of the session's: its path, if several sessions run.
    pub fn with_name(self, name: SafeText) -> Self {
        Self { shown_name: Some(name), ..self }
    }

    /// Shows warnings only if the session failed.
    pub fn quiet(self) -> Self {
        Self { quiet: true, ..self }
    }

    /// Leaves failures of rows to somebody else, who prints a line for each.
    pub fn without_rows(self) -> Self {
        Self { omitted_rows: Some(HashSet::new()), ..self }
    }

    /// Wraps lines at the width of the terminal.
    pub fn with_width(self, columns: Option<usize>) -> Self {
        Self { columns, ..self }
    }

    /// The first failure to write.
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// Adds a failure unless it was added before: a group fails with the failure of its step, a session with that of a row.
    fn failure(&mut self, failure: &Failure, step: Option<&StepId>, row: Option<&RowId>) {
        let number = row.map(|row| row.number);
        if self.reported.iter().any(|(told, of)| (number.is_none() || *of == number) && told == failure) {
            return;
        }
        if let Some(rows) = &mut self.omitted_rows {
            let mut hasher = DefaultHasher::new();
            (failure.status, failure.to_string()).hash(&mut hasher);
            let hash = hasher.finish();
            if row.is_some() {
                rows.insert(hash);
            }
            if rows.contains(&hash) || matches!(failure.cause, Cause::Interrupted { .. }) {
                return;
            }
        }
        if self.reported.len() >= MAX_FAILURES {
            self.omitted += 1;
            return;
        }
        let gutter = match &failure.cause {
            Cause::AssertsFailed(failed) => {
                for one in failed {
                    let values: Vec<String> =
                        one.values.iter().map(|(name, value)| format!("{name} = {value}")).collect();
                    let place = if one.place.file.is_empty() { &failure.place } else { &one.place };
                    self.push_diagnostic(
                        place,
                        step,
                        &format!("assert failed: {}", one.expression),
                        &values.join(", "),
                    );
                }
                failure.place.line
            }
            cause => {
                self.push_diagnostic(&failure.place, step, &cause.to_string(), "");
                failure.place.line
            }
        };
        let gutter = " ".repeat(gutter.max(1).to_string().len());
        let step = step.map(|step| notes::step(step, &failure.place));
        for note in step.into_iter().chain(row.map(notes::row)).chain(notes::notes_for(failure)) {
            self.text.push_str(&format!("{gutter} = {note}\n"));
        }
        self.reported.push((failure.clone(), number));
        failure.details.others.iter().for_each(|other| self.failure(other, None, row));
    }

    /// The row that runs on a connection: `2_second` belongs to `2`, and `second` to `main`.
    fn row_of(&mut self, connection: &str) -> Option<&mut ActiveRow> {
        let lane = connection.split_once('_').map_or("main", |(lane, _)| lane);
        let of = |name: &str| self.rows.iter().position(|active| active.connection == name);
        let index = of(connection).or_else(|| of(lane))?;
        self.rows.get_mut(index)
    }

    /// Adds `file:line:column: error: message` with the source from the beginning of the step and a caret; without a place, the
    /// session's name and the message.
    fn push_diagnostic(&mut self, place: &Place, step: Option<&StepId>, message: &str, label: &str) {
        match self.diagnostics.sources.span_at(place) {
            Some(span) => {
                let mut diagnostic = Diagnostic::error(span, message);
                if let Some(step) = step.filter(|step| step.place.file == place.file) {
                    diagnostic = diagnostic.with_context_from(step.place.line);
                }
                if !label.is_empty() {
                    diagnostic = diagnostic.with_label(label);
                }
                self.diagnostics.list = vec![diagnostic];
                let rendered = self.diagnostics.render_within(self.columns, self.colour);
                self.text.push_str(&self.redact(&rendered));
            }
            None => {
                let name = match (place.file.is_empty(), self.name.is_empty()) {
                    (false, _) => {
                        format!("{}:{}:{}: ", escape_unprintable(place.file.as_bytes()), place.line, place.column)
                    }
                    (true, false) => format!("{}: ", self.name),
                    (true, true) => String::new(),
                };
                let (red, plain) = if self.colour { ("\x1b[1;91m", "\x1b[0m") } else { ("", "") };
                self.text.push_str(&format!("{name}{red}error{plain}: {message}\n"));
                if !label.is_empty() {
                    self.text.push_str(&format!("  = {label}\n"));
                }
            }
        }
    }

    /// Hides literal secrets in lines of the source.
    fn redact(&self, rendered: &str) -> String {
        let mut out = String::with_capacity(rendered.len());
        let mut from = 0;
        for range in self.redactor.find(rendered.as_bytes()) {
            let (start, end) = (rendered.floor_char_boundary(range.start), rendered.ceil_char_boundary(range.end));
            out.push_str(&rendered[from..start.max(from)]);
            out.push_str("[secret]");
            from = end.max(from);
        }
        out.push_str(&rendered[from..]);
        out
    }

    fn finish(&mut self, outcome: &Outcome) {
        if let Some(failure) = &outcome.failure {
            self.failure(failure, None, None);
        }
        if self.omitted > 0 {
            self.text.push_str(&format!("… and {} more failures\n", group_thousands(self.omitted)));
        }
        let failed = outcome.status != Status::Passed;
        if failed {
            let name = match (outcome.status.signal(), outcome.status.name()) {
                (Some(signal), _) => format!(": interrupted by {signal}"),
                (None, "") => String::new(),
                (None, name) => format!(" ({name})"),
            };
            self.text.push_str(&format!("{}: failed, status {}{name}\n", self.name, outcome.status.code()));
        }
        let mut text = String::new();
        if failed || !self.quiet {
            self.warnings.iter().for_each(|warning| text.push_str(&format!("{}: warning: {warning}\n", self.name)));
        }
        // A failure that a retry made up for is not worth a mail from cron.
        if failed || !self.quiet {
            text.push_str(&self.text);
        }
        let text = cut_long_lines(&escape_workflow_commands(&text)).into_owned();
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        if let Err(error) = written {
            self.error.get_or_insert(error);
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.warnings.clear();
        self.reported.clear();
        self.rows.clear();
        self.text.clear();
        self.omitted = 0;
    }
}

/// Returns the diagnosis of one failure as [`DiagnosisWriter`] writes it.
pub fn diagnosis(
    failure: &Failure,
    step: Option<&StepId>,
    row: Option<&RowId>,
    sources: &SourceMap,
    redactor: Redactor,
    colour: bool,
    columns: Option<usize>,
) -> String {
    let mut terminal = DiagnosisWriter::new(io::sink(), sources.clone(), redactor, colour).with_width(columns);
    terminal.failure(failure, step, row);
    cut_long_lines(&escape_workflow_commands(&terminal.text)).into_owned()
}

/// Escapes `::` at the beginning of lines, where GitHub Actions would take it for a command. Its runner skips white space before
/// that.
pub fn escape_workflow_commands(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let command = line.trim_start();
        match command.strip_prefix(':') {
            Some(rest) if rest.starts_with(':') => {
                out.push_str(&line[..line.len() - command.len()]);
                out.push_str("\\x3a");
                out.push_str(rest);
            }
            _ => out.push_str(line),
        }
    }
    out
}

impl<W: Write> Observer for DiagnosisWriter<W> {
    fn observe(&mut self, event: &Event<'_>) {
        match &event.fact {
            Fact::SessionStarted { name, server: _ } => {
                self.forget();
                self.name = self.shown_name.as_ref().unwrap_or(name).clone();
            }
            Fact::StepFinished { step, verdict, elapsed: _ } => match verdict {
                Verdict::Failed(failure) | Verdict::Error(failure) => {
                    let row = self.row_of(event.connection).map(|active| {
                        active.failed = true;
                        active.row.clone()
                    });
                    self.failure(failure, Some(step), row.as_ref());
                }
                Verdict::Passed | Verdict::Skipped(_) => {}
            },
            Fact::Noted(note) => match note {
                Note::ChunkingDisabled { reply } => {
                    self.warnings.push(format!("chunking: {}", chunking_disabled(reply)));
                }
                Note::ShortSecret { name } => self.warnings.push(format!(
                    "the secret {name} has fewer than {} characters: it is hidden only in the lines that send it",
                    Redactor::SHORT
                )),
                Note::PlaceholderUsed { name, why } => {
                    self.warnings.push(format!("the dry run continues without the secret {name}: {why}"));
                }
                Note::PartRemoved { what } => {
                    let warning = format!("{what} of the message is not sent");
                    if !self.warnings.contains(&warning) {
                        self.warnings.push(warning);
                    }
                }
                Note::DefaultUsed { name, why } => {
                    let warning = format!("{name} has its default value: {why}");
                    // Once, even if the step is repeated.
                    if !self.warnings.contains(&warning) {
                        self.warnings.push(warning);
                    }
                }
                // The last line names the signal. The others are in the transcript.
                Note::Interrupted { .. }
                | Note::Unencrypted { .. }
                | Note::NotVerified { .. }
                | Note::ConnectedAgain
                | Note::HandshakeRefused { .. }
                | Note::SecurityLevelLowered
                | Note::NoCloseNotify
                | Note::OutsideTls { .. }
                | Note::SecretInArguments { .. }
                | Note::MailExchanger { .. }
                | Note::MailExchangerUnreachable { .. }
                | Note::DecodedChallenge { .. }
                | Note::Capabilities { .. }
                | Note::QuitFailed { .. }
                | Note::RecipientExcluded { .. }
                | Note::InvalidText { .. }
                | Note::Retrying { .. }
                | Note::SessionRetrying { .. }
                | Note::PartialWrite { .. }
                | Note::MessageAccepted { .. }
                | Note::RecipientResult { .. } => {}
            },
            Fact::RowStarted { row } => {
                let connection = event.connection.to_owned();
                self.rows.push(ActiveRow { connection, row: (*row).clone(), failed: false });
            }
            Fact::RowFinished { row, outcome } => {
                let index = self.rows.iter().position(|active| active.connection == event.connection);
                let active = index.map(|index| self.rows.swap_remove(index));
                // The failure of a step was reported already, or counted if there are too many.
                let counted = self.reported.len() >= MAX_FAILURES && active.is_some_and(|active| active.failed);
                if let Some(failure) = outcome.failure.as_ref().filter(|_| !counted) {
                    self.failure(failure, None, Some(row));
                }
            }
            Fact::SessionFinished { outcome } => self.finish(outcome),
            Fact::HostResolved { .. }
            | Fact::Connected { .. }
            | Fact::TlsStarted { .. }
            | Fact::LineSent(_)
            | Fact::Content(_)
            | Fact::LineReceived(_)
            | Fact::ContentSent
            | Fact::RecipientAnswered { .. }
            | Fact::ContentAnswered { .. }
            | Fact::Paused { .. }
            | Fact::TlsClosedByClient
            | Fact::ClosedByServer
            | Fact::ResetByServer
            | Fact::ClosedByClient { .. }
            | Fact::AttemptStarted { .. }
            | Fact::StepStarted { .. } => {}
        }
    }
}

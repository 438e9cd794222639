//! Writes the transcript from events while they happen.

mod content_limit;
mod remarks;
#[cfg(test)]
mod tests;

use crate::event::{ContentBlock, Event, Fact, Failure, Note, Observer, RedactedLine, Verdict};
use crate::transcript::{Mark, escape_unprintable, write_prefix};
pub use remarks::{chunking_disabled, omission_remark, skip_words};

use content_limit::ContentLimit;
use std::io::{self, Write};
use std::time::Duration;

/// How many bytes are gathered in memory before they are written.
const BUFFER: usize = 64 * 1024;

/// How a transcript is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TranscriptOptions {
    /// Each line begins with the seconds since connecting.
    pub timestamps: bool,
    /// Message content is not cut after 40 lines; always set for files.
    pub full: bool,
    /// Adds remarks on details: resolved addresses, certificates, decoded prompts, capabilities.
    pub verbose: bool,
    /// Each line is written at once, for a person who watches. Otherwise many lines are written together.
    pub live: bool,
    /// Each line is followed by a hex dump of its bytes, in remarks.
    pub hex: bool,
}

/// Writes the transcript of one session, or of several sessions one after the other.
///
/// After a failure to write, [`TranscriptWriter::error`] returns it and nothing more is written; the session continues.
pub struct TranscriptWriter<W: Write> {
    out: W,
    options: TranscriptOptions,
    /// Whole lines that are not written yet.
    buffer: String,
    /// The state of the cut content, by connection.
    content_limits: Vec<(String, ContentLimit)>,
    /// The first failure of the session, and the last one since a line crossed the wire.
    first_reported: Option<Failure>,
    last_reported: Option<Failure>,
    /// The first failure of the row that runs on each connection.
    reported_rows: Vec<(String, Failure)>,
    error: Option<io::Error>,
}

impl<W: Write> TranscriptWriter<W> {
    pub fn new(out: W, options: TranscriptOptions) -> Self {
        let buffer = String::new();
        Self {
            out,
            options,
            buffer,
            content_limits: Vec::new(),
            first_reported: None,
            last_reported: None,
            reported_rows: Vec::new(),
            error: None,
        }
    }

    /// The first failure to write.
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// Writes what is still in memory; returns the first failure to write.
    pub fn finish(&mut self) -> io::Result<()> {
        self.flush();
        self.error.take().map_or(Ok(()), Err)
    }

    /// The underlying writer.
    pub fn get_ref(&self) -> &W {
        &self.out
    }

    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    fn write_buffer(&mut self) {
        if self.error.is_none()
            && let Err(error) = self.out.write_all(self.buffer.as_bytes())
        {
            self.error = Some(error);
        }
        self.buffer.clear();
    }

    /// Writes out what is still in memory. The first failure is kept.
    pub fn flush(&mut self) {
        self.write_buffer();
        if self.error.is_none()
            && let Err(error) = self.out.flush()
        {
            self.error = Some(error);
        }
    }

    /// Writes a line to the buffer; `text` appends its text.
    fn line(&mut self, mark: Mark, connection: &str, at: Duration, text: impl FnOnce(&mut String)) {
        let connection = (connection != "main").then_some(connection);
        write_prefix(mark, connection, self.options.timestamps.then_some(at), &mut self.buffer);
        self.buffer.push(' ');
        let bare = self.buffer.len();
        text(&mut self.buffer);
        if self.buffer.len() == bare {
            self.buffer.pop(); // an empty line is only `C:`
        }
        self.buffer.push('\n');
    }

    fn remark(&mut self, event: &Event<'_>, text: &str) {
        // Escaped, so that a remark is always one line.
        self.line(Mark::Remark, event.connection, event.at, |out| out.push_str(&escape_unprintable(text.as_bytes())));
    }

    fn wire(&mut self, mark: Mark, event: &Event<'_>, line: &RedactedLine<'_>) {
        self.last_reported = None;
        self.line(mark, event.connection, event.at, |out| line.notation(out));
        if self.options.hex {
            // The rows need no escapes.
            line.hex(|row| self.line(Mark::Remark, event.connection, event.at, |out| out.push_str(row)));
        }
    }

    /// The limit for content on this connection; `None` if all of it is shown.
    fn content_limit(&mut self, connection: &str) -> Option<&mut ContentLimit> {
        if self.options.full {
            return None;
        }
        let known = self.content_limits.iter().position(|(name, _)| name == connection);
        let index = known.unwrap_or_else(|| {
            self.content_limits.push((connection.to_owned(), ContentLimit::default()));
            self.content_limits.len() - 1
        });
        self.content_limits.get_mut(index).map(|(_, limit)| limit)
    }

    /// Shows as many lines of a block of content as the limit allows.
    fn content(&mut self, event: &Event<'_>, block: &ContentBlock<'_>) {
        let most = match self.content_limit(event.connection) {
            Some(limit) => limit.show(block.line_count()),
            None => usize::MAX,
        };
        let omitted = if most == 0 {
            (block.line_count(), block.wire_length())
        } else {
            self.last_reported = None;
            let mut lines = block.lines();
            for line in lines.by_ref().take(most) {
                self.wire(Mark::Client, event, &line);
                if self.buffer.len() >= BUFFER {
                    self.write_buffer();
                }
            }
            lines.remaining()
        };
        if let Some(limit) = self.content_limit(event.connection) {
            limit.omit(omitted.0, omitted.1);
        }
    }

    /// Whether this line is between chunks and is cut with them.
    fn is_cut(&mut self, event: &Event<'_>) -> bool {
        let (line, sent) = match &event.fact {
            Fact::LineSent(line) => (line, true),
            Fact::LineReceived(line) => (line, false),
            _ => return false,
        };
        line.in_chunk_gap && self.content_limit(event.connection).is_some_and(|limit| limit.omits_between(line, sent))
    }

    /// Reports what was cut if the event ends the content.
    fn end_of_content(&mut self, event: &Event<'_>) {
        let Some((_, limit)) = self.content_limits.iter_mut().find(|(name, _)| name == event.connection) else {
            return;
        };
        let goes_on = match &event.fact {
            Fact::LineSent(line) => line.in_chunk_gap || limit.continues_after(true),
            Fact::LineReceived(line) => limit.continues_after(false) && (!line.in_chunk_gap || line.is_positive()),
            _ => false,
        };
        if !goes_on && let Some(words) = limit.end() {
            self.remark(event, &words);
        }
    }

    fn failure(&mut self, event: &Event<'_>, failure: &Failure) {
        if self.last_reported.as_ref() == Some(failure) {
            return; // of the group of the step that failed
        }
        self.remark(event, &remarks::failure(failure));
        self.first_reported.get_or_insert_with(|| failure.clone());
        if !self.reported_rows.iter().any(|(name, _)| name == event.connection) {
            self.reported_rows.push((event.connection.to_owned(), failure.clone()));
        }
        self.last_reported = Some(failure.clone());
    }
}

impl<W: Write> Observer for TranscriptWriter<W> {
    fn observe(&mut self, event: &Event<'_>) {
        // The lines of content and of replies say the same.
        if matches!(&event.fact, Fact::ContentSent | Fact::RecipientAnswered { .. } | Fact::ContentAnswered { .. })
            || self.is_cut(event)
        {
            return;
        }
        if let Fact::Content(block) = &event.fact {
            self.content(event, block);
            return; // it is written out with the next event
        }
        self.end_of_content(event);
        match &event.fact {
            Fact::Content(_) => {}
            Fact::LineSent(line) => self.wire(Mark::Client, event, line),
            Fact::LineReceived(line) => self.wire(Mark::Server, event, line),
            Fact::SessionStarted { name, server } => {
                self.first_reported = None;
                self.last_reported = None;
                if self.options.verbose {
                    self.remark(event, &format!("session {name}, server {server}"));
                }
            }
            Fact::HostResolved { host, addresses } => {
                if self.options.verbose {
                    self.remark(event, &remarks::resolved(host, addresses));
                }
            }
            Fact::Connected { address } => self.remark(event, &format!("connected to {address}")),
            Fact::TlsStarted { tls, verify: _ } => {
                self.remark(event, &remarks::tls_started(tls));
                if self.options.verbose {
                    remarks::tls_details(tls).iter().for_each(|text| self.remark(event, text));
                }
            }
            Fact::Paused { duration } => {
                self.remark(event, &format!("paused for {}", crate::event::HumanDuration(*duration)));
            }
            Fact::TlsClosedByClient => self.remark(event, "TLS closed by the client"),
            Fact::ClosedByServer => self.remark(event, "closed by the server"),
            Fact::ResetByServer => self.remark(event, "reset by the server"),
            Fact::ClosedByClient { how } => self.remark(event, remarks::closed_by_client(*how)),
            Fact::StepStarted { step: _ } | Fact::AttemptStarted { turn: _ } => {}
            // Left out above.
            Fact::ContentSent | Fact::RecipientAnswered { .. } | Fact::ContentAnswered { .. } => {}
            Fact::RowStarted { row: _ } => self.reported_rows.retain(|(name, _)| name != event.connection),
            Fact::StepFinished { step, verdict, elapsed: _ } => match verdict {
                Verdict::Passed => {}
                Verdict::Failed(failure) | Verdict::Error(failure) => self.failure(event, failure),
                Verdict::Skipped(reason) => {
                    if self.options.verbose {
                        self.remark(event, &remarks::skipped(&step.title, reason));
                    }
                }
            },
            Fact::RowFinished { row: _, outcome } => {
                if let Some(failure) = &outcome.failure
                    && !self.reported_rows.iter().any(|(name, told)| name == event.connection && told == failure)
                {
                    self.failure(event, failure); // not of a step, but of the row: a line with too few fields, for example
                }
            }
            Fact::Noted(note) => self.note(event, note),
            Fact::SessionFinished { outcome } => {
                if let Some(why) = &outcome.skipped {
                    self.remark(event, &format!("skipped: {why}"));
                }
                if let Some(failure) = &outcome.failure
                    && self.first_reported.as_ref() != Some(failure)
                {
                    self.failure(event, failure); // not of a step: it could not connect, for example
                }
                self.flush();
            }
        }
        if self.options.live {
            self.flush();
        } else if self.buffer.len() >= BUFFER {
            self.write_buffer();
        }
    }
}

impl<W: Write> TranscriptWriter<W> {
    fn note(&mut self, event: &Event<'_>, note: &Note) {
        if self.options.verbose || !remarks::is_detail(note) {
            self.remark(event, &remarks::note(note));
        }
    }
}

impl<W: Write> Drop for TranscriptWriter<W> {
    /// Writes what is still in memory, so that the transcript shows what ended the run even if `finish` was not called.
    fn drop(&mut self) {
        if !self.buffer.is_empty() {
            self.flush();
        }
    }
}

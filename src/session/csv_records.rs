//! The records of a CSV or TSV file (RFC 4180), from blocks of any size, one at a time in memory that is used again.
//!
//! ```abnf
//! record     = field *(delimiter field) line-end
//! field      = DQUOTE *(octet-but-DQUOTE / 2DQUOTE) DQUOTE / *octet-but-delimiter-CR-LF
//! line-end   = CRLF / LF / CR
//! ```
//!
//! A field is quoted only if it begins with the mark; elsewhere the mark is an ordinary character. Records whose
//! fields are all empty or white space are skipped. A quotation mark that is never closed makes one record of the rest
//! of the file, and the mail for one person would carry everybody's addresses: such a record is an error.

use memchr::{memchr, memchr3};
use std::fmt;

/// The most that one record may hold, in bytes.
pub const MAX_RECORD_BYTES: usize = 16 << 20;
/// The most fields of a record. A spreadsheet has 16,384 columns.
pub const MAX_FIELDS: usize = 100_000;

/// What is wrong with a record. Its fields must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// The file ends within a quoted field, which begins in this line.
    Unclosed {
        line: u64,
    },
    /// A quoted field goes on after the mark that closed it, in this line.
    AfterQuote {
        line: u64,
    },
    TooLong,
    TooManyFields,
    /// A NUL byte: the file may be UTF-16 without a byte order mark, or not a text.
    Nul,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed { .. } => {
                f.write_str("a quotation mark is not closed, so the row continues to the end of the file")
            }
            Self::AfterQuote { .. } => f.write_str(
                "a quoted field continues after its closing quotation mark; an earlier mark may not be closed",
            ),
            Self::TooLong => {
                write!(f, "the row is longer than {} MiB; a quotation mark may not be closed", MAX_RECORD_BYTES >> 20)
            }
            Self::TooManyFields => write!(f, "the row has more than {MAX_FIELDS} fields"),
            Self::Nul => {
                f.write_str("the row has a NUL byte; a UTF-16 file without a byte order mark needs \"encoding\"")
            }
        }
    }
}

impl std::error::Error for RecordError {}

/// A record, valid until the next one is read.
#[derive(Debug, Default)]
pub struct CsvRecord {
    /// The fields one after the other, without quotes, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    line: u64,
    error: Option<RecordError>,
}

impl CsvRecord {
    /// The line in which it begins, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    pub fn error(&self) -> Option<RecordError> {
        self.error
    }

    /// Its fields; not checked to be UTF-8.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut begin = 0;
        self.ends.iter().map(move |&end| self.bytes.get(std::mem::replace(&mut begin, end)..end).unwrap_or_default())
    }

    /// Whether all fields are empty or white space.
    fn is_blank(&self) -> bool {
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => text.chars().all(char::is_whitespace),
            Err(_) => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldState {
    Begins,
    Unquoted,
    Quoted,
    /// After a mark within quotes: the end of the field, or the first of two that stand for one.
    Mark,
}

/// Reads one record after the other.
#[derive(Debug)]
pub struct RecordReader {
    delimiter: u8,
    limit: usize,
    state: FieldState,
    /// The line of the next byte, from 1.
    line: u64,
    /// The last byte was a CR: an LF after it belongs to it.
    has_cr: bool,
    /// The line of the mark that opened the field.
    opened: u64,
    /// The bytes of the record in the file.
    size: usize,
    is_complete: bool,
    record: CsvRecord,
}

impl RecordReader {
    /// `first_line` is the number of the line in which the bytes begin.
    pub fn new(delimiter: u8, first_line: u64) -> Self {
        Self::with_limit(delimiter, first_line, MAX_RECORD_BYTES)
    }

    fn with_limit(delimiter: u8, first_line: u64, limit: usize) -> Self {
        Self {
            delimiter,
            limit,
            state: FieldState::Begins,
            line: first_line,
            has_cr: false,
            opened: first_line,
            size: 0,
            is_complete: false,
            record: CsvRecord { line: first_line, ..CsvRecord::default() },
        }
    }

    /// Takes bytes up to the end of a record that is not blank. Returns true if it is complete; the rest of `bytes` is
    /// then for the next call. If it returns false, all bytes were taken and more are needed, or [`Self::finish`].
    pub fn read(&mut self, bytes: &mut &[u8]) -> bool {
        if self.is_complete {
            self.begin_record();
        }
        while let Some((&first, rest)) = bytes.split_first() {
            let after_cr = std::mem::take(&mut self.has_cr);
            if after_cr && first == b'\n' && self.size == 0 {
                *bytes = rest;
                continue;
            }
            if self.state == FieldState::Quoted {
                self.take_quoted(bytes, after_cr);
                continue;
            }
            if matches!(first, b'\r' | b'\n') {
                *bytes = rest;
                self.has_cr = first == b'\r';
                self.line += 1;
                if self.end_record() {
                    return true;
                }
                continue;
            }
            if self.size == 0 {
                self.record.line = self.line;
            }
            self.take_unquoted(bytes);
        }
        false
    }

    /// There are no more bytes. Returns true if they end with a record that has no line end.
    pub fn finish(&mut self) -> bool {
        if self.is_complete {
            self.begin_record();
        }
        if self.state == FieldState::Quoted {
            // It explains a record that is too long.
            if matches!(self.record.error, None | Some(RecordError::TooLong | RecordError::TooManyFields)) {
                self.record.error = Some(RecordError::Unclosed { line: self.opened });
            }
        }
        self.size > 0 && self.end_record()
    }

    /// The record that was read last.
    pub fn record(&self) -> &CsvRecord {
        &self.record
    }

    fn begin_record(&mut self) {
        self.is_complete = false;
        self.record.bytes.clear();
        self.record.ends.clear();
        self.record.error = None;
        self.record.line = self.line;
        self.state = FieldState::Begins;
        self.size = 0;
    }

    /// Returns false if the record is blank and was skipped.
    fn end_record(&mut self) -> bool {
        self.end_field();
        if memchr(0, &self.record.bytes).is_some() {
            self.set_error(RecordError::Nul);
        }
        self.is_complete = true;
        if self.record.error.is_some() {
            self.record.bytes.clear();
            self.record.ends.clear();
        } else if self.record.is_blank() {
            self.begin_record();
        }
        self.is_complete
    }

    fn end_field(&mut self) {
        self.state = FieldState::Begins;
        if self.record.ends.len() >= MAX_FIELDS {
            self.set_error(RecordError::TooManyFields);
        } else {
            self.record.ends.push(self.record.bytes.len());
        }
    }

    /// The first error counts. The fields of such a record are dropped.
    fn set_error(&mut self, error: RecordError) {
        self.record.error.get_or_insert(error);
    }

    /// Takes content of a field, or only counts it after an error.
    fn append(&mut self, content: &[u8]) {
        if self.record.error.is_none() {
            self.record.bytes.extend_from_slice(content);
        } else {
            self.record.bytes.clear();
            self.record.ends.clear();
        }
    }

    fn count(&mut self, bytes: usize) {
        self.size = self.size.saturating_add(bytes);
        if self.size > self.limit {
            self.set_error(RecordError::TooLong);
        }
    }

    /// Takes what is within quotes, up to the next mark.
    fn take_quoted(&mut self, bytes: &mut &[u8], after_cr: bool) {
        let (run, rest) = bytes.split_at(memchr(b'"', bytes).unwrap_or(bytes.len()));
        let mut before_is_cr = after_cr;
        for &byte in run {
            self.line += u64::from(byte == b'\r' || (byte == b'\n' && !before_is_cr));
            before_is_cr = byte == b'\r';
        }
        self.has_cr = before_is_cr;
        self.count(run.len());
        self.append(run);
        *bytes = rest;
        if let Some((_, rest)) = rest.split_first() {
            *bytes = rest;
            self.has_cr = false;
            self.count(1);
            self.state = FieldState::Mark;
        }
    }

    /// Takes one mark, one delimiter, or what is before the next one. The bytes do not begin with a line end.
    fn take_unquoted(&mut self, bytes: &mut &[u8]) {
        let Some((&first, rest)) = bytes.split_first() else { return };
        match (self.state, first) {
            (FieldState::Begins, b'"') => {
                *bytes = rest;
                self.count(1);
                self.opened = self.line;
                self.state = FieldState::Quoted;
            }
            (FieldState::Mark, b'"') => {
                *bytes = rest;
                self.count(1);
                self.append(b"\"");
                self.state = FieldState::Quoted;
            }
            (_, first) if first == self.delimiter => {
                *bytes = rest;
                self.count(1);
                self.end_field();
            }
            (state, _) => {
                if state == FieldState::Mark {
                    self.set_error(RecordError::AfterQuote { line: self.line });
                }
                let end = memchr3(self.delimiter, b'\r', b'\n', bytes).unwrap_or(bytes.len());
                let (run, rest) = bytes.split_at(end);
                self.count(run.len());
                self.append(run);
                *bytes = rest;
                self.state = FieldState::Unquoted;
            }
        }
    }
}

#[cfg(test)]
mod tests;

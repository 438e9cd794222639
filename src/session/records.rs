//! Finds the ends of records in CSV and TSV files, and invalid records (RFC 4180 §2).
//!
//! A CSV parser accepts almost anything: a quotation mark that is never closed makes one record of the rest of the file,
//! and the mail to one person would contain everybody's addresses. So records are split first and parsed afterwards.

use std::fmt;

/// What is wrong with a record as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordError {
    /// The file ends within quotation marks.
    Unclosed,
    /// A quoted field continues after its closing quotation mark. The line is counted from 1 at the start of the record.
    BehindQuote { line: u64 },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed => {
                f.write_str("a quotation mark is not closed, so the row continues to the end of the file")
            }
            Self::BehindQuote { line: 1 } => f.write_str("a quoted field continues after its closing quotation mark"),
            Self::BehindQuote { line } => write!(
                f,
                "a quoted field continues after its closing quotation mark, in the row's line {line}: an earlier mark may \
                 not have been closed"
            ),
        }
    }
}

/// Finds the end of each record in a stream of bytes, without keeping any.
///
/// ```text
/// record = field *(delimiter field) [CR] LF
/// field  = DQUOTE *(any octet but DQUOTE / 2DQUOTE) DQUOTE / *(any octet but delimiter, LF)
/// ```
#[derive(Debug, Clone)]
pub struct RecordSplitter {
    delimiter: u8,
    state: QuoteState,
    /// LFs in the record so far.
    lines: u64,
    fault: Option<RecordError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QuoteState {
    FieldBegins,
    Unquoted,
    Quoted,
    /// After a quotation mark in a quoted field: the end of the field, or the first of two that mean one.
    Mark,
    /// After a CR that follows the closing quotation mark.
    MarkCr,
}

impl RecordSplitter {
    pub fn new(delimiter: u8) -> Self {
        Self { delimiter, state: QuoteState::FieldBegins, lines: 0, fault: None }
    }

    /// The length of the record in `bytes`, including its LF. `None` if it continues after them.
    pub fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        for (index, &byte) in bytes.iter().enumerate() {
            self.state = match (self.state, byte) {
                // In text/tab-separated-values a quotation mark is an ordinary character.
                (QuoteState::FieldBegins, b'"') if self.delimiter != b'\t' => QuoteState::Quoted,
                (QuoteState::Quoted, b'"') => QuoteState::Mark,
                (QuoteState::Mark, b'"') => QuoteState::Quoted,
                (QuoteState::Quoted, byte) => {
                    self.lines += u64::from(byte == b'\n');
                    QuoteState::Quoted
                }
                (_, b'\n') => return Some(index + 1),
                (QuoteState::Mark, b'\r') => QuoteState::MarkCr,
                (QuoteState::FieldBegins | QuoteState::Unquoted | QuoteState::Mark, byte) if byte == self.delimiter => {
                    QuoteState::FieldBegins
                }
                (QuoteState::Mark | QuoteState::MarkCr, _) => {
                    self.fault.get_or_insert(RecordError::BehindQuote { line: self.lines + 1 });
                    QuoteState::Unquoted
                }
                (QuoteState::FieldBegins | QuoteState::Unquoted, _) => QuoteState::Unquoted,
            };
        }
        None
    }

    /// Ends the record, at its LF or at the end of the file, and begins the next. Returns its number of lines and its error.
    pub fn finish(&mut self) -> (u64, Option<RecordError>) {
        let fault = self.fault.or((self.state == QuoteState::Quoted).then_some(RecordError::Unclosed));
        let lines = self.lines + 1;
        *self = Self::new(self.delimiter);
        (lines, fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Cut = (Vec<u8>, u64, Option<RecordError>);

    fn cut(bytes: &[u8], piece: usize) -> Vec<Cut> {
        let mut cutter = RecordSplitter::new(b',');
        let (mut all, mut record) = (Vec::new(), Vec::new());
        for mut piece in bytes.chunks(piece) {
            while let Some(end) = cutter.find_end(piece) {
                record.extend_from_slice(&piece[..end]);
                let (lines, fault) = cutter.finish();
                all.push((std::mem::take(&mut record), lines, fault));
                piece = &piece[end..];
            }
            record.extend_from_slice(piece);
        }
        if !record.is_empty() {
            let (lines, fault) = cutter.finish();
            all.push((record, lines, fault));
        }
        all
    }

    #[test]
    fn a_record_does_not_end_inside_quotation_marks() {
        use RecordError::{BehindQuote, Unclosed};
        type Expected<'a> = &'a [(&'a [u8], u64, Option<RecordError>)];
        let table: &[(&[u8], Expected, &str)] = &[
            (b"a,b\nc\n", &[(b"a,b\n", 1, None), (b"c\n", 1, None)], "plain"),
            (b"a\r\nb", &[(b"a\r\n", 1, None), (b"b", 1, None)], "CRLF, and no last line end"),
            (b"\"a\nb\",c\nd\n", &[(b"\"a\nb\",c\n", 2, None), (b"d\n", 1, None)], "a line break in quotes"),
            (b"\"a\"\"\n\"\r\nd\n", &[(b"\"a\"\"\n\"\r\n", 2, None), (b"d\n", 1, None)], "two marks for one"),
            (b"a\"b\n\"\"\n", &[(b"a\"b\n", 1, None), (b"\"\"\n", 1, None)], "a mark within a field, an empty field"),
            (b"a,\"b\nc\nd\n", &[(b"a,\"b\nc\nd\n", 4, Some(Unclosed))], "never closed"),
            (
                b"\"a\"x,\"y\nz\"\nb\n",
                &[(b"\"a\"x,\"y\nz\"\n", 2, Some(BehindQuote { line: 1 })), (b"b\n", 1, None)],
                "more behind a closed field",
            ),
            (
                b"a,\"b\nc,\"d\"\ne\n",
                &[(b"a,\"b\nc,\"d\"\n", 2, Some(BehindQuote { line: 2 })), (b"e\n", 1, None)],
                "an unclosed field meets the next quoted one",
            ),
            (b"\"a\"\rb\nc\n", &[(b"\"a\"\rb\n", 1, Some(BehindQuote { line: 1 })), (b"c\n", 1, None)], "CR alone"),
            (b"\n\n", &[(b"\n", 1, None), (b"\n", 1, None)], "empty lines"),
        ];
        for (bytes, expected, why) in table {
            let expected: Vec<Cut> = expected.iter().map(|(bytes, n, fault)| (bytes.to_vec(), *n, *fault)).collect();
            for piece in 1..=bytes.len() {
                assert_eq!(cut(bytes, piece), expected, "{why}, in pieces of {piece}");
            }
        }
    }

    proptest! {
        #[test]
        fn output_of_the_csv_crate_is_split_into_its_records(
            rows in prop::collection::vec(prop::collection::vec("[a\",\r\n]{1,4}", 1..4), 0..6)
        ) {
            let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
            for row in &rows {
                writer.write_record(row).expect("it is written to memory");
            }
            let bytes = writer.into_inner().expect("it is written to memory");
            let cuts = cut(&bytes, usize::MAX);
            prop_assert_eq!(cuts.len(), rows.len());
            prop_assert!(cuts.iter().all(|(_, _, fault)| fault.is_none()));
            prop_assert_eq!(cuts.iter().map(|(_, lines, _)| lines).sum::<u64>(), bytes.iter().filter(|b| **b == b'\n').count() as u64);
        }
    }
}

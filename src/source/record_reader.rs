//! Reads the records of a CSV or TSV file one at a time, in memory that is reused.

use crate::session::{RecordError, RecordSplitter};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use std::io::{self, BufRead};

/// The longest row in bytes.
pub const MAX_ROW_BYTES: usize = 16 << 20;

/// Reads records. Empty lines are skipped.
pub struct RecordReader {
    reader: Box<dyn BufRead + Send>,
    cutter: RecordSplitter,
    parser: Reader,
    /// The line on which the next record begins, from 1.
    line: u64,
    /// The number of bytes that were read.
    bytes: u64,
    /// The record as it is in the file.
    record: Vec<u8>,
    /// The record's fields one after the other, and where each ends.
    output: Vec<u8>,
    ends: Vec<usize>,
    count: usize,
}

impl RecordReader {
    /// Reads records whose fields are separated by `delimiter`. With a tab there is no quoting.
    pub fn new(reader: Box<dyn BufRead + Send>, delimiter: u8) -> Self {
        let mut builder = ReaderBuilder::new();
        // The record was split off already: a CR in it is an ordinary character.
        let quoting = delimiter != b'\t';
        let parser = builder.delimiter(delimiter).quoting(quoting).terminator(Terminator::Any(b'\n')).build();
        let cutter = RecordSplitter::new(delimiter);
        Self {
            reader,
            cutter,
            parser,
            line: 1,
            bytes: 0,
            record: Vec::new(),
            output: Vec::new(),
            ends: vec![0; 16],
            count: 0,
        }
    }

    /// Reads the next record: the line on which it begins, and what is wrong with it. `None` at the file's end.
    ///
    /// # Errors
    /// The file cannot be read, or a record is longer than 16 MiB.
    pub fn next_record(&mut self) -> io::Result<Option<(u64, Option<RecordError>)>> {
        loop {
            if !self.read_raw_record()? {
                return Ok(None);
            }
            let line = self.line;
            let (lines, fault) = self.cutter.finish();
            self.line += lines;
            let end = self.record.strip_suffix(b"\n").unwrap_or(&self.record);
            let length = end.strip_suffix(b"\r").unwrap_or(end).len();
            if length == 0 {
                continue;
            }
            self.record.truncate(length);
            self.record.push(b'\n');
            self.parse();
            return Ok(Some((line, fault)));
        }
    }

    /// How many bytes of the file were read.
    pub fn bytes_read(&self) -> u64 {
        self.bytes
    }

    /// The fields of the record that was read last.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.count).map(|index| {
            let begin = if index == 0 { 0 } else { self.ends[index - 1] };
            &self.output[begin..self.ends[index]]
        })
    }

    /// Fills `record` up to the end of its line, or of the file. Returns false at the end of the file.
    fn read_raw_record(&mut self) -> io::Result<bool> {
        self.record.clear();
        loop {
            let bytes = match self.reader.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if bytes.is_empty() {
                return Ok(!self.record.is_empty());
            }
            let end = self.cutter.find_end(bytes);
            let length = end.unwrap_or(bytes.len());
            self.record.extend_from_slice(&bytes[..length]);
            self.reader.consume(length);
            self.bytes += length as u64;
            if self.record.len() > MAX_ROW_BYTES {
                let what = format!(
                    "the row in line {} is longer than {} MiB; a quotation mark may be unclosed",
                    self.line,
                    MAX_ROW_BYTES >> 20
                );
                return Err(io::Error::other(what));
            }
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    fn parse(&mut self) {
        self.parser.reset();
        self.output.resize(self.record.len(), 0);
        let (mut input, mut output) = (0, 0);
        self.count = 0;
        loop {
            let (result, read, written, ends) = self.parser.read_record(
                &self.record[input..],
                &mut self.output[output..],
                &mut self.ends[self.count..],
            );
            input += read;
            output += written;
            self.count += ends;
            match result {
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                // A field is never longer than in the file.
                ReadRecordResult::OutputFull => self.output.resize(self.output.len() + 1, 0),
                // A malformed record may end within quotation marks: an empty input ends it.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record | ReadRecordResult::End => return,
            }
        }
    }
}

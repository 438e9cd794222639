//! The rows of a batch: CSV with a header, TSV, JSON Lines, from a file or standard input, one at a time.
//!
//! Only one row is in memory. An invalid row is an error of that row, with its line; an invalid file is an error before
//! anything is sent.

use super::error_text::{io_error_text, quoted_path};
use super::json_lines::next_json_row;
use super::row_input::{NAME_THE_ENCODING, RowInput};
use super::sessions;
use super::stdin::InterruptibleStdin;
use super::system::SystemSources;
use crate::session::{
    CsvOptions, FormatHints, RecordError, RecordReader, RowFormat, RowValue, SourceError, Sources, detect_format,
    utf16_suggestion,
};
use crate::transcript::SafeText;
use std::collections::HashSet;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

/// A row, or why it is not valid.
pub struct SourceRow {
    /// From 1, in the order of the file; empty lines do not count.
    pub number: u64,
    /// The file and line: `people.csv:3`.
    pub place: String,
    /// That line, from 1.
    pub line: u64,
    /// The row's values, or why it is not valid.
    pub value: Result<RowValue, String>,
}

/// What is wrong with the row at `place` if the row that begins in line `first` of the same file has its key.
pub fn duplicate_key_error(key: &str, place: &str, first: u64) -> String {
    let file = place.rsplit_once(':').map_or(place, |(file, _)| file);
    format!("duplicate key {}: {file}:{first} has it too", SafeText::new(key))
}

/// Reads rows one at a time.
pub struct RowReader {
    name: String,
    number: u64,
    columns: Option<Arc<[String]>>,
    input: RowInput,
    records: RowRecords,
    /// Whether it is standard input, where more rows may come at any time.
    pub is_stream: bool,
    /// The file's size in bytes; 0 if it is not known.
    length: u64,
}

enum RowRecords {
    Delimited(Box<RecordReader>),
    /// The number of the last line that was read.
    JsonLines {
        line: u64,
    },
}

impl RowReader {
    /// Opens `path` beneath the roots, and reads its header.
    pub fn open(files: &SystemSources, path: &Path, options: &CsvOptions) -> Result<Self, SourceError> {
        let is_stream = path == Path::new("-");
        let (reader, length): (Box<dyn Read + Send>, u64) = if is_stream {
            sessions::claim_stdin()?;
            (Box::new(InterruptibleStdin { interrupted: files.interrupt_check() }), 0)
        } else {
            let file = files.open(path)?;
            (file.reader, file.length)
        };
        let name = if is_stream {
            "standard input".to_owned()
        } else {
            SafeText::new(path.to_string_lossy().as_bytes()).as_str().to_owned()
        };
        let input = RowInput::new(reader, options.encoding);
        Ok(Self { length, ..Self::read(input, name, path, is_stream, options)? })
    }

    /// How much of the file was read, from 0 to 1; `None` for a stream.
    pub fn fraction_read(&self) -> Option<f64> {
        (self.length > 0).then(|| (self.input.position() as f64 / self.length as f64).min(1.0))
    }

    fn read(
        mut input: RowInput,
        name: String,
        path: &Path,
        is_stream: bool,
        options: &CsvOptions,
    ) -> Result<Self, SourceError> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        let hints = FormatHints { extension, delimiter: options.delimiter };
        let format = loop {
            if let Some(format) = detect_format(input.buffer(), input.has_ended(), &hints) {
                break format;
            }
            input.fill().map_err(|error| read_error(&name, &error))?;
        };
        let mut records = match format {
            RowFormat::JsonLines => {
                let records = RowRecords::JsonLines { line: 0 };
                return Ok(Self { name, number: 0, columns: None, input, records, is_stream, length: 0 });
            }
            RowFormat::Delimited(format) => {
                input.consume(format.skipped);
                Box::new(RecordReader::new(format.delimiter, format.first_line))
            }
        };
        let suggestion = utf16_suggestion(input.buffer());
        if !read_record(&mut input, &mut records).map_err(|error| read_error(&name, &error))? {
            return Err(SourceError::Refused(format!("{name} has no header row: the first line names the columns")));
        }
        let columns = header(&name, &records, suggestion).map_err(SourceError::Refused)?;
        let records = RowRecords::Delimited(records);
        Ok(Self { name, number: 0, columns: Some(columns), input, records, is_stream, length: 0 })
    }

    /// The names of the columns; `None` for JSON Lines, where each row has its own.
    pub fn columns(&self) -> Option<&[String]> {
        self.columns.as_deref()
    }

    /// The number of the next row.
    pub fn next_number(&self) -> u64 {
        self.number + 1
    }

    /// The next row. After an error, which concerns the whole file, there are no more rows.
    pub fn next_row(&mut self) -> Result<Option<SourceRow>, SourceError> {
        let parsed = match &mut self.records {
            RowRecords::Delimited(records) => {
                let columns = self.columns.clone().unwrap_or_default();
                next_delimited_row(&mut self.input, records, &columns)
            }
            RowRecords::JsonLines { line } => next_json_row(&mut self.input, line),
        };
        let Some((line, value)) = parsed.map_err(|error| read_error(&self.name, &error))? else { return Ok(None) };
        self.number += 1;
        let place = format!("{}:{line}", self.name);
        Ok(Some(SourceRow { number: self.number, place, line, value }))
    }
}

/// The columns that a header names.
fn header(name: &str, records: &RecordReader, suggestion: Option<&str>) -> Result<Arc<[String]>, String> {
    let record = records.record();
    let line = record.line();
    match (record.error(), suggestion) {
        (Some(RecordError::Nul), Some(label)) => {
            return Err(format!(
                "{name}:{line}: the file looks like UTF-16 without a byte order mark: write encoding = \"{label}\""
            ));
        }
        (Some(error), _) => return Err(format!("{name}:{line}: {error}")),
        (None, _) => {}
    }
    let mut columns = Vec::new();
    for column in record.fields() {
        let column = std::str::from_utf8(column)
            .map_err(|_| format!("{name}:{line}: the header is not UTF-8; {NAME_THE_ENCODING}"))?;
        columns.push(column.trim().to_owned());
    }
    let mut seen = HashSet::new();
    // Columns without a name, which spreadsheets write beside a table, cannot be used.
    let mut named = columns.iter().filter(|column| !column.is_empty());
    if let Some(twice) = named.find(|column| !seen.insert(column.as_str())) {
        return Err(format!("{name}:{line}: duplicate column {}", quoted_path(Path::new(twice))));
    }
    Ok(columns.into())
}

/// A file that cannot be read (66), or not in its encoding (65).
fn read_error(name: &str, error: &io::Error) -> SourceError {
    match error.kind() {
        io::ErrorKind::InvalidData => SourceError::Refused(format!("{name}: {error}")),
        _ => SourceError::Unreadable(format!("cannot read {name}: {}", io_error_text(error))),
    }
}

/// Reads the next record; false at the end.
fn read_record(input: &mut RowInput, records: &mut RecordReader) -> io::Result<bool> {
    loop {
        let mut rest = input.buffer();
        let before = rest.len();
        let is_complete = records.read(&mut rest);
        let taken = before - rest.len();
        input.consume(taken);
        if is_complete {
            return Ok(true);
        }
        if !input.fill()? {
            return Ok(records.finish());
        }
    }
}

type ParsedRow = (u64, Result<RowValue, String>);

fn next_delimited_row(
    input: &mut RowInput,
    records: &mut RecordReader,
    columns: &Arc<[String]>,
) -> io::Result<Option<ParsedRow>> {
    if !read_record(input, records)? {
        return Ok(None);
    }
    let record = records.record();
    let count = record.fields().len();
    let value = if let Some(error) = record.error() {
        Err(error.to_string())
    } else if count == columns.len() {
        let texts = record.fields().zip(columns.iter()).map(|(field, column)| {
            String::from_utf8(field.to_vec())
                .map_err(|_| format!("{} is not UTF-8; {NAME_THE_ENCODING}", quoted_path(Path::new(column))))
        });
        texts.collect::<Result<Vec<_>, _>>().map(|texts| RowValue::from_fields(columns.clone(), texts))
    } else {
        let plural = if count == 1 { "field" } else { "fields" };
        Err(format!("the row has {count} {plural}, but the header has {}", columns.len()))
    };
    Ok(Some((record.line(), value)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::csv_samples::saved_tables;
    use crate::session::{encoding_for_label, parse_delimiter};
    use std::io::Cursor;

    fn read(name: &str, bytes: &'static [u8]) -> Result<RowReader, SourceError> {
        let input = RowInput::new(Box::new(bytes), None);
        RowReader::read(input, name.to_owned(), Path::new(name), false, &CsvOptions::default())
    }

    fn rows(name: &str, bytes: &'static [u8]) -> Vec<(String, Result<String, String>)> {
        let mut reader = read(name, bytes).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let mut all = Vec::new();
        while let Some(row) = reader.next_row().expect("the bytes can be read") {
            let value = row.value.map(|value| value.text("email").unwrap_or_else(|| "none".to_owned()));
            all.push((row.place, value));
        }
        all
    }

    #[test]
    fn rows_are_read_in_every_form() {
        let good = |place: &str, value: &str| (place.to_owned(), Ok(value.to_owned()));
        let bad = |place: &str, value: &str| (place.to_owned(), Err(value.to_owned()));
        type Rows = Vec<(String, Result<String, String>)>;
        let table: &[(&str, &[u8], Rows, &str)] = &[
            (
                "p.csv",
                b"email,n\na@x.y,1\nb@x.y,2\n",
                vec![good("p.csv:2", "a@x.y"), good("p.csv:3", "b@x.y")],
                "plain",
            ),
            ("p.csv", b"\xef\xbb\xbfemail\r\na@x.y\r\n", vec![good("p.csv:2", "a@x.y")], "a byte order mark"),
            (
                "p.csv",
                b"n,email\n\"1\n2\",\"a, \"\"b\"\"\"\n3,c\n",
                vec![good("p.csv:2", "a, \"b\""), good("p.csv:4", "c")],
                "quotes",
            ),
            ("p.tsv", b"n\temail\n1\ta,b\n", vec![good("p.tsv:2", "a,b")], "tabs"),
            (
                "p.tsv",
                b"n\temail\n\"1\t2\"\t\"Ann\" a@x.y\n2\tb \"c\n",
                vec![
                    bad(
                        "p.tsv:2",
                        "a quoted field continues after its closing quotation mark; an earlier mark may not be closed",
                    ),
                    good("p.tsv:3", "b \"c"),
                ],
                "quotes in tab-separated values, as spreadsheets write them",
            ),
            (
                "p.csv",
                b"sep=;\r\nemail;n\r\na;1\r\n;\r\n ; \r\n;;;\r\n",
                vec![good("p.csv:3", "a")],
                "Excel's first line, and rows of nothing",
            ),
            ("p.csv", b"email;n;;\r\na;1;;\r\n", vec![good("p.csv:2", "a")], "columns without a name"),
            ("p", b"n\temail\n1\ta,b\n", vec![good("p:2", "a,b")], "tabs without a name that says so"),
            (
                "p.csv",
                b"email,n\na\nb,2\n",
                vec![bad("p.csv:2", "the row has 1 field, but the header has 2"), good("p.csv:3", "b")],
                "short",
            ),
            (
                "p.csv",
                b"email\n\xff\nb\n",
                vec![
                    bad(
                        "p.csv:2",
                        "\"email\" is not UTF-8; encoding = \"windows-1252\", for example, names another encoding",
                    ),
                    good("p.csv:3", "b"),
                ],
                "bytes",
            ),
            (
                "p.jsonl",
                b"\xef\xbb\xbf{\"email\":\"a\"}\n\n{\"email\":2}",
                vec![good("p.jsonl:1", "a"), good("p.jsonl:3", "2")],
                "JSON Lines",
            ),
            ("p.csv", b"email\n", vec![], "no row"),
            (
                "p.csv",
                b"email,n\n\r\n\na\n\nb,2\n",
                vec![bad("p.csv:4", "the row has 1 field, but the header has 2"), good("p.csv:6", "b")],
                "empty lines are no rows, and are counted",
            ),
            (
                "p.csv",
                b"email,n\na,\"Ann\nb,Bob\n",
                vec![bad("p.csv:2", "a quotation mark is not closed, so the row continues to the end of the file")],
                "a quotation mark that would swallow the others",
            ),
            (
                "p.csv",
                b"email\n\"a@x.y\"z\nb\n",
                vec![
                    bad(
                        "p.csv:2",
                        "a quoted field continues after its closing quotation mark; an earlier mark may not be closed",
                    ),
                    good("p.csv:3", "b"),
                ],
                "a field of two parts",
            ),
        ];
        for (name, bytes, expected, why) in table {
            assert_eq!(&rows(name, bytes), expected, "{why}");
        }
        let broken = rows("p.jsonl", b"[1]\n{\"email\":\"a\"}\n");
        assert!(broken[0].1.is_err() && broken[1].1.is_ok(), "a line that is no object is that row's error");
    }

    #[test]
    fn every_spreadsheets_file_is_read() {
        let table = [["email", "name", "note"], ["a@x.y", "Doe, Ann; Dr.", "5\" screen"], ["j@x.y", "Jürgen", "12 €"]];
        let table = table.map(|row| row.map(str::to_owned).to_vec());
        for saved in saved_tables(&table) {
            let options = CsvOptions {
                delimiter: saved.delimiter.map(|delimiter| parse_delimiter(delimiter).expect("it is one")),
                encoding: saved.encoding.map(|label| encoding_for_label(label).expect("it is known")),
            };
            let input = RowInput::new(Box::new(Cursor::new(saved.bytes)), options.encoding);
            let reader = RowReader::read(input, saved.file.to_owned(), Path::new(saved.file), false, &options);
            let mut reader = reader.unwrap_or_else(|error| panic!("{}: {error:?}", saved.name));
            let mut found = vec![reader.columns().expect("it is no JSON").to_vec()];
            while let Some(row) = reader.next_row().expect("memory can be read") {
                let value = row.value.unwrap_or_else(|why| panic!("{}: {}: {why}", saved.name, row.place));
                found.push(table[0].iter().map(|column| value.text(column).unwrap_or_default()).collect());
            }
            assert_eq!(found, table, "{}", saved.name);
        }
    }

    #[test]
    fn how_much_was_read_is_known_of_files() {
        for (name, bytes) in [("p.csv", &b"email\na\nb\nc\n"[..]), ("p.jsonl", b"{\"a\":1}\n{\"a\":2}\n")] {
            let mut reader = read(name, bytes).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(reader.fraction_read(), None, "{name}: a stream");
            reader.length = bytes.len() as u64;
            reader.next_row().expect("the bytes can be read");
            let part = reader.fraction_read().expect("it is a file");
            assert!((0.4..0.9).contains(&part), "{name}: {part}");
            while reader.next_row().expect("the bytes can be read").is_some() {}
            assert_eq!(reader.fraction_read(), Some(1.0), "{name}");
        }
    }

    #[test]
    fn a_header_that_is_none_is_the_files_error() {
        for (bytes, why) in [(&b""[..], "empty"), (b"a,a\n1,2\n", "twice"), (b"\xff\n1\n", "bytes")] {
            let read = read("p.csv", bytes);
            assert!(matches!(read, Err(SourceError::Refused(_))), "{why}");
        }
    }
}

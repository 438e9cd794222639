//! The rows of a batch: CSV with a header, TSV, JSON Lines, from a file or standard input, one at a time.
//!
//! Only one row is in memory. An invalid row is an error of that row, with its line; an invalid file is an error before
//! anything is sent.

use super::error_text::{io_error_text, quoted_path};
use super::record_reader::{MAX_ROW_BYTES, RecordReader};
use super::sessions;
use super::stdin::InterruptibleStdin;
use super::system::SystemSources;
use crate::session::{RowValue, SourceError, Sources};
use crate::transcript::SafeText;
use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

/// A row, or why it is not valid.
pub struct SourceRow {
    /// From 1, in the order of the file; empty lines do not count.
    pub number: u64,
    /// The file and line: `people.csv:3`.
    pub place: String,
    /// The row's values, or why it is not valid.
    pub value: Result<RowValue, String>,
}

/// Reads rows one at a time.
pub struct RowReader {
    name: String,
    number: u64,
    columns: Option<Arc<[String]>>,
    format: RowFormat,
    /// Whether it is standard input, where more rows may come at any time.
    pub is_stream: bool,
    /// The file's size in bytes; 0 if it is not known.
    length: u64,
}

enum RowFormat {
    Delimited(Box<RecordReader>),
    Json { reader: Box<dyn BufRead + Send>, line: u64, bytes: u64 },
}

impl RowReader {
    /// Opens `path` beneath the roots, and reads its header.
    pub fn open(files: &SystemSources, path: &Path) -> Result<Self, SourceError> {
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
        Ok(Self { length, ..Self::read(reader, name, path, is_stream)? })
    }

    /// How much of the file was read, from 0 to 1; `None` for a stream.
    pub fn fraction_read(&self) -> Option<f64> {
        let read = match &self.format {
            RowFormat::Delimited(fields) => fields.bytes_read(),
            RowFormat::Json { bytes, .. } => *bytes,
        };
        (self.length > 0).then(|| (read as f64 / self.length as f64).min(1.0))
    }

    fn read(reader: Box<dyn Read + Send>, name: String, path: &Path, is_stream: bool) -> Result<Self, SourceError> {
        let mut reader = BufReader::with_capacity(64 * 1024, reader);
        let read_error =
            |error: &io::Error| SourceError::Unreadable(format!("cannot read {name}: {}", io_error_text(error)));
        let beginning = reader.fill_buf().map_err(|error| read_error(&error))?;
        if beginning.starts_with(b"\xef\xbb\xbf") {
            reader.consume(3);
        }
        let beginning = reader.buffer();
        let first = beginning.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        let json = match extension.as_deref() {
            Some("jsonl" | "ndjson" | "json") => true,
            Some("csv" | "tsv" | "tab") => false,
            // The extension does not say: an object begins with a brace, which no column name does.
            _ => beginning.trim_ascii_start().first() == Some(&b'{'),
        };
        if json {
            let format = RowFormat::Json { reader: Box::new(reader), line: 0, bytes: 0 };
            return Ok(Self { name, number: 0, columns: None, format, is_stream, length: 0 });
        }
        let tabs = match extension.as_deref() {
            Some("tsv" | "tab") => true,
            Some("csv") => false,
            _ => first.contains(&b'\t') && !first.contains(&b','),
        };
        let mut fields = RecordReader::new(Box::new(reader), if tabs { b'\t' } else { b',' });
        let header = fields.next_record().map_err(|error| read_error(&error))?;
        let Some((line, fault)) = header else {
            return Err(SourceError::Refused(format!("{name} has no header row: the first line names the columns")));
        };
        if let Some(fault) = fault {
            return Err(SourceError::Refused(format!("{name}:{line}: {fault}")));
        }
        let mut columns = Vec::new();
        for column in fields.iter() {
            let column = std::str::from_utf8(column)
                .map_err(|_| SourceError::Refused(format!("{name}:{line}: the header is not UTF-8")))?;
            columns.push(column.trim().to_owned());
        }
        let mut seen = HashSet::new();
        if let Some(twice) = columns.iter().find(|column| !seen.insert(column.as_str())) {
            let what = format!("{name}:{line}: duplicate column {}", quoted_path(Path::new(twice)));
            return Err(SourceError::Refused(what));
        }
        let columns = Some(columns.into());
        Ok(Self { name, number: 0, columns, format: RowFormat::Delimited(Box::new(fields)), is_stream, length: 0 })
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
        let (line, value) = match &mut self.format {
            RowFormat::Delimited(fields) => {
                let columns = self.columns.clone().unwrap_or_default();
                match next_delimited_row(fields, &columns) {
                    Ok(Some(next)) => next,
                    Ok(None) => return Ok(None),
                    Err(error) => return Err(read_error(&self.name, &error)),
                }
            }
            RowFormat::Json { reader, line, bytes } => match next_json_row(reader, line, bytes) {
                Ok(Some(value)) => (*line, value),
                Ok(None) => return Ok(None),
                Err(error) => return Err(read_error(&self.name, &error)),
            },
        };
        self.number += 1;
        let place = format!("{}:{line}", self.name);
        Ok(Some(SourceRow { number: self.number, place, value }))
    }
}

fn read_error(name: &str, error: &io::Error) -> SourceError {
    SourceError::Unreadable(format!("cannot read {name}: {}", io_error_text(error)))
}

type ParsedRow = (u64, Result<RowValue, String>);

fn next_delimited_row(fields: &mut RecordReader, columns: &Arc<[String]>) -> io::Result<Option<ParsedRow>> {
    let Some((line, fault)) = fields.next_record()? else { return Ok(None) };
    let count = fields.iter().len();
    let value = if let Some(fault) = fault {
        Err(fault.to_string())
    } else if count == columns.len() {
        let texts = fields.iter().zip(columns.iter()).map(|(field, column)| {
            String::from_utf8(field.to_vec()).map_err(|_| format!("{} is not UTF-8", quoted_path(Path::new(column))))
        });
        texts.collect::<Result<Vec<_>, _>>().map(|texts| RowValue::from_fields(columns.clone(), texts))
    } else {
        let plural = if count == 1 { "field" } else { "fields" };
        Err(format!("the row has {count} {plural}, but the header has {}", columns.len()))
    };
    Ok(Some((line, value)))
}

fn next_json_row(
    reader: &mut dyn BufRead,
    line: &mut u64,
    read: &mut u64,
) -> io::Result<Option<Result<RowValue, String>>> {
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let count = reader.take(MAX_ROW_BYTES as u64 + 1).read_until(b'\n', &mut bytes)?;
        if count == 0 {
            return Ok(None);
        }
        *line += 1;
        *read += count as u64;
        if count > MAX_ROW_BYTES && !bytes.ends_with(b"\n") {
            return Err(io::Error::other(format!("line {line} is longer than {} MiB", MAX_ROW_BYTES >> 20)));
        }
        let text = if *line == 1 { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes) } else { &bytes };
        if text.trim_ascii().is_empty() {
            continue;
        }
        let Ok(text) = std::str::from_utf8(text) else { return Ok(Some(Err("the row is not UTF-8".to_owned()))) };
        let object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
        return Ok(Some(match object {
            Ok(object) => Ok(RowValue::from_json(&object)),
            Err(error) => Err(format!("the row is not a JSON object: {error}")),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(name: &str, bytes: &'static [u8]) -> Vec<(String, Result<String, String>)> {
        let mut reader = RowReader::read(Box::new(bytes), name.to_owned(), Path::new(name), false)
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
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
                b"n\temail\n\"1\t\"Ann\" a@x.y\n\"2\"\tb \"\"c\n3\t\"\n",
                vec![good("p.tsv:2", "\"Ann\" a@x.y"), good("p.tsv:3", "b \"\"c"), good("p.tsv:4", "\"")],
                "tab-separated values know no quotation: a mark swallows nothing",
            ),
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
                vec![bad("p.csv:2", "\"email\" is not UTF-8"), good("p.csv:3", "b")],
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
                vec![bad("p.csv:2", "a quoted field continues after its closing quotation mark"), good("p.csv:3", "b")],
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
    fn how_much_was_read_is_known_of_files() {
        for (name, bytes) in [("p.csv", &b"email\na\nb\nc\n"[..]), ("p.jsonl", b"{\"a\":1}\n{\"a\":2}\n")] {
            let mut reader = RowReader::read(Box::new(bytes), name.to_owned(), Path::new(name), false)
                .unwrap_or_else(|error| panic!("{name}: {error:?}"));
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
            let read = RowReader::read(Box::new(bytes), "p.csv".to_owned(), Path::new("p.csv"), false);
            assert!(matches!(read, Err(SourceError::Refused(_))), "{why}");
        }
    }
}

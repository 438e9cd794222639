//! Reads the files of `{ csv = … }` and `{ json = … }` into values for templates.

use super::{
    CsvOptions, FormatHints, RecordReader, RowFormat, RowTranscoder, TextDecoding, Value, decode_text, detect_format,
};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// The names in the header row. `name` is the file's.
pub fn csv_columns(bytes: &[u8], name: &str, options: &CsvOptions) -> Result<Vec<String>, String> {
    let names = CsvRecords::new(bytes, name, options)?.header()?;
    Ok(names.iter().map(|column| column.to_string()).collect())
}

/// The rows below a header row, each a table of texts by the header's names. `name` is the file's.
pub fn csv_table(bytes: &[u8], name: &str, options: &CsvOptions) -> Result<Value, String> {
    let mut records = CsvRecords::new(bytes, name, options)?;
    let names = records.header()?;
    let mut rows = Vec::new();
    while let Some(record) = records.next_record()? {
        if record.len() != names.len() {
            let (line, found, expected) = (records.line(), record.len(), names.len());
            return Err(format!("{name}:{line}: this row has {found} fields, and the header row has {expected}"));
        }
        let cells = record.into_iter().map(Value::Text);
        rows.push(Value::Table(names.iter().cloned().zip(cells).collect()));
    }
    Ok(Value::List(rows))
}

/// The records of a CSV file in memory. An invalid one is an error of the file.
struct CsvRecords<'a> {
    name: &'a str,
    text: Vec<u8>,
    /// How much of `text` was read.
    at: usize,
    reader: RecordReader,
}

impl<'a> CsvRecords<'a> {
    fn new(bytes: &[u8], name: &'a str, options: &CsvOptions) -> Result<Self, String> {
        let mut text = Vec::new();
        let mut transcoder = RowTranscoder::new(options.encoding);
        transcoder.push(bytes, true, &mut text).map_err(|why| why.in_file(name))?;
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        let hints = FormatHints { extension: extension.filter(is_table), delimiter: options.delimiter };
        let (reader, at) = match detect_format(&text, true, &hints) {
            Some(RowFormat::Delimited(format)) => {
                (RecordReader::new(format.delimiter, format.first_line), format.skipped)
            }
            _ => return Err(format!("{name}:1: this is JSON, not CSV: {{ json = … }} reads a JSON file")),
        };
        Ok(Self { name, text, at, reader })
    }

    /// The names of the first row.
    fn header(&mut self) -> Result<Vec<Arc<str>>, String> {
        let Some(names) = self.next_record()? else {
            return Err(format!("{}:1: a CSV file begins with a row of names, and this one is empty", self.name));
        };
        let (name, line) = (self.name, self.line());
        let names: Vec<Arc<str>> = names.iter().map(|column| Arc::from(column.trim())).collect();
        let mut seen = HashSet::new();
        for (index, column) in names.iter().enumerate() {
            if column.is_empty() {
                return Err(format!("{name}:{line}: column {} has no name", index + 1));
            }
            if !seen.insert(column) {
                return Err(format!("{name}:{line}: two columns have the name \"{column}\""));
            }
        }
        Ok(names)
    }

    /// The line in which the last record begins.
    fn line(&self) -> u64 {
        self.reader.record().line()
    }

    fn next_record(&mut self) -> Result<Option<Vec<String>>, String> {
        let mut rest = self.text.get(self.at..).unwrap_or_default();
        let is_record = self.reader.read(&mut rest) || self.reader.finish();
        self.at = self.text.len() - rest.len();
        if !is_record {
            return Ok(None);
        }
        let (name, line) = (self.name, self.line());
        if let Some(error) = self.reader.record().error() {
            return Err(format!("{name}:{line}: {error}"));
        }
        let fields = self.reader.record().fields().enumerate().map(|(index, field)| {
            String::from_utf8(field.to_vec())
                .map_err(|_| format!("{name}:{line}: field {} is not UTF-8 text", index + 1))
        });
        fields.collect::<Result<_, _>>().map(Some)
    }
}

/// Whether the end of a name says how fields are separated.
fn is_table(extension: &&str) -> bool {
    ["tsv", "tab"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// The value of a JSON file. `name` is the file's name for messages.
pub fn json_value(bytes: &[u8], name: &str) -> Result<Value, String> {
    let (text, _) = decode_text(bytes, TextDecoding::strict(None)).map_err(|why| why.in_file(name))?;
    serde_json::from_str::<JsonValue>(&text).map(|JsonValue(value)| value).map_err(|error| {
        let whole = error.to_string();
        let why = whole.split(" at line ").next().unwrap_or_default();
        format!("{name}:{}:{}: this is not JSON: {why}", error.line().max(1), error.column().max(1))
    })
}

/// A JSON value. Tables keep their order.
struct JsonValue(Value);

impl<'de> Deserialize<'de> for JsonValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor).map(Self)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Boolean(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        // A number beyond i64 becomes the nearest float.
        Ok(i64::try_from(number).map_or(Value::Float(number as f64), Value::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(JsonValue(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries: Vec<(Arc<str>, Value)> = Vec::new();
        while let Some((name, JsonValue(value))) = map.next_entry::<String, JsonValue>()? {
            entries.push((name.into(), value));
        }
        Ok(Value::Table(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(entries: &[(&str, Value)]) -> Value {
        Value::Table(entries.iter().map(|(name, value)| (Arc::from(*name), value.clone())).collect())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn csv_files_become_lists_of_tables() {
        let rows = |list: &[(&str, &str)]| {
            Value::List(list.iter().map(|(a, b)| table(&[("name", text(a)), ("sum", text(b))])).collect())
        };
        let cases: &[(&str, Value, &str)] = &[
            ("name,sum\nx,1\ny,2\n", rows(&[("x", "1"), ("y", "2")]), "the usual"),
            ("\u{feff}name,sum\r\nx,1", rows(&[("x", "1")]), "a byte order mark, CRLF, no last line end"),
            ("name,sum\n\"a,\nb\",\"say \"\"hi\"\"\"\n", rows(&[("a,\nb", "say \"hi\"")]), "quotes"),
            ("name,sum\n", rows(&[]), "no rows"),
            ("sep=;\r\nname;sum\r\nx;1\r\n;\r\n", rows(&[("x", "1")]), "as Excel saves it, with a row of nothing"),
        ];
        for (written, expected, why) in cases {
            assert_eq!(csv_table(written.as_bytes(), "t.csv", &CsvOptions::default()).as_ref(), Ok(expected), "{why}");
        }
    }

    #[test]
    fn an_invalid_csv_file_is_an_error_with_its_line() {
        let cases: &[(&[u8], &str, &str)] = &[
            (b"", "t.csv:1: a CSV file begins with a row of names, and this one is empty", "nothing"),
            (b"a,b\n1,2\n3\n", "t.csv:3: this row has 1 fields, and the header row has 2", "a short row"),
            (b"a,b\n1,2,3\n", "t.csv:2: this row has 3 fields, and the header row has 2", "a long row"),
            (b"a,b\n1,2\n\xff,2\n", "t.csv:3: field 1 is not UTF-8 text", "Latin-1"),
            (b"a,,b\n", "t.csv:1: column 2 has no name", "an empty name"),
            (b"a,a\n", "t.csv:1: two columns have the name \"a\"", "a name twice"),
            (
                b"a,b\n1,2\n\"3,4\n",
                "t.csv:3: a quotation mark is not closed, so the row continues to the end of the file",
                "a quotation mark that is not closed",
            ),
        ];
        for (written, expected, why) in cases {
            assert_eq!(csv_table(written, "t.csv", &CsvOptions::default()), Err((*expected).to_owned()), "{why}");
        }
    }

    #[test]
    fn json_files_become_values_in_file_order() {
        let written = r#"{"z": [1, 2.5, true, null, "ü"], "a": {"big": 18446744073709551615}}"#;
        let list = vec![Value::Integer(1), Value::Float(2.5), Value::Boolean(true), Value::None, text("ü")];
        let expected =
            table(&[("z", Value::List(list)), ("a", table(&[("big", Value::Float(18446744073709551615.0))]))]);
        assert_eq!(json_value(written.as_bytes(), "t.json"), Ok(expected));
    }

    #[test]
    fn an_invalid_json_file_is_an_error_with_its_place() {
        for (written, place, why) in [
            ("{\n  \"a\": ,\n}", "t.json:2:8: ", "a value is missing"),
            ("", "t.json:1:1: ", "nothing"),
            ("[1] 2", "t.json:1:5: ", "something behind it"),
            (&"[".repeat(1000), "t.json:1:128: ", "too deep"),
        ] {
            let error = json_value(written.as_bytes(), "t.json").expect_err(why);
            assert!(error.starts_with(place), "{why}: {error}");
        }
    }
}

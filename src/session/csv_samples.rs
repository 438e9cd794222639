//! The same table saved in all the ways that spreadsheets save it. For tests.

use encoding_rs::Encoding;

/// A file as a program would write it.
#[derive(Clone, Debug)]
pub struct SavedTable {
    /// The program and the entry of its menu.
    pub name: String,
    /// `people.csv`
    pub file: &'static str,
    pub bytes: Vec<u8>,
    /// `encoding`, if the session file must name it.
    pub encoding: Option<&'static str>,
    /// `delimiter`, if the session file must name it.
    pub delimiter: Option<&'static str>,
}

#[derive(Clone, Copy)]
enum Quoting {
    /// Fields with a delimiter, a mark or a line end.
    AsNeeded,
    All,
    /// None: tabs and line ends become spaces.
    Never,
}

#[derive(Clone, Copy)]
enum SavedBytes {
    Utf8,
    Utf8WithMark,
    Utf16Le,
    Utf16LeWithMark,
    Utf16BeWithMark,
    Label(&'static str),
}

struct Program {
    name: &'static str,
    file: &'static str,
    delimiter: char,
    line_end: &'static str,
    quoting: Quoting,
    bytes: SavedBytes,
    /// What is written before the first row.
    first_line: &'static str,
    /// What is written after the last one, in place of its line end.
    last_lines: &'static str,
    encoding: Option<&'static str>,
    explicit_delimiter: Option<&'static str>,
}

const CSV: Program = Program {
    name: "",
    file: "people.csv",
    delimiter: ',',
    line_end: "\r\n",
    quoting: Quoting::AsNeeded,
    bytes: SavedBytes::Utf8,
    first_line: "",
    last_lines: "\r\n",
    encoding: None,
    explicit_delimiter: None,
};

fn programs() -> Vec<Program> {
    let western = SavedBytes::Label("windows-1252");
    vec![
        Program {
            name: "Excel (English): CSV (Comma delimited)",
            bytes: western,
            encoding: Some("windows-1252"),
            ..CSV
        },
        Program {
            name: "Excel (German): CSV (Trennzeichen-getrennt)",
            delimiter: ';',
            bytes: western,
            encoding: Some("windows-1252"),
            ..CSV
        },
        Program { name: "Excel (English): CSV UTF-8", bytes: SavedBytes::Utf8WithMark, ..CSV },
        Program { name: "Excel (German): CSV UTF-8", delimiter: ';', bytes: SavedBytes::Utf8WithMark, ..CSV },
        Program {
            name: "Excel: Unicode Text",
            file: "people.txt",
            delimiter: '\t',
            bytes: SavedBytes::Utf16LeWithMark,
            ..CSV
        },
        Program {
            name: "Excel: Text (Tab delimited)",
            file: "people.txt",
            delimiter: '\t',
            bytes: western,
            encoding: Some("windows-1252"),
            ..CSV
        },
        Program {
            name: "Excel: CSV (Macintosh)",
            line_end: "\r",
            last_lines: "\r",
            bytes: SavedBytes::Label("macintosh"),
            encoding: Some("macintosh"),
            ..CSV
        },
        Program {
            name: "Excel for Mac (German): CSV UTF-8, CR",
            delimiter: ';',
            line_end: "\r",
            last_lines: "\r",
            bytes: SavedBytes::Utf8WithMark,
            ..CSV
        },
        Program {
            name: "Excel with empty rows that were once filled",
            last_lines: "\r\n,,\r\n,,\r\n",
            bytes: SavedBytes::Utf8WithMark,
            ..CSV
        },
        Program { name: "Excel with a line sep=", delimiter: ';', first_line: "sep=;\r\n", ..CSV },
        Program {
            name: "Excel with a line sep=, a mark and another delimiter",
            delimiter: '|',
            first_line: "sep=|\r\n",
            bytes: SavedBytes::Utf8WithMark,
            ..CSV
        },
        Program {
            name: "Excel with a line sep=, UTF-16",
            delimiter: ';',
            first_line: "sep=;\r\n",
            bytes: SavedBytes::Utf16LeWithMark,
            ..CSV
        },
        Program { name: "LibreOffice: UTF-8", line_end: "\n", last_lines: "\n", ..CSV },
        Program {
            name: "LibreOffice: UTF-8, all text cells quoted",
            line_end: "\n",
            last_lines: "\n",
            quoting: Quoting::All,
            ..CSV
        },
        Program {
            name: "LibreOffice: UTF-8, semicolons, all quoted",
            delimiter: ';',
            line_end: "\n",
            last_lines: "\n",
            quoting: Quoting::All,
            ..CSV
        },
        Program {
            name: "LibreOffice: Unicode (UTF-16)",
            line_end: "\n",
            last_lines: "\n",
            bytes: SavedBytes::Utf16LeWithMark,
            ..CSV
        },
        Program {
            name: "LibreOffice: UTF-16 without a mark",
            line_end: "\n",
            last_lines: "\n",
            bytes: SavedBytes::Utf16Le,
            encoding: Some("utf-16le"),
            ..CSV
        },
        Program {
            name: "LibreOffice: another delimiter",
            delimiter: '|',
            line_end: "\n",
            last_lines: "\n",
            explicit_delimiter: Some("|"),
            ..CSV
        },
        Program { name: "a program that writes UTF-16BE", bytes: SavedBytes::Utf16BeWithMark, ..CSV },
        Program { name: "Google Sheets: CSV", last_lines: "", ..CSV },
        Program {
            name: "Google Sheets: TSV",
            file: "people.tsv",
            delimiter: '\t',
            quoting: Quoting::Never,
            last_lines: "",
            ..CSV
        },
        Program { name: "Numbers: CSV", delimiter: ';', line_end: "\n", last_lines: "\n", ..CSV },
        Program {
            name: "a tab-separated file with quotes",
            file: "people.tsv",
            delimiter: '\t',
            line_end: "\n",
            last_lines: "\n",
            ..CSV
        },
        Program {
            name: "a file of iso-8859-15",
            line_end: "\n",
            last_lines: "\n",
            bytes: SavedBytes::Label("iso-8859-15"),
            encoding: Some("l9"),
            ..CSV
        },
    ]
}

/// Saves a table, whose first row is the header. Its characters must be those of windows-1252, iso-8859-15 and
/// Macintosh. Google Sheets writes spaces for tabs and line ends in TSV; a table that has them is not saved so.
///
/// # Panics
/// If a character is in none of these encodings.
pub fn saved_tables(table: &[Vec<String>]) -> Vec<SavedTable> {
    let has_breaks = table.iter().flatten().any(|cell| cell.contains(['\t', '\r', '\n']) || cell.starts_with('"'));
    let possible = programs().into_iter().filter(|program| !(has_breaks && matches!(program.quoting, Quoting::Never)));
    possible
        .map(|program| {
            let rows: Vec<String> = table.iter().map(|row| write_row(row, &program)).collect();
            let text = format!("{}{}{}", program.first_line, rows.join(program.line_end), program.last_lines);
            SavedTable {
                name: program.name.to_owned(),
                file: program.file,
                bytes: encode(&text, program.bytes),
                encoding: program.encoding,
                delimiter: program.explicit_delimiter,
            }
        })
        .collect()
}

fn write_row(row: &[String], program: &Program) -> String {
    let cells: Vec<String> = row.iter().map(|cell| write_cell(cell, program)).collect();
    cells.join(&program.delimiter.to_string())
}

fn write_cell(cell: &str, program: &Program) -> String {
    let needed = cell.contains([program.delimiter, '"', '\r', '\n']);
    match program.quoting {
        Quoting::Never => cell.replace(['\t', '\r', '\n'], " "),
        Quoting::AsNeeded if !needed => cell.to_owned(),
        Quoting::AsNeeded | Quoting::All => format!("\"{}\"", cell.replace('"', "\"\"")),
    }
}

fn encode(text: &str, bytes: SavedBytes) -> Vec<u8> {
    let le = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    match bytes {
        SavedBytes::Utf8 => text.as_bytes().to_vec(),
        SavedBytes::Utf8WithMark => format!("\u{feff}{text}").into_bytes(),
        SavedBytes::Utf16Le => le(text),
        SavedBytes::Utf16LeWithMark => le(&format!("\u{feff}{text}")),
        SavedBytes::Utf16BeWithMark => format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect(),
        SavedBytes::Label(label) => {
            let encoding = Encoding::for_label(label.as_bytes()).expect("the label is known");
            let (bytes, _, has_errors) = encoding.encode(text);
            assert!(!has_errors, "{label} does not have all characters of {text:?}");
            bytes.into_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::csv_format::{FormatHints, RowFormat, detect_format, parse_delimiter};
    use crate::session::csv_records::RecordReader;
    use crate::session::{RowTranscoder, encoding_for_label};
    use proptest::prelude::*;

    /// All of it together, as a file's reader would: blocks, UTF-8, format, records.
    fn read(saved: &SavedTable, block: usize) -> Vec<Vec<String>> {
        let label = saved.encoding.map(|label| encoding_for_label(label).expect("the label is known"));
        let extension = saved.file.rsplit_once('.').map(|(_, extension)| extension);
        let delimiter = saved.delimiter.map(|delimiter| parse_delimiter(delimiter).expect("it is one"));
        let hints = FormatHints { extension, delimiter };
        let mut transcoder = RowTranscoder::new(label);
        let (mut buffer, mut reader, mut rows) = (Vec::new(), None, Vec::new());
        let chunks = saved.bytes.chunks(block).map(|chunk| (chunk, false)).chain([(&[][..], true)]);
        for (chunk, is_end) in chunks {
            transcoder.push(chunk, is_end, &mut buffer).expect("it is not UTF-32");
            if reader.is_none() {
                let Some(RowFormat::Delimited(format)) = detect_format(&buffer, is_end, &hints) else { continue };
                buffer.drain(..format.skipped);
                reader = Some(RecordReader::new(format.delimiter, format.first_line));
            }
            let Some(reader) = &mut reader else { continue };
            let mut bytes = &buffer[..];
            while reader.read(&mut bytes) || (is_end && bytes.is_empty() && reader.finish()) {
                assert_eq!(reader.record().error(), None, "{}", saved.name);
                let text = |field: &[u8]| String::from_utf8(field.to_vec()).expect("it is UTF-8");
                rows.push(reader.record().fields().map(text).collect());
            }
            buffer.clear();
        }
        rows
    }

    fn owned(table: &[&[&str]]) -> Vec<Vec<String>> {
        table.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn every_spreadsheets_file_is_read() {
        let table = owned(&[
            &["email", "name", "note"],
            &["ann@example.com", "Doe, Ann; Dr.", "5\" screen"],
            &["juergen@example.com", "Jürgen", "12 €"],
            &["bob@example.com", "Bob \"B\" Doe", ""],
        ]);
        let saved = saved_tables(&table);
        assert_eq!(saved.len(), 24);
        for saved in saved {
            for block in [1, 2, 3, 7, 64, 65536] {
                assert_eq!(read(&saved, block), table, "{}, in blocks of {block}", saved.name);
            }
        }
    }

    proptest! {
        #[test]
        fn any_table_is_read(
            cells in prop::collection::vec(("[a-z@.]{1,6}", "[a,;\t\"\n\u{fc}\u{20ac}| ]{0,6}", "[A-Z ]{0,3}"), 0..5),
            block in 1usize..70,
        ) {
            let mut table = owned(&[&["email", "name", "note"]]);
            table.extend(cells.into_iter().map(|(email, name, note)| vec![email, name, note]));
            for saved in saved_tables(&table) {
                prop_assert_eq!(read(&saved, block), table.clone(), "{}", saved.name);
            }
        }
    }
}

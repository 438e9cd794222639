use super::*;
use proptest::prelude::*;

type Read = (u64, Result<Vec<String>, RecordError>);

fn read_with(bytes: &[u8], delimiter: u8, block: usize, limit: usize) -> Vec<Read> {
    let mut reader = RecordReader::with_limit(delimiter, 1, limit);
    let mut all = Vec::new();
    let take = |record: &CsvRecord| {
        let fields = record.fields().map(|field| String::from_utf8_lossy(field).into_owned()).collect();
        (record.line(), record.error().map_or(Ok(fields), Err))
    };
    for mut chunk in bytes.chunks(block.max(1)) {
        while reader.read(&mut chunk) {
            all.push(take(reader.record()));
        }
        assert!(chunk.is_empty(), "all bytes are taken");
    }
    if reader.finish() {
        all.push(take(reader.record()));
    }
    all
}

fn read(bytes: &[u8], block: usize) -> Vec<Read> {
    read_with(bytes, b',', block, MAX_RECORD_BYTES)
}

#[test]
fn records_are_read() {
    use RecordError::{AfterQuote, Nul, Unclosed};
    let ok =
        |line: u64, fields: &[&str]| -> Read { (line, Ok(fields.iter().map(|field| (*field).to_owned()).collect())) };
    let bad = |line: u64, error: RecordError| -> Read { (line, Err(error)) };
    let table: &[(&[u8], Vec<Read>, &str)] = &[
        (b"", vec![], "nothing"),
        (b"a,b\nc\n", vec![ok(1, &["a", "b"]), ok(2, &["c"])], "LF"),
        (b"a,b\r\nc", vec![ok(1, &["a", "b"]), ok(2, &["c"])], "CRLF, and no last line end"),
        (b"a,b\rc,d\re\r", vec![ok(1, &["a", "b"]), ok(2, &["c", "d"]), ok(3, &["e"])], "CR"),
        (b"a\r\r\nb\n\rc", vec![ok(1, &["a"]), ok(3, &["b"]), ok(5, &["c"])], "line ends of several kinds"),
        (b"a,\n,b\n", vec![ok(1, &["a", ""]), ok(2, &["", "b"])], "empty fields"),
        (b"\"a,b\",\"c\"\"d\"\n", vec![ok(1, &["a,b", "c\"d"])], "quoted fields"),
        (b"\"a\nb\",c\nd\n", vec![ok(1, &["a\nb", "c"]), ok(3, &["d"])], "an LF within quotes"),
        (
            b"\"a\r\nb\rc\"\r\nd\n",
            vec![ok(1, &["a\r\nb\rc"]), ok(4, &["d"])],
            "line ends within quotes are kept and counted",
        ),
        (b"\"a\r\"\nb\n", vec![ok(1, &["a\r"]), ok(3, &["b"])], "a CR before the closing mark, and an LF after it"),
        (b"\"\r\",\r\nb", vec![ok(3, &["b"])], "blank with quotes"),
        (b"\"\"\"\"\n", vec![ok(1, &["\""])], "a mark only"),
        (b"a\"b\",c\"\n", vec![ok(1, &["a\"b\"", "c\""])], "marks within unquoted fields"),
        (b"a, \"b\"\n", vec![ok(1, &["a", " \"b\""])], "a field that begins with a space is not quoted"),
        (b",,\n , ,\t\n\"\",\" \"\na\n", vec![ok(4, &["a"])], "rows whose fields are all empty or white space"),
        (",\u{a0},\u{3000}\na\n".as_bytes(), vec![ok(2, &["a"])], "white space beyond ASCII"),
        (b"\n\r\n\r\ra\n", vec![ok(5, &["a"])], "empty lines are counted"),
        (b"a,\xff\n", vec![ok(1, &["a", "\u{fffd}"])], "bytes are not checked"),
        (b"a\n\"b\nc,d\n", vec![ok(1, &["a"]), bad(2, Unclosed { line: 2 })], "never closed"),
        (b"a\n\"b\n\",\"c\nd\n", vec![ok(1, &["a"]), bad(2, Unclosed { line: 3 })], "the second field is not closed"),
        (b"\"", vec![bad(1, Unclosed { line: 1 })], "a mark at the end"),
        (b"\"a\"x,\"y\nz\"\nb\n", vec![bad(1, AfterQuote { line: 1 }), ok(3, &["b"])], "more after a closed field"),
        (b"\"a\" ,b\nc\n", vec![bad(1, AfterQuote { line: 1 }), ok(2, &["c"])], "a space after a closed field"),
        (
            b"\"b\nc,\"d\"\ne\n",
            vec![bad(1, AfterQuote { line: 2 }), ok(3, &["e"])],
            "an unclosed field meets a quoted one",
        ),
        (b"a,b\0\nc\n", vec![bad(1, Nul), ok(2, &["c"])], "a NUL"),
        (b"\0", vec![bad(1, Nul)], "NUL is not blank"),
    ];
    for (bytes, expected, why) in table {
        for block in 1..=bytes.len().max(1) {
            assert_eq!(&read(bytes, block), expected, "{why}, in blocks of {block}");
        }
    }
    let tabs = read_with(b"a,b\t\"c\td\"\te \"f\"\n", b'\t', 3, 100);
    assert_eq!(tabs, [ok(1, &["a,b", "c\td", "e \"f\""])], "Excel quotes in tab-separated files too");
}

#[test]
fn a_record_has_a_limit() {
    let good = |line| (line, Ok(vec!["a".to_owned()]));
    let long = [&b"a\n"[..], &[b'x'; 50], b",\"y\n\"\na\n"].concat();
    let expected = vec![good(1), (2, Err(RecordError::TooLong)), good(4)];
    for block in 1..=long.len() {
        assert_eq!(read_with(&long, b',', block, 40), expected, "the next record is read, in blocks of {block}");
    }
    let unclosed = [&b"a\nb,\""[..], &b"x\n".repeat(50)].concat();
    let expected = vec![good(1), (2, Err(RecordError::Unclosed { line: 2 }))];
    assert_eq!(read_with(&unclosed, b',', 7, 40), expected, "the cause is named, not the limit");
    let mut many = vec![b','; MAX_FIELDS + 1];
    many.extend_from_slice(b"\na\n");
    assert_eq!(read(&many, 1000), [(1, Err(RecordError::TooManyFields)), good(2)]);
}

#[test]
fn memory_is_bounded() {
    let mut reader = RecordReader::with_limit(b',', 1, 10_000);
    let block = b"x,\n".repeat(1000);
    let mut opening: &[u8] = b"\"";
    assert!(!reader.read(&mut opening));
    for _ in 0..1000 {
        assert!(!reader.read(&mut &block[..]), "all is within quotes");
    }
    assert!(reader.record.bytes.capacity() < 40_000, "{}", reader.record.bytes.capacity());
    assert!(reader.finish());
    assert_eq!(reader.record().error(), Some(RecordError::Unclosed { line: 1 }));
    assert_eq!(reader.record().fields().len(), 0, "its fields are dropped");
}

/// What csv-core makes of bytes without errors, blank records left out.
fn read_by_csv_core(bytes: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
    let records = reader.byte_records().map(|record| record.expect("memory can be read"));
    let fields = records.map(|record| record.iter().map(|field| String::from_utf8_lossy(field).into_owned()).collect());
    fields.filter(|fields: &Vec<String>| fields.iter().any(|field| !field.trim().is_empty())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn blocks_change_nothing(text in "[ab\",\r\n \u{0}]{0,24}", block in 1usize..6) {
        prop_assert_eq!(read(text.as_bytes(), block), read(text.as_bytes(), usize::MAX));
    }

    #[test]
    fn files_without_errors_are_read_as_csv_core_reads_them(text in "[ab\",\r\n ]{0,16}") {
        let own = read(text.as_bytes(), 3);
        let own: Result<Vec<Vec<String>>, RecordError> = own.into_iter().map(|(_, record)| record).collect();
        // csv-core makes something of every file.
        if let Ok(own) = own {
            prop_assert_eq!(own, read_by_csv_core(text.as_bytes()));
        }
    }

    #[test]
    fn what_is_written_is_read(
        rows in prop::collection::vec(prop::collection::vec("[a\",;\t\r\n\u{fc} ]{0,5}", 1..4), 0..6),
        crlf in any::<bool>(),
        block in 1usize..9,
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new().flexible(true).terminator(terminator).from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).expect("memory can be written");
        }
        let bytes = writer.into_inner().expect("memory can be written");
        let read: Vec<_> = read(&bytes, block).into_iter().map(|(_, record)| record).collect();
        let expected: Vec<_> = rows.into_iter().filter(|row| row.iter().any(|field| !field.trim().is_empty())).map(Ok).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn lines_are_those_of_the_text(text in "[ab\r\n,]{0,24}") {
        let mut line = 0;
        let mut expected = Vec::new();
        for part in text.replace("\r\n", "\n").replace('\r', "\n").split('\n') {
            line += 1;
            if part.chars().any(|character| character.is_alphabetic()) {
                expected.push(line);
            }
        }
        let lines: Vec<u64> = read(text.as_bytes(), 2).iter().map(|(line, _)| *line).collect();
        prop_assert_eq!(lines, expected);
    }
}

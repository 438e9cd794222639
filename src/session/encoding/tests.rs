use super::*;
use crate::session::RowTranscoder;
use proptest::prelude::*;

fn decode(
    bytes: &[u8],
    label: Option<&str>,
    mode: DecodeMode,
    block: usize,
) -> Result<(String, InvalidBytes), DecodeError> {
    let label = label.map(|label| encoding_for_label(label).expect("the label is known"));
    let mut decoder = TextDecoder::new(TextDecoding { label, mode });
    let mut text = String::new();
    for chunk in bytes.chunks(block.max(1)) {
        decoder.push(chunk, &mut text)?;
    }
    let invalid = decoder.finish(&mut text)?;
    Ok((text, invalid))
}

fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(order).collect()
}

#[test]
fn texts_are_decoded() {
    let le = utf16("\u{feff}Grüße €\r\n😀", u16::to_le_bytes);
    let be = utf16("\u{feff}Grüße €\r\n😀", u16::to_be_bytes);
    let table: &[(&[u8], Option<&str>, &str, &str)] = &[
        (b"", None, "", "nothing"),
        (b"a", None, "a", "one byte"),
        ("Grüße €".as_bytes(), None, "Grüße €", "UTF-8"),
        (b"\xef\xbb\xbfa", None, "a", "a byte order mark of UTF-8"),
        (b"\xef\xbb\xbf", None, "", "a byte order mark only"),
        (b"\xef\xbb\xbf\xef\xbb\xbfa", None, "\u{feff}a", "one mark is removed"),
        (&le, None, "Grüße €\r\n😀", "UTF-16LE with its mark"),
        (&be, None, "Grüße €\r\n😀", "UTF-16BE with its mark"),
        (&le, Some("windows-1252"), "Grüße €\r\n😀", "a mark overrides the label"),
        (&le[2..], Some("utf-16le"), "Grüße €\r\n😀", "UTF-16 without a mark, by its label"),
        (&be[2..], Some("UTF-16BE"), "Grüße €\r\n😀", "a label in upper case"),
        (b"Gr\xfc\xdfe \x80", Some("windows-1252"), "Grüße €", "windows-1252"),
        (b"Gr\xfc\xdfe \x80", Some("latin1"), "Grüße €", "latin1 is windows-1252 (Encoding Standard §4.2)"),
        (b"Gr\x9f\xa7e \xdb", Some("macintosh"), "Grüße €", "Macintosh"),
        (b"\xa4", Some(" iso-8859-15\n"), "€", "white space around a label"),
        (b"\xfe", None, "\u{fffd}", "half a mark is an invalid byte"),
    ];
    for (bytes, label, expected, why) in table {
        for block in 1..=bytes.len().max(1) {
            let decoded = decode(bytes, *label, DecodeMode::Lossy, block).map(|(text, _)| text);
            assert_eq!(decoded.as_deref(), Ok(*expected), "{why}, in blocks of {block}");
        }
    }
}

#[test]
fn invalid_bytes_are_named() {
    let lone_surrogate = [utf16("\u{feff}a\n", u16::to_le_bytes), vec![0x00, 0xd8, 0x62, 0x00]].concat();
    /// Bytes, label, (offset, line, byte), text, why.
    type Row<'a> = (&'a [u8], Option<&'a str>, (u64, u64, u8), &'a str, &'a str);
    let table: &[Row<'_>] = &[
        (b"caf\xe9 is open\n", None, (3, 1, 0xe9), "caf\u{fffd} is open\n", "Latin-1 in UTF-8"),
        (b"a\nb\r\nc\rd\xff", None, (8, 4, 0xff), "a\nb\r\nc\rd\u{fffd}", "lines end with LF, CRLF and CR"),
        (b"\xef\xbb\xbf\n\xc3", None, (4, 2, 0xc3), "\n\u{fffd}", "an incomplete sequence at the end, after a mark"),
        (b"\xe2\x82a", None, (0, 1, 0xe2), "\u{fffd}a", "an incomplete sequence within"),
        (b"\xed\xa0\x80", None, (0, 1, 0xed), "\u{fffd}\u{fffd}\u{fffd}", "a surrogate in UTF-8"),
        (&lone_surrogate, None, (6, 2, 0x00), "a\n\u{fffd}b", "a lone surrogate in UTF-16"),
        (b"a\0b", Some("utf-16le"), (2, 1, b'b'), "a\u{fffd}", "an odd byte"),
    ];
    for (bytes, label, (offset, line, byte), expected, why) in table {
        for block in 1..=bytes.len() {
            let Err(DecodeError::Invalid(invalid)) = decode(bytes, *label, DecodeMode::Strict, block) else {
                panic!("{why}: it is valid");
            };
            assert_eq!(
                (invalid.offset, invalid.line, invalid.byte),
                (*offset, *line, *byte),
                "{why}, in blocks of {block}"
            );
            let (text, report) = decode(bytes, *label, DecodeMode::Lossy, block).expect("nothing is an error");
            assert_eq!(text, *expected, "{why}");
            assert_eq!(report.first.first(), Some(&invalid), "{why}");
            assert_eq!(report.count, expected.matches('\u{fffd}').count() as u64, "{why}");
        }
    }
    let (_, report) = decode(&[0xff; 30], None, DecodeMode::Lossy, 7).expect("nothing is an error");
    assert_eq!((report.count, report.first.len()), (30, 10), "the first ten are kept");
    let error = decode(b"a\n\xe9", None, DecodeMode::Strict, 9).expect_err("it is invalid");
    assert_eq!(error.to_string(), "line 2 is not UTF-8: byte 0xE9 at offset 2");
}

#[test]
fn unknown_encodings_are_refused() {
    for (label, why) in
        [("cp850", "DOS"), ("utf-7", "not safe"), ("iso-2022-kr", "replacement"), ("", "empty"), ("utf8x", "unknown")]
    {
        assert_eq!(encoding_for_label(label), Err(UnknownLabel(label.to_owned())), "{why}");
    }
    for bytes in [&b"\xff\xfe\0\0a\0\0\0"[..], b"\0\0\xfe\xff\0\0\0a"] {
        for block in 1..=bytes.len() {
            assert_eq!(decode(bytes, None, DecodeMode::Lossy, block), Err(DecodeError::Utf32));
        }
    }
    assert_eq!(decode(b"\xff\xfe\0", None, DecodeMode::Lossy, 9).map(|(text, _)| text).as_deref(), Ok("\u{fffd}"));
}

#[test]
fn rows_keep_their_invalid_bytes() {
    let surrogate = [utf16("\u{feff}a;", u16::to_le_bytes), vec![0x00, 0xdc, 0x62, 0x00]].concat();
    /// Bytes, label, UTF-8, why.
    type Row<'a> = (&'a [u8], Option<&'a str>, &'a [u8], &'a str);
    let table: &[Row<'_>] = &[
        (b"\xef\xbb\xbfa;b\xe9", None, b"a;b\xe9", "UTF-8 is passed through"),
        (b"a;b\xe9", Some("windows-1252"), "a;bé".as_bytes(), "windows-1252"),
        (&surrogate, None, b"a;\xffb", "UTF-16 with a lone surrogate"),
        (b"", None, b"", "nothing"),
        (b"\xff\xfea", None, b"\xff", "half a code unit"),
    ];
    for (bytes, label, expected, why) in table {
        for block in 1..=bytes.len().max(1) {
            let label = label.map(|label| encoding_for_label(label).expect("the label is known"));
            let mut transcoder = RowTranscoder::new(label);
            let mut out = Vec::new();
            for chunk in bytes.chunks(block) {
                transcoder.push(chunk, false, &mut out).expect("it is not UTF-32");
            }
            transcoder.push(b"", true, &mut out).expect("it is not UTF-32");
            assert_eq!(out, *expected, "{why}, in blocks of {block}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn utf_8_is_what_the_standard_library_says(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(&b"a\n\r\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbb\xbf"[..])], 0..24),
        block in 1usize..9,
    ) {
        prop_assume!(!matches!(ByteOrderMark::detect(&bytes), Some(ByteOrderMark::Utf16Le | ByteOrderMark::Utf16Be | ByteOrderMark::Utf32)));
        let mark = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let content = &bytes[mark..];
        let (text, _) = decode(&bytes, None, DecodeMode::Lossy, block).expect("nothing is an error");
        prop_assert_eq!(&text, &String::from_utf8_lossy(content));
        match (std::str::from_utf8(content), decode(&bytes, None, DecodeMode::Strict, block)) {
            (Ok(expected), Ok((text, invalid))) => {
                prop_assert_eq!(text, expected);
                prop_assert_eq!(invalid, InvalidBytes::default());
            }
            (Err(error), Err(DecodeError::Invalid(invalid))) => {
                let at = error.valid_up_to();
                prop_assert_eq!((invalid.offset, invalid.byte), ((mark + at) as u64, content[at]));
                let before = std::str::from_utf8(&content[..at]).expect("it is valid").replace("\r\n", "\n").replace('\r', "\n");
                prop_assert_eq!(invalid.line, before.matches('\n').count() as u64 + 1);
            }
            (expected, got) => prop_assert!(false, "{:?} {:?}", expected, got),
        }
    }

    #[test]
    fn blocks_change_nothing(
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        label in prop::sample::select(vec!["utf-8", "utf-16le", "utf-16be", "windows-1252", "shift_jis", "gb18030", "euc-kr", "iso-2022-jp", "big5"]),
        block in 1usize..9,
    ) {
        let at_once = decode(&bytes, Some(label), DecodeMode::Lossy, usize::MAX);
        prop_assert_eq!(decode(&bytes, Some(label), DecodeMode::Lossy, block), at_once.clone());
        let strict = decode(&bytes, Some(label), DecodeMode::Strict, block);
        match at_once {
            Ok((_, invalid)) if invalid.count > 0 => {
                prop_assert_eq!(strict.err(), invalid.first.first().cloned().map(DecodeError::Invalid));
            }
            Ok((text, invalid)) => prop_assert_eq!(strict, Ok((text, invalid))),
            Err(error) => prop_assert_eq!(strict, Err(error)),
        }
        for invalid in decode(&bytes, Some(label), DecodeMode::Lossy, block).map(|(_, invalid)| invalid.first).unwrap_or_default() {
            prop_assert_eq!(bytes.get(invalid.offset as usize), Some(&invalid.byte), "the byte stands at its offset");
        }
    }
}

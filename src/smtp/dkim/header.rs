//! Header fields of a finished message: their relaxed canonical form (RFC 6376 §3.4.2), and which of them are signed
//! (§5.4).

use std::collections::HashMap;

/// RFC 6376 §5.4.1, then the fields by which a reader's program chooses what to show, and the one that RFC 8058 §4
/// needs.
const DEFAULT_NAMES: [&str; 24] = [
    "From",
    "Reply-To",
    "Subject",
    "Date",
    "To",
    "Cc",
    "Resent-Date",
    "Resent-From",
    "Resent-To",
    "Resent-Cc",
    "In-Reply-To",
    "References",
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "List-Unsubscribe-Post",
];

/// Signed once more than they occur, so that nobody can add one (RFC 6376 §5.4.2, §8.15).
const OVERSIGNED: [&str; 5] = ["From", "To", "Cc", "Subject", "Date"];

/// A field as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderField<'a> {
    /// Without the white space that RFC 5322 §4.5 once allowed before the colon.
    pub name: &'a [u8],
    /// All after the colon, with its folds, without the CRLF at the end.
    pub value: &'a [u8],
}

/// The fields up to the first empty line, or to the end. Lines that are not part of a field are skipped.
pub fn parse_fields(header: &[u8]) -> Vec<HeaderField<'_>> {
    let mut fields = Vec::new();
    let mut rest = header;
    while !rest.is_empty() && !rest.starts_with(b"\r\n") {
        let (line, behind) = split_field(rest);
        rest = behind;
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let name = name.trim_ascii_end();
        let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        if let (true, Some((_, value))) = (is_name, value.split_first()) {
            fields.push(HeaderField { name, value });
        }
    }
    fields
}

/// A line with the lines that continue it (RFC 5322 §2.2.3), without its CRLF; and what comes after it.
fn split_field(bytes: &[u8]) -> (&[u8], &[u8]) {
    for at in memchr::memmem::find_iter(bytes, b"\r\n") {
        let behind = bytes.get(at + 2..).unwrap_or_default();
        if !matches!(behind.first(), Some(b' ' | b'\t')) {
            return (bytes.get(..at).unwrap_or(bytes), behind);
        }
    }
    (bytes, &[])
}

/// Appends the relaxed form of a field, without a CRLF (RFC 6376 §3.4.2): the name in lower case, no folds, runs of
/// white space as one space, none around the colon or at the end.
pub fn write_relaxed(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend(name.iter().map(u8::to_ascii_lowercase));
    out.push(b':');
    let beginning = out.len();
    let mut has_space = false;
    let mut rest = value;
    while let Some((&first, behind)) = rest.split_first() {
        rest = match rest.strip_prefix(b"\r\n") {
            Some(unfolded) => {
                rest = unfolded;
                continue;
            }
            None => behind,
        };
        if matches!(first, b' ' | b'\t') {
            has_space = true;
            continue;
        }
        if has_space && out.len() > beginning {
            out.push(b' ');
        }
        has_space = false;
        out.push(first);
    }
}

/// The names for the tag `h=`, in order: those of `list`, or the default ones.
///
/// - A name is signed as often as it occurs, so a default name that does not occur is not listed.
/// - From, To, Cc, Subject and Date are listed once more than they occur.
/// - A name that `list` has several times is listed at least so often.
pub fn names_to_sign(list: Option<&[String]>, fields: &[HeaderField<'_>]) -> Vec<String> {
    let mut occurrences: HashMap<Vec<u8>, usize> = HashMap::new();
    for field in fields {
        *occurrences.entry(field.name.to_ascii_lowercase()).or_default() += 1;
    }
    let mut wanted: Vec<(&str, usize)> = Vec::new();
    match list {
        None => wanted.extend(DEFAULT_NAMES.map(|name| (name, 0))),
        Some(list) => {
            for name in list {
                match wanted.iter_mut().find(|(listed, _)| listed.eq_ignore_ascii_case(name)) {
                    Some((_, times)) => *times += 1,
                    None => wanted.push((name, 1)),
                }
            }
        }
    }
    let mut names = Vec::new();
    for (name, listed) in wanted {
        let found = occurrences.get(name.to_ascii_lowercase().as_bytes()).copied().unwrap_or_default();
        let extra = usize::from(OVERSIGNED.iter().any(|own| own.eq_ignore_ascii_case(name)));
        names.extend(std::iter::repeat_n(name.to_owned(), listed.max(found + extra)));
    }
    names
}

/// Appends the canonical fields that `names` select, each with its CRLF: for every name the last one that was not yet
/// taken, and nothing if there is none (RFC 6376 §5.4.2).
pub fn write_signed_fields(names: &[String], fields: &[HeaderField<'_>], out: &mut Vec<u8>) {
    let mut by_name: HashMap<Vec<u8>, Vec<&HeaderField<'_>>> = HashMap::new();
    for field in fields {
        by_name.entry(field.name.to_ascii_lowercase()).or_default().push(field);
    }
    for name in names {
        if let Some(field) = by_name.get_mut(name.to_ascii_lowercase().as_bytes()).and_then(Vec::pop) {
            write_relaxed(field.name, field.value, out);
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn relaxed(field: &str) -> String {
        let mut out = Vec::new();
        for field in parse_fields(field.as_bytes()) {
            write_relaxed(field.name, field.value, &mut out);
            out.extend_from_slice(b"\r\n");
        }
        String::from_utf8(out).expect("the field is text")
    }

    #[test]
    fn fields_are_relaxed() {
        let table = [
            ("A: X\r\nB : Y\t\r\n\tZ  \r\n", "a:X\r\nb:Y Z\r\n", "RFC 6376 §3.4.5, example 1"),
            ("SUBJect: AbC\r\n", "subject:AbC\r\n", "the name in lower case, the value as it is"),
            ("Subject:a\r\n", "subject:a\r\n", "no space after the colon"),
            ("Subject:   \r\n", "subject:\r\n", "an empty value"),
            ("Subject:\r\n \r\n a\r\n", "subject:a\r\n", "folds before the value"),
            ("Subject: a\r\n  b\r\n\t\tc \r\n", "subject:a b c\r\n", "three lines"),
            ("Subject: a: b\r\n", "subject:a: b\r\n", "a colon in the value"),
            ("Subject: ü\r\n", "subject:ü\r\n", "UTF-8 (RFC 8616 §5)"),
            ("Subject: a", "subject:a\r\n", "no line end"),
            ("A: 1\r\nnonsense\r\n folded: x\r\nB: 2\r\n", "a:1\r\nb:2\r\n", "a line that is not a field is skipped"),
            ("A: 1\r\n\r\nB: 2\r\n", "a:1\r\n", "the body is not part of the header"),
            ("A B: 1\r\nC: 2\r\n", "c:2\r\n", "a name has no space"),
            ("\r\nA: 1\r\n", "", "no header"),
        ];
        for (header, expected, why) in table {
            assert_eq!(relaxed(header), expected, "{why}");
        }
    }

    #[test]
    fn names_are_chosen_as_the_contract_says() {
        let from = "From: a\r\nTo: b\r\nSubject: s\r\nDate: d\r\n";
        let table: &[(&str, Option<&[&str]>, &str, &str)] = &[
            (
                from,
                None,
                "From:From:Subject:Subject:Date:Date:To:To:Cc",
                "the usual: Cc is listed although it is missing",
            ),
            ("", None, "From:Subject:Date:To:Cc", "nothing occurs"),
            (
                "to: b\r\nTO: c\r\nResent-To: x\r\nresent-to: y\r\n",
                None,
                "From:Subject:Date:To:To:To:Cc:Resent-To:Resent-To",
                "fields that occur twice, in any case",
            ),
            (
                "Message-ID: m\r\nMIME-Version: 1.0\r\nContent-Type: t\r\nContent-Transfer-Encoding: 7bit\r\n\
                 List-Unsubscribe-Post: p\r\nList-Unsubscribe: u\r\n",
                None,
                "From:Subject:Date:To:Cc:List-Unsubscribe:Message-ID:MIME-Version:Content-Type:\
                 Content-Transfer-Encoding:List-Unsubscribe-Post",
                "the contract's additions",
            ),
            (
                "Received: r\r\nReturn-Path: p\r\nComments: c\r\nKeywords: k\r\nX-Own: x\r\nDKIM-Signature: s\r\nSender: s\r\n",
                None,
                "From:Subject:Date:To:Cc",
                "RFC 6376 §5.4.1 advises against some, and does not name others",
            ),
            (from, Some(&["From", "X-Own"]), "From:From:X-Own", "a list of one's own, with a name that does not occur"),
            (
                from,
                Some(&["from", "FROM", "From"]),
                "from:from:from",
                "a name that is listed more often than it occurs",
            ),
        ];
        for (header, list, expected, why) in table {
            let list: Option<Vec<String>> = list.map(|list| list.iter().map(|name| (*name).to_owned()).collect());
            let names = names_to_sign(list.as_deref(), &parse_fields(header.as_bytes()));
            assert_eq!(names.join(":"), *expected, "{why}");
        }
    }

    #[test]
    fn fields_are_taken_from_the_bottom() {
        let header = b"To: 1\r\nFrom: f\r\nto: 2\r\n";
        let fields = parse_fields(header);
        let mut out = Vec::new();
        let names: Vec<String> = ["to", "From", "TO", "To", "Cc"].map(str::to_owned).to_vec();
        write_signed_fields(&names, &fields, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), "to:2\r\nfrom:f\r\nto:1\r\n");
    }

    proptest! {
        #[test]
        fn any_folding_has_the_same_canonical_form(words in prop::collection::vec("[a-z:;=]{1,5}", 1..8), folds in prop::collection::vec(0usize..5, 8)) {
            let joints = [" ", "\t", "  \t", "\r\n ", " \r\n\t "];
            let mut folded = String::from("Name:");
            for (index, word) in words.iter().enumerate() {
                folded.push_str(joints[folds[index]]);
                folded.push_str(word);
            }
            prop_assert_eq!(relaxed(&format!("{folded} \r\n")), format!("name:{}\r\n", words.join(" ")));
        }

        #[test]
        fn no_header_makes_it_panic(header in "[A-c: \t\r\n\u{fc}]{0,40}") {
            let fields = parse_fields(header.as_bytes());
            let names = names_to_sign(None, &fields);
            write_signed_fields(&names, &fields, &mut Vec::new());
        }
    }
}

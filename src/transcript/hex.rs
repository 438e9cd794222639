//! The hex dump of a line, for `--hex`.
//!
//! ```text
//! *: 0000  45 48 4c 4f 20 63 6c 69  65 6e 74 0d 0a           |EHLO client..|
//! ```
//!
//! A secret is a single `**`, so that its length is not visible.

use crate::smtp::lines::{LineEnd, WireLine};
use std::fmt::Write;
use std::ops::Range;

/// How many cells a row has, in two halves.
const CELLS: usize = 16;

/// A byte or a secret.
#[derive(Clone, Copy)]
enum Cell {
    Byte(u8),
    Secret,
}

/// Calls `row` with each row of a line's dump: the offset in the line, the bytes including the line's end, and the printable
/// ones as text. `hidden` is like that of [`super::write_notation`].
pub fn hex_dump(line: WireLine<'_>, hidden: &[Range<usize>], mut row: impl FnMut(&str)) {
    let end: &[u8] = match line.end {
        LineEnd::CrLf => b"\r\n",
        LineEnd::Lf => b"\n",
        LineEnd::Missing => b"",
    };
    let mut text = String::new();
    let mut cells = [Cell::Secret; CELLS];
    let (mut offset, mut filled) = (0_usize, 0);
    let mut put = |cell: Option<Cell>| {
        if let Some(cell) = cell {
            cells[filled] = cell;
            filled += 1;
        }
        if filled == CELLS || (cell.is_none() && filled > 0) {
            text.clear();
            write_row(offset, &cells[..filled], &mut text);
            row(&text);
            offset += filled;
            filled = 0;
        }
    };
    let bytes = line.bytes;
    let mut from = 0;
    for range in hidden {
        let start = range.start.clamp(from, bytes.len());
        bytes[from..start].iter().for_each(|byte| put(Some(Cell::Byte(*byte))));
        put(Some(Cell::Secret));
        from = range.end.clamp(start, bytes.len());
    }
    bytes[from..].iter().chain(end).for_each(|byte| put(Some(Cell::Byte(*byte))));
    put(None);
}

fn write_row(offset: usize, cells: &[Cell], out: &mut String) {
    let mut text = String::with_capacity(CELLS);
    let _ = write!(out, "{offset:04x} "); // writing to a String cannot fail
    for place in 0..CELLS {
        if place % (CELLS / 2) == 0 {
            out.push(' ');
        }
        match cells.get(place) {
            Some(Cell::Byte(byte)) => {
                let _ = write!(out, "{byte:02x} ");
                text.push(if matches!(byte, 0x20..=0x7e) { char::from(*byte) } else { '.' });
            }
            Some(Cell::Secret) => {
                out.push_str("** ");
                text.push('*');
            }
            None => out.push_str("   "),
        }
    }
    let _ = write!(out, " |{text}|");
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "lists of hidden ranges often have one")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(bytes: &[u8], end: LineEnd, hidden: &[Range<usize>]) -> Vec<String> {
        let mut rows = Vec::new();
        hex_dump(WireLine { bytes, end }, hidden, |row| rows.push(row.to_owned()));
        rows
    }

    #[test]
    fn a_line_is_dumped_with_its_end() {
        use LineEnd::{CrLf, Lf, Missing};
        let first = "0000  45 48 4c 4f 20 63 6c 69  65 6e 74 2e 65 78 61 6d  |EHLO client.exam|";
        let gap = |cells: usize| "   ".repeat(cells);
        type Case<'c> = (&'c [u8], LineEnd, &'c [Range<usize>], Vec<String>, &'c str);
        let table: &[Case<'_>] = &[
            (
                b"EHLO client.example",
                CrLf,
                &[],
                vec![first.to_owned(), format!("0010  70 6c 65 0d 0a {}   |ple..|", gap(11))],
                "sixteen to a row",
            ),
            (b"EHLO client.exam", Missing, &[], vec![first.to_owned()], "no row for nothing"),
            (b"", Missing, &[], vec![], "nothing at all"),
            (b"", Lf, &[], vec![format!("0000  0a {}   |.|", gap(15))], "a bare LF"),
            (b"\x1b\xff\xc3\xa9", Missing, &[], vec![format!("0000  1b ff c3 a9 {}   |....|", gap(12))], "no text"),
            (
                b"AUTH PLAIN abcdefgh",
                CrLf,
                &[11..19],
                vec![format!("0000  41 55 54 48 20 50 4c 41  49 4e 20 ** 0d 0a {}  |AUTH PLAIN *..|", gap(2))],
                "a secret is one cell",
            ),
        ];
        for (bytes, end, hidden, expected, why) in table {
            let normal = |rows: Vec<String>| -> Vec<String> {
                rows.iter().map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
            };
            assert_eq!(normal(rows(bytes, *end, hidden)), normal(expected.clone()), "{why}");
        }
    }

    proptest! {
        #[test]
        fn every_row_is_of_one_width_and_plain(bytes: Vec<u8>, from in 0..40_usize, length in 0..40_usize) {
            for row in rows(&bytes, LineEnd::CrLf, &[from..from + length]) {
                let (left, _) = row.split_once(" |").expect("the text stands behind the bytes");
                prop_assert_eq!(left.len(), 6 + 16 * 3 + 1);
                prop_assert!(row.bytes().all(|byte| matches!(byte, 0x20..=0x7e)));
            }
        }

        #[test]
        fn the_bytes_can_be_had_back(bytes: Vec<u8>) {
            let mut read = Vec::new();
            for row in rows(&bytes, LineEnd::Missing, &[]) {
                let (left, _) = row[4..].split_once(" |").expect("the text stands behind the bytes");
                for byte in left.split_whitespace() {
                    read.push(u8::from_str_radix(byte, 16).expect("two digits"));
                }
            }
            prop_assert_eq!(read, bytes);
        }
    }
}

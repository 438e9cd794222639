//! The bytes of a wire line, as they are read back from a transcript.

use super::escape::{SECRET, write_notation, write_piece};
use crate::smtp::lines::{LineEnd, WireLine};
use std::fmt;

/// The bytes of a wire line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineBody {
    /// The bytes around secrets: one piece more than there are secrets. Two empty pieces are `[secret]` alone.
    pub pieces: Vec<Vec<u8>>,
    pub end: LineEnd,
}

impl LineBody {
    /// A line without secrets.
    pub fn plain(bytes: impl Into<Vec<u8>>, end: LineEnd) -> Self {
        Self { pieces: vec![bytes.into()], end }
    }

    /// Its bytes without its end; `None` if it contains a secret.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self.pieces.as_slice() {
            [] => Some(&[]),
            [piece] => Some(piece),
            _ => None,
        }
    }
}

impl fmt::Display for LineBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        let (last, before) = match self.pieces.split_last() {
            Some((last, before)) => (last.as_slice(), before),
            None => (&[][..], &[][..]),
        };
        for bytes in before {
            write_piece(bytes, false, &mut out);
            out.push_str(SECRET);
        }
        write_notation(WireLine { bytes: last, end: self.end }, &[], &mut out);
        f.write_str(&out)
    }
}

/// Reads what [`super::write_notation`] wrote.
pub fn unescape(text: &str) -> Result<LineBody, String> {
    unescape_at(text).map_err(|(_, why)| why)
}

/// Like [`unescape`]; an error comes with its position in bytes.
pub(super) fn unescape_at(text: &str) -> Result<LineBody, (usize, String)> {
    let mut pieces = Vec::new();
    let mut piece = Vec::new();
    let mut end = LineEnd::CrLf;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let stop = rest.find(['\\', '[']).unwrap_or(rest.len());
        piece.extend_from_slice(&rest.as_bytes()[..stop]);
        let rest = &rest[stop..];
        at += stop;
        if rest.starts_with(SECRET) {
            pieces.push(std::mem::take(&mut piece));
            at += SECRET.len();
        } else if rest.starts_with('[') {
            piece.push(b'[');
            at += 1;
        } else if rest.starts_with("\\\\") {
            piece.push(b'\\');
            at += 2;
        } else if let Some(hex) = rest.strip_prefix("\\x") {
            let byte = hex.get(..2).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
            let byte = byte.and_then(|hex| u8::from_str_radix(hex, 16).ok());
            piece.push(byte.ok_or_else(|| (at, "\\x needs two hexadecimal digits, as in \\x20".to_owned()))?);
            at += 4;
        } else if rest == "\\n" || rest == "\\c" {
            end = if rest == "\\n" { LineEnd::Lf } else { LineEnd::Missing };
            at += 2;
        } else if rest.starts_with("\\n") || rest.starts_with("\\c") {
            return Err((
                at,
                format!("{} is allowed only at the end of a line; inside it a line feed is \\x0a", &rest[..2]),
            ));
        } else if !rest.is_empty() {
            return Err((at, "a backslash must begin \\\\ or \\xNN, or \\n or \\c at the end of the line".to_owned()));
        }
    }
    pieces.push(piece);
    Ok(LineBody { pieces, end })
}

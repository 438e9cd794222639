//! Escapes: nothing that a server sends can move a cursor, deceive a reader or forge a line.

use crate::smtp::lines::WireLine;
use std::fmt;
use std::ops::Range;

/// Text that is safe to show anywhere: escaped, and without secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shown(String);

impl Shown {
    /// Escapes `text`, which holds no secret.
    pub fn new(text: impl AsRef<[u8]>) -> Self {
        Self(printable(text.as_ref()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Appends a wire line as the transcript shows it: escapes, `[secret]` for each hidden range, the mark of its end.
pub fn notation(line: WireLine<'_>, hidden: &[Range<usize>], out: &mut String) {
    let _ = (line, hidden, out);
    todo!()
}

/// Text from outside for remarks, errors and reports: the same escapes, but a backslash, a line's last space and
/// `[secret]` stay as they are.
pub fn printable(text: &[u8]) -> String {
    let _ = text;
    todo!()
}

/// The way back from [`notation`].
pub fn unescape(text: &str) -> Result<super::Body, String> {
    let _ = text;
    todo!()
}

//! Finds the end of content that goes through DATA (RFC 5321 §4.5.2), in pieces of any size.

/// What a piece of content holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentEnd {
    /// The end, after `length` bytes of the piece.
    Found {
        length: usize,
    },
    NotYet,
}

/// Where the next byte stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ScanState {
    #[default]
    LineStart,
    Inside,
    /// After a lone CR, which a lenient server may take for a line end.
    AfterCr,
    /// After a dot at the beginning of a line.
    Dot,
    /// After that dot and CR.
    DotCr,
}

/// Looks for the end of one content.
#[derive(Clone, Debug, Default)]
pub struct ContentScanner {
    state: ScanState,
    /// The line before the dot ended in CR alone: most servers take no end there.
    after_lone_cr: bool,
    /// A dot stood between line ends of which one was a lone CR.
    ambiguous: bool,
}

impl ContentScanner {
    /// Looks at the next bytes.
    pub fn scan(&mut self, bytes: &[u8]) -> ContentEnd {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match (self.state, byte) {
                (ScanState::LineStart | ScanState::AfterCr, b'.') => {
                    self.after_lone_cr = self.state == ScanState::AfterCr;
                    self.state = ScanState::Dot;
                }
                (ScanState::Dot | ScanState::DotCr, b'\n') if !self.after_lone_cr => {
                    *self = Self::default();
                    return ContentEnd::Found { length: at + 1 };
                }
                (ScanState::Dot, b'\r') => {
                    self.ambiguous |= self.after_lone_cr;
                    self.state = ScanState::DotCr;
                }
                (ScanState::Dot | ScanState::DotCr, b'\n') => {
                    self.ambiguous = true;
                    self.state = ScanState::LineStart;
                }
                (state, byte) => {
                    // A CR that no LF follows.
                    self.ambiguous |= state == ScanState::DotCr;
                    self.state = match byte {
                        b'\n' => ScanState::LineStart,
                        b'\r' => ScanState::AfterCr,
                        b'.' if state == ScanState::DotCr => {
                            self.after_lone_cr = true;
                            ScanState::Dot
                        }
                        _ => ScanState::Inside,
                    };
                    if self.state == ScanState::Inside {
                        // The rest of a line holds nothing that could end content.
                        let rest = bytes.get(at + 1..).unwrap_or_default();
                        at += memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                    }
                }
            }
            at += 1;
        }
        ContentEnd::NotYet
    }

    /// Whether a server may have taken an end that [`ContentScanner::scan`] did not find.
    pub fn may_have_ended(&self) -> bool {
        self.ambiguous || matches!(self.state, ScanState::Dot | ScanState::DotCr)
    }
}

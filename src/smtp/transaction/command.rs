//! The commands that a mail transaction is made of, read from their lines.

/// A command, as far as transactions go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandVerb {
    /// MAIL. `prdr`: it asks for a reply for each recipient (draft-hall-prdr).
    Mail {
        prdr: bool,
    },
    Rcpt,
    Data,
    /// BDAT, with more to come (RFC 3030 §2).
    Chunk,
    /// BDAT LAST.
    LastChunk,
    /// A dot alone. It is no content as long as no 354 says so.
    Dot,
    Rset,
    /// EHLO, HELO or LHLO: each ends an open transaction (RFC 5321 §4.1.4).
    Hello {
        lmtp: bool,
    },
    Starttls,
    Other,
}

impl CommandVerb {
    /// Whether a refusal says no to a recipient or to the content, and not to something before them.
    pub fn is_delivery(self) -> bool {
        matches!(self, Self::Rcpt | Self::Data | Self::Chunk | Self::LastChunk | Self::Dot)
    }
}

/// The verb of a line without its end, and the octets that BDAT announces.
pub fn verb_of(line: &[u8]) -> (CommandVerb, u64) {
    if line == b"." {
        return (CommandVerb::Dot, 0);
    }
    let mut words = line.split(|byte| byte.is_ascii_whitespace() || *byte == b':').filter(|word| !word.is_empty());
    let Some(first) = words.next().filter(|word| word.len() <= 8) else { return (CommandVerb::Other, 0) };
    let verb = match first.to_ascii_uppercase().as_slice() {
        b"MAIL" => CommandVerb::Mail { prdr: words.any(|word| word.eq_ignore_ascii_case(b"PRDR")) },
        b"RCPT" => CommandVerb::Rcpt,
        b"DATA" => CommandVerb::Data,
        b"RSET" => CommandVerb::Rset,
        b"EHLO" | b"HELO" => CommandVerb::Hello { lmtp: false },
        b"LHLO" => CommandVerb::Hello { lmtp: true },
        b"STARTTLS" => CommandVerb::Starttls,
        b"BDAT" => {
            let size = words.next().and_then(|size| std::str::from_utf8(size).ok()?.parse().ok());
            let last = words.next_back().is_some_and(|word| word.eq_ignore_ascii_case(b"LAST"));
            // Where the size is missing or no number there are no octets, and the server says so.
            return match (size, last) {
                (Some(octets), true) => (CommandVerb::LastChunk, octets),
                (Some(octets), false) => (CommandVerb::Chunk, octets),
                (None, _) => (CommandVerb::Other, 0),
            };
        }
        _ => CommandVerb::Other,
    };
    (verb, 0)
}

/// The octets that a BDAT command announces, with or without the line's end. `None` if it is another command, or has no number.
pub fn bdat_octets(line: &[u8]) -> Option<u64> {
    match verb_of(line) {
        (CommandVerb::Chunk | CommandVerb::LastChunk, octets) => Some(octets),
        _ => None,
    }
}

/// Whether content may end with these bytes, whatever came before them: a dot alone between line ends of any kind, as a
/// lenient server takes them, or BDAT's last chunk.
pub fn may_end_content(bytes: &[u8]) -> bool {
    bytes.split(|byte| matches!(byte, b'\r' | b'\n')).any(|line| {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let is_bdat = words.next().is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"));
        line == b"." || (is_bdat && words.next_back().is_some_and(|word| word.eq_ignore_ascii_case(b"LAST")))
    })
}

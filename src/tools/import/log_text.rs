//! A log as lines of bytes.

/// One line of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// Counted from 1.
    pub number: usize,
    /// Without its end: LF, CRLF, or CRs and an LF.
    pub bytes: &'a [u8],
    /// How many CRs its end has.
    pub crs: usize,
}

impl<'a> LogLine<'a> {
    /// What follows `prefix`.
    pub fn after(self, prefix: &str) -> Option<&'a [u8]> {
        self.bytes.strip_prefix(prefix.as_bytes())
    }

    /// The line as text.
    pub fn text(self) -> std::borrow::Cow<'a, str> {
        String::from_utf8_lossy(self.bytes)
    }
}

/// The lines of a log. Empty lines at its end are left out.
pub fn log_lines(log: &[u8]) -> Vec<LogLine<'_>> {
    let log = log.strip_prefix(b"\xef\xbb\xbf").unwrap_or(log);
    let mut lines: Vec<LogLine<'_>> = log
        .split(|byte| *byte == b'\n')
        .enumerate()
        .map(|(at, bytes)| {
            let crs = bytes.iter().rev().take_while(|byte| **byte == b'\r').count();
            LogLine { number: at + 1, bytes: &bytes[..bytes.len() - crs], crs }
        })
        .collect();
    while lines.last().is_some_and(|line| line.bytes.is_empty()) {
        lines.pop();
    }
    lines
}

/// Where `wanted` begins in `bytes`.
pub fn find(bytes: &[u8], wanted: &str) -> Option<usize> {
    memchr::memmem::find(bytes, wanted.as_bytes())
}

/// What stands before the first occurrence of `mark`, and what follows it.
pub fn around<'a>(bytes: &'a [u8], mark: &str) -> Option<(&'a [u8], &'a [u8])> {
    let at = find(bytes, mark)?;
    Some((&bytes[..at], &bytes[at + mark.len()..]))
}

/// Without white space at the beginning.
pub fn trim_start(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii_start()
}

/// The first word of a command in upper case.
pub fn verb(line: &[u8]) -> String {
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t' | b':')).unwrap_or(line.len());
    String::from_utf8_lossy(&line[..end]).to_ascii_uppercase()
}

/// Whether a line begins with a command of SMTP, LMTP or a known extension.
pub fn is_command(line: &[u8]) -> bool {
    const VERBS: [&str; 20] = [
        "EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP", "AUTH",
        "STARTTLS", "XCLIENT", "XFORWARD", "ETRN", "TURN", "BURL",
    ];
    VERBS.contains(&verb(line.trim_ascii_end()).as_str())
}

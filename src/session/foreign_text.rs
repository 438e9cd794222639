//! Recognises files that are given as sessions by mistake: transcripts, logs of other programs, e-mails.
//!
//! None of them is TOML, so each line would be an error of its own.

/// How many lines are looked at.
const MAX_LINES: usize = 40;

/// What a file is, if it is no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignText {
    /// A transcript of mailrun or in the style of the RFCs.
    Transcript,
    /// What `swaks` prints.
    SwaksLog,
    Email,
}

impl ForeignText {
    /// Recognises a text by its first lines. `None` if it may be a session.
    pub fn recognise(text: &str) -> Option<Self> {
        let text = text.trim_start_matches('\u{feff}');
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(MAX_LINES).collect();
        let count = |is: fn(&str) -> bool| lines.iter().filter(|line| is(line)).count();
        // A line of TOML is never one of these, but a long string may have some.
        let first = lines.iter().find(|line| !line.starts_with('#'))?;
        if is_of_transcript(first) && count(is_of_transcript) * 2 > lines.len() {
            return Some(Self::Transcript);
        }
        if is_of_swaks(first) && count(is_of_swaks) * 2 > lines.len() {
            return Some(Self::SwaksLog);
        }
        is_email(text).then_some(Self::Email)
    }

    /// What is wrong, in a sentence.
    pub fn message(self) -> &'static str {
        match self {
            Self::Transcript => "this is a transcript, not a session file: `mailrun import` makes a session file of it",
            Self::SwaksLog => "this is a log of swaks, not a session file: `mailrun import` makes a session file of it",
            Self::Email => {
                "this is an e-mail, not a session file: a session sends it with [message] and eml = \"FILE\""
            }
        }
    }
}

/// `C: EHLO x`, `S[b]: 250 x`, `*: connected`, each also after a time.
fn is_of_transcript(line: &str) -> bool {
    let line = line.trim_start();
    let line = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').trim_start();
    let Some(rest) = line.strip_prefix(['C', 'S', '*']) else { return false };
    let rest = match rest.strip_prefix('[') {
        Some(named) => named.split_once(']').map_or("", |(_, rest)| rest),
        None => rest,
    };
    rest == ":" || rest.starts_with(": ")
}

/// `=== Trying …`, ` -> EHLO x`, `<-  250 x`, `<** 550 no`, ` ~> MAIL`, `*** error`.
fn is_of_swaks(line: &str) -> bool {
    ["=== ", "*** ", " -> ", " ~> ", " **> ", "<-  ", "<** ", "<~  ", "<~* "].iter().any(|mark| line.starts_with(mark))
}

/// At least two header fields, one of which every e-mail has, before anything else.
fn is_email(text: &str) -> bool {
    let mut fields = 0;
    let mut known = false;
    let text = if text.starts_with("From ") { text.split_once('\n').map_or("", |(_, rest)| rest) } else { text };
    for line in text.lines().take(MAX_LINES) {
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) && fields > 0 {
            continue;
        }
        let Some((name, _)) = line.split_once(':') else { return false };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return false;
        }
        fields += 1;
        let usual = ["From", "Date", "Received", "Return-Path", "Message-ID", "Subject", "To", "MIME-Version"];
        known |= usual.iter().any(|usual| usual.eq_ignore_ascii_case(name));
    }
    fields >= 2 && known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_sessions_are_recognised() {
        let table = [
            ("*: connected to 127.0.0.1:25\nS: 220 x\nC: EHLO me\n", Some(ForeignText::Transcript)),
            ("# a comment\n\nS: 220 x\nC:\n", Some(ForeignText::Transcript)),
            ("   0.012 S: 220 x\n   0.013 C[b]: EHLO me\n", Some(ForeignText::Transcript)),
            (
                "=== Trying 127.0.0.1:25...\n=== Connected to 127.0.0.1.\n<-  220 x\n -> EHLO y\n",
                Some(ForeignText::SwaksLog),
            ),
            ("Received: from a\n by b\nFrom: a@example.com\n\nhello\n", Some(ForeignText::Email)),
            ("From a@example.com Mon Nov  2 10:00:00 2026\nSubject: x\nX-Y: z\n\n", Some(ForeignText::Email)),
            ("\u{feff}Subject: x\r\nFrom: a@example.com\r\n\r\n", Some(ForeignText::Email)),
            ("server = \"smtp://x\"\nstep = [{ expect = 220 }]\n", None),
            ("# S: 220 in a comment\nserver = \"smtp://x\"\n", None),
            ("[[step]]\nbody = '''\nFrom: a@example.com\nSubject: x\n'''\n", None),
            ("server: smtp://x\nsteps: 3\n", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(ForeignText::recognise(text), expected, "{text}");
        }
    }
}

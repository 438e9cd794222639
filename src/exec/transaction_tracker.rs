//! What a session says in its own words, as far as it begins and ends mail transactions (RFC 5321 §4.1.4): so RSET stands
//! behind a row that failed within one, and behind no other.

use std::collections::VecDeque;

/// The lines of one row's turn. Where its replies do not pair off with them, it is taken for open.
#[derive(Debug, Default)]
pub struct TransactionTracker {
    /// Commands that have no reply yet.
    awaited: VecDeque<Word>,
    /// MAIL was sent.
    mail: bool,
    /// MAIL was answered, whatever the answer, and nothing has ended the transaction since.
    begun: bool,
    /// DATA got its 354, and the dot was not sent.
    content: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Mail,
    Data,
    /// RSET, EHLO, HELO, LHLO.
    Clears,
    /// The end of content: behind its reply the transaction is over either way (RFC 5321 §4.1.1.4).
    Dot,
    /// BDAT LAST: it is over where that is accepted (RFC 3030 §2).
    Last,
    Other,
}

impl TransactionTracker {
    /// A line was sent. `content`: it is known to be mail content.
    pub fn sent(&mut self, line: &[u8], content: bool) {
        let word = match line {
            b"." if content || self.content => Word::Dot,
            _ if content || self.content => return,
            line => word(line),
        };
        self.content = false;
        self.mail |= word == Word::Mail;
        self.awaited.push_back(word);
    }

    /// A line of a reply was received; its last one ends it.
    pub fn received(&mut self, line: &[u8]) {
        if line.get(3) == Some(&b'-') {
            return;
        }
        match (self.awaited.pop_front(), line.first()) {
            (Some(Word::Mail), _) => self.begun = true,
            (Some(Word::Data), Some(b'3')) => self.content = true,
            (Some(Word::Dot), _) | (Some(Word::Clears | Word::Last), Some(b'2')) => self.begun = false,
            _ => {}
        }
    }

    /// Whether a transaction may be open, so that RSET has to stand before the next one.
    pub fn may_be_open(&self) -> bool {
        self.mail && (self.begun || !self.awaited.is_empty())
    }
}

fn word(line: &[u8]) -> Word {
    let mut words = line.split(|byte| byte.is_ascii_whitespace() || *byte == b':').filter(|word| !word.is_empty());
    let verb = words.next().unwrap_or_default().to_ascii_uppercase();
    match verb.as_slice() {
        b"MAIL" => Word::Mail,
        b"DATA" => Word::Data,
        b"RSET" | b"EHLO" | b"HELO" | b"LHLO" => Word::Clears,
        b"BDAT" if words.next_back().is_some_and(|word| word.eq_ignore_ascii_case(b"LAST")) => Word::Last,
        _ => Word::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_open_from_mail_to_what_ends_it() {
        let table = [
            ("C VRFY a|S 550 no", false, "no transaction"),
            ("C MAIL FROM:<a@x>|S 250 ok|C RCPT TO:<b@x>|S 550 no", true, "RCPT is refused"),
            ("C mail from:<a@x>|S 250-ok|S 250 ok|C VRFY a|S 550 no", true, "in small letters, a reply of two lines"),
            ("C MAIL FROM:<a@x>|S 550 no", true, "after a refusal, as behind a message's"),
            ("C MAIL FROM:<a@x>|S 250 ok|C RSET|S 250 ok|C VRFY a|S 550 no", false, "RSET ended it"),
            ("C MAIL FROM:<a@x>|S 250 ok|C RSET|S 500 what|C VRFY a|S 550 no", true, "RSET did not"),
            ("C MAIL FROM:<a@x>|S 250 ok|C EHLO me|S 250 mx|C VRFY a|S 550 no", false, "EHLO did"),
            ("C MAIL FROM:<a@x>|S 250 ok|C DATA|S 354 go|c MAIL|c .|S 250 ok|C NOOP|S 500 no", false, "content did"),
            (
                "C MAIL FROM:<a@x>|S 250 ok|C DATA|S 354 go|C MAIL|C .|S 554 no",
                false,
                "content in the session's own lines",
            ),
            ("C MAIL FROM:<a@x>|S 250 ok|C DATA|S 554 no", true, "DATA is refused"),
            ("C MAIL FROM:<a@x>|S 250 ok|C BDAT 2 LAST|c x|S 250 ok|C NOOP|S 500 no", false, "BDAT LAST ended it"),
            ("C MAIL FROM:<a@x>|S 250 ok|C BDAT 2 LAST|c x|S 554 no", true, "a BDAT that fails does not (RFC 3030 §2)"),
            ("C RSET|C MAIL FROM:<a@x>|C RCPT TO:<b@x>|S 250 ok|S 250 ok|S 550 no", true, "in one write"),
            ("C MAIL FROM:<a@x>|C DATA|C hi|C .|S 250 ok|S 503 no", true, "lines that no reply pairs off with"),
            ("S 220 mx|C NOOP|S 500 no", false, "the greeting answers nothing"),
        ];
        for (dialogue, open, why) in table {
            let mut tracker = TransactionTracker::default();
            for line in dialogue.split('|') {
                match line.split_at(2) {
                    ("S ", line) => tracker.received(line.as_bytes()),
                    (whose, line) => tracker.sent(line.as_bytes(), whose == "c "),
                }
            }
            assert_eq!(tracker.may_be_open(), open, "{why}");
        }
    }
}

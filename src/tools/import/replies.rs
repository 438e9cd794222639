//! The server's lines, joined to replies.

use super::dialogue::reply_code;
use crate::smtp::lines::LineEnd;
use crate::transcript::LineBody;

/// A reply of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedReply {
    /// `None` if it is not SMTP.
    pub code: Option<u16>,
    /// The text of its first line, and how many lines come after it.
    pub text: String,
    pub more: usize,
    /// Whether the log ends, or the connection ended, inside of it.
    pub cut: bool,
    /// Whether the server closed the connection inside of it.
    pub closed: bool,
}

/// Joins the lines of a reply.
#[derive(Debug, Default)]
pub struct ReplyAssembler {
    open: Option<LoggedReply>,
}

impl ReplyAssembler {
    /// Whether lines of a reply are still to come.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes a line of the server; returns the reply that it completes.
    pub fn push(&mut self, body: &LineBody) -> Option<LoggedReply> {
        let line = body.pieces.join(&b"[secret]"[..]);
        let code = reply_code(&line);
        let text = String::from_utf8_lossy(line.get(4..).unwrap_or_default()).into_owned();
        let last = line.get(3) != Some(&b'-') && body.end != LineEnd::Missing;
        let reply = match self.open.take() {
            None => {
                let text = if code.is_some() { text } else { String::from_utf8_lossy(&line).into_owned() };
                LoggedReply { code, text, more: 0, cut: body.end == LineEnd::Missing, closed: false }
            }
            Some(mut open) => {
                open.more += 1;
                // Codes that differ are not SMTP.
                open.code = open.code.filter(|first| code == Some(*first));
                open
            }
        };
        if last || reply.code.is_none() {
            return Some(reply);
        }
        self.open = Some(reply);
        None
    }

    /// The reply whose last line never came.
    pub fn finish(&mut self) -> Option<LoggedReply> {
        let mut open = self.open.take()?;
        open.cut = true;
        Some(open)
    }
}

//! One line of a transcript.

use super::body::LineBody;
use super::escape::{escape_unprintable, write_connection_name};
use std::fmt;
use std::time::Duration;

/// Who a line is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    /// `C: `, sent by the client.
    Client,
    /// `S: `, sent by the server.
    Server,
    /// `*: `, a remark.
    Remark,
    /// `# `, a comment that a person wrote.
    Comment,
}

impl Mark {
    /// Its letter.
    pub fn letter(self) -> char {
        match self {
            Self::Client => 'C',
            Self::Server => 'S',
            Self::Remark => '*',
            Self::Comment => '#',
        }
    }
}

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TranscriptLine {
    /// `mark` is [`Mark::Client`] or [`Mark::Server`].
    Wire {
        mark: Mark,
        connection: Option<String>,
        time: Option<Duration>,
        body: LineBody,
    },
    Remark {
        connection: Option<String>,
        time: Option<Duration>,
        text: String,
    },
    Comment(String),
    Blank,
}

/// Appends the beginning of a line, without the space after it: `   0.012 S[b]:`. `connection` is `None` for `main`. The time is
/// in seconds with milliseconds.
pub fn write_prefix(mark: Mark, connection: Option<&str>, time: Option<Duration>, out: &mut String) {
    use fmt::Write;
    if let Some(time) = time {
        let _ = write!(out, "{:>4}.{:03} ", time.as_secs(), time.subsec_millis());
    }
    out.push(mark.letter());
    if let Some(name) = connection {
        out.push('[');
        write_connection_name(name, out);
        out.push(']');
    }
    out.push(':');
}

impl fmt::Display for TranscriptLine {
    /// Writes it without a line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        let text = match self {
            Self::Blank => return Ok(()),
            Self::Comment(text) => {
                out.push('#');
                escape_unprintable(text.as_bytes())
            }
            Self::Remark { connection, time, text } => {
                write_prefix(Mark::Remark, connection.as_deref(), *time, &mut out);
                escape_unprintable(text.as_bytes())
            }
            Self::Wire { mark, connection, time, body } => {
                write_prefix(*mark, connection.as_deref(), *time, &mut out);
                body.to_string()
            }
        };
        f.write_str(&out)?;
        if !text.is_empty() {
            write!(f, " {text}")?;
        }
        Ok(())
    }
}

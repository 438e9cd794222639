//! One line of a transcript.

use crate::smtp::lines::LineEnd;
use std::fmt;
use std::time::Duration;

/// Whose line it is.
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

/// What a wire line held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The bytes between secrets: one piece more than there are secrets. Two empty pieces are `[secret]` alone.
    pub pieces: Vec<Vec<u8>>,
    pub end: LineEnd,
}

/// One line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    Wire { mark: Mark, connection: Option<String>, time: Option<Duration>, body: Body },
    Remark { connection: Option<String>, time: Option<Duration>, text: String },
    Comment(String),
    Blank,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = f;
        todo!()
    }
}

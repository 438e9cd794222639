//! The URL of a server.

use std::fmt;
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Smtp,
    /// TLS from the first byte.
    Smtps,
    Lmtp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The host without brackets.
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

/// `smtp://host[:port]`, `smtps://`, `lmtp://`, `lmtp+unix:///path`, `smtp+unix:///path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub scheme: Scheme,
    pub address: Address,
}

impl Server {
    /// Gives what is wrong with the URL, in words.
    pub fn parse(url: &str) -> Result<Self, String> {
        let _ = url;
        todo!()
    }

    /// The host's name for certificates; `localhost` over a UNIX socket.
    pub fn host(&self) -> &str {
        todo!()
    }

    pub fn is_lmtp(&self) -> bool {
        self.scheme == Scheme::Lmtp
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = f;
        todo!()
    }
}

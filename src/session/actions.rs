//! What a step does.

use super::{AuthSettings, Message, RawBytes, Step, Template, TextSource};
use std::net::SocketAddr;
use std::time::Duration;

/// The action of a step.
#[derive(Clone, Debug)]
pub enum Action {
    /// Sends nothing and waits for a reply.
    Wait,
    Send(Template),
    Raw(RawBytes),
    Hello {
        verb: HelloVerb,
        name: Option<Template>,
    },
    Starttls {
        policy: StarttlsMode,
        inject_check: bool,
    },
    Tls,
    Auth(AuthSettings),
    Login,
    /// For `message = true` a copy of the session's `[message]`.
    Message(Box<Message>),
    Body {
        content: TextSource,
        dot_stuffing: bool,
    },
    /// Each member sends something and has its own `expect`.
    Pipeline(Vec<Step>),
    /// `steps`, and the steps of an `include`.
    Steps(Vec<Step>),
    Quit,
    Sleep(Duration),
    Close(CloseMode),
    Connect,
    /// One BDAT command with its octets.
    Bdat {
        octets: RawBytes,
        last: bool,
    },
    Proxy(ProxySettings),
    /// Attribute names in upper case, and their values before xtext encoding.
    Xclient(Vec<(String, Template)>),
}

/// A PROXY protocol header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxySettings {
    Addresses {
        version: u8,
        source: SocketAddr,
        destination: SocketAddr,
    },
    /// Version 2's LOCAL: the proxy itself connects, for example for a health check.
    Local,
    /// Version 1's UNKNOWN.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloVerb {
    Ehlo,
    Helo,
    Lhlo,
}

/// The values of a `starttls` step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StarttlsMode {
    /// `true`: STARTTLS is sent whether or not it is offered.
    Always,
    Required,
    Opportunistic,
}

/// How the client ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseMode {
    /// FIN; inside TLS after close_notify.
    Fin,
    /// RST.
    Reset,
    /// Shuts the sending half only.
    Write,
}

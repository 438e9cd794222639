//! Facts about actions: titles, and their part in the dialogue.

use super::{Action, Template};

impl Action {
    /// Whether the step can run before `requires` is checked.
    pub fn is_prelude(&self) -> bool {
        let greets = |template: &Template| {
            let verb = template.source.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
            matches!(verb.as_str(), "EHLO" | "HELO" | "LHLO" | "STARTTLS")
        };
        match self {
            Self::Wait
            | Self::Hello { .. }
            | Self::Starttls { .. }
            | Self::Tls
            | Self::Login
            | Self::Proxy(_)
            | Self::Xclient(_)
            | Self::Connect
            | Self::Sleep(_) => true,
            Self::Send(template) => greets(template),
            Self::Raw(_)
            | Self::Auth(_)
            | Self::Message(_)
            | Self::Body { .. }
            | Self::Bdat { .. }
            | Self::Pipeline(_)
            | Self::Steps(_)
            | Self::Quit
            | Self::Close(_)
            | Self::EndTls => false,
        }
    }

    /// Whether it begins with the greeting of the server.
    pub fn awaits_greeting(&self) -> bool {
        match self {
            Self::Wait | Self::Login => true,
            Self::Steps(members) => members.first().is_some_and(|member| member.action.awaits_greeting()),
            _ => false,
        }
    }

    /// Whether it opens a connection first.
    pub fn begins_with_connect(&self) -> bool {
        match self {
            Self::Connect => true,
            Self::Steps(members) => members.first().is_some_and(|member| member.action.begins_with_connect()),
            _ => false,
        }
    }

    /// Whether it sends QUIT.
    pub fn is_quit(&self) -> bool {
        match self {
            Self::Quit => true,
            Self::Send(template) => template.source.trim().eq_ignore_ascii_case("QUIT"),
            _ => false,
        }
    }

    /// The title of a step without a name.
    pub fn title(&self) -> String {
        let words = match self {
            Self::Wait => "wait for a reply",
            Self::Send(template) => &template.source,
            Self::Raw(_) => "raw bytes",
            Self::Hello { .. } => "EHLO",
            Self::Starttls { .. } => "STARTTLS",
            Self::Tls => "TLS handshake",
            Self::Auth(_) => "AUTH",
            Self::Login => "log in",
            Self::Message(_) => "message",
            Self::Body { .. } => "content",
            Self::Bdat { .. } => "BDAT",
            Self::Pipeline(members) => return format!("pipeline of {}", members.len()),
            Self::Steps(members) => return format!("group of {}", members.len()),
            Self::Quit => "QUIT",
            Self::Sleep(duration) => return format!("sleep {duration:?}"),
            Self::Close(_) => "close",
            Self::EndTls => "end of TLS",
            Self::Connect => "connect",
            Self::Proxy(_) => "PROXY",
            Self::Xclient(_) => "XCLIENT",
        };
        words.to_owned()
    }
}

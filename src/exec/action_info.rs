//! What an action is called, and which actions open a dialogue.

use crate::session::{Action, Template};

/// Whether the step belongs to what comes before `requires` is looked at.
pub fn is_prelude(action: &Action) -> bool {
    let greets = |template: &Template| {
        let verb = template.source.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        matches!(verb.as_str(), "EHLO" | "HELO" | "LHLO" | "STARTTLS")
    };
    match action {
        Action::Wait
        | Action::Hello { .. }
        | Action::Starttls { .. }
        | Action::Tls
        | Action::Login
        | Action::Proxy { .. }
        | Action::Xclient(_)
        | Action::Connect
        | Action::Sleep(_) => true,
        Action::Send(template) => greets(template),
        Action::Raw(_)
        | Action::Auth(_)
        | Action::Message(_)
        | Action::Body { .. }
        | Action::Pipeline(_)
        | Action::Steps(_)
        | Action::Quit
        | Action::Close(_) => false,
    }
}

/// Whether the server has the first word.
pub fn awaits_greeting(action: &Action) -> bool {
    match action {
        Action::Wait | Action::Login => true,
        Action::Steps(members) => members.first().is_some_and(|member| awaits_greeting(&member.action)),
        _ => false,
    }
}

/// Whether it sends QUIT and nothing else.
pub fn is_quit(action: &Action) -> bool {
    match action {
        Action::Quit => true,
        Action::Send(template) => template.source.trim().eq_ignore_ascii_case("QUIT"),
        _ => false,
    }
}

/// An action in words, for a step without a name.
pub fn action_title(action: &Action) -> String {
    let words = match action {
        Action::Wait => "wait for a reply",
        Action::Send(template) => &template.source,
        Action::Raw(_) => "raw bytes",
        Action::Hello { .. } => "EHLO",
        Action::Starttls { .. } => "STARTTLS",
        Action::Tls => "TLS handshake",
        Action::Auth(_) => "AUTH",
        Action::Login => "log in",
        Action::Message(_) => "message",
        Action::Body { .. } => "content",
        Action::Pipeline(members) => return format!("pipeline of {}", members.len()),
        Action::Steps(members) => return format!("group of {}", members.len()),
        Action::Quit => "QUIT",
        Action::Sleep(duration) => return format!("sleep {duration:?}"),
        Action::Close(_) => "close",
        Action::Connect => "connect",
        Action::Proxy { .. } => "PROXY",
        Action::Xclient(_) => "XCLIENT",
    };
    words.to_owned()
}

//! Writes the session file.

use super::builder::ImportedSession;
use super::dialogue::{LoggedDialogue, Side};
use super::log_format::LogFormat;
use super::secrets::SecretDisplay;
use super::steps::quoted;
use crate::transcript::escape_unprintable;
use std::fmt::Write;

/// The server that a session is for if the log names none: where `mailrun serve` listens.
const GUESS: &str = "127.0.0.1:2525";

/// Writes the session file. `name` is that of the log.
pub fn write_session(name: &str, format: LogFormat, dialogue: &LoggedDialogue, session: &ImportedSession) -> String {
    let comment = |text: &str| escape_unprintable(session.secrets.redact(text).as_bytes());
    let mut out = String::new();
    let _ = writeln!(
        out,
        "# Imported by `mailrun import` from {}: {}.",
        escape_unprintable(name.as_bytes()),
        format.title()
    );
    let mut unknown = Vec::new();
    if !dialogue.fidelity.line_ends {
        unknown.push("line ends (CRLF is a guess)");
    }
    if format != LogFormat::Pcap {
        unknown.push("pauses");
        if session.pipelined {
            unknown.push("which lines were sent in one write (a `pipeline` is a guess)");
        }
    }
    if !dialogue.fidelity.content {
        unknown.push("the content of messages");
    }
    if !unknown.is_empty() {
        let _ = writeln!(out, "# The log does not tell: {}.", unknown.join("; "));
    }
    match dialogue.other_connections {
        0 => {}
        1 => out.push_str("# The log has 1 more connection, which is not imported.\n"),
        n => {
            let _ = writeln!(out, "# The log has {n} more connections, which are not imported.");
        }
    }
    for (side, missing) in
        [(Side::Client, "the client, so the session only waits for the replies"), (Side::Server, "the server")]
    {
        if !dialogue.has_line_of(side) {
            let _ = writeln!(out, "# The log has no line of {missing}.");
        }
    }
    if let Some(line) = dialogue.wrapped {
        let _ = writeln!(
            out,
            "# Line {line} of the log seems to be wrapped: join it with the next one, and import the log again."
        );
    }
    write_server(dialogue.server.as_deref(), session.lmtp, &mut out);
    if session.unverified {
        out.push_str("\n[tls]\nverify = false  # the client of the log did not verify the certificate either\n");
    }
    if !session.secrets.list().is_empty() {
        out.push_str("\n[secrets]\n");
    }
    for secret in session.secrets.list() {
        let place = if secret.line > 0 { format!(" in line {}", secret.line) } else { String::new() };
        let what = match secret.display {
            SecretDisplay::AsSent => "its value is",
            SecretDisplay::Decoded => "in base64; its value is decoded",
            SecretDisplay::Hidden => "a guess: the value is hidden",
        };
        let _ = writeln!(
            out,
            "{} = {{ env = {} }}  # {what}{place} of the log",
            secret.name,
            quoted(&secret.name.to_ascii_uppercase())
        );
    }
    for step in &session.steps {
        out.push('\n');
        step.write(&comment, &mut out);
    }
    out
}

fn write_server(server: Option<&str>, lmtp: bool, out: &mut String) {
    let scheme = if lmtp { "lmtp" } else { "smtp" };
    let (url, remark) = match server {
        Some(path) if path.starts_with('/') => (format!("{scheme}+unix://{path}"), ""),
        Some(address) => match bracketed(address) {
            Some(address) => (format!("{scheme}://{address}"), ""),
            None => (format!("{scheme}://{GUESS}"), "  # a guess: the log does not name the server"),
        },
        None => (format!("{scheme}://{GUESS}"), "  # a guess: the log does not name the server"),
    };
    let _ = writeln!(out, "server = {}{remark}", quoted(&url));
}

/// `host:port` or `host`, with an IPv6 address in brackets; `None` if it is neither.
fn bracketed(address: &str) -> Option<String> {
    let address = address.trim();
    let valid =
        |host: &str| !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:".contains(&b));
    let port_is_valid = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    if let Some(rest) = address.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let port = port.strip_prefix(':').unwrap_or_default();
        let ok = host.parse::<std::net::Ipv6Addr>().is_ok() && (port.is_empty() || port_is_valid(port));
        return ok.then(|| address.to_owned());
    }
    if address.parse::<std::net::Ipv6Addr>().is_ok() && !address.contains("]") {
        // `2001:db8::1:25` is read as an address and its port if a program writes both so.
        let (host, port) = address.rsplit_once(':')?;
        let both = host.parse::<std::net::Ipv6Addr>().is_ok() && port_is_valid(port);
        return Some(if both { format!("[{host}]:{port}") } else { format!("[{address}]") });
    }
    match address.rsplit_once(':') {
        Some((host, port)) if port_is_valid(port) && valid(host) => {
            Some(if host.contains(':') { format!("[{host}]:{port}") } else { address.to_owned() })
        }
        Some(_) => None,
        None => valid(address).then(|| address.to_owned()),
    }
}

//! A difference, and how it is printed.

use super::dialogue::{ObservedExchange, ServerAnswer};
use crate::event::group_thousands;
use crate::transcript::escape_unprintable;
use std::fmt;

/// How many commands of one side are listed; more are counted.
const MAX_LISTED: usize = 20;
/// The most characters of an answer.
const MAX_ANSWER: usize = 300;

/// One of the two dialogues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiffSide {
    A,
    B,
}

impl fmt::Display for DiffSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

/// A difference between two dialogues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The servers answered differently. `capabilities` are those of EHLO that only A, and only B, offers so, if nothing
    /// else differs.
    Answers {
        connection: String,
        a: ObservedExchange,
        b: ObservedExchange,
        capabilities: Option<(Vec<String>, Vec<String>)>,
    },
    /// Only one side has these commands.
    Missing { side: DiffSide, connection: String, exchanges: Vec<ObservedExchange> },
}

impl fmt::Display for Difference {
    /// Several lines, without the last line's end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers { connection, a, b, capabilities } => {
                write!(f, "{}{}", on(connection), shown(&a.command))?;
                if !a.place.is_empty() {
                    write!(f, " ({})", shown(&places(a, b)))?;
                }
                let (said_a, said_b) = match capabilities {
                    None => (answers(a), answers(b)),
                    Some((only_a, only_b)) => {
                        f.write_str(": capabilities")?;
                        (offered(only_a), offered(only_b))
                    }
                };
                write!(f, "\n  A: {said_a}\n  B: {said_b}")
            }
            Self::Missing { side, connection, exchanges } => {
                write!(f, "{}only {side}", on(connection))?;
                for exchange in exchanges.iter().take(MAX_LISTED) {
                    write!(f, "\n  {side}: {}", shown(&exchange.command))?;
                    if !exchange.place.is_empty() {
                        write!(f, " ({})", shown(&exchange.place))?;
                    }
                    write!(f, ": {}", answers(exchange))?;
                }
                match exchanges.len().saturating_sub(MAX_LISTED) {
                    0 => Ok(()),
                    more => write!(f, "\n  {side}: {} more", group_thousands(more)),
                }
            }
        }
    }
}

fn on(connection: &str) -> String {
    if connection == "main" { String::new() } else { format!("[{}] ", escape_unprintable(connection.as_bytes())) }
}

/// The command is in the transcript's notation already; places have names of files.
fn shown(text: &str) -> String {
    shortened(&escape_unprintable(text.as_bytes()))
}

fn places(a: &ObservedExchange, b: &ObservedExchange) -> String {
    if a.place == b.place || b.place.is_empty() { a.place.clone() } else { format!("{}, {}", a.place, b.place) }
}

fn offered(list: &[String]) -> String {
    if list.is_empty() {
        "none of these".to_owned()
    } else {
        shortened(&escape_unprintable(list.join(", ").as_bytes()))
    }
}

fn answers(exchange: &ObservedExchange) -> String {
    let said: Vec<String> = exchange.answers.iter().map(answer).collect();
    if said.is_empty() { "no reply".to_owned() } else { shortened(&said.join("; then ")) }
}

fn answer(answer: &ServerAnswer) -> String {
    match answer {
        ServerAnswer::Reply(reply) => {
            let lines: Vec<String> = reply.lines.iter().map(|line| escape_unprintable(line)).collect();
            format!("{} {}", reply.code, lines.join(" / ")).trim_end().to_owned()
        }
        ServerAnswer::NotSmtp(text) => format!("not SMTP: {}", escape_unprintable(text.as_bytes())),
        ServerAnswer::Closed => "closed the connection".to_owned(),
        ServerAnswer::Reset => "reset the connection".to_owned(),
        ServerAnswer::TlsStarted => "TLS started".to_owned(),
        ServerAnswer::TlsFailed(why) => escape_unprintable(why.as_bytes()),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_ANSWER) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

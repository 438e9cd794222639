//! Makes an [`ObservedDialogue`] of lines in the order of the wire, or of the events of a run.

use super::dialogue::{ObservedConnection, ObservedDialogue, ObservedExchange, ServerAnswer};
use crate::event::{Cause, Event, Fact, Observer, Verdict};
use crate::smtp::lines::LineEnd;
use crate::tools::reply_pairing::{ClientLineKind, ReceivedLine, ReplyPairing};
use crate::transcript::{LineBody, unescape};

const GREETING: &str = "(greeting)";
const CONTENT: &str = "(content)";
const UNASKED: &str = "(unasked)";
const END: &str = "(end of the connection)";
const HANDSHAKE: &str = "(TLS handshake)";
/// Stands for a line of a SASL exchange, which may hold credentials.
const SASL_RESPONSE: &str = "(answer to 334)";

/// Collects what a server answers.
#[derive(Default)]
pub struct DialogueCollector {
    dialogue: ObservedDialogue,
    open: Vec<CollectedConnection>,
}

/// A connection whose lines are being read.
struct CollectedConnection {
    name: String,
    /// Its index in the dialogue.
    index: usize,
    pairing: ReplyPairing<SentCommand>,
    place: String,
}

/// A line that awaits a reply.
struct SentCommand {
    text: String,
    place: String,
}

impl DialogueCollector {
    /// The dialogue so far. What has no answer yet is in it, too.
    pub fn finish(mut self) -> ObservedDialogue {
        for name in self.open.iter().map(|open| open.name.clone()).collect::<Vec<_>>() {
            self.push_waiting(&name, None);
        }
        self.dialogue
    }

    /// A connection was opened.
    pub fn connected(&mut self, name: &str) {
        if self.open.iter().any(|open| open.name == name) {
            self.push_waiting(name, None);
            self.open.retain(|open| open.name != name);
        }
        let index = self.dialogue.connections.len();
        self.dialogue.connections.push(ObservedConnection { name: name.to_owned(), exchanges: Vec::new() });
        let pairing = ReplyPairing::default();
        self.open.push(CollectedConnection { name: name.to_owned(), index, pairing, place: String::new() });
    }

    /// Sets the place of the lines that follow on a connection.
    pub fn set_place(&mut self, name: &str, place: &str) {
        place.clone_into(&mut self.connection(name).place);
    }

    /// The client sent a line, in the transcript's notation.
    pub fn sent(&mut self, name: &str, text: &str) {
        let open = self.connection(name);
        let place = &open.place;
        open.pairing.sent(text, wire_length(text), || SentCommand { text: text.to_owned(), place: place.clone() });
    }

    /// The client sent content of this many octets.
    pub fn content_sent(&mut self, name: &str, octets: u64) {
        self.connection(name).pairing.octets_sent(octets);
    }

    /// The server sent a line, in the transcript's notation.
    pub fn received(&mut self, name: &str, text: &str) {
        let body = unescape(text).unwrap_or_else(|_| LineBody::plain(text.as_bytes(), LineEnd::CrLf));
        let line = body.pieces.join(&b"[secret]"[..]);
        let (answered, answer) = match self.connection(name).pairing.received(&line) {
            ReceivedLine::Partial => return,
            ReceivedLine::Reply(reply, answered) => (answered, ServerAnswer::Reply(reply)),
            ReceivedLine::NotSmtp(answered) => (answered, ServerAnswer::NotSmtp(text.to_owned())),
        };
        if let Some((kind, command)) = answered {
            return self.push(name, exchange(kind, command, Some(answer)));
        }
        match self.exchanges(name).last_mut() {
            None => self.push_own(name, GREETING, answer),
            // RFC 2033 §4.2: a reply for each recipient.
            Some(last) if last.command == CONTENT || last.verb() == "BDAT" => last.answers.push(answer),
            Some(_) => self.push_own(name, UNASKED, answer),
        }
    }

    /// A TLS handshake was done, or failed.
    pub fn handshake(&mut self, name: &str, answer: ServerAnswer) {
        self.push_own(name, HANDSHAKE, answer);
    }

    /// The server ended the connection.
    pub fn ended(&mut self, name: &str, answer: ServerAnswer) {
        let pairing = &self.connection(name).pairing;
        let (is_waiting, last_code) = (pairing.waiting().next().is_some(), pairing.last_code());
        if is_waiting {
            return self.push_waiting(name, Some(&answer));
        }
        match self.exchanges(name).last() {
            None => self.push_own(name, GREETING, answer),
            // RFC 5321 §3.8, §4.1.1.10: the server announced it.
            Some(last) if last.verb() == "QUIT" || matches!(last_code, 221 | 421) => {}
            Some(_) => self.push_own(name, END, answer),
        }
    }

    /// Adds what awaits a reply and gets this answer instead, or none.
    fn push_waiting(&mut self, name: &str, answer: Option<&ServerAnswer>) {
        let waiting: Vec<_> = self.connection(name).pairing.take_waiting().collect();
        for (kind, command) in waiting {
            self.push(name, exchange(kind, command, answer.cloned()));
        }
    }

    /// Adds what answers no command.
    fn push_own(&mut self, name: &str, what: &str, answer: ServerAnswer) {
        let place = self.connection(name).place.clone();
        self.push(name, ObservedExchange { command: what.to_owned(), place, answers: vec![answer] });
    }

    fn push(&mut self, name: &str, exchange: ObservedExchange) {
        self.exchanges(name).push(exchange);
    }

    fn exchanges(&mut self, name: &str) -> &mut Vec<ObservedExchange> {
        let index = self.connection(name).index;
        &mut self.dialogue.connections[index].exchanges
    }

    /// The connection of this name; one that was not announced is opened.
    fn connection(&mut self, name: &str) -> &mut CollectedConnection {
        let found = self.open.iter().position(|open| open.name == name);
        let at = found.unwrap_or_else(|| {
            self.connected(name);
            self.open.len() - 1
        });
        &mut self.open[at]
    }
}

fn exchange(kind: ClientLineKind, command: SentCommand, answer: Option<ServerAnswer>) -> ObservedExchange {
    let text = match kind {
        ClientLineKind::Command => command.text,
        ClientLineKind::SaslResponse => SASL_RESPONSE.to_owned(),
        ClientLineKind::Content => CONTENT.to_owned(),
    };
    ObservedExchange { command: text, place: command.place, answers: answer.into_iter().collect() }
}

/// The length of a line on the wire in octets. Of a secret it is unknown, and not counted.
fn wire_length(text: &str) -> u64 {
    let Ok(body) = unescape(text) else { return text.len() as u64 + 2 };
    let end = match body.end {
        LineEnd::CrLf => 2,
        LineEnd::Lf => 1,
        LineEnd::Missing => 0,
    };
    (body.pieces.iter().map(Vec::len).sum::<usize>() + end) as u64
}

impl Observer for DialogueCollector {
    fn observe(&mut self, event: &Event<'_>) {
        let name = event.connection;
        let mut text = String::new();
        match &event.fact {
            Fact::Connected { .. } => self.connected(name),
            Fact::StepStarted { step } => {
                let place = &step.place;
                if !place.file.is_empty() && self.open.iter().any(|open| open.name == name) {
                    self.set_place(name, &format!("{}:{}", place.file, place.line));
                }
            }
            Fact::LineSent(line) => {
                line.notation(&mut text);
                self.sent(name, &text);
            }
            Fact::Content(block) => self.content_sent(name, block.wire_length() as u64),
            Fact::LineReceived(line) => {
                line.notation(&mut text);
                self.received(name, &text);
            }
            Fact::TlsStarted { .. } => self.handshake(name, ServerAnswer::TlsStarted),
            Fact::ClosedByServer => self.ended(name, ServerAnswer::Closed),
            Fact::ResetByServer => self.ended(name, ServerAnswer::Reset),
            Fact::StepFinished { verdict: Verdict::Failed(failure) | Verdict::Error(failure), .. } => {
                if let Cause::Certificate { .. } | Cause::TlsFailed { .. } | Cause::TlsRefused { .. } = &failure.cause {
                    self.handshake(name, ServerAnswer::TlsFailed(failure.cause.to_string()));
                }
            }
            _ => {}
        }
    }
}

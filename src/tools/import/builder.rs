//! Builds the steps of a session from what a log shows.

use super::client_turn::{ClientItem, ClientPart, PartKind, TurnState, cut_turn};
use super::dialogue::{LogEvent, LoggedDialogue, LoggedEvent, Side};
use super::log_text::verb;
use super::part_steps::PartWriter;
use super::replies::{LoggedReply, ReplyAssembler};
use super::secrets::ImportedSecrets;
use super::steps::{WrittenStep, quoted};
use std::collections::HashMap;

/// What a log becomes.
#[derive(Debug, Default)]
pub struct ImportedSession {
    pub steps: Vec<WrittenStep>,
    pub secrets: ImportedSecrets,
    /// Whether a certificate was used that the log's client did not verify.
    pub unverified: bool,
    /// Whether the client spoke LMTP.
    pub lmtp: bool,
    /// Whether commands stand in one group.
    pub pipelined: bool,
}

/// One connection while its events are read.
#[derive(Debug, Default)]
struct LoggedConnection {
    turn: Vec<ClientItem>,
    replies: Vec<LoggedReply>,
    assembler: ReplyAssembler,
    state: TurnState,
    /// Commands that no reply has answered.
    unanswered: usize,
    comments: Vec<String>,
    /// The last command that was answered, in upper case.
    verb: String,
    /// Whether a handshake may follow: STARTTLS was answered 220.
    starttls: bool,
    ended: bool,
    /// Whether the log shows that another connection began after that.
    reconnects: bool,
    begun: bool,
}

struct Builder<'a> {
    dialogue: &'a LoggedDialogue,
    session: ImportedSession,
    writer: PartWriter,
}

/// Builds the steps of a session.
pub fn build(dialogue: &LoggedDialogue) -> ImportedSession {
    let mut builder = Builder { dialogue, session: ImportedSession::default(), writer: PartWriter::default() };
    let mut connections: HashMap<Option<String>, LoggedConnection> = HashMap::new();
    let mut current: Option<Option<String>> = None;
    for logged in &dialogue.events {
        // Lines of another connection end the turn, so that the steps stay in the order of the log.
        if let Some(before) = current.replace(logged.connection.clone()).filter(|name| *name != logged.connection)
            && let Some(connection) = connections.get_mut(&before)
        {
            builder.flush(connection, before.as_deref(), None);
        }
        let connection = connections.entry(logged.connection.clone()).or_insert_with(|| LoggedConnection {
            state: TurnState { greeting: true, ..TurnState::default() },
            ..LoggedConnection::default()
        });
        builder.event(connection, logged);
    }
    let mut rest: Vec<_> = connections.into_iter().collect();
    rest.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (name, mut connection) in rest {
        if let Some(cut) = connection.assembler.finish() {
            connection.replies.push(cut);
        }
        builder.flush(&mut connection, name.as_deref(), None);
        if !connection.comments.is_empty()
            && let Some(step) = builder.session.steps.last_mut()
        {
            let after: Vec<String> =
                connection.comments.drain(..).map(|comment| format!("after this: {comment}")).collect();
            step.comments.extend(after);
        }
    }
    let Builder { mut session, writer, .. } = builder;
    session.secrets = writer.secrets;
    session
}

impl Builder<'_> {
    fn event(&mut self, connection: &mut LoggedConnection, logged: &LoggedEvent) {
        let name = logged.connection.as_deref();
        match &logged.event {
            LogEvent::Line { side: Side::Client, .. } | LogEvent::MissingContent
                if connection.ended && !connection.reconnects =>
            {
                let comment = "the log has lines of the client after the connection ended";
                if connection.comments.last().is_none_or(|last| last != comment) {
                    connection.comments.push(comment.to_owned());
                }
            }
            LogEvent::Line { side: Side::Client, .. } | LogEvent::MissingContent => {
                if !connection.replies.is_empty() && !connection.assembler.is_open() {
                    self.flush(connection, name, None);
                }
                self.begin(connection, name);
                connection.turn.push(ClientItem::new(logged.line, &logged.event));
            }
            LogEvent::Line { side: Side::Server, body } => {
                self.begin(connection, name);
                let misses_content = connection.state.content && !self.dialogue.fidelity.content;
                if misses_content && connection.turn.is_empty() && !connection.assembler.is_open() {
                    connection.turn.push(ClientItem { line: logged.line, body: None });
                }
                if let Some(reply) = connection.assembler.push(body) {
                    connection.replies.push(reply);
                    // Later replies without a command in between may belong to the same group.
                    if connection.turn.len() <= connection.replies.len() {
                        self.flush(connection, name, None);
                    }
                }
            }
            LogEvent::TlsStarted { verified } => {
                self.flush(connection, name, None);
                self.session.unverified |= *verified == Some(false);
                self.handshake(connection, name);
            }
            LogEvent::TlsFailed(why) => {
                self.flush(connection, name, None);
                connection.starttls = false;
                connection.comments.push(format!("the TLS handshake failed: {why}"));
            }
            LogEvent::TlsClosed => {
                self.flush(connection, name, None);
                self.add(connection, name, WrittenStep::new("close", quoted("tls")));
            }
            LogEvent::Closed { by, reset } => self.closed(connection, name, *by, *reset),
            LogEvent::HalfClosed => {
                self.flush(connection, name, None);
                self.add(connection, name, WrittenStep::new("close", quoted("write")));
            }
            LogEvent::Connected => {
                self.flush(connection, name, None);
                connection.reconnects = connection.begun;
                connection.ended |= connection.begun;
            }
            LogEvent::Paused(time) => {
                self.flush(connection, name, None);
                let time = format!("{}ms", time.as_millis());
                self.add(connection, name, WrittenStep::new("sleep", quoted(&time)));
            }
            LogEvent::NoReply(text) => {
                self.flush(connection, name, None);
                connection.comments.push(format!("no reply came: {text}"));
            }
            LogEvent::Note(text) => {
                if !connection.turn.is_empty() && !connection.replies.is_empty() {
                    self.flush(connection, name, None);
                }
                connection.comments.push(text.clone());
            }
        }
    }

    /// Begins a connection, again after one that ended.
    fn begin(&mut self, connection: &mut LoggedConnection, name: Option<&str>) {
        connection.begun = true;
        if connection.ended {
            let comments = std::mem::take(&mut connection.comments);
            *connection = LoggedConnection { comments, begun: true, ..LoggedConnection::default() };
            connection.state.greeting = true;
            self.add(connection, name, WrittenStep::new("connect", "true"));
        } else if connection.starttls && !self.dialogue.fidelity.handshakes {
            connection.comments.push("a guess: the log does not show the handshake".to_owned());
            self.handshake(connection, name);
        }
    }

    fn handshake(&mut self, connection: &mut LoggedConnection, name: Option<&str>) {
        connection.starttls = false;
        let starttls = quoted("STARTTLS");
        let comments = std::mem::take(&mut connection.comments);
        match self.session.steps.last_mut() {
            Some(step) if step.value("send") == Some(&starttls) && step.value("on") == name.map(quoted).as_deref() => {
                step.comments.extend(comments);
                step.keys.retain(|(key, _)| *key != "expect");
                step.keys[0] = ("starttls", "true".to_owned());
            }
            _ => {
                connection.comments = comments;
                self.add(connection, name, WrittenStep::new("tls", "true"));
            }
        }
        // A handshake from the first byte comes before the greeting.
        connection.begun = true;
    }

    fn closed(&mut self, connection: &mut LoggedConnection, name: Option<&str>, by: Side, reset: bool) {
        if let Some(mut cut) = connection.assembler.finish() {
            cut.closed = by == Side::Server;
            connection.replies.push(cut);
        }
        let was_cut = connection.replies.last().is_some_and(|reply| reply.closed);
        let after_quit = self.flush(connection, name, Some(by)) || connection.verb == "QUIT";
        if connection.ended || !connection.begun {
            return;
        }
        connection.ended = true;
        if after_quit || was_cut {
            return;
        }
        let step = match by {
            Side::Server => WrittenStep::new("expect", quoted("close")),
            Side::Client if reset => WrittenStep::new("close", quoted("reset")),
            Side::Client => WrittenStep::new("close", "true"),
        };
        self.add(connection, name, step);
    }

    /// Adds a step of this connection, with the comments that wait.
    fn add(&mut self, connection: &mut LoggedConnection, name: Option<&str>, mut step: WrittenStep) {
        let mut comments = std::mem::take(&mut connection.comments);
        comments.append(&mut step.comments);
        step.comments = comments;
        if let Some(name) = name {
            step.keys.push(("on", quoted(name)));
        }
        self.session.steps.push(step);
    }

    /// Writes the steps of a turn and of the replies to it. `closed_by` is who closes the connection then; returns whether the
    /// close is part of the last step.
    fn flush(&mut self, connection: &mut LoggedConnection, name: Option<&str>, closed_by: Option<Side>) -> bool {
        let turn = std::mem::take(&mut connection.turn);
        let replies = std::mem::take(&mut connection.replies);
        if turn.is_empty() && replies.is_empty() {
            return false;
        }
        let codes: Vec<u16> = replies.iter().map(|reply| reply.code.unwrap_or(0)).collect();
        let open = connection.unanswered > 0;
        let parts = cut_turn(&turn, &codes, connection.state, self.dialogue.fidelity.content);
        let mut answers = replies.iter();
        let mut written: Vec<WrittenStep> = Vec::new();
        let mut closes = false;
        for (at, part) in parts.iter().enumerate() {
            let answer = if open || part.replies() == 0 { None } else { answers.next() };
            let last_of_all = at + 1 == parts.len() && closed_by == Some(Side::Server) && parts.len() == 1 && !open;
            if answer.is_none() && last_of_all && part.kind == PartKind::Command {
                closes = true;
                written.push(self.writer.closing(part));
                continue;
            }
            if answer.is_none() {
                connection.unanswered += part.replies();
            }
            self.note(connection, part, answer);
            written.push(self.writer.step(part, answer));
        }
        let extra: Vec<&LoggedReply> = answers.collect();
        if open {
            connection.unanswered = connection.unanswered.saturating_sub(extra.len());
        }
        if written.len() > 1 {
            self.session.pipelined = true;
            self.add(connection, name, WrittenStep { members: written, ..WrittenStep::default() });
        } else if let Some(step) = written.pop() {
            self.add(connection, name, step);
        }
        for reply in extra {
            self.add(connection, name, PartWriter::wait(reply));
        }
        if let Some(last) = replies.last() {
            self.writer.secrets.note_challenge(last);
            connection.state = TurnState {
                content: last.code == Some(354),
                sasl: last.code == Some(334),
                greeting: false,
                has_recipient: connection.state.has_recipient,
            };
        } else if parts.iter().any(|part| part.kind != PartKind::Bytes) {
            connection.state.content = false;
        }
        closes
    }

    /// Remembers what a command means for what follows.
    fn note(&mut self, connection: &mut LoggedConnection, part: &ClientPart, answer: Option<&LoggedReply>) {
        if part.kind != PartKind::Command {
            return;
        }
        let Some(line) = part.first() else { return };
        connection.verb = verb(line.trim_ascii());
        let accepted = answer.and_then(|reply| reply.code).map(|code| code < 300);
        let known = connection.state.has_recipient;
        connection.state.has_recipient = match connection.verb.as_str() {
            "MAIL" => None,
            "RCPT" if known != Some(true) => accepted.or(known),
            _ => known,
        };
        self.session.lmtp |= connection.verb == "LHLO";
        connection.starttls = connection.verb == "STARTTLS" && answer.is_some_and(|reply| reply.code == Some(220));
    }
}

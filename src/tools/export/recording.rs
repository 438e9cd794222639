//! A server in memory that answers as the session expects, and records what the client does. Waiting takes no time.

use super::adapt::{PlanKind, PlannedAnswer, StepPlan};
use super::command_replies::{SaslState, is_verb, natural_code, of_code};
use super::error::ExportError;
use super::recorded_dialogue::{ExportedStep, RecordedDialogue, WireAction, WireEvent};
use super::secret_pieces::{SecretPiece, SecretToken, cut, has_remnant, has_secret};
use super::server_offers::ServerOffers;
use crate::event::{Event, Fact, Observer};
use crate::exec::{
    Clock, CloseMode, ConnectError, ConnectOptions, ConnectionInfo, Interrupt, Network, Server, Stream, TlsError,
    TlsFacts, TlsOptions,
};
use crate::session::Scheme;
use crate::smtp::lines::split_lines;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Instant;

/// What is recorded, shared by network, clock and observer.
pub struct RecordingState {
    pub dialogue: RecordedDialogue,
    /// The first thing that cannot be exported.
    pub error: Option<ExportError>,
    plans: Vec<StepPlan>,
    tokens: Vec<SecretToken>,
    /// The plan of the step that runs, and how many of its answers were given.
    current: Option<(usize, usize)>,
    /// How many lines with a secret were announced since the last write.
    secret_lines: usize,
    offers: ServerOffers,
    connections: Vec<String>,
    own_server: Option<Server>,
    now: Instant,
}

/// Records a run.
#[derive(Clone)]
pub struct DialogueRecording(pub Rc<RefCell<RecordingState>>);

impl DialogueRecording {
    pub fn new(name: &str, plans: Vec<StepPlan>, tokens: Vec<SecretToken>, offers: ServerOffers) -> Self {
        Self(Rc::new(RefCell::new(RecordingState {
            dialogue: RecordedDialogue {
                name: name.to_owned(),
                optional_tls: offers.optional_starttls,
                ..RecordedDialogue::default()
            },
            error: None,
            plans,
            tokens,
            current: None,
            secret_lines: 0,
            offers,
            connections: Vec::new(),
            own_server: None,
            now: Instant::now(),
        })))
    }
}

impl RecordingState {
    fn push(&mut self, connection: usize, action: WireAction) {
        // What comes before the first step belongs to it.
        let step = self.dialogue.steps.len().saturating_sub(1);
        self.dialogue.actions.push(WireEvent { step, connection, action });
    }

    fn step_place(&self) -> ExportedStep {
        self.dialogue.steps.last().cloned().unwrap_or_default()
    }

    fn fail(&mut self, why: &str, help: &str) -> io::Error {
        let step = self.step_place();
        let message = format!("step {} ({}) cannot be exported: {why}", step.number, step.title);
        self.error.get_or_insert_with(|| ExportError::new(step.place, message, help));
        ErrorKind::ConnectionReset.into()
    }

    fn wrote(&mut self, connection: usize, bytes: &[u8]) -> io::Result<()> {
        let pieces = cut(bytes, &self.tokens);
        let found = pieces.iter().filter(|piece| !matches!(piece, SecretPiece::Bytes(_))).count();
        if has_remnant(&pieces, &self.tokens) || found < std::mem::take(&mut self.secret_lines) {
            return Err(self.fail(
                "a secret in it is changed or in pieces, so that its value would be needed",
                "send a secret as it is, or in base64",
            ));
        }
        if has_secret(&pieces) && split_lines(bytes).any(|line| is_verb(line.bytes, b"BDAT")) {
            return Err(self.fail("the length of the secret in it is not known", "leave the secret out of the octets"));
        }
        if has_secret(&pieces) {
            add_variables(&pieces, &mut self.dialogue.variables);
        }
        self.push(connection, WireAction::Send(pieces));
        Ok(())
    }

    fn wait(&mut self, connection: usize, until: Instant) {
        let duration = until.saturating_duration_since(self.now);
        if duration.is_zero() {
            return;
        }
        self.now = until;
        if let Some(WireEvent { action: WireAction::Pause(before), .. }) = self.dialogue.actions.last_mut() {
            *before += duration;
        } else {
            self.push(connection, WireAction::Pause(duration));
        }
    }

    /// Whether every answer of the step was given.
    fn is_answered(&self) -> bool {
        self.current.is_none_or(|(plan, given)| self.plans[plan].expects.len() <= given)
    }

    /// What the server answers now; `None` if nothing more is planned.
    fn next_answer(&mut self, last_line: &[u8], sasl: &mut SaslState) -> Option<PlannedAnswer> {
        let (plan, given) = self.current.as_mut()?;
        let plan = &self.plans[*plan];
        if plan.kind == PlanKind::Listed {
            let answer = plan.expects.get(*given).cloned();
            *given += 1;
            return answer;
        }
        *given += 1;
        let own = plan.expects.first().cloned();
        let code = sasl.code(last_line).or_else(|| natural_code(last_line));
        let Some(code) = code else {
            // Content, and the replies to it.
            return own.or_else(|| Some(PlannedAnswer::Reply(of_code("250"))));
        };
        match own {
            Some(PlannedAnswer::Reply(reply)) if code == "235" => Some(PlannedAnswer::Reply(reply)),
            _ if code == "250" && is_verb(last_line, b"RCPT") => Some(PlannedAnswer::Reply(of_code("25?"))),
            _ => Some(PlannedAnswer::Reply(of_code(code))),
        }
    }
}

fn add_variables(pieces: &[SecretPiece], variables: &mut Vec<String>) {
    for piece in pieces {
        match piece {
            SecretPiece::Variable(name) if !variables.contains(name) => variables.push(name.clone()),
            SecretPiece::Base64(inner) => add_variables(inner, variables),
            _ => {}
        }
    }
}

impl Observer for DialogueRecording {
    fn observe(&mut self, event: &Event<'_>) {
        let mut state = self.0.borrow_mut();
        match &event.fact {
            Fact::StepStarted { step } => {
                let known = state.plans.iter().position(|plan| plan.number == step.number && plan.place == step.place);
                state.current = known.map(|plan| (plan, 0));
                let label =
                    ExportedStep { number: step.number, title: step.title.to_string(), place: step.place.clone() };
                state.dialogue.steps.push(label);
            }
            Fact::LineSent(line) => state.secret_lines += usize::from(line.has_secret()),
            Fact::Content(block) if block.lines().any(|line| line.has_secret()) => {
                let _ = state.fail("its content has a secret", "leave the secret out of the content");
            }
            _ => {}
        }
    }
}

impl Clock for DialogueRecording {
    fn now(&self) -> Instant {
        self.0.borrow().now
    }

    fn timestamp(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    fn sleep_until(&self, until: Instant) {
        let mut state = self.0.borrow_mut();
        let connection = state.dialogue.actions.last().map_or(0, |event| event.connection);
        state.wait(connection, until);
    }

    fn interrupted(&self) -> Option<Interrupt> {
        None
    }
}

impl Network for DialogueRecording {
    fn connect(
        &mut self,
        server: &Server,
        _: &ConnectOptions,
        _: Instant,
    ) -> Result<(Box<dyn Stream>, ConnectionInfo), ConnectError> {
        let local = server.is_local();
        let mut state = self.0.borrow_mut();
        let connection = state.connections.len();
        state.connections.push(server.to_string());
        let is_own = state.own_server.get_or_insert_with(|| server.clone()) != server;
        state.push(connection, WireAction::Connect { server: server.clone(), is_own });
        let stream = RecordingStream {
            recording: self.clone(),
            connection,
            last_line: Vec::new(),
            sasl: SaslState::default(),
            pending: VecDeque::new(),
            has_quit: false,
            encrypted: server.scheme == Scheme::Smtps,
        };
        let info = ConnectionInfo {
            address: server.to_string(),
            local,
            resolved: Vec::new(),
            peer: None,
            local_address: local.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            exchanger: None,
            since: None,
        };
        Ok((Box::new(stream), info))
    }
}

/// The server's side of one connection.
struct RecordingStream {
    recording: DialogueRecording,
    connection: usize,
    /// The last line that the client wrote, without its end.
    last_line: Vec<u8>,
    sasl: SaslState,
    /// Bytes of the server that were not read yet.
    pending: VecDeque<u8>,
    /// QUIT was answered.
    has_quit: bool,
    encrypted: bool,
}

impl RecordingStream {
    /// The text of a reply; that to EHLO has capabilities.
    fn reply(&self, code: &str, state: &RecordingState) -> String {
        let extended = is_verb(&self.last_line, b"EHLO") || is_verb(&self.last_line, b"LHLO");
        match (code, extended) {
            // `Username:`
            ("334", _) => return "334 VXNlcm5hbWU6\r\n".to_owned(),
            ("250", true) => {}
            _ => return format!("{code} ok\r\n"),
        }
        let starttls = if state.offers.starttls && !self.encrypted { "250-STARTTLS\r\n" } else { "" };
        format!(
            "250-server\r\n{starttls}250 AUTH PLAIN LOGIN OAUTHBEARER XOAUTH2 {}\r\n",
            state.offers.mechanisms.join(" ")
        )
    }
}

impl Stream for RecordingStream {
    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        let recording = self.recording.clone();
        let mut state = recording.0.borrow_mut();
        if self.pending.is_empty() {
            let answer = state.next_answer(&self.last_line, &mut self.sasl);
            // The server closes after QUIT, whether or not the session waits for that.
            if self.has_quit && !matches!(answer, Some(PlannedAnswer::Close(_))) {
                return Ok(0);
            }
            if self.sasl.needs_challenge {
                return Err(state.fail(
                    "its answer depends on a challenge of the server",
                    "choose PLAIN or LOGIN with `mechanism` in [auth]",
                ));
            }
            match answer {
                Some(PlannedAnswer::Reply(reply)) => {
                    let natural = natural_code(&self.last_line).unwrap_or("250");
                    let first = reply.codes.first().map_or("250", String::as_str).replace('?', "0");
                    let code = if reply.accepts(natural) { natural.to_owned() } else { first };
                    self.has_quit = is_verb(&self.last_line, b"QUIT") && state.is_answered();
                    let lacks = is_verb(&self.last_line, b"EHLO")
                        && state.offers.optional_starttls
                        && !state.offers.starttls
                        && !self.encrypted;
                    state.push(self.connection, WireAction::Reply(reply));
                    if lacks {
                        state.push(self.connection, WireAction::LacksStarttls);
                    }
                    self.pending.extend(self.reply(&code, &state).bytes());
                }
                Some(PlannedAnswer::Close(within)) => {
                    state.push(self.connection, WireAction::AwaitClose(within));
                    return Ok(0);
                }
                Some(PlannedAnswer::Silence(duration)) => {
                    state.push(self.connection, WireAction::Silence(duration));
                    state.now = deadline;
                    return Err(ErrorKind::TimedOut.into());
                }
                Some(PlannedAnswer::Line) => {
                    state.push(self.connection, WireAction::AwaitLine);
                    self.pending.extend(*b"?\r\n");
                }
                // The rest of a silence, or of a wait for the end.
                None => {
                    state.now = state.now.max(deadline);
                    return Err(ErrorKind::TimedOut.into());
                }
            }
        }
        let count = buffer.len().min(self.pending.len());
        for (slot, byte) in buffer.iter_mut().zip(self.pending.drain(..count)) {
            *slot = byte;
        }
        Ok(count)
    }

    fn read_waiting(&mut self, _: &mut [u8]) -> io::Result<Option<usize>> {
        Ok(None)
    }

    fn write(&mut self, bytes: &[u8], _: Instant) -> io::Result<usize> {
        self.recording.0.borrow_mut().wrote(self.connection, bytes)?;
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let start = memchr::memrchr(b'\n', line).map_or(0, |at| at + 1);
        let line = &line[start..];
        self.last_line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        Ok(bytes.len())
    }

    fn start_tls(&mut self, options: &TlsOptions, _: Instant) -> Result<TlsFacts, TlsError> {
        self.recording.0.borrow_mut().push(self.connection, WireAction::StartTls(Box::new(options.clone())));
        self.encrypted = true;
        self.last_line.clear();
        Ok(TlsFacts { version: Some("TLSv1.3".to_owned()), ..TlsFacts::default() })
    }

    fn end_tls(&mut self, _: Instant) -> io::Result<bool> {
        self.recording.0.borrow_mut().push(self.connection, WireAction::EndTls);
        self.encrypted = false;
        Ok(true)
    }

    fn close(&mut self, how: CloseMode) -> io::Result<()> {
        self.recording.0.borrow_mut().push(self.connection, WireAction::Close(how));
        Ok(())
    }
}

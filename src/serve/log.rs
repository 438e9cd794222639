//! What a server logs: its transcript, and events as JSON Lines.

use crate::event::{HumanDuration, json_line};
use crate::smtp::lines::{WireLine, split_lines};
use crate::transcript::{Mark, escape_unprintable, hex_dump, write_notation, write_prefix};
use serde_json::{Value, json};
use std::io::{self, Write};
use std::time::Duration;

/// Something that happened on a connection, as the server saw it.
#[derive(Clone, Copy, Debug)]
pub enum ServerEvent<'a> {
    Connected {
        peer: &'a str,
    },
    /// `mark` is [`Mark::Client`] or [`Mark::Server`].
    Line {
        mark: Mark,
        line: WireLine<'a>,
    },
    TlsStarted {
        version: Option<&'a str>,
    },
    TlsFailed {
        why: &'a str,
    },
    TlsClosedByClient,
    /// A line, with its end, that was sent below TLS.
    OutsideTls {
        line: &'a [u8],
    },
    Paused {
        duration: Duration,
    },
    HalfClosed,
    ClosedByServer,
    ResetByServer,
    ClosedByClient,
    ResetByClient,
    /// The client deviated from the script.
    Mismatch {
        problem: &'a str,
    },
}

/// Receives what happens on the connections of a server.
pub trait ServerObserver: Send {
    /// `connection` counts from 1; `at` is the time since the server's first connection.
    fn observe(&mut self, connection: usize, at: Duration, event: &ServerEvent<'_>);
}

impl ServerEvent<'_> {
    /// The remark of the transcript; `None` for a line.
    fn remark(&self) -> Option<String> {
        Some(match self {
            Self::Line { .. } => return None,
            Self::Connected { peer } => format!("connected from {peer}"),
            Self::TlsStarted { version } => format!("TLS started: {}", version.unwrap_or("unknown version")),
            Self::TlsFailed { why } => format!("TLS handshake failed: {why}"),
            Self::TlsClosedByClient => "TLS closed by the client".to_owned(),
            Self::OutsideTls { line } => {
                let mut text = String::new();
                split_lines(line).for_each(|line| write_notation(line, &[], &mut text));
                format!("outside TLS: {text}")
            }
            Self::Paused { duration } => format!("paused for {}", HumanDuration(*duration)),
            Self::HalfClosed => "sending half closed by the server".to_owned(),
            Self::ClosedByServer => "closed by the server".to_owned(),
            Self::ResetByServer => "reset by the server".to_owned(),
            Self::ClosedByClient => "closed by the client".to_owned(),
            Self::ResetByClient => "reset by the client".to_owned(),
            Self::Mismatch { problem } => (*problem).to_owned(),
        })
    }

    /// Its name and fields in `--json -`.
    fn json(&self) -> (&'static str, Value) {
        match self {
            Self::Connected { peer } => ("connected", json!({ "peer": peer })),
            Self::Line { mark, line } => {
                let mut text = String::new();
                write_notation(*line, &[], &mut text);
                // The server's own view: what it received is the client's.
                let name = if *mark == Mark::Client { "line_received" } else { "line_sent" };
                (name, json!({ "mark": mark.letter(), "line": text }))
            }
            Self::TlsStarted { version } => ("tls_started", json!({ "version": version })),
            Self::TlsFailed { why } => ("tls_failed", json!({ "why": why })),
            Self::TlsClosedByClient => ("tls_closed_by_client", json!({})),
            Self::OutsideTls { line } => {
                let mut text = String::new();
                split_lines(line).for_each(|line| write_notation(line, &[], &mut text));
                ("sent_outside_tls", json!({ "line": text }))
            }
            Self::Paused { duration } => ("paused", json!({ "duration": duration.as_secs_f64() })),
            Self::HalfClosed => ("half_closed", json!({})),
            Self::ClosedByServer => ("closed_by_server", json!({})),
            Self::ResetByServer => ("reset_by_server", json!({})),
            Self::ClosedByClient => ("closed_by_client", json!({})),
            Self::ResetByClient => ("reset_by_client", json!({})),
            Self::Mismatch { problem } => ("mismatch", json!({ "problem": problem })),
        }
    }
}

/// What the lines of a server's transcript have besides the dialogue.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerTranscriptOptions {
    /// Each line begins with the seconds since the first connection.
    pub timestamps: bool,
    /// Each line is followed by its bytes.
    pub hex: bool,
}

/// Writes the transcript as the server saw it. Lines of the second connection are `C[2]:`, and so on.
pub struct ServerTranscript<W: Write> {
    out: W,
    options: ServerTranscriptOptions,
    error: Option<io::Error>,
}

impl<W: Write> ServerTranscript<W> {
    pub fn new(out: W, options: ServerTranscriptOptions) -> Self {
        Self { out, options, error: None }
    }

    /// The first failure to write.
    pub fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }
}

impl<W: Write + Send> ServerObserver for ServerTranscript<W> {
    fn observe(&mut self, connection: usize, at: Duration, event: &ServerEvent<'_>) {
        if self.error.is_some() {
            return;
        }
        let name = (connection > 1).then(|| connection.to_string());
        let mut page = String::new();
        let mut row = |mark: Mark, text: &str| {
            write_prefix(mark, name.as_deref(), self.options.timestamps.then_some(at), &mut page);
            if !text.is_empty() {
                page.push(' ');
                page.push_str(text);
            }
            page.push('\n');
        };
        if let ServerEvent::Line { mark, line } = event {
            let mut text = String::new();
            write_notation(*line, &[], &mut text);
            row(*mark, &text);
            if self.options.hex {
                hex_dump(*line, &[], |dump| row(Mark::Remark, dump));
            }
        }
        if let Some(remark) = event.remark() {
            row(Mark::Remark, &escape_unprintable(remark.as_bytes()));
        }
        self.error = self.out.write_all(page.as_bytes()).and_then(|()| self.out.flush()).err();
    }
}

/// Writes events as JSON Lines.
pub struct ServerJson<W: Write> {
    out: W,
}

impl<W: Write> ServerJson<W> {
    /// Errors are ignored here and below; `out` remembers them.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// Writes the first event: where the server listens.
    pub fn listening(&mut self, address: &str) {
        write_line(&mut self.out, &json!({ "event": "listening", "address": address }));
    }
}

impl<W: Write + Send> ServerObserver for ServerJson<W> {
    fn observe(&mut self, connection: usize, at: Duration, event: &ServerEvent<'_>) {
        let (name, fields) = event.json();
        let mut line = serde_json::Map::new();
        line.insert("event".to_owned(), name.into());
        line.insert("connection".to_owned(), connection.into());
        line.insert("at".to_owned(), (at.as_micros() as f64 / 1e6).into());
        if let Value::Object(fields) = fields {
            line.extend(fields);
        }
        write_line(&mut self.out, &Value::Object(line));
    }
}

/// Writes one line with a single call.
fn write_line(out: &mut impl Write, value: &Value) {
    let _ = out.write_all(json_line(value).as_bytes()).and_then(|()| out.flush());
}

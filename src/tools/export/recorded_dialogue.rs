//! What a run of the session does on the wire, in order.

use super::error::ExportError;
use super::secret_pieces::SecretPiece;
use crate::exec::{CloseMode, Server, TlsOptions};
use crate::session::Place;
use std::time::Duration;

/// What a run does, step by step.
#[derive(Clone, Debug, Default)]
pub struct RecordedDialogue {
    /// The name of the session's file.
    pub name: String,
    pub steps: Vec<ExportedStep>,
    pub actions: Vec<WireEvent>,
    /// STARTTLS is used only because the server offers it.
    pub optional_tls: bool,
    /// The environment variables with secrets, in the order of their first use.
    pub variables: Vec<String>,
}

/// A step, for comments and errors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportedStep {
    pub number: usize,
    pub title: String,
    pub place: Place,
}

/// An action, with the step that it belongs to and its connection, both by index.
#[derive(Clone, Debug)]
pub struct WireEvent {
    pub step: usize,
    pub connection: usize,
    pub action: WireAction,
}

#[derive(Clone, Debug)]
pub enum WireAction {
    /// A connection is opened. `is_own`: its server is not the session's.
    Connect {
        server: Server,
        is_own: bool,
    },
    /// One write.
    Send(Vec<SecretPiece>),
    Reply(AwaitedReply),
    /// The server is to close the connection.
    AwaitClose(Duration),
    /// The server is to send nothing for this time.
    Silence(Duration),
    /// A line that is not SMTP.
    AwaitLine,
    StartTls(Box<TlsOptions>),
    /// TLS ends, and the connection goes on in plain text.
    EndTls,
    /// The last reply to EHLO must not offer STARTTLS: mailrun would use it.
    LacksStarttls,
    Close(CloseMode),
    Pause(Duration),
}

/// A reply that is awaited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwaitedReply {
    /// Patterns of the shell for its code: `250`, `25?`, `???`.
    pub codes: Vec<String>,
    /// The end of the connection passes, too.
    pub or_close: bool,
    /// The deadline, if the session has one of its own.
    pub timeout: Option<Duration>,
}

impl AwaitedReply {
    /// Whether a reply with this code passes.
    pub fn accepts(&self, code: &str) -> bool {
        let matches = |pattern: &String| {
            pattern.bytes().zip(code.bytes()).all(|(wanted, digit)| wanted == b'?' || wanted == digit)
        };
        self.codes.iter().any(matches)
    }
}

impl RecordedDialogue {
    /// The error for an action that a format cannot express.
    pub fn cannot_express(&self, event: &WireEvent, format: &str, why: &str, help: &str) -> ExportError {
        let step = self.steps.get(event.step).cloned().unwrap_or_default();
        ExportError::new(
            step.place,
            format!("step {} ({}) cannot be exported as {format}: {why}", step.number, step.title),
            help,
        )
    }

    /// The session's server: that of the first connection.
    pub fn server(&self) -> Option<&Server> {
        self.actions.iter().find_map(|event| match &event.action {
            WireAction::Connect { server, is_own: false } => Some(server),
            _ => None,
        })
    }
}

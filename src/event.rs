//! What can happen in a session: facts in the past tense, with time and step, and verdicts.
//!
//! Facts carry no colour, no layout, no report's settings. Text from outside is [`Shown`]: redacted and escaped
//! where the fact is made, so that no report can leak or be forged.

use crate::session::{Place, TlsFacts};
use crate::smtp::lines::WireLine;
use crate::smtp::reply::ReplyError;
use crate::transcript::Shown;
use std::ops::Range;
use std::time::Duration;

/// How a session, or the program, ended: the codes of `sysexits.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    Passed,
    Failed,
    Usage,
    DataErr,
    NoInput,
    NoHost,
    Unavailable,
    Software,
    CantCreate,
    IoErr,
    TempFail,
    Protocol,
    NoPerm,
    Config,
    Interrupted,
    Terminated,
}

impl Status {
    /// The process's exit status.
    pub fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Usage => 64,
            Self::DataErr => 65,
            Self::NoInput => 66,
            Self::NoHost => 68,
            Self::Unavailable => 69,
            Self::Software => 70,
            Self::CantCreate => 73,
            Self::IoErr => 74,
            Self::TempFail => 75,
            Self::Protocol => 76,
            Self::NoPerm => 77,
            Self::Config => 78,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// `EX_TEMPFAIL`, and so on; empty where sysexits.h has no name.
    pub fn name(self) -> &'static str {
        todo!()
    }

    /// Of several sessions' ends the one that the program ends with: the first of 70, 73, 65, 66, 77, 78, 76, 1, 74,
    /// 68, 69, 75, 64 that occurred.
    pub fn worst(ends: impl IntoIterator<Item = Status>) -> Status {
        let _ = ends.into_iter();
        todo!()
    }
}

/// Something that happened.
#[derive(Debug)]
pub struct Event<'a> {
    /// Since the session's first connection was made; zero before.
    pub at: Duration,
    /// The connection's name; `main` is the default one.
    pub connection: &'a str,
    pub fact: Fact<'a>,
}

/// A line on the wire. Its secret parts cannot be had from it.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    line: WireLine<'a>,
    hidden: &'a [Range<usize>],
    /// Whether it is mail content.
    pub content: bool,
}

impl<'a> Line<'a> {
    pub fn new(line: WireLine<'a>, hidden: &'a [Range<usize>], content: bool) -> Self {
        Self { line, hidden, content }
    }

    /// Appends it as the transcript shows it.
    pub fn notation(&self, out: &mut String) {
        crate::transcript::notation(self.line, self.hidden, out);
    }

    /// Its length on the wire in bytes, with its end.
    pub fn wire_length(&self) -> usize {
        use crate::smtp::lines::LineEnd;
        self.line.bytes.len()
            + match self.line.end {
                LineEnd::CrLf => 2,
                LineEnd::Lf => 1,
                LineEnd::Missing => 0,
            }
    }
}

/// Which step an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepId {
    /// Counted from 1 over `open`, `step`, `close` as the file has them; the group's number for steps in a group.
    pub number: usize,
    /// `name`, or the action: `EHLO client.example`.
    pub title: Shown,
    pub place: Place,
    /// In `repeat`, from 1.
    pub repetition: Option<u32>,
    /// Of `retry`, from 1.
    pub attempt: u32,
}

/// The facts.
#[derive(Debug)]
pub enum Fact<'a> {
    SessionStarted {
        name: Shown,
        server: Shown,
    },
    HostResolved {
        host: Shown,
        addresses: Vec<std::net::IpAddr>,
    },
    Connected {
        address: Shown,
    },
    TlsStarted {
        tls: &'a TlsFacts,
        verify: bool,
    },
    /// Logged before it is written.
    LineSent(Line<'a>),
    /// Logged before it is judged.
    LineReceived(Line<'a>),
    Paused {
        duration: Duration,
    },
    /// The server ended the connection with FIN.
    ClosedByServer,
    /// The server ended the connection with RST.
    ResetByServer,
    ClosedByClient {
        how: crate::session::CloseHow,
    },
    StepStarted {
        step: &'a StepId,
    },
    StepFinished {
        step: &'a StepId,
        verdict: &'a Verdict,
        elapsed: Duration,
    },
    /// Worth saying, and no failure.
    Noted(Note),
    SessionFinished {
        outcome: &'a Outcome,
    },
}

/// Things worth saying that are no failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// STARTTLS was opportunistic and the server did not offer it, or refused it: the session goes on in clear.
    InClear { why: Shown },
    /// The certificate was not verified, and why not.
    NotVerified { why: Shown },
    /// A base64 prompt of the server's, decoded (`--verbose` shows it).
    Prompt { text: Shown },
    /// A message was delivered; QUIT failed behind it.
    QuitFailed { why: Shown },
    /// A secret is so short that it is hidden only where it is sent.
    ShortSecret { name: Shown },
    /// A step failed temporarily and is tried again.
    Retrying { attempt: u32, times: u32, wait: Duration },
    /// What a recipient's reply said.
    Recipient { address: Shown, outcome: RecipientOutcome, reply: Shown },
    /// A sleeping or interrupted program says so.
    Interrupted { signal: &'static str },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientOutcome {
    Accepted,
    Refused,
    Deferred,
    Unknown,
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    /// Answered otherwise than expected.
    Failed(Failure),
    /// No answer to judge.
    Error(Failure),
    Skipped(SkipReason),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// Its `if` was false.
    Condition,
    /// An earlier failure stopped the session, or the connection is unusable.
    EarlierFailure,
    /// `opportunistic` and not offered.
    NotOffered,
}

/// What went wrong, where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub status: Status,
    pub place: Place,
    pub cause: Cause,
}

/// Why a step or a session failed. `Display` says it in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `expected 250, got 550`.
    Unexpected {
        expected: Shown,
        got: Got,
    },
    AssertsFailed(Vec<FailedAssert>),
    CaptureMissed {
        name: Shown,
        pattern: Shown,
        text: Shown,
    },
    /// A limit passed: what was waited for, the limit, and the section that sets it, where it is a default.
    TimedOut {
        waiting_for: Shown,
        limit: Duration,
        section: Option<&'static str>,
    },
    /// The server ended the connection where a reply was due, or writing failed.
    Lost {
        why: Shown,
    },
    /// Content was complete and no reply came: RFC 1047's case.
    DeliveryUnknown {
        why: Shown,
    },
    NotSmtp(ReplyError),
    LineTooLong,
    /// Bytes came before a command was sent.
    OutOfTurn {
        text: Shown,
    },
    /// Bytes in the clear behind STARTTLS's reply (CVE-2011-0411).
    Injected {
        text: Shown,
    },
    CannotResolve {
        host: Shown,
        why: Shown,
    },
    CannotConnect {
        address: Shown,
        why: Shown,
    },
    /// The certificate is not to be trusted, and why; what it says.
    Certificate {
        why: Shown,
        details: Vec<Shown>,
    },
    TlsFailed {
        why: Shown,
    },
    AuthRefused {
        mechanism: Shown,
        reply: Shown,
    },
    /// The server lacks what the session needs.
    Lacking {
        what: Shown,
        help: Option<Shown>,
    },
    /// A SASL exchange that went wrong.
    Sasl {
        mechanism: Shown,
        why: Shown,
    },
    /// A rendered value is not valid, or a source has none.
    BadValue {
        what: Shown,
    },
    /// A file cannot be read.
    Unreadable {
        what: Shown,
    },
    Recipients {
        refused: Vec<(Shown, Shown)>,
    },
    Interrupted {
        signal: &'static str,
    },
}

/// What came instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    /// Code and text.
    Reply {
        code: u16,
        text: Shown,
    },
    Closed,
    Reset,
    Nothing,
    Malformed,
    Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedAssert {
    pub expression: Shown,
    pub place: Place,
    /// The names in it with their values.
    pub values: Vec<(Shown, Shown)>,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let _ = f;
        todo!()
    }
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub status: Status,
    /// The first failure.
    pub failure: Option<Failure>,
    /// Steps that ran, whatever came of them.
    pub steps_run: usize,
    /// Skipped as a whole, and why (`requires`).
    pub skipped: Option<Shown>,
}

/// Hears what happens. Reports and transcripts are observers, and nothing else.
pub trait Observer {
    fn observe(&mut self, event: &Event<'_>);
}

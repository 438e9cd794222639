//! Dialogues with a scripted server: each at every chunk size, over virtual time.

mod after_failure;
mod authentication;
mod deliveries;
mod dialogue_ends;
mod dialogues;
mod frames;
mod in_flight;
mod messages;
mod refused_commands;
mod row_runs;
mod rows;
mod secrets;
pub(crate) mod server;
mod timing;
mod variables;

use crate::event::{Event, Fact, Note, Observer, Outcome, Verdict};
use crate::exec::{RunOptions, run};
use crate::session::{SourceError, SourceFile, Sources, load};
use server::{ScriptedNetwork, ServerAct, VirtualClock};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// Files in memory; `short.eml` is said to be longer than it is.
struct Files;

impl Sources for Files {
    fn open(&self, path: &Path) -> Result<SourceFile, SourceError> {
        match path.to_str() {
            Some("short.eml") => Ok(SourceFile { reader: Box::new(&b"half a mail\n"[..]), length: 100, revision: 0 }),
            Some("eight.eml") => {
                let text = "From: a@example.com\nTo: b@example.com\n\nGrüße\n";
                Ok(SourceFile { reader: Box::new(text.as_bytes()), length: text.len() as u64, revision: 0 })
            }
            Some("template.eml") => {
                let text = "Dear {{ user }},\n{{ zork }}\nreply {{ reply.code }}\n";
                Ok(SourceFile { reader: Box::new(text.as_bytes()), length: text.len() as u64, revision: 0 })
            }
            Some("mail.eml") => Ok(SourceFile { reader: Box::new(&b"a mail\n"[..]), length: 7, revision: 0 }),
            Some("chain.toml") => {
                let text = "[vars]\na = 'x'\nb = '{{ a }}y'\n[[step]]\nsend = 'NOOP {{ b }}'\nexpect = 250\n";
                Ok(SourceFile { reader: Box::new(text.as_bytes()), length: text.len() as u64, revision: 0 })
            }
            // More than two chunks of BDAT.
            Some("huge.txt") => {
                let text = "0123456789012345678901234567890123456789012345678901234567890\n".repeat(40_000);
                let length = text.len() as u64;
                Ok(SourceFile { reader: Box::new(std::io::Cursor::new(text)), length, revision: 0 })
            }
            // Some blocks, in lines.
            Some("big.eml") => {
                let text = "0123456789012345678901234567890123456789012345678901234567890\n".repeat(5000);
                let length = text.len() as u64;
                Ok(SourceFile { reader: Box::new(std::io::Cursor::new(text)), length, revision: 0 })
            }
            _ => Err(SourceError::Unreadable(format!("{}: no such file", path.display()))),
        }
    }

    fn read_tls(&self, path: &Path) -> Result<Vec<u8>, SourceError> {
        Err(SourceError::Unreadable(format!("{}: no such file", path.display())))
    }

    fn env(&self, name: &str) -> Result<Option<String>, SourceError> {
        Ok((name == "PW").then(|| "hunter2-Zaphod".to_owned()))
    }

    fn command(&self, argv: &[String]) -> Result<Result<Vec<u8>, String>, SourceError> {
        match argv[0].as_str() {
            "echo" => Ok(Ok(format!("{}\n", argv[1..].join(" ")).into_bytes())),
            "false" => Ok(Err("the command \"false\" ended with status 1".into())),
            _ => Err(SourceError::Refused("commands are not allowed".into())),
        }
    }

    fn netrc(&self, _: &str, _: Option<&str>, _: &str) -> Result<Option<String>, SourceError> {
        Ok(None)
    }

    fn prompt(&self, _: &str, default: Option<&str>) -> Result<Option<String>, SourceError> {
        if default.is_some() { Ok(None) } else { Err(SourceError::Refused("no terminal".into())) }
    }
}

/// What happened, a line each.
#[derive(Default)]
struct Log(String);

impl Observer for Log {
    fn observe(&mut self, event: &Event<'_>) {
        let mark = if event.connection == "main" { String::new() } else { format!("[{}]", event.connection) };
        let mut line = String::new();
        match &event.fact {
            Fact::LineSent(sent) => {
                line = format!("C{mark}: ");
                sent.notation(&mut line);
            }
            Fact::Content(block) => {
                for sent in block.lines() {
                    self.0 += &format!("C{mark}: ");
                    sent.notation(&mut self.0);
                    self.0.push('\n');
                }
            }
            Fact::LineReceived(received) => {
                line = format!("S{mark}: ");
                received.notation(&mut line);
            }
            Fact::ClosedByServer => line = format!("*{mark}: closed by the server"),
            Fact::ResetByServer => line = format!("*{mark}: reset by the server"),
            Fact::ClosedByClient { .. } => line = format!("*{mark}: closed"),
            Fact::TlsStarted { .. } => line = format!("*{mark}: TLS"),
            Fact::StepFinished { step, verdict, .. } => match verdict {
                Verdict::Passed => {}
                Verdict::Failed(failure) => line = format!("failed: {} at {}", failure.cause, failure.place.line),
                Verdict::Error(failure) => line = format!("error: {} at {}", failure.cause, failure.place.line),
                Verdict::Skipped(reason) => line = format!("skipped {}: {} {reason:?}", step.number, step.title),
            },
            Fact::Noted(Note::RecipientResult { address, outcome, reply, message: _ }) => {
                line = format!("{address} {outcome:?}: {reply}")
            }
            Fact::Noted(note) => line = format!("note: {note:?}"),
            _ => {}
        }
        if !line.is_empty() {
            self.0 += &line;
            self.0.push('\n');
        }
    }
}

/// How a run went.
struct RunResult {
    outcome: Outcome,
    log: String,
    elapsed: Duration,
    wire: Vec<Vec<u8>>,
}

impl RunResult {
    fn wire(&self) -> String {
        String::from_utf8_lossy(&self.wire.concat()).into_owned()
    }
}

fn run_in_pieces(toml: &str, scripts: &[Vec<ServerAct>], piece: usize) -> RunResult {
    let server = if toml.starts_with("server = ") { "" } else { "server = \"smtp://127.0.0.1\"\n" };
    let text = format!("client_name = \"me\"\n{server}{toml}");
    let session =
        load("case.toml", &text, &Files, &[]).unwrap_or_else(|wrong| panic!("{text}\n{}", wrong.render(false)));
    let (time, wire) = (VirtualClock::new(), Rc::new(RefCell::new(Vec::new())));
    let mut network =
        ScriptedNetwork { scripts: scripts.to_vec().into(), time: time.clone(), piece, wire: wire.clone() };
    let mut log = Log::default();
    let outcome = run(&session, &RunOptions::default(), &Files, &mut network, time.as_ref(), &mut log);
    let wire = wire.take();
    RunResult { outcome, log: log.0, elapsed: time.elapsed(), wire }
}

/// Runs the session at every chunk size, with the same result.
fn run_script(toml: &str, script: &[ServerAct]) -> RunResult {
    run_scripts(toml, &[script.to_vec()])
}

fn run_scripts(toml: &str, scripts: &[Vec<ServerAct>]) -> RunResult {
    let whole = run_in_pieces(toml, scripts, usize::MAX);
    for piece in 1..=16 {
        let cut = run_in_pieces(toml, scripts, piece);
        assert_eq!(cut.outcome, whole.outcome, "in pieces of {piece}");
        assert_eq!(cut.log, whole.log, "in pieces of {piece}");
    }
    whole
}

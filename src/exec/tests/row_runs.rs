//! Runs rows over a connection to a scripted server, and says what became of each.

use super::server::ServerAct::{self, Fin, Hear, Say};
use super::server::{ScriptedNetwork, VirtualClock};
use super::{Files, Log};
use crate::event::{RowId, Status};
use crate::exec::{Clock, ConnectionLabel, DeliveryIntent, PreparedSession, Row, RowResult, RowSource, RunOptions};
use crate::session::{RowValue, load};
use crate::transcript::SafeText;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

/// Rows in memory, and what was reported of them.
struct TestRows {
    left: VecDeque<Row>,
    peeked: VecDeque<Row>,
    /// How many of the next rows an intent is recorded for.
    intents: usize,
    current: String,
    time: Rc<VirtualClock>,
    /// What was recorded and reported: `intent 1`, `1 Passed`.
    reported: Vec<String>,
}

impl TestRows {
    fn new(count: u64, time: Rc<VirtualClock>) -> Self {
        let columns: Arc<[String]> = ["n".to_owned()].into();
        let row = |number: u64| Row {
            id: Some(RowId {
                number,
                key: SafeText::new(number.to_string()),
                has_key: false,
                place: SafeText::default(),
                attempt: 1,
                repetition: None,
            }),
            value: Some(RowValue::from_fields(columns.clone(), vec![number.to_string()])),
            is_recorded: true,
            ..Row::default()
        };
        let left = (1..=count).map(row).collect();
        Self { left, peeked: VecDeque::new(), intents: 0, current: String::new(), time, reported: Vec::new() }
    }

    fn name(&self, ahead: usize) -> String {
        let row = ahead.checked_sub(1).and_then(|index| self.peeked.get(index));
        row.and_then(|row| row.id.as_ref()).map_or(self.current.clone(), |id| id.key.as_str().to_owned())
    }
}

impl RowSource for TestRows {
    fn next(&mut self) -> Option<Row> {
        if self.time.interrupted().is_some() && self.intents == 0 {
            return None;
        }
        self.intents = self.intents.saturating_sub(1);
        let row = self.peeked.pop_front().or_else(|| self.left.pop_front())?;
        self.current = row.id.as_ref().map(|id| id.key.as_str().to_owned()).unwrap_or_default();
        Some(row)
    }

    fn peek(&mut self, index: usize) -> Option<Row> {
        if self.peeked.len() == index && self.time.interrupted().is_none() {
            self.peeked.extend(self.left.pop_front());
        }
        self.peeked.get(index).cloned()
    }

    fn record_intent(&mut self, messages: &[DeliveryIntent<'_>]) -> Result<(), String> {
        let names: Vec<_> = messages.iter().map(|message| self.name(message.ahead)).collect();
        self.intents += messages.iter().filter(|message| message.ahead > 0).count();
        self.reported.push(format!("intent {}", names.join(" ")));
        Ok(())
    }

    fn finished(&mut self, row: &Row, result: RowResult) {
        let name = row.id.as_ref().map(|id| id.key.as_str().to_owned()).unwrap_or_default();
        if name != self.current {
            assert!(!result.started, "only what did not leave is finished before its turn");
            self.intents -= 1;
            match self.reported.last_mut().filter(|reported| reported.starts_with("unsent")) {
                Some(reported) => *reported += &format!(" {name}"),
                None => self.reported.push(format!("unsent {name}")),
            }
        } else if result.outcome.failure.is_none() && !result.started {
            self.left.push_front(row.clone());
        } else {
            self.reported.push(format!("{name} {:?}", result.outcome.status));
        }
    }
}

/// How the rows of one connection went.
#[derive(Debug, PartialEq)]
pub struct RunResult {
    pub log: String,
    pub reported: Vec<String>,
    pub status: Status,
    /// Rows whose turn did not come.
    pub left: usize,
}

/// Runs rows in a run in which a server has accepted a BDAT before.
pub fn run_in_pieces(toml: &str, count: u64, script: &[ServerAct], piece: usize) -> (RunResult, Vec<Vec<u8>>) {
    run_prepared(toml, count, script, piece, |ready| ready.run().shared.chunking.accept())
}

/// Runs rows after `prepare`.
pub fn run_prepared(
    toml: &str,
    count: u64,
    script: &[ServerAct],
    piece: usize,
    prepare: impl Fn(&PreparedSession<'_>),
) -> (RunResult, Vec<Vec<u8>>) {
    let text = format!("server = \"smtp://127.0.0.1\"\nclient_name = \"me\"\n{toml}");
    let session =
        load("case.toml", &text, &Files, &[]).unwrap_or_else(|wrong| panic!("{text}\n{}", wrong.render(false)));
    let (time, wire) = (VirtualClock::new(), Rc::new(RefCell::new(Vec::new())));
    let mut network =
        ScriptedNetwork { scripts: [script.to_vec()].into(), time: time.clone(), piece, wire: wire.clone() };
    let (settings, mut log) = (RunOptions::default(), Log::default());
    let mut rows = TestRows::new(count, time.clone());
    let ready = PreparedSession::new(&session, &settings, &Files, time.as_ref(), &mut log);
    let ready = ready.unwrap_or_else(|outcome| panic!("{outcome:?}"));
    prepare(&ready);
    let outcome =
        ready.run_connection(&mut ConnectionLabel::default(), &mut rows, &mut network, time.as_ref(), &mut log);
    let left = rows.left.len() + rows.peeked.len();
    assert_eq!(rows.intents, 0, "what was in flight had its turn");
    (RunResult { log: log.0, reported: rows.reported, status: outcome.status, left }, wire.take())
}

/// Plays rows at every chunk size, with the same result.
pub fn run_script(toml: &str, count: u64, script: &[ServerAct]) -> (RunResult, Vec<Vec<u8>>) {
    let whole = run_in_pieces(toml, count, script, usize::MAX);
    for piece in 1..=16 {
        assert_eq!(run_in_pieces(toml, count, script, piece).0, whole.0, "in pieces of {piece}");
    }
    whole
}

pub const MESSAGE: &str = "from = 'a@example.com'\nto = ['{{ row.n }}@example.com']\nsubject = 'n'\ntext = 'hi {{ row.n }}'\n\
                       date = '2026-11-03'\nmessage_id = '<1@example.com>'\n";
pub const ROWS: &str = "[rows]\nfile = 'p.csv'\n";

pub fn quit() -> Vec<ServerAct> {
    vec![Hear("QUIT"), Say("221 bye\r\n"), Fin]
}

/// The lines of each write that are no content.
pub fn verbs(wire: &[Vec<u8>]) -> Vec<String> {
    let verb = |line: &str| {
        let known = ["EHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "QUIT", "."];
        known.into_iter().find(|known| line.split(' ').next() == Some(*known))
    };
    let write = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).lines().filter_map(verb).collect::<Vec<_>>().join(" ");
    wire.iter().map(write).collect()
}

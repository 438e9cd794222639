//! Batches against a scripted server, each run twice: as it is, and with every displayed text replaced by `x`. Rows,
//! recipients and the status must come out alike: no text decides anything.

mod hidden_texts;

use super::ledger::{Ledger, LedgerAdmin, RecordedSession};
use super::options::{BatchOptions, WorkerOptions};
use super::queue::{RowQueue, RowStream};
use super::row_source::WorkerRowSource;
use crate::event::{Event, Observer, Status};
use crate::exec::tests::server::ServerAct::{self, Bdat, Content, Fin, Hear, Say, Signal};
use crate::exec::tests::server::{ScriptedNetwork, VirtualClock};
use crate::exec::{Clock, ConnectionLabel, PreparedSession, RunOptions};
use crate::net::NoNetwork;
use crate::session::{CsvOptions, KeyCase, load};
use crate::source::{RowReader, SystemSources};
use hidden_texts::{HiddenRowTexts, HiddenTexts};
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// A session, what the server does on one connection after another, and what the ledger says in the end.
struct Scenario {
    why: &'static str,
    session: String,
    /// `n` of each row; none: the session has no rows.
    rows: &'static [&'static str],
    connections: Vec<Vec<ServerAct>>,
    /// Of each row and recipient the state, in the ledger's order; then the status.
    expected: &'static str,
}

#[derive(Default)]
struct EventCount(usize);

impl Observer for EventCount {
    fn observe(&mut self, _: &Event<'_>) {
        self.0 += 1;
    }
}

/// The session of these tests, as the ledger knows it.
fn recorded_session() -> RecordedSession {
    RecordedSession { name: "case".to_owned(), key_column: Some("n".to_owned()), key_case: KeyCase::Exact }
}

/// Runs a scenario; `hides`: without any text.
fn run(scenario: &Scenario, hides: bool) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rows: String = scenario.rows.iter().map(|row| format!("{row}\n")).collect();
    std::fs::write(folder.path().join("p.csv"), format!("n\n{rows}")).expect("the folder can be written");
    let sources = SystemSources::new(folder.path(), &[], false).expect("the folder is there");
    let session = load("case.toml", &scenario.session, &sources, &[])
        .unwrap_or_else(|errors| panic!("{}\n{}", scenario.session, errors.render(false)));
    let clock = VirtualClock::new();
    let wire = Rc::new(RefCell::new(Vec::new()));
    let scripts = scenario.connections.clone().into();
    let mut network = ScriptedNetwork { scripts, time: clock.clone(), piece: usize::MAX, wire };
    let mut observer = HiddenTexts { observer: EventCount::default(), hides };
    let options = RunOptions::default();
    let prepared = PreparedSession::new(&session, &options, &sources, clock.as_ref(), &mut observer)
        .unwrap_or_else(|outcome| panic!("{outcome:?}"));
    let path = folder.path().join("l.db");
    let ledger = Arc::new(Ledger::open(&path, &[recorded_session()]).expect("a new ledger"));
    let has_rows = session.rows.is_some();
    let stream = match has_rows {
        false => RowStream::Times { remaining: 1, number: 0, until: None },
        true => RowStream::Rows {
            reader: Box::new(
                RowReader::open(&sources, Path::new("p.csv"), &CsvOptions::default()).expect("the rows are there"),
            ),
            key: Some("n".to_owned()),
            repeats_left: 0,
            repetition: 1,
            reopen: Box::new(|| panic!("there is no repetition")),
            until: None,
        },
    };
    let batch = BatchOptions { session: "case".to_owned(), ledger: Some(ledger.clone()), ..BatchOptions::default() };
    let queue = RowQueue::new(stream, batch);
    let workers = WorkerOptions {
        connections: 1,
        per_connection: 100,
        retry: session.retry.filter(|retry| retry.times > 0),
        patience: std::time::Duration::ZERO,
        rate: None,
        network: &|| Box::new(NoNetwork("the test has its own")),
        has_rows,
        statistics: None,
        all_deselected: false,
    };
    let mut label = ConnectionLabel::default();
    while let Some(task) = queue.wait_for_task(clock.as_ref()) {
        let mut rows = WorkerRowSource::new(&workers, &queue, clock.as_ref(), task);
        let mut source = HiddenRowTexts { source: &mut rows, hides };
        prepared.run_connection(&mut label, &mut source, &mut network, clock.as_ref(), &mut observer);
        rows.put_back_unfinished();
        if has_rows && rows.rows_begun == 0 {
            break;
        }
    }
    let outcome = queue.finish(clock.interrupted().map(|interrupt| Status::of_signal(interrupt.name)));
    assert!(observer.observer.0 > 0, "events were emitted");
    ledger.close().expect("the ledger can be written");
    let mut states = Vec::new();
    let admin = LedgerAdmin::open(&path).expect("the ledger is there");
    admin
        .list(None, &mut |entry| {
            let name = entry.recipient.map_or(entry.key, |recipient| format!("<{recipient}>"));
            states.push(format!("{name} {}", entry.state));
            true
        })
        .expect("the ledger can be read");
    format!("{}; {:?}", states.join(", "), outcome.status)
}

const HEAD: &str = "server = 'smtp://127.0.0.1'\nclient_name = 'me'\n";
const ROWS: &str = "[rows]\nfile = 'p.csv'\nkey = 'n'\n";

fn message(to: &str, more: &str) -> String {
    format!(
        "{HEAD}{more}[message]\nfrom = 'a@x'\nto = [{to}]\ntext = 'hi'\ndate = '2026-11-03'\nmessage_id = '<1@x>'\n"
    )
}

/// A session whose rows send mail with commands of their own.
fn raw(more: &str) -> String {
    let mail = "{ send = 'MAIL FROM:<a@x>', expect = 250 }, { send = 'RCPT TO:<{{ row.n }}@x>', expect = 250 }";
    let content = "{ send = 'DATA', expect = 354 }, { body = 'hi', expect = 250 }";
    format!(
        "{HEAD}open = [ {{ expect = 220 }} ]\nstep = [ {mail}, {content}{more} ]\nclose = [ {{ quit = true }} ]\n{ROWS}"
    )
}

fn begin(extensions: &'static str) -> Vec<ServerAct> {
    vec![Say("220 mx\r\n"), Hear("EHLO"), Say(extensions)]
}

/// The commands of a raw row, up to its content, and their replies.
const RAW: [ServerAct; 7] =
    [Hear("MAIL"), Say("250 a\r\n"), Hear("RCPT"), Say("250 b\r\n"), Hear("DATA"), Say("354 go\r\n"), Content];
const QUIT: [ServerAct; 3] = [Hear("QUIT"), Say("221 bye\r\n"), Fin];

fn scenarios() -> Vec<Scenario> {
    let plain = "250-mx\r\n250 8BITMIME\r\n";
    let one = "'{{ row.n }}@x'";
    let two = "'{{ row.n }}@x', 'c@x'";
    let envelope =
        [Hear("MAIL"), Say("250 a\r\n"), Hear("RCPT"), Say("250 b\r\n"), Hear("DATA"), Say("354 go\r\n"), Content];
    let again = |reply| [&[Hear("RSET"), Say("250 r\r\n")][..], &envelope, &[Say(reply)]].concat();
    let chunked = [Hear("MAIL"), Hear("RCPT"), Bdat];
    let next_chunked = [Hear("RSET"), Hear("MAIL"), Hear("RCPT"), Bdat];
    vec![
        Scenario {
            why: "each content has a reply of its own",
            session: message(one, "") + ROWS,
            rows: &["1", "2", "3"],
            connections: vec![
                [&begin(plain)[..], &envelope, &[Say("250 ok\r\n")], &envelope, &[Say("554 spam\r\n")], &envelope]
                    .concat()
                    .into_iter()
                    .chain([Say("451 later\r\n")])
                    .chain(QUIT)
                    .collect(),
            ],
            expected: "1 sent, 2 refused, 3 deferred; TempFail",
        },
        Scenario {
            why: "the connection is lost after the end of content, and before it was begun",
            session: message(one, "") + ROWS,
            rows: &["1", "2", "3"],
            connections: vec![
                [&begin(plain)[..], &envelope, &[Fin]].concat(),
                [&begin(plain)[..], &[Hear("MAIL"), Fin]].concat(),
                [&begin(plain)[..], &envelope, &[Say("250 ok\r\n")], &QUIT].concat(),
            ],
            expected: "1 unknown, 2 deferred, 3 sent; Unavailable",
        },
        Scenario {
            why: "recipients are refused, deferred and accepted",
            session: message(two, "").replace("[message]\n", "[message]\non_refused = 'skip'\n") + ROWS,
            rows: &["1", "2"],
            connections: vec![
                [
                    &begin(plain)[..],
                    &[Hear("MAIL"), Say("250 a\r\n"), Hear("RCPT"), Say("550 no\r\n"), Hear("RCPT"), Say("250 b\r\n")],
                    &[Hear("DATA"), Say("354 go\r\n"), Content, Say("250 ok\r\n")],
                    &[
                        Hear("MAIL"),
                        Say("250 a\r\n"),
                        Hear("RCPT"),
                        Say("450 later\r\n"),
                        Hear("RCPT"),
                        Say("250 b\r\n"),
                    ],
                    &[Hear("DATA"), Say("354 go\r\n"), Content, Say("250 ok\r\n")],
                    &QUIT,
                ]
                .concat(),
            ],
            expected: "1 refused, <1@x> refused, <c@x> sent, 2 deferred, <2@x> deferred, <c@x> sent; TempFail",
        },
        Scenario {
            why: "what was deferred is tried again, and what was refused is not",
            session: message(two, "").replace("[message]\n", "[message]\non_refused = 'skip'\n")
                + ROWS
                + "[retry]\ntimes = 1\nwait = '1s'\n",
            rows: &["1"],
            connections: vec![
                [
                    &begin(plain)[..],
                    &[
                        Hear("MAIL"),
                        Say("250 a\r\n"),
                        Hear("RCPT"),
                        Say("550 no\r\n"),
                        Hear("RCPT"),
                        Say("450 later\r\n"),
                    ],
                    &QUIT,
                ]
                .concat(),
                [&begin(plain)[..], &envelope, &[Say("250 ok\r\n")], &QUIT].concat(),
            ],
            expected: "1 refused, <1@x> refused, <c@x> sent; Failed",
        },
        Scenario {
            why: "messages in flight, of which the server heard one",
            session: message(one, "") + ROWS + "in_flight = 3\n",
            rows: &["1", "2", "3", "4"],
            connections: vec![
                [
                    &begin("250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n")[..],
                    &chunked,
                    &[Say("250 a\r\n250 b\r\n250 ok\r\n")],
                    &chunked,
                    &next_chunked,
                    &next_chunked,
                    &[Say("250 a\r\n250 b\r\n421 enough\r\n"), Fin],
                ]
                .concat(),
                [&begin(plain)[..], &envelope, &[Say("250 ok\r\n")], &envelope, &[Say("250 ok\r\n")], &QUIT].concat(),
            ],
            expected: "1 sent, 2 deferred, 3 sent, 4 sent; TempFail",
        },
        Scenario {
            why: "messages in flight, and no reply to the last two",
            session: message(one, "") + ROWS + "in_flight = 3\n",
            rows: &["1", "2", "3", "4"],
            connections: vec![
                [
                    &begin("250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n")[..],
                    &chunked,
                    &[Say("250 a\r\n250 b\r\n250 ok\r\n")],
                    &chunked,
                    &next_chunked,
                    &next_chunked,
                    &[Say("250 a\r\n250 b\r\n250 ok\r\n"), Fin],
                ]
                .concat(),
            ],
            expected: "1 sent, 2 sent, 3 unknown, 4 unknown; IoErr",
        },
        Scenario {
            why: "LMTP answers for each recipient",
            session: message(two, "").replace("smtp://127.0.0.1", "lmtp://127.0.0.1") + ROWS,
            rows: &["1"],
            connections: vec![
                [
                    &[Say("220 mx\r\n"), Hear("LHLO"), Say("250 mx\r\n"), Hear("MAIL"), Say("250 a\r\n")][..],
                    &[Hear("RCPT"), Say("250 b\r\n"), Hear("RCPT"), Say("250 b\r\n"), Hear("DATA"), Say("354 go\r\n")],
                    &[Content, Say("250 ok\r\n552 full\r\n")],
                    &QUIT,
                ]
                .concat(),
            ],
            expected: "1 refused, <1@x> sent, <c@x> refused; Failed",
        },
        Scenario {
            why: "a signal after the end of content",
            session: message(one, "") + ROWS,
            rows: &["1", "2"],
            connections: vec![[&begin(plain)[..], &envelope, &[Signal, Say("250 ok\r\n")]].concat()],
            expected: "1 sent, 2 pending; Interrupted",
        },
        Scenario {
            why: "a session without rows",
            session: message("'b@x'", ""),
            rows: &[],
            connections: vec![[&begin(plain)[..], &envelope, &[Say("450 later\r\n")], &QUIT].concat()],
            expected: "- deferred; TempFail",
        },
        Scenario {
            why: "rows that speak SMTP themselves: accepted, refused, deferred",
            session: raw(""),
            rows: &["1", "2", "3"],
            connections: vec![
                [
                    &[Say("220 mx\r\n")][..],
                    &RAW,
                    &[Say("250 queued as A\r\n")],
                    &RAW,
                    &[Say("554 no\r\n")],
                    &RAW,
                    &[Say("451 later\r\n")],
                    &QUIT,
                ]
                .concat(),
            ],
            expected: "1 sent, 2 refused, 3 deferred; TempFail",
        },
        Scenario {
            why: "rows that speak SMTP themselves: RCPT refused, MAIL refused, no reply to the content",
            session: raw(""),
            rows: &["1", "2", "3"],
            connections: vec![
                [
                    &[Say("220 mx\r\n"), Hear("MAIL"), Say("250 a\r\n"), Hear("RCPT"), Say("550 no\r\n")][..],
                    &[Hear("RSET"), Say("250 r\r\n"), Hear("MAIL"), Say("553 no\r\n"), Hear("RSET"), Say("250 r\r\n")],
                    &RAW,
                    &[Fin],
                ]
                .concat(),
            ],
            expected: "1 refused, 2 deferred, 3 unknown; Failed",
        },
        Scenario {
            why: "content of the session's own was accepted before what failed",
            session: raw(", { send = 'NOOP', expect = 250 }"),
            rows: &["1"],
            connections: vec![
                [&[Say("220 mx\r\n")][..], &RAW, &[Say("250 ok\r\n"), Hear("NOOP"), Say("550 no\r\n")], &QUIT].concat(),
            ],
            expected: "1 sent; Failed",
        },
        Scenario {
            why: "after a message that was refused RSET comes first",
            session: message(one, "") + ROWS,
            rows: &["1", "2"],
            connections: vec![
                [
                    &begin(plain)[..],
                    &[Hear("MAIL"), Say("250 a\r\n"), Hear("RCPT"), Say("550 no\r\n")],
                    &again("250 ok\r\n"),
                    &QUIT,
                ]
                .concat(),
            ],
            expected: "1 refused, 2 sent; Failed",
        },
    ]
}

#[test]
fn no_displayed_text_decides_a_state_or_a_status() {
    for scenario in scenarios() {
        assert_eq!(run(&scenario, false), scenario.expected, "{}", scenario.why);
        assert_eq!(run(&scenario, true), scenario.expected, "{}: without any text", scenario.why);
    }
}

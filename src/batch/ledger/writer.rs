//! The writer thread: it collects the requests of all workers and commits them together.

use super::requests::{Claim, LedgerUpdate, RecipientUpdate, RecordedState, SendingRow, WriterCommand};
use super::schema::{LedgerRun, Store, error_text, timestamp};
use super::state::{recipient_word, row_word};
use crate::smtp::queue_id::queue_id;
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// How long results wait for the next intent, to share its commit.
const MAX_DELAY: Duration = Duration::from_millis(50);
/// The most requests in one commit.
const MAX_GROUP: usize = 512;

/// A worker that waits for the commit.
enum PendingResponse {
    Claim(Sender<Result<Vec<Claim>, String>>, Vec<Claim>),
    States(Sender<Result<Vec<RecordedState>, String>>, Vec<RecordedState>),
    Intents(Sender<Result<(), String>>),
}

/// Writes until all senders are gone.
pub fn run_writer(store: Store, run: LedgerRun, commands: &Receiver<WriterCommand>) -> Result<(), String> {
    // The keys seen in this run. SQLite moves the table to a file when it grows.
    let seen = store
        .db
        .execute_batch("CREATE TEMP TABLE seen (session TEXT, key TEXT, PRIMARY KEY (session, key)) WITHOUT ROWID");
    let mut updates: Vec<LedgerUpdate> = Vec::new();
    let mut since: Option<Instant> = None;
    let mut open = seen.is_ok();
    while open {
        let mut asked = Vec::new();
        let patience = since.map_or(Duration::from_secs(3600), |since| MAX_DELAY.saturating_sub(since.elapsed()));
        match commands.recv_timeout(patience) {
            Ok(command) => asked.push(command),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => open = false,
        }
        while asked.len() < MAX_GROUP
            && let Ok(command) = commands.try_recv()
        {
            asked.push(command);
        }
        let waits = asked.iter().any(|command| !matches!(command, WriterCommand::Update(_)));
        let mut questions = Vec::new();
        for command in asked {
            match command {
                WriterCommand::Update(update) => updates.push(update),
                question => questions.push(question),
            }
        }
        if !updates.is_empty() {
            since.get_or_insert_with(Instant::now);
        }
        let due = since.is_some_and(|since| since.elapsed() >= MAX_DELAY);
        let last = !open && !updates.is_empty();
        if !waits && !due && !last {
            continue;
        }
        match commit(&store, &run, &updates, questions) {
            Ok(()) => {
                updates.clear();
                since = None;
            }
            // They are written with the next commit. If that fails too, the run ends with the error.
            Err(why) if !open => {
                return Err(why);
            }
            Err(_) => since = Some(Instant::now()),
        }
    }
    store.end_run(run).map_err(|error| error_text(&error))
}

/// Writes all in one transaction; workers that wait are answered when it is durable.
fn commit(
    store: &Store,
    run: &LedgerRun,
    updates: &[LedgerUpdate],
    questions: Vec<WriterCommand>,
) -> Result<(), String> {
    let mut waiting = Vec::new();
    let mut failed = None;
    let mut dead_runs_released = false;
    let result = (|| {
        let transaction = Transaction::new_unchecked(&store.db, TransactionBehavior::Immediate)?;
        for update in updates {
            apply_update(&transaction, update)?;
        }
        for question in questions {
            // Each request is answered, even if the transaction fails.
            match question {
                WriterCommand::Claim { session, rows, resend_unknown, answer } => {
                    waiting.push(PendingResponse::Claim(answer, Vec::new()));
                    if failed.is_some() {
                        continue;
                    }
                    let claimed = claim(store, run.id, &session, &rows, resend_unknown, &mut dead_runs_released);
                    match (claimed, waiting.last_mut()) {
                        (Ok(claimed), Some(PendingResponse::Claim(_, slot))) => *slot = claimed,
                        (Err(error), _) => failed = Some(error),
                        _ => {}
                    }
                }
                WriterCommand::States { session, keys, answer } => {
                    match states(&transaction, run.id, &session, &keys) {
                        Ok(states) => waiting.push(PendingResponse::States(answer, states)),
                        Err(error) => failed = Some(error),
                    }
                }
                WriterCommand::RecordIntents { session, rows, answer } => {
                    waiting.push(PendingResponse::Intents(answer));
                    if failed.is_none() {
                        failed = rows.iter().try_for_each(|row| mark_sending(&transaction, &session, row)).err();
                    }
                }
                WriterCommand::Update(_) => {}
            }
        }
        match failed.take() {
            Some(error) => Err(error),
            None => transaction.commit(),
        }
    })();
    let result: Result<(), String> = result.map_err(|error: rusqlite::Error| error_text(&error));
    for one in waiting {
        // A worker that has ended needs no answer.
        match one {
            PendingResponse::Claim(answer, claimed) => drop(answer.send(result.clone().map(|()| claimed))),
            PendingResponse::States(answer, states) => drop(answer.send(result.clone().map(|()| states))),
            PendingResponse::Intents(answer) => drop(answer.send(result.clone())),
        }
    }
    result
}

/// Claims the rows that are left to this run, within a transaction. `dead_runs_released`: dead runs were released already.
fn claim(
    store: &Store,
    run: i64,
    session: &str,
    rows: &[(String, u64)],
    resend_unknown: bool,
    dead_runs_released: &mut bool,
) -> rusqlite::Result<Vec<Claim>> {
    let db = &store.db;
    let mut claimed = Vec::with_capacity(rows.len());
    for (key, number) in rows {
        let mut see = db.prepare_cached("INSERT OR IGNORE INTO temp.seen VALUES (?1, ?2)")?;
        if see.execute((session, key))? == 0 {
            claimed.push(Claim::DuplicateKey);
            continue;
        }
        let mut find = db.prepare_cached("SELECT state, run, message_id FROM row WHERE session = ?1 AND key = ?2")?;
        type Found = (String, Option<i64>, Option<String>);
        let mut look = || -> rusqlite::Result<Option<Found>> {
            find.query_row((session, key), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
        };
        let mut found = look()?;
        if found.as_ref().is_some_and(|(_, holder, _)| holder.is_some_and(|holder| holder != run))
            && !*dead_runs_released
        {
            // The run that has claimed it may have died since this one began.
            store.release_dead_runs()?;
            *dead_runs_released = true;
            found = look()?;
        }
        let number = i64::try_from(*number).unwrap_or(i64::MAX);
        let Some((state, holder, message_id)) = found else {
            let mut add = db.prepare_cached(
                "INSERT INTO row (session, key, number, state, run, changed) VALUES (?1, ?2, ?3, 'pending', ?4, ?5)",
            )?;
            add.execute((session, key, number, run, timestamp()))?;
            let (excluded, refused) = Default::default();
            claimed.push(Claim::Claimed { message_id: None, excluded, refused, maybe_sent_before: false });
            continue;
        };
        let answer = match state.as_str() {
            _ if holder.is_some_and(|holder| holder != run) => Claim::Held,
            "sent" => Claim::SentBefore,
            "refused" => Claim::RefusedBefore,
            "unknown" if !resend_unknown => Claim::UnknownBefore,
            _ => {
                let mut take =
                    db.prepare_cached("UPDATE row SET run = ?3, number = ?4 WHERE session = ?1 AND key = ?2")?;
                take.execute((session, key, run, number))?;
                let mut done = db.prepare_cached(
                    "SELECT address, state, coalesce(reply, '') FROM recipient WHERE session = ?1 AND key = ?2
                     AND (state IN ('sent', 'refused') OR (state = 'unknown' AND NOT ?3))",
                )?;
                let mut done = done.query((session, key, resend_unknown))?;
                let (mut excluded, mut refused) = (Vec::new(), Vec::new());
                while let Some(row) = done.next()? {
                    let address: String = row.get(0)?;
                    if row.get::<_, String>(1)? == "refused" {
                        refused.push((address.clone(), row.get(2)?));
                    }
                    excluded.push(address);
                }
                Claim::Claimed { message_id, excluded, refused, maybe_sent_before: state == "unknown" }
            }
        };
        claimed.push(answer);
    }
    Ok(claimed)
}

/// What the ledger has of rows that this run did not begin.
fn states(db: &Transaction<'_>, run: i64, session: &str, keys: &[String]) -> rusqlite::Result<Vec<RecordedState>> {
    let mut find = db.prepare_cached("SELECT state, run FROM row WHERE session = ?1 AND key = ?2")?;
    keys.iter()
        .map(|key| {
            let found = find.query_row((session, key), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            let found: Option<(String, Option<i64>)> = found;
            Ok(match &found {
                Some((_, Some(holder))) if *holder != run => RecordedState::Held,
                Some((state, _)) => match state.as_str() {
                    "sent" => RecordedState::Sent,
                    "refused" => RecordedState::Refused,
                    "unknown" | "sending" => RecordedState::Unknown,
                    _ => RecordedState::Left,
                },
                None => RecordedState::Left,
            })
        })
        .collect()
}

fn mark_sending(db: &Transaction<'_>, session: &str, sending: &SendingRow) -> rusqlite::Result<()> {
    let SendingRow { key, message_id, recipients, counts_attempt } = sending;
    let mut row = db.prepare_cached(
        "UPDATE row SET state = 'sending', message_id = coalesce(?3, message_id), attempts = attempts + ?5, changed = ?4
         WHERE session = ?1 AND key = ?2",
    )?;
    row.execute((session, key, message_id, timestamp(), counts_attempt))?;
    if needs_recipient_rows(recipients.iter().map(|(name, _)| name)) {
        for (address, counts_attempt) in recipients {
            put_recipient(db, session, key, address, "sending", None, *counts_attempt)?;
        }
    }
    Ok(())
}

fn apply_update(db: &Transaction<'_>, update: &LedgerUpdate) -> rusqlite::Result<()> {
    let LedgerUpdate { session, key, state, message_id, reply, recipients, maybe_sent_before, .. } = update;
    if update.skipped {
        let mut forget = db
            .prepare_cached("DELETE FROM row WHERE session = ?1 AND key = ?2 AND state = 'pending' AND attempts = 0")?;
        return forget.execute((session, key)).map(drop);
    }
    let stays = |word: &'static str| if *maybe_sent_before && word == "deferred" { "unknown" } else { word };
    let word = state.and_then(row_word).map(stays).or(maybe_sent_before.then_some("unknown"));
    let queue_id = reply.as_deref().and_then(queue_id);
    // Without a new state the row stays as it was. If it is `sending` it was not sent: the end of its content did not leave.
    let mut row = db.prepare_cached(
        "UPDATE row SET state = coalesce(?3, CASE state WHEN 'sending' THEN 'pending' ELSE state END),
         message_id = coalesce(?4, message_id), reply = iif(?3 IS NULL, reply, ?5),
         queue_id = iif(?3 IS NULL, queue_id, ?6), changed = iif(?3 IS NULL AND state != 'sending', changed, ?7),
         attempts = attempts + ?8 WHERE session = ?1 AND key = ?2",
    )?;
    row.execute((session, key, word, message_id, reply, queue_id, timestamp(), update.counts_attempt))?;
    if needs_recipient_rows(recipients.iter().map(|one| &one.name)) || has_recipient_rows(db, session, key)? {
        for RecipientUpdate { name, outcome, reply, counts_attempt } in recipients {
            let state = match (recipient_word(*outcome), word) {
                // Another recipient was refused, which stopped the message for all: nothing was sent to this one.
                ("deferred", Some("refused")) => "pending",
                (state, _) => stays(state),
            };
            put_recipient(db, session, key, name, state, Some(reply), *counts_attempt)?;
        }
        // Nothing was sent to the other recipients.
        let mut rest = db.prepare_cached(
            "UPDATE recipient SET state = CASE ?3 WHEN 'unknown' THEN 'unknown' ELSE 'pending' END, changed = ?4
             WHERE session = ?1 AND key = ?2 AND state = 'sending'",
        )?;
        rest.execute((session, key, word, timestamp()))?;
    }
    Ok(())
}

/// Whether recipients are recorded besides the row: it has several, in one message or in several. Those of several
/// messages are named like `message 2: b@example.com`, and no address begins so.
fn needs_recipient_rows<'r>(mut recipients: impl ExactSizeIterator<Item = &'r String>) -> bool {
    recipients.len() > 1 || recipients.any(|name| name.starts_with("message "))
}

fn has_recipient_rows(db: &Transaction<'_>, session: &str, key: &str) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM recipient WHERE session = ?1 AND key = ?2 LIMIT 1")?.exists((session, key))
}

fn put_recipient(
    db: &Transaction<'_>,
    session: &str,
    key: &str,
    address: &str,
    state: &str,
    reply: Option<&str>,
    counts_attempt: bool,
) -> rusqlite::Result<()> {
    let mut put = db.prepare_cached(
        "INSERT INTO recipient (session, key, address, state, reply, changed, attempts)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET state = excluded.state, reply = excluded.reply, changed = excluded.changed,
         attempts = attempts + excluded.attempts",
    )?;
    put.execute((session, key, address, state, reply, timestamp(), counts_attempt)).map(drop)
}

//! The writer thread: it collects the requests of all workers and commits them together.

use super::reply_text::stored_reply;
use super::requests::{Claim, ClaimRequest, LedgerUpdate, RecipientUpdate, RecordedState, SendingRow, WriterCommand};
use super::schema::{LedgerRun, Store, error_text, timestamp};
use super::state::{recipient_word, row_word};
use crate::session::{KeyCase, comparison_key};
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
    let seen = store.db.execute_batch(
        "CREATE TEMP TABLE seen (session TEXT, key TEXT, line INTEGER, PRIMARY KEY (session, key)) WITHOUT ROWID",
    );
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
                WriterCommand::Claim { session, rows, key_case, resend_unknown, answer } => {
                    waiting.push(PendingResponse::Claim(answer, Vec::new()));
                    if failed.is_some() {
                        continue;
                    }
                    let claimant = Claimant { store, run: run.id, session: &session, key_case, resend_unknown };
                    let claimed = claimant.claim(&rows, &mut dead_runs_released);
                    match (claimed, waiting.last_mut()) {
                        (Ok(claimed), Some(PendingResponse::Claim(_, slot))) => *slot = claimed,
                        (Err(error), _) => failed = Some(error),
                        _ => {}
                    }
                }
                WriterCommand::States { session, keys, key_case, answer } => {
                    let claimant = Claimant { store, run: run.id, session: &session, key_case, resend_unknown: false };
                    match claimant.states(&keys) {
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

/// A run that claims rows of a session, within a transaction.
struct Claimant<'c> {
    store: &'c Store,
    run: i64,
    session: &'c str,
    key_case: KeyCase,
    resend_unknown: bool,
}

/// What the ledger has of a row.
struct StoredRow {
    key: String,
    state: String,
    /// The run that has claimed it.
    holder: Option<i64>,
    message_id: Option<String>,
}

/// The number as SQLite stores it.
fn stored_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Claimant<'_> {
    /// Claims the rows that are left to this run. `dead_runs_released`: dead runs were released already.
    fn claim(&self, rows: &[ClaimRequest], dead_runs_released: &mut bool) -> rusqlite::Result<Vec<Claim>> {
        let Self { store, run, session, key_case, .. } = *self;
        let db = &store.db;
        let mut claimed = Vec::with_capacity(rows.len());
        for ClaimRequest { key, number, line } in rows {
            let compared = comparison_key(key, key_case);
            let mut see = db.prepare_cached("INSERT OR IGNORE INTO temp.seen VALUES (?1, ?2, ?3)")?;
            if see.execute((session, &compared, stored_number(*line)))? == 0 {
                let mut find = db.prepare_cached("SELECT line FROM temp.seen WHERE session = ?1 AND key = ?2")?;
                let line: i64 = find.query_row((session, &compared), |row| row.get(0))?;
                claimed.push(Claim::DuplicateKey { line: line.unsigned_abs() });
                continue;
            }
            let mut found = self.find(&compared)?;
            let is_held = |row: &StoredRow| row.holder.is_some_and(|holder| holder != run);
            if found.as_ref().is_some_and(is_held) && !*dead_runs_released {
                // The run that has claimed it may have died since this one began.
                store.release_dead_runs()?;
                *dead_runs_released = true;
                found = self.find(&compared)?;
            }
            let number = stored_number(*number);
            claimed.push(match found {
                None => self.add(key, number)?,
                Some(row) if is_held(&row) => Claim::Held,
                Some(row) => self.take(row, number)?,
            });
        }
        Ok(claimed)
    }

    /// The row with the key. If several keys differ only in case the row that is most certainly sent counts.
    fn find(&self, compared: &str) -> rusqlite::Result<Option<StoredRow>> {
        let mut find = self.store.db.prepare_cached(match self.key_case {
            KeyCase::Exact => "SELECT key, state, run, message_id FROM row WHERE session = ?1 AND key = ?2",
            KeyCase::Ignore => {
                "SELECT key, state, run, message_id FROM row WHERE session = ?1 AND folded = ?2 ORDER BY CASE state
                 WHEN 'sent' THEN 0 WHEN 'refused' THEN 1 WHEN 'unknown' THEN 2 WHEN 'sending' THEN 2 ELSE 3 END"
            }
        })?;
        find.query_row((self.session, compared), |row| {
            Ok(StoredRow { key: row.get(0)?, state: row.get(1)?, holder: row.get(2)?, message_id: row.get(3)? })
        })
        .optional()
    }

    /// What the ledger says of rows that are left when the run ends.
    fn states(&self, keys: &[String]) -> rusqlite::Result<Vec<RecordedState>> {
        let state_of = |key: &String| {
            let found = self.find(&comparison_key(key, self.key_case))?;
            Ok(found.map_or(RecordedState::Left, |row| match row.state.as_str() {
                _ if row.holder.is_some_and(|holder| holder != self.run) => RecordedState::Held,
                "sent" => RecordedState::Sent,
                "refused" => RecordedState::Refused,
                "unknown" | "sending" => RecordedState::Unknown,
                _ => RecordedState::Left,
            }))
        };
        keys.iter().map(state_of).collect()
    }

    /// Claims a row that the ledger does not have. Keys that are addresses are stored in one spelling.
    fn add(&self, key: &str, number: i64) -> rusqlite::Result<Claim> {
        let (key, folded) = (comparison_key(key, KeyCase::Exact), comparison_key(key, KeyCase::Ignore));
        let mut add = self.store.db.prepare_cached(
            "INSERT INTO row (session, key, folded, number, state, run, changed)
             VALUES (?1, ?2, ?3, ?4, 'pending', ?5, ?6)",
        )?;
        add.execute((self.session, &key, folded, number, self.run, timestamp()))?;
        Ok(Claim::Claimed {
            key,
            message_id: None,
            excluded: Vec::new(),
            refused: Vec::new(),
            maybe_sent_before: false,
        })
    }

    /// Claims a row that the ledger has, if it is to be sent.
    fn take(&self, row: StoredRow, number: i64) -> rusqlite::Result<Claim> {
        let StoredRow { key, state, message_id, .. } = row;
        match state.as_str() {
            "sent" => return Ok(Claim::SentBefore),
            "refused" => return Ok(Claim::RefusedBefore),
            "unknown" if !self.resend_unknown => return Ok(Claim::UnknownBefore),
            _ => {}
        }
        let db = &self.store.db;
        let mut take = db.prepare_cached("UPDATE row SET run = ?3, number = ?4 WHERE session = ?1 AND key = ?2")?;
        take.execute((self.session, &key, self.run, number))?;
        let mut done = db.prepare_cached(
            "SELECT address, state, coalesce(reply, '') FROM recipient WHERE session = ?1 AND key = ?2
             AND (state IN ('sent', 'refused') OR (state = 'unknown' AND NOT ?3))",
        )?;
        let mut done = done.query((self.session, &key, self.resend_unknown))?;
        let (mut excluded, mut refused) = (Vec::new(), Vec::new());
        while let Some(row) = done.next()? {
            let address: String = row.get(0)?;
            if row.get::<_, String>(1)? == "refused" {
                refused.push((address.clone(), row.get(2)?));
            }
            excluded.push(address);
        }
        Ok(Claim::Claimed { key, message_id, excluded, refused, maybe_sent_before: state == "unknown" })
    }
}

/// Records that a message is about to be sent to these recipients.
fn mark_sending(db: &Transaction<'_>, session: &str, sending: &SendingRow) -> rusqlite::Result<()> {
    let SendingRow { key, message_id, recipients, earlier, counts_attempt } = sending;
    let mut row = db.prepare_cached(
        "UPDATE row SET state = 'sending', message_id = coalesce(?3, message_id), attempts = attempts + ?5, changed = ?4
         WHERE session = ?1 AND key = ?2",
    )?;
    row.execute((session, key, message_id, timestamp(), counts_attempt))?;
    let names = earlier.iter().map(|one| &one.name).chain(recipients.iter().map(|(name, _)| name));
    // The last recipient of several needs its own record too: without one, whoever resolves the row sends to it again.
    if needs_recipient_rows(names) || has_recipient_rows(db, session, key)? {
        for RecipientUpdate { name, outcome, reply, counts_attempt } in earlier {
            let reply = Some(reply.as_str()).filter(|reply| !reply.is_empty());
            put_recipient(db, session, key, name, recipient_word(*outcome), reply, *counts_attempt)?;
        }
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
    let reply = reply.as_deref().map(stored_reply);
    // Without a new state the row stays as it was. If it is `sending` it was not sent: the end of its content did not leave.
    // Of a row that is still pending it is recorded why. What an earlier attempt left unknown keeps its reason.
    let mut row = db.prepare_cached(
        "UPDATE row SET state = coalesce(?3, CASE state WHEN 'sending' THEN 'pending' ELSE state END),
         message_id = coalesce(?4, message_id),
         reply = CASE WHEN ?5 IS NOT NULL AND (?3 IS NOT NULL OR state IN ('pending', 'sending')) THEN ?5
         WHEN ?3 IS NULL AND state = 'sending' THEN NULL WHEN ?3 IS NULL OR ?9 THEN reply END,
         queue_id = iif(?3 IS NULL, queue_id, ?6), changed = iif(?3 IS NULL AND state != 'sending', changed, ?7),
         attempts = attempts + ?8 WHERE session = ?1 AND key = ?2",
    )?;
    row.execute((
        session,
        key,
        word,
        message_id,
        reply,
        queue_id,
        timestamp(),
        update.counts_attempt,
        maybe_sent_before,
    ))?;
    if needs_recipient_rows(recipients.iter().map(|one| &one.name)) || has_recipient_rows(db, session, key)? {
        for RecipientUpdate { name, outcome, reply, counts_attempt } in recipients {
            let state = match (recipient_word(*outcome), word) {
                // Another recipient was refused, which stopped the message for all: nothing was sent to this one.
                ("deferred", Some("refused")) => "pending",
                (state, _) => stays(state),
            };
            let reply = (state == recipient_word(*outcome) || state == "pending").then_some(reply.as_str());
            put_recipient(db, session, key, name, state, reply, *counts_attempt)?;
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
fn needs_recipient_rows<'r>(mut recipients: impl Iterator<Item = &'r String>) -> bool {
    let first = recipients.next();
    first.is_some_and(|name| name.starts_with("message ")) || recipients.any(|name| Some(name) != first)
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
         ON CONFLICT DO UPDATE SET state = excluded.state,
         reply = iif(excluded.state = 'unknown', coalesce(excluded.reply, reply), excluded.reply), changed = excluded.changed,
         attempts = attempts + excluded.attempts",
    )?;
    put.execute((session, key, address, state, reply.map(stored_reply), timestamp(), counts_attempt)).map(drop)
}

//! What `mailrun ledger` does: counts, lists, resolves unknown rows, merges shards.

use super::reply_text::{RESOLVED, RUN_ENDED};
use super::schema::{LedgerError, Store, timestamp};
use super::state::{STATES, rank};
use crate::exec::message_id_of;
use crate::session::{KeyCase, comparison_key};
use crate::smtp::queue_id::queue_id;
use crate::transcript::escape_unprintable;
use rusqlite::OptionalExtension;
use std::path::Path;

/// A row of the ledger, or a recipient of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The session's name.
    pub session: String,
    /// The row's key.
    pub key: String,
    /// The recipient, if the row has several.
    pub recipient: Option<String>,
    /// One of [`STATES`].
    pub state: String,
    /// The Message-ID, once the message was prepared.
    pub message_id: Option<String>,
    /// The reply that decided the state, or why there was none.
    pub reply: Option<String>,
    /// The name that the server gave the message.
    pub queue_id: Option<String>,
    /// How many times the row, or the recipient, was sent, or tried.
    pub attempts: i64,
    /// When the row, or the recipient, changed last, in UTC: `2026-11-30T03:00:00Z`.
    pub changed: String,
}

/// Which rows to resolve.
pub enum ResolveTarget<'a> {
    Key(&'a str),
    State(&'a str),
}

/// What came of resolving rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResolveCounts {
    /// Rows that are in the new state.
    pub resolved: usize,
    /// Rows that are deferred instead: what was unknown of them is sent, and they have more to send.
    pub deferred: usize,
}

/// An open ledger, for people. A batch may use it at the same time.
pub struct LedgerAdmin {
    store: Store,
}

impl LedgerAdmin {
    /// Opens an existing ledger.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::from_store(Store::open_existing(path)?)
    }

    /// Opens a ledger to merge others into; creates it if there is none.
    pub fn open_or_create(path: &Path) -> Result<Self, LedgerError> {
        Self::from_store(Store::open(path)?)
    }

    fn from_store(store: Store) -> Result<Self, LedgerError> {
        let admin = Self { store };
        match admin.release_dead_runs() {
            // With a full disk the ledger can still be read. The rows of a dead run stay `sending` until there is room.
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) => Ok(admin),
            Err(error) => Err(admin.error(&error)),
            Ok(()) => Ok(admin),
        }
    }

    fn release_dead_runs(&self) -> rusqlite::Result<()> {
        let transaction = self.store.db.unchecked_transaction()?;
        self.store.release_dead_runs()?;
        transaction.commit()
    }

    fn error(&self, error: &rusqlite::Error) -> LedgerError {
        LedgerError::unusable(&self.store.path, &super::schema::error_text(error))
    }

    /// The number of rows in each state, in the order of [`STATES`]; states without rows are omitted.
    pub fn counts(&self) -> Result<Vec<(String, usize)>, LedgerError> {
        let read = || -> rusqlite::Result<Vec<(String, i64)>> {
            let mut statement = self.store.db.prepare("SELECT state, count(*) FROM row GROUP BY state")?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?.collect()
        };
        let counts = read().map_err(|error| self.error(&error))?;
        let mut counts: Vec<_> =
            counts.into_iter().map(|(state, count)| (state, usize::try_from(count).unwrap_or_default())).collect();
        counts.sort_by_key(|(state, _)| STATES.iter().position(|known| known == state));
        Ok(counts)
    }

    /// Calls `visit` with each row, and with each recipient of rows that have several, in the order of the rows' numbers. Stops
    /// when `visit` returns false.
    pub fn list(&self, state: Option<&str>, visit: &mut dyn FnMut(LedgerEntry) -> bool) -> Result<(), LedgerError> {
        let read = |visit: &mut dyn FnMut(LedgerEntry) -> bool| -> rusqlite::Result<()> {
            let mut rows = self.store.db.prepare(
                "SELECT session, key, NULL, state, message_id, iif(state = 'sending', NULL, reply), queue_id, attempts, changed, number FROM row
                 WHERE ?1 IS NULL OR state = ?1
                 UNION ALL
                 SELECT r.session, r.key, r.address, r.state, w.message_id, r.reply, NULL, r.attempts,
                 coalesce(r.changed, w.changed), w.number FROM recipient r JOIN row w ON w.session = r.session AND w.key = r.key
                 WHERE ?1 IS NULL OR r.state = ?1
                 ORDER BY 1, 10, 2, 3",
            )?;
            let mut rows = rows.query([state])?;
            while let Some(row) = rows.next()? {
                let (recipient, reply): (Option<String>, Option<String>) = (row.get(2)?, row.get(5)?);
                let base: Option<String> = row.get(4)?;
                let said = recipient.as_ref().and(reply.as_deref()).and_then(queue_id).map(str::to_owned);
                let entry = LedgerEntry {
                    session: row.get(0)?,
                    key: row.get(1)?,
                    state: row.get(3)?,
                    message_id: base
                        .map(|base| recipient.as_deref().map_or(base.clone(), |name| message_id_of(name, &base))),
                    queue_id: row.get::<_, Option<String>>(6)?.or(said),
                    recipient,
                    reply,
                    attempts: row.get(7)?,
                    changed: row.get(8)?,
                };
                if !visit(entry) {
                    break;
                }
            }
            Ok(())
        };
        read(visit).map_err(|error| self.error(&error))
    }

    /// Puts rows into state `to`, with all their recipients that are not sent or refused.
    ///
    /// If a whole row is refused its refused recipients are tried again with it. Of an unknown row only unknown recipients
    /// become sent. A row that has more to send becomes deferred and not sent; so does a row of several messages, because
    /// messages that were never begun are not recorded. Rows that a run has claimed are not changed.
    pub fn resolve(&self, which: &ResolveTarget<'_>, to: &str) -> Result<ResolveCounts, LedgerError> {
        let write = || -> rusqlite::Result<ResolveCounts> {
            let transaction = self.store.db.unchecked_transaction()?;
            let (key, folded, state) = match which {
                ResolveTarget::Key(key) => {
                    let compared = |case| Some(comparison_key(key, case));
                    (compared(KeyCase::Exact), compared(KeyCase::Ignore), None)
                }
                ResolveTarget::State(state) => (None, None, Some(*state)),
            };
            transaction.execute(
                "UPDATE recipient SET state = ?3, changed = ?4, reply = iif(state = ?3, reply, ?5) WHERE state != 'sent' AND EXISTS (SELECT 1 FROM row w
                 WHERE w.session = recipient.session AND w.key = recipient.key AND w.run IS NULL
                 AND (w.key = ?1 OR w.state = ?2 OR (w.folded = ?6 AND w.session IN
                 (SELECT name FROM session WHERE key_case = 'ignore')))
                 AND (recipient.state != 'refused' OR (w.state = 'refused' AND ?3 != 'sent'))
                 AND (?3 != 'sent' OR w.state != 'unknown' OR recipient.state IN ('unknown', 'sending')))",
                (&key, state, to, timestamp(), RESOLVED, &folded),
            )?;
            let mut changed = ResolveCounts::default();
            {
                let mut update = transaction.prepare(
                    "UPDATE row SET changed = ?4, reply = iif(state = ?3, reply, ?5), state = CASE WHEN ?3 = 'sent' AND state NOT IN ('sent', 'refused')
                     AND EXISTS (SELECT 1 FROM recipient r WHERE r.session = row.session AND r.key = row.key
                     AND (r.state IN ('deferred', 'pending') OR r.address GLOB 'message *')) THEN 'deferred' ELSE ?3 END
                     WHERE run IS NULL AND (key = ?1 OR state = ?2 OR (folded = ?6 AND session IN
                     (SELECT name FROM session WHERE key_case = 'ignore'))) RETURNING state",
                )?;
                let mut rows = update.query((&key, state, to, timestamp(), RESOLVED, &folded))?;
                while let Some(row) = rows.next()? {
                    let resolved = row.get::<_, String>(0)? == to;
                    *if resolved { &mut changed.resolved } else { &mut changed.deferred } += 1;
                }
            }
            transaction.commit()?;
            Ok(changed)
        };
        write().map_err(|error| self.error(&error))
    }

    /// Adds the rows of another ledger, such as another shard's. If both have a row the more certain state
    /// wins: sent, then refused, unknown, deferred, pending. Returns the number of rows of the other ledger.
    pub fn merge(&self, other: &Path) -> Result<usize, LedgerError> {
        let same = |path: &Path| std::fs::canonicalize(path).ok();
        if same(other).is_some() && same(other) == same(&self.store.path) {
            let error = LedgerError::unusable(other, "it cannot be merged into itself");
            return Err(LedgerError { status: crate::event::Status::Usage, ..error });
        }
        let theirs = Self::open(other)?;
        let path = theirs.store.path.to_string_lossy().into_owned();
        let write = || -> rusqlite::Result<Result<usize, String>> {
            let db = &self.store.db;
            db.execute("ATTACH ?1 AS other", [&path])?;
            let merged = (|| {
                let transaction = db.unchecked_transaction()?;
                if let Some(why) = session_mismatch(&transaction)? {
                    return Ok(Err(why));
                }
                transaction.execute("INSERT OR IGNORE INTO main.session SELECT * FROM other.session", [])?;
                // Ledgers of older versions do not say it.
                transaction.execute(
                    "UPDATE main.session SET key_case = (SELECT theirs.key_case FROM other.session AS theirs
                     WHERE theirs.name = main.session.name) WHERE key_case IS NULL",
                    [],
                )?;
                let row = format!(
                    "INSERT INTO main.row (session, key, folded, number, state, message_id, reply, queue_id, attempts,
                     changed) SELECT session, key, folded, number, CASE state WHEN 'sending' THEN 'unknown' ELSE state END, message_id,
                     CASE state WHEN 'sending' THEN ?1 ELSE reply END, queue_id, attempts, changed FROM other.row WHERE true
                     ON CONFLICT DO UPDATE SET state = excluded.state, message_id = excluded.message_id,
                     reply = excluded.reply, queue_id = excluded.queue_id, changed = excluded.changed
                     WHERE run IS NULL AND {} < {}",
                    rank("excluded.state"),
                    rank("state")
                );
                transaction.execute(&row, [RUN_ENDED])?;
                let recipient = format!(
                    "INSERT INTO main.recipient (session, key, address, state, reply, attempts, changed)
                     SELECT session, key, address, CASE state WHEN 'sending' THEN 'unknown' ELSE state END,
                     CASE state WHEN 'sending' THEN ?1 ELSE reply END, attempts, changed FROM other.recipient WHERE true
                     ON CONFLICT DO UPDATE SET state = excluded.state, reply = excluded.reply,
                     attempts = excluded.attempts, changed = excluded.changed WHERE {} < {}",
                    rank("excluded.state"),
                    rank("state")
                );
                transaction.execute(&recipient, [RUN_ENDED])?;
                // Each of two runs may have reached a part of the recipients. Of several messages some may not have
                // been begun by either run. Digits sort before words: a server's reply counts more than what was resolved by hand.
                transaction.execute(
                    "UPDATE main.row SET state = 'sent', reply = (SELECT min(r.reply) FROM main.recipient r
                     WHERE r.session = row.session AND r.key = row.key) WHERE run IS NULL AND state IN ('deferred', 'pending')
                     AND EXISTS (SELECT 1 FROM main.recipient r WHERE r.session = row.session AND r.key = row.key)
                     AND NOT EXISTS (SELECT 1 FROM main.recipient r
                     WHERE r.session = row.session AND r.key = row.key
                     AND (r.state != 'sent' OR r.address GLOB 'message *'))",
                    [],
                )?;
                let count: i64 = transaction.query_row("SELECT count(*) FROM other.row", [], |row| row.get(0))?;
                transaction.commit()?;
                Ok(Ok(usize::try_from(count).unwrap_or_default()))
            })();
            db.execute("DETACH other", [])?;
            merged
        };
        match write().map_err(|error| self.error(&error))? {
            Ok(count) => Ok(count),
            Err(why) => Err(LedgerError::other_session(other, &why)),
        }
    }
}

/// Why the attached ledger cannot be merged: it belongs to another session, or has another key column.
fn session_mismatch(transaction: &rusqlite::Transaction<'_>) -> rusqlite::Result<Option<String>> {
    let find = "SELECT o.name, m.name, m.name = o.name FROM other.session o JOIN main.session m
                WHERE m.name != o.name OR m.key_column IS NOT o.key_column LIMIT 1";
    let found = transaction.query_row(find, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    Ok(found.map(|(theirs, ours, same): (String, String, bool)| {
        let (theirs, ours) = (escape_unprintable(theirs.as_bytes()), escape_unprintable(ours.as_bytes()));
        if same {
            format!("it has another key column for {ours}")
        } else {
            format!("it belongs to {theirs}, not to {ours}")
        }
    }))
}

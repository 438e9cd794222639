//! Brings ledgers of older versions up to date.

use super::state::rank;
use crate::session::{KeyCase, comparison_key, ledger_recipient};
use rusqlite::{Connection, Transaction, TransactionBehavior};

/// The version of the tables.
pub const VERSION: i32 = 3;

/// Version 2 counts attempts for each recipient, stores addresses in one spelling, and each key without case in `folded`.
/// Version 3 knows how the keys of a session are compared.
///
/// # Errors
/// If the file cannot be written; it is then as it was.
pub fn migrate(db: &Connection) -> rusqlite::Result<()> {
    let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    // Another run may have done so in the meantime.
    let version: i32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version < 2 {
        transaction.execute_batch(
            "ALTER TABLE recipient ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;
             ALTER TABLE recipient ADD COLUMN changed TEXT;
             ALTER TABLE row ADD COLUMN folded TEXT;
             CREATE INDEX row_folded ON row (session, folded);",
        )?;
        let keys: Vec<(String, String)> = transaction
            .prepare("SELECT session, key FROM row")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (session, key) in keys {
            let (exact, folded) = (comparison_key(&key, KeyCase::Exact), comparison_key(&key, KeyCase::Ignore));
            if exact != key {
                respell(&transaction, &session, &key, &exact)?;
            }
            let mut fold = transaction.prepare_cached("UPDATE row SET folded = ?3 WHERE session = ?1 AND key = ?2")?;
            fold.execute((&session, &exact, folded))?;
        }
        respell_recipients(&transaction)?;
    }
    if version < VERSION {
        transaction.execute_batch("ALTER TABLE session ADD COLUMN key_case TEXT")?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()
}

/// Gives a row and its recipients another spelling of the key. If there is a row of that spelling, the state that forbids more
/// counts: what was sent to one spelling is not sent to the other.
fn respell(db: &Connection, session: &str, key: &str, exact: &str) -> rusqlite::Result<()> {
    let is_stronger = format!("{} < {}", rank("excluded.state"), rank("state"));
    db.prepare_cached(&format!(
        "INSERT INTO row (session, key, number, state, run, message_id, reply, queue_id, attempts, changed)
         SELECT session, ?3, number, state, run, message_id, reply, queue_id, attempts, changed FROM row
         WHERE session = ?1 AND key = ?2
         ON CONFLICT DO UPDATE SET state = excluded.state, run = excluded.run, message_id = excluded.message_id,
         reply = excluded.reply, queue_id = excluded.queue_id, changed = excluded.changed WHERE {is_stronger}"
    ))?
    .execute((session, key, exact))?;
    db.prepare_cached(&format!(
        "INSERT INTO recipient (session, key, address, state, reply)
         SELECT session, ?3, address, state, reply FROM recipient WHERE session = ?1 AND key = ?2
         ON CONFLICT DO UPDATE SET state = excluded.state, reply = excluded.reply WHERE {is_stronger}"
    ))?
    .execute((session, key, exact))?;
    for table in ["row", "recipient"] {
        db.prepare_cached(&format!("DELETE FROM {table} WHERE session = ?1 AND key = ?2"))?.execute((session, key))?;
    }
    Ok(())
}

/// Gives the addresses of recipients the spelling by which attempts know them.
fn respell_recipients(db: &Connection) -> rusqlite::Result<()> {
    let all: Vec<(String, String, String)> = db
        .prepare("SELECT session, key, address FROM recipient")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (session, key, name) in all {
        // The name of the message comes first if the row has several.
        let (message, address) = match name.split_once(": ").filter(|_| name.starts_with("message ")) {
            Some((message, address)) => (Some(message), address),
            None => (None, name.as_str()),
        };
        let exact = ledger_recipient(message, &comparison_key(address, KeyCase::Exact));
        if exact == name {
            continue;
        }
        db.prepare_cached(&format!(
            "INSERT INTO recipient (session, key, address, state, reply)
             SELECT session, key, ?4, state, reply FROM recipient WHERE session = ?1 AND key = ?2 AND address = ?3
             ON CONFLICT DO UPDATE SET state = excluded.state, reply = excluded.reply WHERE {} < {}",
            rank("excluded.state"),
            rank("state")
        ))?
        .execute((&session, &key, &name, &exact))?;
        db.prepare_cached("DELETE FROM recipient WHERE session = ?1 AND key = ?2 AND address = ?3")?
            .execute((&session, &key, &name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables of version 1.
    const FIRST: &str = "
        CREATE TABLE session (name TEXT PRIMARY KEY, key_column TEXT) STRICT;
        CREATE TABLE row (
            session TEXT NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL, state TEXT NOT NULL, run INTEGER,
            message_id TEXT, reply TEXT, queue_id TEXT, attempts INTEGER NOT NULL DEFAULT 0, changed TEXT NOT NULL,
            PRIMARY KEY (session, key)
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE recipient (
            session TEXT NOT NULL, key TEXT NOT NULL, address TEXT NOT NULL, state TEXT NOT NULL, reply TEXT,
            PRIMARY KEY (session, key, address)
        ) STRICT, WITHOUT ROWID;
        PRAGMA user_version = 1;";

    #[test]
    fn spellings_of_a_key_become_one_row_of_the_state_that_forbids_more() {
        /// Keys with their states.
        type Rows<'r> = &'r [(&'r str, &'r str)];
        let table: [(Rows<'_>, Rows<'_>); 6] = [
            (&[("b@EXAMPLE.com", "sent")], &[("b@example.com", "sent")]),
            (&[("b@EXAMPLE.com", "sent"), ("b@example.com", "deferred")], &[("b@example.com", "sent")]),
            (&[("b@EXAMPLE.com", "deferred"), ("b@example.com", "sent")], &[("b@example.com", "sent")]),
            (&[("b@EXAMPLE.com", "pending"), ("b@example.com", "unknown")], &[("b@example.com", "unknown")]),
            (
                &[("B@example.com", "sent"), ("b@example.com", "pending")],
                &[("B@example.com", "sent"), ("b@example.com", "pending")],
            ),
            (&[("7", "sent"), ("A-1", "refused")], &[("7", "sent"), ("A-1", "refused")]),
        ];
        for (before, after) in table {
            let db = Connection::open_in_memory().expect("memory is there");
            db.execute_batch(FIRST).expect("the tables can be made");
            for (key, state) in before {
                db.execute("INSERT INTO row VALUES ('s', ?1, 1, ?2, NULL, NULL, NULL, NULL, 1, 'then')", (key, state))
                    .expect("a row can be added");
                db.execute("INSERT INTO recipient VALUES ('s', ?1, 'b@EXAMPLE.com', ?2, NULL)", (key, state))
                    .expect("a recipient can be added");
            }
            migrate(&db).expect("it can be brought up to date");
            migrate(&db).expect("and is not changed again");
            for read in ["SELECT key, state FROM row ORDER BY key", "SELECT key, state FROM recipient ORDER BY key"] {
                let mut read = db.prepare(read).expect("it can be read");
                let found: Vec<(String, String)> = read
                    .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
                    .and_then(Iterator::collect)
                    .expect("rows can be read");
                let expected: Vec<_> =
                    after.iter().map(|(key, state)| ((*key).to_owned(), (*state).to_owned())).collect();
                assert_eq!(found, expected, "{before:?}");
            }
            let addresses: i64 = db
                .query_row("SELECT count(*) FROM recipient WHERE address = 'b@example.com'", [], |row| row.get(0))
                .expect("it can be read");
            assert_eq!(addresses, after.len() as i64, "{before:?}");
            let folded: i64 = db
                .query_row("SELECT count(*) FROM row WHERE folded = lower(key)", [], |row| row.get(0))
                .expect("it can be read");
            assert_eq!(folded, after.len() as i64, "{before:?}");
        }
    }
}

//! Brings ledgers of older versions up to date.

use crate::session::{KeyCase, comparison_key};
use rusqlite::{Connection, Transaction, TransactionBehavior};

/// The version of the tables.
pub const VERSION: i32 = 2;

/// Version 2 counts attempts for each recipient, stores addresses in one spelling, and each key without case in `folded`.
///
/// # Errors
/// If the file cannot be written; it is then as it was.
pub fn migrate(db: &Connection) -> rusqlite::Result<()> {
    let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    // Another run may have done so in the meantime.
    let version: i32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version < VERSION {
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
            let change = "SET key = ?3 WHERE session = ?1 AND key = ?2";
            transaction
                .prepare_cached(&format!("UPDATE OR IGNORE recipient {change}"))?
                .execute((&session, &key, &exact))?;
            // If both spellings have a row, both stay.
            transaction.prepare_cached(&format!("UPDATE OR IGNORE row {change}"))?.execute((&session, &key, &exact))?;
            let mut fold =
                transaction.prepare_cached("UPDATE row SET folded = ?3 WHERE session = ?1 AND key IN (?2, ?4)")?;
            fold.execute((&session, &key, folded, &exact))?;
        }
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()
}

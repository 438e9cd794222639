//! The database: its tables, how it is opened, and which runs are alive.

use super::migration::{VERSION, migrate};
use super::reply_text::RUN_ENDED;
use super::requests::RecordedSession;
use crate::event::Status;
use crate::transcript::escape_unprintable;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// `mrun`, the application id in the file's header.
const APPLICATION: i32 = 0x6d72_756e;
/// The size of SQLite's page cache in KiB, for the ledger and for the keys seen in this run each. It does not grow with the
/// number of rows; the system's own cache makes up for it.
const CACHE_KIB: i32 = 512;
/// How long to wait while another program has the file locked.
const LOCK_WAIT: Duration = Duration::from_secs(5);

const TABLES: &str = "
CREATE TABLE session (name TEXT PRIMARY KEY, key_column TEXT, key_case TEXT) STRICT;
CREATE TABLE run (id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL, started TEXT NOT NULL) STRICT;
CREATE TABLE row (
    session TEXT NOT NULL, key TEXT NOT NULL, number INTEGER NOT NULL, state TEXT NOT NULL, run INTEGER,
    message_id TEXT, reply TEXT, queue_id TEXT, attempts INTEGER NOT NULL DEFAULT 0, changed TEXT NOT NULL,
    folded TEXT, PRIMARY KEY (session, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX row_folded ON row (session, folded);
CREATE INDEX row_run ON row (run) WHERE run IS NOT NULL;
CREATE TABLE recipient (
    session TEXT NOT NULL, key TEXT NOT NULL, address TEXT NOT NULL, state TEXT NOT NULL, reply TEXT,
    attempts INTEGER NOT NULL DEFAULT 0, changed TEXT,
    PRIMARY KEY (session, key, address)
) STRICT, WITHOUT ROWID;
";

/// The first bytes of every SQLite database.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const NOT_A_LEDGER: &str = "it is not a ledger of mailrun, or damaged: it is not an SQLite database";

/// Whether the file is missing, empty, or begins like a database. SQLite itself would overwrite a file of a few bytes.
fn may_be_database(path: &Path) -> bool {
    let Ok(metadata) = std::fs::metadata(path) else { return true };
    if metadata.is_dir() || (metadata.is_file() && metadata.len() == 0) {
        return true;
    }
    let mut header = [0; 100];
    metadata.is_file()
        && File::open(path)
            .and_then(|mut file| file.read_exact(&mut header))
            .map_or_else(|why| why.kind() != std::io::ErrorKind::UnexpectedEof, |()| header.starts_with(MAGIC))
}

/// Why a ledger cannot be used. The message is printed, and nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerError {
    /// The exit status.
    pub status: Status,
    /// The message that is printed.
    pub message: String,
}

impl LedgerError {
    /// The ledger cannot be opened or written (status 73).
    pub fn unusable(path: &Path, why: &str) -> Self {
        let message =
            format!("cannot use the ledger {}: {why}", escape_unprintable(path.as_os_str().as_encoded_bytes()));
        Self { status: Status::CantCreate, message }
    }

    /// The ledger belongs to another session (status 65).
    pub fn other_session(path: &Path, why: &str) -> Self {
        Self { status: Status::DataErr, ..Self::unusable(path, why) }
    }

    fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        Self::unusable(path, &error_text(error))
    }
}

/// SQLite's error in plain words.
pub fn error_text(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full".to_owned(),
        Some(ErrorCode::ReadOnly) => "it is read-only".to_owned(),
        _ if is_busy(error) => "it is locked by another program".to_owned(),
        Some(ErrorCode::DatabaseCorrupt) => format!("it is damaged ({error})"),
        Some(ErrorCode::NotADatabase) => NOT_A_LEDGER.to_owned(),
        Some(ErrorCode::SystemIoFailure) => {
            format!("it cannot be read or written; the limit on the size of files (ulimit -f) may be too low ({error})")
        }
        Some(ErrorCode::CannotOpen) => "it cannot be opened or created".to_owned(),
        _ => error.to_string(),
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// An open database.
pub struct Store {
    /// The path that was opened.
    pub path: PathBuf,
    /// The connection to the database.
    pub db: Connection,
}

/// A run that is alive as long as it holds the lock.
pub struct LedgerRun {
    /// Its row in the table `run`.
    pub id: i64,
    lock: Option<File>,
    lock_path: PathBuf,
}

impl Store {
    /// Opens the database; creates it if there is none.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::open_with(path, OpenFlags::SQLITE_OPEN_CREATE)
    }

    /// Opens an existing ledger.
    pub fn open_existing(path: &Path) -> Result<Self, LedgerError> {
        if !path.is_file() {
            let message = format!("no ledger {}", escape_unprintable(path.as_os_str().as_encoded_bytes()));
            return Err(LedgerError { status: Status::NoInput, message });
        }
        Self::open_with(path, OpenFlags::empty())
    }

    fn open_with(path: &Path, more: OpenFlags) -> Result<Self, LedgerError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
        let failed = |error: &rusqlite::Error| LedgerError::sqlite(path, error);
        if !may_be_database(path) {
            return Err(LedgerError::unusable(path, NOT_A_LEDGER));
        }
        if more.contains(OpenFlags::SQLITE_OPEN_CREATE) {
            // It names people: like transcripts, only its owner may read it. If this fails SQLite reports why.
            let _ = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        }
        let db = Connection::open_with_flags(path, flags).map_err(|error| failed(&error))?;
        let store = Self { path: path.to_owned(), db };
        let begun = Instant::now();
        loop {
            match store.prepare() {
                Ok(()) => return Ok(store),
                // SQLite itself does not wait while another run creates the file or its WAL.
                Err(PrepareError::Sqlite(error)) if is_busy(&error) && begun.elapsed() < LOCK_WAIT => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(PrepareError::Sqlite(error)) => return Err(failed(&error)),
                Err(PrepareError::Unusable(why)) => return Err(LedgerError::unusable(path, &why)),
            }
        }
    }

    fn prepare(&self) -> Result<(), PrepareError> {
        let db = &self.db;
        db.busy_timeout(LOCK_WAIT)?;
        if db.is_readonly("main")? {
            return Err(PrepareError::Unusable("it is read-only".to_owned()));
        }
        let (application, version, tables) = self.identity()?;
        if tables > 0 && application != APPLICATION {
            return Err(PrepareError::Unusable("it is another program's database".to_owned()));
        }
        if version > VERSION {
            let why =
                format!("a newer version of mailrun made it (its version is {version}, this one knows {VERSION})");
            return Err(PrepareError::Unusable(why));
        }
        let mode: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            return Err(PrepareError::Unusable(format!(
                "its file system does not support SQLite's WAL mode (it gave {mode})"
            )));
        }
        db.pragma_update(None, "synchronous", "FULL")?;
        for schema in ["main", "temp"] {
            db.pragma_update(Some(schema), "cache_size", -CACHE_KIB)?;
        }
        let check: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if check != "ok" {
            return Err(PrepareError::Unusable(format!("it is damaged ({check})")));
        }
        if tables == 0 {
            self.create_tables()?;
        } else if version < VERSION {
            // It would go on with the old spellings of keys.
            let tokens: Vec<String> = db
                .prepare("SELECT token FROM run")?
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            if tokens.iter().any(|token| self.is_alive(token)) {
                return Err(PrepareError::Unusable(
                    "a run of an older mailrun is using it: wait for its end".to_owned(),
                ));
            }
            migrate(db)?;
        }
        Ok(())
    }

    /// The file's application id, version and number of tables, read in one transaction: another run may be creating them.
    fn identity(&self) -> rusqlite::Result<(i32, i32, i64)> {
        let moment = rusqlite::Transaction::new_unchecked(&self.db, TransactionBehavior::Deferred)?;
        let tables = moment.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let pragma = |name: &str| moment.pragma_query_value(None, name, |row| row.get(0));
        Ok((pragma("application_id")?, pragma("user_version")?, tables))
    }

    /// Creates the tables, unless another run did so in the meantime.
    fn create_tables(&self) -> rusqlite::Result<()> {
        let transaction = rusqlite::Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
        let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables == 0 {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        transaction.commit()
    }

    /// Begins a run: checks that the ledger belongs to these sessions, and releases the rows of dead runs.
    pub fn begin_run(&self, sessions: &[RecordedSession]) -> Result<LedgerRun, LedgerError> {
        let failed = |error: rusqlite::Error| LedgerError::sqlite(&self.path, &error);
        let transaction =
            rusqlite::Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate).map_err(failed)?;
        self.check_sessions(sessions)?;
        self.release_dead_runs().map_err(failed)?;
        let token = crate::session::unseeded_letters(16);
        let lock_path = self.lock_path(&token);
        let unlockable =
            |why: std::io::Error| LedgerError::unusable(&self.path, &format!("its lock file cannot be created: {why}"));
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(&lock_path).map_err(unlockable)?;
        lock.try_lock().map_err(|why| unlockable(std::io::Error::other(why.to_string())))?;
        let begun = self
            .db
            .execute("INSERT INTO run (token, started) VALUES (?1, ?2)", (&token, timestamp()))
            .map(|_| self.db.last_insert_rowid())
            .and_then(|id| transaction.commit().map(|()| id));
        match begun {
            Ok(id) => Ok(LedgerRun { id, lock: Some(lock), lock_path }),
            Err(error) => {
                let _ = std::fs::remove_file(&lock_path);
                Err(failed(error))
            }
        }
    }

    fn check_sessions(&self, sessions: &[RecordedSession]) -> Result<(), LedgerError> {
        let failed = |error: rusqlite::Error| LedgerError::sqlite(&self.path, &error);
        let mut known = std::collections::HashMap::new();
        {
            let mut statement = self.db.prepare("SELECT name, key_column FROM session").map_err(failed)?;
            let mut rows = statement.query([]).map_err(failed)?;
            while let Some(row) = rows.next().map_err(failed)? {
                let name: String = row.get(0).map_err(failed)?;
                known.insert(name, row.get::<_, Option<String>>(1).map_err(failed)?);
            }
        }
        for RecordedSession { name, key_column: key, key_case } in sessions {
            let shown = |key: &Option<String>| {
                key.as_ref().map_or("no key".to_owned(), |key| format!("\"{}\"", escape_unprintable(key.as_bytes())))
            };
            match known.get(name) {
                Some(before) if before == key => {}
                Some(before) => {
                    let why = format!(
                        "the key of {} changed from {} to {}: its rows cannot be matched with those recorded before",
                        escape_unprintable(name.as_bytes()),
                        shown(before),
                        shown(key)
                    );
                    return Err(LedgerError::other_session(&self.path, &why));
                }
                None if known.is_empty() => {
                    self.db
                        .execute("INSERT OR IGNORE INTO session (name, key_column) VALUES (?1, ?2)", (name, key))
                        .map_err(failed)?;
                }
                None => {
                    let mut names: Vec<_> = known.keys().map(|name| escape_unprintable(name.as_bytes())).collect();
                    names.sort();
                    let why = format!(
                        "it belongs to another session ({}), not to {}",
                        names.join(", "),
                        escape_unprintable(name.as_bytes())
                    );
                    return Err(LedgerError::other_session(&self.path, &why));
                }
            }
            // For `mailrun ledger`, which does not read the session file.
            self.db
                .execute("UPDATE session SET key_case = ?2 WHERE name = ?1", (name, key_case.name()))
                .map_err(failed)?;
        }
        Ok(())
    }

    /// Releases the rows of runs that ended without saying so; rows that were `sending` become `unknown`.
    pub fn release_dead_runs(&self) -> rusqlite::Result<()> {
        let mut statement = self.db.prepare("SELECT id, token FROM run")?;
        let runs: Vec<(i64, String)> =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
        self.remove_stale_locks(&runs);
        for (id, token) in runs {
            if self.is_alive(&token) {
                continue;
            }
            self.db.execute(
                "UPDATE recipient SET state = 'unknown', reply = ?3, changed = ?2 WHERE state = 'sending' AND EXISTS
                 (SELECT 1 FROM row WHERE row.session = recipient.session AND row.key = recipient.key AND run = ?1)",
                (id, timestamp(), RUN_ENDED),
            )?;
            self.db.execute(
                "UPDATE row SET state = 'unknown', reply = ?3, changed = ?2 WHERE run = ?1 AND state = 'sending'",
                (id, timestamp(), RUN_ENDED),
            )?;
            self.db.execute("UPDATE row SET run = NULL WHERE run = ?1", [id])?;
            self.db.execute("DELETE FROM run WHERE id = ?1", [id])?;
            // No run can lock it again.
            let _ = std::fs::remove_file(self.lock_path(&token));
        }
        Ok(())
    }

    /// Removes the lock files of runs that died before they were recorded. Called within a transaction, so that no
    /// run is about to begin.
    fn remove_stale_locks(&self, runs: &[(i64, String)]) {
        let Some(name) = self.path.file_name().map(|name| name.as_encoded_bytes()) else { return };
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let found = entry.file_name();
            let token = found.as_encoded_bytes().strip_prefix(name).and_then(|rest| rest.strip_prefix(b"-run-"));
            let Some(token) = token.and_then(|token| std::str::from_utf8(token).ok()) else { continue };
            if runs.iter().all(|(_, known)| known != token) && !self.is_alive(token) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Whether the run's lock is held. The system releases it when the process ends, however it ends.
    fn is_alive(&self, token: &str) -> bool {
        match OpenOptions::new().write(true).open(self.lock_path(token)) {
            Ok(file) => matches!(file.try_lock(), Err(TryLockError::WouldBlock)),
            Err(_) => false,
        }
    }

    fn lock_path(&self, token: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!("-run-{token}"));
        name.into()
    }

    /// Ends a run, and releases the rows that it claimed and did not send.
    pub fn end_run(&self, mut run: LedgerRun) -> rusqlite::Result<()> {
        let transaction = rusqlite::Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
        // The result of a row that is still `sending` could not be written.
        transaction.execute(
            "UPDATE row SET state = 'unknown', reply = ?2 WHERE run = ?1 AND state = 'sending'",
            (run.id, RUN_ENDED),
        )?;
        transaction.execute("UPDATE row SET run = NULL WHERE run = ?1", [run.id])?;
        transaction.execute("DELETE FROM run WHERE id = ?1", [run.id])?;
        // No run looks for the lock before the transaction is committed. If that fails, a later run finds this one dead.
        let _ = std::fs::remove_file(&run.lock_path);
        transaction.commit()?;
        run.lock.take();
        Ok(())
    }
}

enum PrepareError {
    Sqlite(rusqlite::Error),
    Unusable(String),
}

impl From<rusqlite::Error> for PrepareError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// The current time as the ledger stores it.
pub fn timestamp() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

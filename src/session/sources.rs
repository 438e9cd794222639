//! The door through which sessions ask for files, environment, commands: opened by `source/`.

use std::io::Read;
use std::path::Path;

/// An opened regular file.
pub struct SourceFile {
    pub reader: Box<dyn Read + Send>,
    /// Its length in bytes when it was opened.
    pub length: u64,
}

/// Why a source gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// There is no value, or it is not allowed: exit 65. The text says what to do.
    Refused(String),
    /// A file cannot be read: exit 66.
    Unreadable(String),
}

/// What a session may reach; a batch's connections ask from several threads. Paths are relative to the session file's
/// folder, or absolute. A door that is not opened is closed: whoever only reads sessions opens none but that of includes.
pub trait Sources: Sync {
    /// Opens content beneath the roots.
    fn open(&self, path: &Path) -> Result<SourceFile, SourceError>;
    /// Opens a file of `[tls]`, which may be anywhere, and reads it.
    fn read_tls(&self, path: &Path) -> Result<Vec<u8>, SourceError> {
        closed(&path.display().to_string())
    }
    fn env(&self, name: &str) -> Result<Option<String>, SourceError> {
        closed(name)
    }
    /// Standard output of a command that ended well, at most 1 MiB; or why it did not. One that may not be run is an error.
    fn command(&self, argv: &[String]) -> Result<Result<Vec<u8>, String>, SourceError> {
        closed(&argv.join(" "))
    }
    /// `login`, `password` or `account` of `host` in `~/.netrc`.
    fn netrc(&self, host: &str, field: &str) -> Result<Option<String>, SourceError> {
        closed(&format!("the {field} for {host}"))
    }
    /// Asks on the terminal, without echo. `default` is what is shown of a value that stands in where there is no terminal, or
    /// the answer is empty: `None` is the answer then, and only then.
    fn prompt(&self, text: &str, _default: Option<&str>) -> Result<Option<String>, SourceError> {
        closed(text)
    }
}

fn closed<T>(what: &str) -> Result<T, SourceError> {
    Err(SourceError::Refused(format!("{what}: nothing outside of the session is asked for here")))
}

//! The files, environment variables and commands that sessions ask for. Implemented in `source/`.

use super::ContentPath;
use std::ffi::OsString;
use std::io::Read;
use std::path::Path;

/// An open regular file.
pub struct SourceFile {
    pub reader: Box<dyn Read + Send>,
    /// Its length in bytes when it was opened.
    pub length: u64,
    /// Differs once the file has changed, as far as the system tells; 0 for what never changes.
    pub revision: u64,
}

/// A file or folder within a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderEntry {
    pub name: OsString,
    /// Whether it is a folder, or a link to one.
    pub is_folder: bool,
    pub is_link: bool,
}

/// Why a source has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// There is no value, or it is not allowed (exit status 65). The text says what to do.
    Refused(String),
    /// A file cannot be read (exit status 66).
    Unreadable(String),
}

/// Access to what a session reads. The connections of a batch use it from several threads. Paths are relative to the
/// session file's folder, or absolute. Methods that are not implemented refuse: code that only reads sessions implements
/// [`Sources::open`] alone, for includes.
pub trait Sources: Sync {
    /// Opens content below the session file's folder or a `--file-root`.
    fn open(&self, path: &Path) -> Result<SourceFile, SourceError>;
    /// Opens a file that is sent. A path that is made of data must stay below its folder, and a file that was read by
    /// [`Sources::open_secret`] or [`Sources::read_tls`] is refused.
    fn open_content(&self, path: &ContentPath) -> Result<SourceFile, SourceError> {
        self.open(path.path())
    }
    /// What a folder contains, for patterns. The folder is one that [`Sources::open_content`] would open files in.
    fn list_folder(&self, folder: &ContentPath) -> Result<Vec<FolderEntry>, SourceError> {
        refused(&folder.to_string())
    }
    /// As [`Sources::open`], for a file of `[secrets]`, which is never content.
    fn open_secret(&self, path: &ContentPath) -> Result<SourceFile, SourceError> {
        self.open(path.path())
    }
    /// Reads a file of `[tls]`, which may be anywhere.
    fn read_tls(&self, path: &Path) -> Result<Vec<u8>, SourceError> {
        refused(&path.display().to_string())
    }
    fn env(&self, name: &str) -> Result<Option<String>, SourceError> {
        refused(name)
    }
    /// The output of a command, up to 1 MiB, or the reason why it failed. A command that is not allowed is an error.
    fn command(&self, argv: &[String]) -> Result<Result<Vec<u8>, String>, SourceError> {
        refused(&argv.join(" "))
    }
    /// `login`, `password` or `account` of `host` in the netrc file: of the entry with the login `user` if that is given.
    fn netrc(&self, host: &str, _user: Option<&str>, field: &str) -> Result<Option<String>, SourceError> {
        refused(&format!("the {field} for {host}"))
    }
    /// The netrc file, for messages.
    fn netrc_file(&self) -> String {
        "~/.netrc".to_owned()
    }
    /// Asks on the terminal, without echo. `default` is shown in brackets. Returns `None` if there is a default and there
    /// is no terminal, or the answer is empty.
    fn prompt(&self, text: &str, _default: Option<&str>) -> Result<Option<String>, SourceError> {
        refused(text)
    }
}

fn refused<T>(what: &str) -> Result<T, SourceError> {
    Err(SourceError::Refused(format!("{what}: not available while a session is only read")))
}

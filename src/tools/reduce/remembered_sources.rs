//! Sources that are asked once: what a person types or a program prints is the same in all runs.

use crate::session::{ContentPath, FolderEntry, SourceError, SourceFile, Sources};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

type CommandOutput = Result<Vec<u8>, String>;

/// Sources that remember answers to prompts, and the output of commands.
pub struct RememberedSources<'s> {
    sources: &'s dyn Sources,
    prompts: Mutex<BTreeMap<String, Option<String>>>,
    commands: Mutex<BTreeMap<Vec<String>, CommandOutput>>,
}

impl<'s> RememberedSources<'s> {
    /// Asks `sources`.
    pub fn new(sources: &'s dyn Sources) -> Self {
        Self { sources, prompts: Mutex::default(), commands: Mutex::default() }
    }
}

/// The value for `key`, which `ask` gives the first time.
fn remember<K: Ord + Clone, V: Clone>(
    known: &Mutex<BTreeMap<K, V>>,
    key: K,
    ask: impl FnOnce() -> Result<V, SourceError>,
) -> Result<V, SourceError> {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(value) = known.get(&key) {
        return Ok(value.clone());
    }
    let value = ask()?;
    known.insert(key, value.clone());
    Ok(value)
}

impl Sources for RememberedSources<'_> {
    fn open(&self, path: &Path) -> Result<SourceFile, SourceError> {
        self.sources.open(path)
    }

    fn open_content(&self, path: &ContentPath) -> Result<SourceFile, SourceError> {
        self.sources.open_content(path)
    }

    fn list_folder(&self, folder: &ContentPath) -> Result<Vec<FolderEntry>, SourceError> {
        self.sources.list_folder(folder)
    }

    fn open_secret(&self, path: &ContentPath) -> Result<SourceFile, SourceError> {
        self.sources.open_secret(path)
    }

    fn read_tls(&self, path: &Path) -> Result<Vec<u8>, SourceError> {
        self.sources.read_tls(path)
    }

    fn env(&self, name: &str) -> Result<Option<String>, SourceError> {
        self.sources.env(name)
    }

    fn command(&self, argv: &[String]) -> Result<CommandOutput, SourceError> {
        remember(&self.commands, argv.to_vec(), || self.sources.command(argv))
    }

    fn netrc(&self, host: &str, user: Option<&str>, field: &str) -> Result<Option<String>, SourceError> {
        self.sources.netrc(host, user, field)
    }

    fn netrc_file(&self) -> String {
        self.sources.netrc_file()
    }

    fn prompt(&self, text: &str, default: Option<&str>) -> Result<Option<String>, SourceError> {
        let key = format!("{text}\n{}", default.unwrap_or_default());
        remember(&self.prompts, key, || self.sources.prompt(text, default))
    }
}

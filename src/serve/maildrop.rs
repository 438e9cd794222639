//! A folder of received mail: `NAME.eml` byte for byte, and its envelope in `NAME.json`.

use super::sink::{Envelope, MailWriter};
use anyhow::Context;
use jiff::Timestamp;
use serde::Serialize;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The names of mails are unique: by a counter in this process, by time and process id among processes.
#[derive(Debug)]
pub(super) struct Maildrop {
    folder: PathBuf,
    counter: Arc<AtomicU32>,
}

/// The counters of this process, by folder: several servers may share a folder.
static COUNTERS: Mutex<Vec<(PathBuf, Arc<AtomicU32>)>> = Mutex::new(Vec::new());

fn counter_of(folder: &Path) -> Arc<AtomicU32> {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let mut counters = COUNTERS.lock().unwrap_or_else(PoisonError::into_inner);
    match counters.iter().find(|(known, _)| *known == folder) {
        Some((_, counter)) => counter.clone(),
        None => {
            let counter = Arc::new(AtomicU32::new(1));
            counters.push((folder, counter.clone()));
            counter
        }
    }
}

impl Maildrop {
    /// Creates the folder if it does not exist.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("cannot create the folder {}", folder.display()))?;
        Ok(Self { folder: folder.to_owned(), counter: counter_of(folder) })
    }

    /// A writer for one connection.
    pub(super) fn open_writer(&self) -> Box<dyn MailWriter + '_> {
        Box::new(MaildropWriter { maildrop: self, partial: None })
    }
}

struct MaildropWriter<'a> {
    maildrop: &'a Maildrop,
    partial: Option<PartialMail>,
}

struct PartialMail {
    file: BufWriter<File>,
    temporary: PathBuf,
    number: u32,
}

#[derive(Serialize)]
struct EnvelopeFile<'a> {
    #[serde(flatten)]
    envelope: &'a Envelope,
    received: String,
}

fn create(path: &Path) -> Result<File, String> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(|error| format!("cannot create {}: {error}", path.display()))
}

impl MaildropWriter<'_> {
    fn commit_partial(&self, partial: PartialMail, envelope: &Envelope) -> Result<String, String> {
        let PartialMail { mut file, temporary, number } = partial;
        let cannot = |error: std::io::Error| format!("cannot keep {}: {error}", temporary.display());
        file.flush().map_err(cannot)?;
        drop(file);
        let now = Timestamp::now();
        let name = format!("{}-{}-{number:04}", now.strftime("%Y%m%dT%H%M%S.%6f"), std::process::id());
        let mut text = serde_json::to_string_pretty(&EnvelopeFile { envelope, received: now.to_string() })
            .map_err(|error| error.to_string())?;
        text.push('\n');
        let json = temporary.with_extension("json.part");
        create(&json)?.write_all(text.as_bytes()).map_err(cannot)?;
        // The envelope comes first: whoever finds the mail finds its envelope too.
        std::fs::rename(&json, self.maildrop.folder.join(format!("{name}.json"))).map_err(cannot)?;
        std::fs::rename(&temporary, self.maildrop.folder.join(format!("{name}.eml"))).map_err(cannot)?;
        Ok(name)
    }
}

impl MailWriter for MaildropWriter<'_> {
    fn begin(&mut self) -> Result<(), String> {
        self.abandon();
        let number = self.maildrop.counter.fetch_add(1, Ordering::Relaxed);
        let temporary = self.maildrop.folder.join(format!(".{}-{number:04}.part", std::process::id()));
        // A killed process with the same id may have left one.
        let _ = std::fs::remove_file(&temporary);
        let file = BufWriter::new(create(&temporary)?);
        self.partial = Some(PartialMail { file, temporary, number });
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> Result<(), String> {
        let Some(partial) = &mut self.partial else { return Err("no mail is in progress".to_owned()) };
        partial.file.write_all(bytes).map_err(|error| format!("cannot write {}: {error}", partial.temporary.display()))
    }

    fn commit(&mut self, envelope: &Envelope) -> Result<String, String> {
        let partial = self.partial.take().ok_or("no mail is in progress")?;
        let temporary = partial.temporary.clone();
        self.commit_partial(partial, envelope).inspect_err(|_| {
            let _ = std::fs::remove_file(&temporary);
        })
    }

    fn abandon(&mut self) {
        if let Some(PartialMail { file, temporary, .. }) = self.partial.take() {
            drop(file);
            let _ = std::fs::remove_file(temporary);
        }
    }
}

impl Drop for MaildropWriter<'_> {
    fn drop(&mut self) {
        self.abandon();
    }
}

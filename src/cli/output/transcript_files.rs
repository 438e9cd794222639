//! The files of `--transcript`: one for all sessions, or one for each if the name has `{session}`.

use super::console::{StdoutStatus, StdoutWriter};
use crate::cli::error::CommandError;
use crate::output::AtomicFile;
use crate::session::closest_name;
use crate::source::io_error_text;
use crate::transcript::escape_unprintable;
use std::collections::HashSet;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// In a file name, this is replaced by the name of the session.
const PLACEHOLDER: &str = "{session}";

/// The transcript files of a run.
pub struct TranscriptFiles {
    files: Vec<(PathBuf, TranscriptFile)>,
    /// What `--transcript` names; with `{session}` there is a file for each session.
    target: PathBuf,
    /// Whether there is a file for each session.
    per_session: bool,
}

impl TranscriptFiles {
    /// Creates the files for `target`; `-` is standard output, with the status `stdout`. `sessions` are the names of the session
    /// files; no transcript may overwrite a file in `read`.
    pub fn create(
        target: Option<&Path>,
        sessions: &[&str],
        read: &[FileId],
        stdout: &StdoutStatus,
    ) -> Result<Self, CommandError> {
        if let Some(target) = target.filter(|target| *target == Path::new("-")) {
            let out = TranscriptTarget::Stdout(StdoutWriter::sharing_status(stdout));
            let files = vec![(target.to_owned(), TranscriptFile(Arc::new(Mutex::new(out))))];
            return Ok(Self { files, target: target.to_owned(), per_session: false });
        }
        if let Some(word) = target.and_then(unknown_placeholder) {
            return Err(CommandError::usage(word));
        }
        let per_session = target.is_some_and(has_placeholder);
        let paths = match target {
            None => Vec::new(),
            Some(target) if per_session => {
                unique_file_names(sessions).iter().map(|name| fill_placeholder(target, name)).collect()
            }
            Some(target) => vec![target.to_owned()],
        };
        if let Some(path) = paths.iter().find(|path| file_id(path).is_some_and(|file| read.contains(&file))) {
            let why = format!("--transcript would overwrite an input file: {}", shown(path));
            return Err(CommandError::cannot_create(why));
        }
        let create = |path: PathBuf| match AtomicFile::keep_partial(&path) {
            Ok(file) => Ok((path, TranscriptFile(Arc::new(Mutex::new(TranscriptTarget::File(file)))))),
            Err(why) => {
                let why = create_error(&path, &why);
                Err(CommandError::cannot_create(format!("cannot create the transcript {}: {why}", shown(&path))))
            }
        };
        let files = paths.into_iter().map(create).collect::<Result<_, _>>()?;
        Ok(Self { files, target: target.map(Path::to_owned).unwrap_or_default(), per_session })
    }

    /// The writer of a session's transcript. In a file that sessions share, `header` names the session.
    pub fn writer_for(&self, session: usize, header: Option<&str>) -> Option<WithSessionHeader<TranscriptFile>> {
        let (index, header) = if self.per_session { (session, None) } else { (0, header) };
        let (_, file) = self.files.get(index)?;
        Some(WithSessionHeader::new(header, file.clone()))
    }

    /// Gives all files their names. `write_error` is the first error while transcripts were written. Returns the first
    /// error of all as a message.
    pub fn finish(self, write_error: Option<&io::Error>) -> Result<(), String> {
        let failed = |path: &Path, why: &io::Error| {
            format!("cannot write the transcript {}: {}", shown(path), io_error_text(why))
        };
        let mut failure = write_error.map(|why| failed(&self.target, why));
        for (path, file) in self.files {
            let mut file = file.locked();
            if let Some(partial) = file.finish_partial() {
                let kept = format!("; what was written of it is in {}", shown(&partial));
                failure = failure.map(|failure| failure + &kept);
            }
            if let Err(why) = file.commit() {
                failure.get_or_insert_with(|| failed(&path, &why));
            }
        }
        failure.map_or(Ok(()), Err)
    }
}

/// A transcript file. It is shared with the handler of a second signal, which writes what is left.
#[derive(Clone)]
pub struct TranscriptFile(Arc<Mutex<TranscriptTarget>>);

enum TranscriptTarget {
    File(AtomicFile),
    Stdout(StdoutWriter),
}

impl TranscriptTarget {
    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::File(file) => file,
            Self::Stdout(out) => out,
        }
    }

    /// Ends a file to which a write failed. Returns its name if an older file has its own.
    fn finish_partial(&mut self) -> Option<PathBuf> {
        match self {
            Self::File(file) if file.has_failed() => file.finish_partial(),
            _ => None,
        }
    }

    /// Gives a file its name.
    fn commit(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.commit(),
            Self::Stdout(out) => out.flush(),
        }
    }
}

impl TranscriptFile {
    fn locked(&self) -> std::sync::MutexGuard<'_, TranscriptTarget> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for TranscriptFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.locked().writer().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.locked().writer().flush()
    }
}

/// Identifies a file independently of its name: device and inode.
pub type FileId = (u64, u64);

/// The identity of a file. `None` if there is none, and for devices and pipes, which are written to and not replaced.
pub fn file_id(path: &Path) -> Option<FileId> {
    let about = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some((about.dev(), about.ino()))
}

fn has_placeholder(target: &Path) -> bool {
    target.as_os_str().as_bytes().windows(PLACEHOLDER.len()).any(|window| window == PLACEHOLDER.as_bytes())
}

/// The error for a word in braces that is not `session`.
fn unknown_placeholder(target: &Path) -> Option<String> {
    let text = target.to_string_lossy();
    for piece in text.split('{').skip(1) {
        let Some((word, _)) = piece.split_once('}') else { continue };
        let is_word = !word.is_empty() && word.chars().all(|c| c.is_alphabetic() || c == '_' || c == '-');
        if is_word && word != "session" {
            let meant = match closest_name(word, std::iter::once("session")) {
                Some(_) => format!("did you mean {PLACEHOLDER}?"),
                None => format!("only {PLACEHOLDER} is known"),
            };
            let word = escape_unprintable(word.as_bytes());
            return Some(format!("--transcript: unknown placeholder {{{word}}} in {}: {meant}", shown(target)));
        }
    }
    None
}

/// Why a file cannot be created. If its folder does not exist, the folder is named.
pub fn create_error(path: &Path, why: &io::Error) -> String {
    match path.parent().filter(|folder| why.kind() == io::ErrorKind::NotFound && !folder.is_dir()) {
        Some(folder) => format!("there is no folder {}", shown(folder)),
        None => io_error_text(why),
    }
}

/// Replaces the placeholder by the name of a session.
fn fill_placeholder(target: &Path, name: &str) -> PathBuf {
    let mut rest = target.as_os_str().as_bytes();
    let mut result = Vec::new();
    while let Some((byte, behind)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(PLACEHOLDER.as_bytes()) {
            result.extend_from_slice(name.as_bytes());
            rest = behind;
        } else {
            result.push(*byte);
            rest = behind;
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(result))
}

/// The names of the sessions without `.toml`. If a name occurs again, a number is added.
fn unique_file_names(sessions: &[&str]) -> Vec<String> {
    let mut taken = HashSet::new();
    sessions
        .iter()
        .map(|name| {
            let stem = match name.strip_suffix(".toml").unwrap_or(name) {
                "" | "-" => "stdin",
                stem => stem,
            };
            // The name must not lead into another folder.
            let stem = stem.replace('/', "_");
            let mut name = stem.clone();
            let mut number = 1;
            while !taken.insert(name.clone()) {
                number += 1;
                name = format!("{stem}-{number}");
            }
            name
        })
        .collect()
}

fn shown(path: &Path) -> String {
    escape_unprintable(path.as_os_str().as_bytes())
}

/// Writes `*: session NAME` before the first byte that is written.
#[derive(Clone)]
pub struct WithSessionHeader<W> {
    header: Option<String>,
    out: W,
}

impl<W: Write> WithSessionHeader<W> {
    /// `name` is escaped already.
    pub fn new(name: Option<&str>, out: W) -> Self {
        Self { header: name.map(|name| format!("*: session {name}\n")), out }
    }
}

impl<W: Write> Write for WithSessionHeader<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(header) = self.header.take() {
            self.out.write_all(header.as_bytes())?;
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::read_to_string;

    #[test]
    fn sessions_of_one_name_do_not_share_a_file() {
        let names = unique_file_names(&["a.toml", "b", "a.toml", "-", "a-2.toml"]);
        assert_eq!(names, ["a", "b", "a-2", "stdin", "a-2-2"]);
    }

    #[test]
    fn every_placeholder_is_replaced() {
        let table = [
            ("logs/{session}.log", "logs/a.log", "in the name"),
            ("{session}/{session}", "a/a", "more than once"),
            ("{sessio}", "{sessio}", "another word"),
        ];
        for (target, expected, why) in table {
            assert_eq!(fill_placeholder(Path::new(target), "a"), Path::new(expected), "{why}");
        }
    }

    #[test]
    fn an_unknown_placeholder_is_refused() {
        let table = [
            ("{sesion}.log", Some("did you mean {session}?"), "mistyped"),
            ("{Session}.log", Some("did you mean {session}?"), "in capitals"),
            ("logs/{session}-{date}.log", Some("only {session} is known"), "another one beside it"),
            ("{session}.log", None, "the one that there is"),
            ("{1}{}{a b}{.log", None, "no words"),
        ];
        for (target, expected, why) in table {
            let found = unknown_placeholder(Path::new(target));
            assert_eq!(found.is_some(), expected.is_some(), "{why}: {found:?}");
            assert!(found.unwrap_or_default().ends_with(expected.unwrap_or_default()), "{why}");
        }
    }

    #[test]
    fn one_file_holds_all_sessions() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let target = folder.path().join("t.log");
        let transcripts = TranscriptFiles::create(Some(&target), &["a.toml", "b.toml"], &[], &StdoutStatus::default())
            .expect("it can be created");
        for (index, name) in ["a.toml", "b.toml"].into_iter().enumerate() {
            let mut out = transcripts.writer_for(index, Some(name)).expect("there is a file");
            out.write_all(b"C: QUIT\n").expect("the file can be written");
        }
        transcripts.finish(None).expect("it can be named");
        let text = read_to_string(target).expect("the file exists");
        assert_eq!(text, "*: session a.toml\nC: QUIT\n*: session b.toml\nC: QUIT\n");
    }

    #[test]
    fn a_transcript_does_not_overwrite_an_input_file() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (own, link) = (folder.path().join("own.toml"), folder.path().join("link"));
        std::fs::write(&own, "server").expect("the session can be written");
        std::os::unix::fs::symlink(&own, &link).expect("a link can be made");
        let read = [file_id(&own).expect("it is there")];
        for target in [&own, &link] {
            let error = TranscriptFiles::create(Some(target), &["own.toml"], &read, &StdoutStatus::default())
                .err()
                .expect("it is refused");
            assert!(error.message.contains("would overwrite an input file"), "{error:?}");
        }
        assert_eq!(read_to_string(own).expect("the file exists"), "server");
    }

    #[test]
    fn a_transcript_that_cannot_be_created_is_an_error_before_anything_is_sent() {
        let error =
            TranscriptFiles::create(Some(Path::new("/nowhere/t.log")), &["a.toml"], &[], &StdoutStatus::default())
                .err()
                .expect("it cannot");
        assert_eq!(error.message, "cannot create the transcript /nowhere/t.log: there is no folder /nowhere");
        assert_eq!(error.status, crate::event::Status::CantCreate);
    }
}

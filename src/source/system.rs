//! The sources of a session on this system: files, the environment, commands, netrc, the terminal.

use super::error_text::{quoted_path, read_error};
use super::interrupt::InterruptCheck;
use super::limited::{SMALL_FILE_LIMIT, read_limited, regular_file_length};
use super::root::{RootError, RootFolder, open_anywhere};
use super::secret_files::SecretFiles;
use super::{command, netrc, prompt, sessions};
use crate::session::{
    ContentPath, FolderEntry, SourceError, SourceFile, Sources, TextDecoding, confinement_error, decode_text,
};
use crate::transcript::SafeText;
use rustix::fs::{Dir, FileType};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Cursor};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The limit in bytes for content from standard input, which is kept in memory.
pub const STDIN_LIMIT: u64 = 64 << 20;

/// The sources of one session file.
#[derive(Clone)]
pub struct SystemSources {
    /// The session file's folder first, then those of `--file-root`.
    roots: Arc<Vec<RootFolder>>,
    allow_commands: bool,
    /// The content of standard input, once it was read.
    standard_input: Arc<Mutex<Option<Arc<[u8]>>>>,
    interrupted: InterruptCheck,
    /// What is never sent.
    secret_files: Arc<Mutex<SecretFiles>>,
}

impl SystemSources {
    /// Opens `session_folder` and `file_roots`, so that renaming them later changes nothing.
    pub fn new(session_folder: &Path, file_roots: &[PathBuf], allow_commands: bool) -> Result<Self, SourceError> {
        let mut roots = vec![RootFolder::open(session_folder)?];
        for folder in file_roots {
            roots.push(RootFolder::open(folder)?);
        }
        Ok(Self {
            roots: Arc::new(roots),
            allow_commands,
            standard_input: Arc::default(),
            interrupted: Arc::new(|| false),
            secret_files: Arc::default(),
        })
    }

    /// Commands, prompts and waits for standard input end when `interrupted` says so.
    pub fn set_interrupt_check(&mut self, interrupted: InterruptCheck) {
        self.interrupted = interrupted;
    }

    /// Whether a signal asked the program to end.
    pub fn interrupt_check(&self) -> InterruptCheck {
        self.interrupted.clone()
    }

    /// The session file's folder, links resolved.
    fn folder(&self) -> &Path {
        self.roots.first().map_or(Path::new("."), |root| &root.resolved)
    }

    /// The roots with links resolved, the session file's folder first.
    pub(super) fn resolved_roots(&self) -> Vec<PathBuf> {
        self.roots.iter().map(|root| root.resolved.clone()).collect()
    }

    fn open_below_roots(&self, path: &Path) -> Result<File, SourceError> {
        let climbs = path.components().any(|part| part == Component::ParentDir);
        for (index, root) in self.roots.iter().enumerate() {
            // A relative path is relative to the session file. Beneath a --file-root it is tried if it has no `..`.
            if index > 0 && climbs && path.is_relative() {
                continue;
            }
            if let Some(file) = root.relative_path(path).and_then(|inside| root.open_beneath(&inside).ok()) {
                return Ok(file);
            }
        }
        // The path may lead beneath a root over an absolute link, or over `..` into a --file-root. It is resolved
        // first, and then opened beneath that root like any other.
        let whole = self.folder().join(path);
        let place = whole.canonicalize().unwrap_or_else(|_| normalized(&whole));
        let mut denied = RootError::Outside;
        for root in self.roots.iter() {
            let Ok(inside) = place.strip_prefix(&root.resolved) else { continue };
            match root.open_beneath(inside) {
                Ok(file) => return Ok(file),
                Err(why) => denied = why,
            }
        }
        Err(match denied {
            RootError::Io(error) => read_error(path, &error),
            RootError::Outside => SourceError::Refused(format!(
                "{} lies outside the session file's folder: --file-root DIR allows another one",
                quoted_path(path)
            )),
        })
    }

    /// Opens `rest` below `folder`, which is below a root. Data never leads to another folder, whatever links there are.
    fn open_confined(&self, folder: &Path, rest: &Path) -> Result<File, SourceError> {
        let path = folder.join(rest);
        let error = |why| match why {
            RootError::Io(error) => read_error(&path, &error),
            RootError::Outside => {
                let rest = SafeText::new(rest.as_os_str().as_encoded_bytes());
                SourceError::Refused(confinement_error("leads out of its folder", rest.as_str(), folder))
            }
        };
        let climbs = folder.components().any(|part| part == Component::ParentDir);
        let mut missing = None;
        for (index, root) in self.roots.iter().enumerate() {
            if index > 0 && climbs && folder.is_relative() {
                continue;
            }
            let Some(Ok(opened)) = root.relative_path(folder).map(|inside| root.open_beneath(&inside)) else {
                continue;
            };
            match RootFolder::open_in(opened, rest) {
                Ok(file) => return Ok(file),
                Err(RootError::Outside) => return Err(error(RootError::Outside)),
                Err(why) => missing = missing.or(Some(why)),
            }
        }
        match missing {
            Some(why) => Err(error(why)),
            None => RootFolder::open_in(self.open_below_roots(folder)?, rest).map_err(error),
        }
    }

    fn open_path(&self, path: &ContentPath) -> Result<File, SourceError> {
        match path.confinement() {
            Some((folder, rest)) => self.open_confined(folder, rest),
            None => self.open_below_roots(path.path()),
        }
    }

    /// The folder in every root that has it.
    fn open_folders(&self, folder: &ContentPath) -> Result<Vec<File>, SourceError> {
        let first = self.open_path(folder)?;
        let mut opened = vec![first];
        let climbs = folder.path().components().any(|part| part == Component::ParentDir);
        for root in self.roots.iter().skip(1).filter(|_| folder.path().is_relative() && !climbs) {
            let below = match folder.confinement() {
                None => root.open_beneath(folder.path()).ok(),
                Some((outer, rest)) => root.open_beneath(outer).and_then(|outer| RootFolder::open_in(outer, rest)).ok(),
            };
            opened.extend(below);
        }
        Ok(opened)
    }

    fn secret_files(&self) -> MutexGuard<'_, SecretFiles> {
        self.secret_files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standard_input(&self) -> Result<SourceFile, SourceError> {
        let mut kept = self.standard_input.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = match &*kept {
            Some(bytes) => bytes.clone(),
            None => {
                sessions::claim_stdin()?;
                let bytes: Arc<[u8]> = read_limited(io::stdin().lock(), STDIN_LIMIT, "standard input")?.into();
                kept.insert(bytes).clone()
            }
        };
        Ok(SourceFile { length: bytes.len() as u64, revision: 0, reader: Box::new(Cursor::new(bytes)) })
    }
}

impl Sources for SystemSources {
    fn open(&self, path: &Path) -> Result<SourceFile, SourceError> {
        if path == Path::new("-") {
            return self.standard_input();
        }
        source_file(self.open_below_roots(path)?, path)
    }

    fn open_content(&self, path: &ContentPath) -> Result<SourceFile, SourceError> {
        let refused = || {
            let path = quoted_path(path.path());
            SourceError::Refused(format!(
                "{path} is read by [secrets], [auth], [tls] or [dkim]: such a file is never sent"
            ))
        };
        if path.is_standard_input() {
            return if self.secret_files().has_standard_input() { Err(refused()) } else { self.standard_input() };
        }
        let file = self.open_path(path)?;
        if self.secret_files().contains(&file).map_err(|error| read_error(path.path(), &error))? {
            return Err(refused());
        }
        source_file(file, path.path())
    }

    fn list_folder(&self, folder: &ContentPath) -> Result<Vec<FolderEntry>, SourceError> {
        let mut entries: Vec<FolderEntry> = Vec::new();
        let mut seen = HashSet::new();
        for opened in self.open_folders(folder)? {
            let failed = |errno: rustix::io::Errno| read_error(folder.path(), &errno.into());
            for entry in Dir::read_from(&opened).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let name = OsStr::from_bytes(entry.file_name().to_bytes());
                if name == "." || name == ".." || !seen.insert(name.to_owned()) {
                    continue;
                }
                let (is_folder, is_link) = match entry.file_type() {
                    FileType::Directory => (true, false),
                    FileType::Symlink | FileType::Unknown => {
                        let inside = self.open_path(&folder.join(name, false));
                        let is_folder =
                            inside.and_then(|file| file.metadata().map_err(|error| read_error(folder.path(), &error)));
                        (is_folder.is_ok_and(|about| about.is_dir()), entry.file_type() == FileType::Symlink)
                    }
                    _ => (false, false),
                };
                entries.push(FolderEntry { name: name.to_owned(), is_folder, is_link });
            }
        }
        Ok(entries)
    }

    fn open_secret(&self, content: &ContentPath) -> Result<SourceFile, SourceError> {
        let path = content.path();
        if content.is_standard_input() {
            self.secret_files().add_standard_input();
            return self.standard_input();
        }
        let file = self.open_path(content)?;
        let places = self.roots.iter().map(|root| root.resolved.join(path));
        self.secret_files().add(&file, places).map_err(|error| read_error(path, &error))?;
        source_file(file, path)
    }

    fn read_tls(&self, path: &Path) -> Result<Vec<u8>, SourceError> {
        let place = self.folder().join(path);
        let file = open_anywhere(&place).map_err(|error| read_error(path, &error))?;
        regular_file_length(&file, path)?;
        self.secret_files().add(&file, [place]).map_err(|error| read_error(path, &error))?;
        read_limited(file, SMALL_FILE_LIMIT, &quoted_path(path))
    }

    fn env(&self, name: &str) -> Result<Option<String>, SourceError> {
        match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(SourceError::Refused(format!("the environment variable {} is not UTF-8", SafeText::new(name))))
            }
        }
    }

    fn command(&self, argv: &[String]) -> Result<Result<Vec<u8>, String>, SourceError> {
        if !self.allow_commands {
            let name = argv.first().map_or("", String::as_str);
            let what =
                format!("the command {:?} was not run: --allow-commands allows it", SafeText::new(name).as_str());
            return Err(SourceError::Refused(what));
        }
        Ok(command::run_command(argv, self.folder(), command::TIMEOUT, &self.interrupted))
    }

    fn netrc_file(&self) -> String {
        match std::env::var_os("NETRC") {
            Some(path) if !path.is_empty() => SafeText::new(path.as_encoded_bytes()).as_str().to_owned(),
            _ => "~/.netrc".to_owned(),
        }
    }

    fn netrc(&self, host: &str, user: Option<&str>, field: &str) -> Result<Option<String>, SourceError> {
        let path = match (std::env::var_os("NETRC"), std::env::var_os("HOME")) {
            (Some(path), _) if !path.is_empty() => PathBuf::from(path),
            (_, Some(home)) => Path::new(&home).join(".netrc"),
            _ => return Ok(None),
        };
        let file = match open_anywhere(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(read_error(&path, &error)),
        };
        regular_file_length(&file, &path)?;
        self.secret_files().add(&file, [path.clone()]).map_err(|error| read_error(&path, &error))?;
        let bytes = read_limited(file, SMALL_FILE_LIMIT, &quoted_path(&path))?;
        let decoded = decode_text(&bytes, TextDecoding::strict(None));
        let (text, _) = decoded.map_err(|why| SourceError::Refused(why.in_file(&quoted_path(&path))))?;
        Ok(netrc::find_value(&text, host, user, field))
    }

    fn prompt(&self, text: &str, default: Option<&str>) -> Result<Option<String>, SourceError> {
        prompt::prompt(text, default, &self.interrupted)
    }
}

/// The path without `.` and `..`, which are removed without looking at the file system.
fn normalized(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                result.pop();
            }
            other => result.push(other),
        }
    }
    result
}

fn source_file(file: File, path: &Path) -> Result<SourceFile, SourceError> {
    let length = regular_file_length(&file, path)?;
    let revision = revision(&file).map_err(|error| read_error(path, &error))?;
    Ok(SourceFile { reader: Box::new(file), length, revision })
}

/// Which file it is, and when it was changed last.
fn revision(file: &File) -> io::Result<u64> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    use std::os::unix::fs::MetadataExt;
    let about = file.metadata()?;
    let mut hasher = DefaultHasher::new();
    (about.dev(), about.ino(), about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec()).hash(&mut hasher);
    Ok(hasher.finish())
}

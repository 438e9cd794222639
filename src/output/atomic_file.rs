//! Files that take their name when they are complete.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::{NamedTempFile, TempPath};

/// The files without their final names, for [`finalize_partial`].
static PENDING: Mutex<Vec<PendingFile>> = Mutex::new(Vec::new());

struct PendingFile {
    path: PathBuf,
    target: PathBuf,
    keep_partial: bool,
}

fn pending() -> MutexGuard<'static, Vec<PendingFile>> {
    PENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes a file from the list: it has its name, or will not get one.
fn unregister(path: &Path) {
    pending().retain(|pending| pending.path != path);
}

/// A partial transcript that could not take its name, since an older transcript has it, and the name that it has instead.
#[derive(Debug, PartialEq, Eq)]
pub struct OrphanedTranscript {
    pub target: PathBuf,
    pub name: PathBuf,
}

/// Before the program ends at once: gives partial transcripts their names and removes partial reports. An older transcript is
/// not replaced by a partial one, which stands next to it.
pub(super) fn finalize_partial() -> Vec<OrphanedTranscript> {
    let mut pending = pending();
    let mut left = Vec::new();
    for PendingFile { path, target, keep_partial } in pending.drain(..) {
        if !keep_partial {
            // A failure is ignored: the program ends now.
            let _ = fs::remove_file(path);
        } else if let Some(name) = name_partial(&path, &target) {
            left.push(OrphanedTranscript { target, name });
        }
    }
    // The lock is never released: a thread that still writes can no longer name or replace a file.
    std::mem::forget(pending);
    left
}

/// Gives a partial transcript its name, or returns another one that it has instead, since an older file has its own. One
/// without content is removed.
fn name_partial(path: &Path, target: &Path) -> Option<PathBuf> {
    // Failures are ignored: there is nothing else to do about it.
    if fs::metadata(path).is_ok_and(|about| about.len() == 0) {
        let _ = fs::remove_file(path);
    } else if fs::hard_link(path, target).is_ok() || !target.exists() {
        // A link never replaces a file, not even one that appears just now. If links are not supported, there was no file.
        let _ = if target.exists() { fs::remove_file(path) } else { fs::rename(path, target) };
    } else {
        return link_interrupted(path, target);
    }
    None
}

/// Gives a partial transcript the first free name of `t.log.interrupted`, `t.log.interrupted-2` and so on.
fn link_interrupted(path: &Path, target: &Path) -> Option<PathBuf> {
    let names = (1..1000).map(|number: u32| {
        let mut name = target.as_os_str().to_owned();
        name.push(".interrupted");
        if number > 1 {
            name.push(format!("-{number}"));
        }
        PathBuf::from(name)
    });
    for name in names {
        match fs::hard_link(path, &name) {
            Ok(()) => {
                let _ = fs::remove_file(path);
                return Some(name);
            }
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
            // Links are not supported.
            Err(_) if name.exists() => {}
            Err(_) => return Some(if fs::rename(path, &name).is_ok() { name } else { path.to_owned() }),
        }
    }
    Some(path.to_owned())
}

/// Who may read a file that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileMode {
    /// Only its owner (0600): it has the content of messages.
    Private,
    /// What the umask says.
    Umask,
}

/// A file that is written next to its target and renamed when it is complete.
///
/// Devices and pipes (`/dev/stdout`) are written to directly.
pub struct AtomicFile {
    file: File,
    /// Where it is written, and its target; `None` after the renaming, and for devices.
    pending: Option<(TempPath, PathBuf)>,
    keep_partial: bool,
    /// A write failed, so that the content is not complete.
    has_failed: bool,
}

impl AtomicFile {
    /// For a report: dropped without [`AtomicFile::commit`], it is removed.
    pub fn create(target: impl AsRef<Path>, mode: FileMode) -> io::Result<Self> {
        Self::open(target.as_ref(), false, mode)
    }

    /// For a transcript: what was written is kept, even if it is dropped without [`AtomicFile::commit`].
    pub fn keep_partial(target: impl AsRef<Path>) -> io::Result<Self> {
        Self::open(target.as_ref(), true, FileMode::Private)
    }

    fn open(target: &Path, keep_partial: bool, mode: FileMode) -> io::Result<Self> {
        // The file behind /dev/stdout or /proc/self/fd/1 is open elsewhere and must not be replaced.
        let system = target.starts_with("/dev") || target.starts_with("/proc");
        let existing = fs::metadata(target).ok();
        match existing {
            Some(data) if data.is_dir() => return Err(io::Error::from(io::ErrorKind::IsADirectory)),
            Some(data) if system || !data.is_file() => {
                let file = OpenOptions::new().append(true).open(target)?;
                return Ok(Self { file, pending: None, keep_partial, has_failed: false });
            }
            _ => {}
        }
        // A symbolic link is kept: the file that it points to is replaced.
        let target = if existing.is_some() { fs::canonicalize(target)? } else { target.to_owned() };
        let name = target.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no file's name"))?;
        let folder = match target.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let mut hidden = OsString::from(".");
        hidden.push(name);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&hidden).suffix(".part");
        // The system applies the umask to it.
        let permissions = fs::Permissions::from_mode(if mode == FileMode::Umask { 0o666 } else { 0o600 });
        let temporary = builder.permissions(permissions).tempfile_in(folder)?;
        let (file, path) = NamedTempFile::into_parts(temporary);
        pending().push(PendingFile { path: path.to_path_buf(), target: target.clone(), keep_partial });
        Ok(Self { file, pending: Some((path, target)), keep_partial, has_failed: false })
    }

    /// Gives the file its name, replacing an older file.
    pub fn commit(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.persist()
    }

    /// Ends a transcript that is not complete. It never replaces an older file: then it stands next to it, and its name is
    /// returned.
    pub fn finish_partial(&mut self) -> Option<PathBuf> {
        let (path, target) = self.pending.take()?;
        let mut unnamed = pending();
        unnamed.retain(|pending| pending.path != *path);
        match path.keep() {
            Ok(path) => name_partial(&path, &target),
            // It is removed.
            Err(_) => None,
        }
    }

    /// Whether a write failed.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    fn persist(&mut self) -> io::Result<()> {
        let Some((path, target)) = self.pending.take() else { return Ok(()) };
        let mut unnamed = pending();
        if target.exists() {
            // An older file must not be replaced by one whose content is lost if the machine crashes now.
            self.file.sync_data()?;
        }
        let name = path.to_path_buf();
        let stands = path.persist(target).map_err(|failed| failed.error);
        unnamed.retain(|pending| pending.path != name);
        stands
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes);
        self.has_failed |= written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if self.keep_partial {
            self.finish_partial();
        }
        if let Some((path, _)) = &self.pending {
            unregister(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder is there");
        let mut names: Vec<String> =
            entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_older_file_stands_until_the_new_one_is_complete() -> io::Result<()> {
        let folder = folder();
        let target = folder.path().join("report.xml");
        fs::write(&target, "old")?;
        let mut file = AtomicFile::create(&target, FileMode::Private)?;
        file.write_all(b"new")?;
        assert_eq!(fs::read_to_string(&target)?, "old");
        file.commit()?;
        assert_eq!(fs::read_to_string(&target)?, "new");
        assert_eq!(fs::metadata(&target)?.permissions().mode() & 0o777, 0o600);
        assert_eq!(names(folder.path()), ["report.xml"]);
        Ok(())
    }

    #[test]
    fn a_report_that_is_not_completed_never_was() -> io::Result<()> {
        let folder = folder();
        AtomicFile::create(folder.path().join("report.xml"), FileMode::Private)?.write_all(b"half")?;
        assert!(names(folder.path()).is_empty());
        Ok(())
    }

    #[test]
    fn a_growing_file_stands_whatever_ends_it() -> io::Result<()> {
        let folder = folder();
        AtomicFile::keep_partial(folder.path().join("t.log"))?.write_all(b"S: 220 x\n")?;
        assert_eq!(fs::read_to_string(folder.path().join("t.log"))?, "S: 220 x\n");
        Ok(())
    }

    #[test]
    fn a_partial_transcript_stands_next_to_an_older_one_and_an_empty_one_is_removed() -> io::Result<()> {
        let folder = folder();
        let target = folder.path().join("t.log");
        fs::write(&target, "old")?;
        drop(AtomicFile::keep_partial(&target)?);
        assert_eq!(names(folder.path()), ["t.log"]);
        let mut file = AtomicFile::keep_partial(&target)?;
        file.write_all(b"S: 220 x\n")?;
        assert_eq!(file.finish_partial(), Some(folder.path().join("t.log.interrupted")));
        assert_eq!(names(folder.path()), ["t.log", "t.log.interrupted"]);
        assert_eq!(fs::read_to_string(target)?, "old");
        Ok(())
    }

    #[test]
    fn a_link_leads_to_the_file_that_is_replaced() -> io::Result<()> {
        let folder = folder();
        fs::create_dir(folder.path().join("real"))?;
        fs::write(folder.path().join("real/t.log"), "old")?;
        symlink("real/t.log", folder.path().join("link"))?;
        let mut file = AtomicFile::create(folder.path().join("link"), FileMode::Private)?;
        file.write_all(b"new")?;
        file.commit()?;
        assert!(fs::symlink_metadata(folder.path().join("link"))?.is_symlink());
        assert_eq!(fs::read_to_string(folder.path().join("real/t.log"))?, "new");
        Ok(())
    }

    #[test]
    fn what_is_no_file_is_written_as_it_is_or_refused() -> io::Result<()> {
        AtomicFile::create("/dev/null", FileMode::Private)?.write_all(b"x")?;
        let folder = folder();
        let refused = AtomicFile::create(folder.path(), FileMode::Private).err().map(|error| error.kind());
        assert_eq!(refused, Some(io::ErrorKind::IsADirectory));
        let missing =
            AtomicFile::create(folder.path().join("no/such/folder"), FileMode::Private).err().map(|error| error.kind());
        assert_eq!(missing, Some(io::ErrorKind::NotFound));
        Ok(())
    }
}

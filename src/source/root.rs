//! Opens files beneath a folder: neither `..`, an absolute path nor a link leads out of it, not even a link that is
//! made during the call.

use super::error_text::read_error;
use crate::session::SourceError;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

/// A folder that content may be read from.
pub struct RootFolder {
    /// The path as it was given.
    original: PathBuf,
    /// The path with links resolved.
    pub resolved: PathBuf,
    folder: OwnedFd,
}

/// Why a file could not be opened.
#[derive(Debug)]
pub enum RootError {
    /// The path leads out of the folder.
    Outside,
    Io(io::Error),
}

/// Opening a FIFO does not block, and a terminal does not become the controlling terminal.
const READ_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Opens a file anywhere. The caller checks that it is a regular file.
pub fn open_anywhere(path: &Path) -> io::Result<File> {
    Ok(File::from(openat(CWD, path, READ_FLAGS, Mode::empty())?))
}

impl RootFolder {
    /// Opens a folder; an empty path is the current one.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let given = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let open = || {
            let resolved = given.canonicalize()?;
            let folder = openat(CWD, &resolved, READ_FLAGS | OFlags::DIRECTORY, Mode::empty())?;
            Ok(Self { original: given.to_owned(), resolved, folder })
        };
        open().map_err(|error: io::Error| read_error(given, &error))
    }

    /// The path relative to this folder; `None` for an absolute path elsewhere.
    pub fn relative_path(&self, path: &Path) -> Option<PathBuf> {
        if path.is_relative() {
            return Some(path.to_owned());
        }
        let inside = path.strip_prefix(&self.resolved).or_else(|_| path.strip_prefix(&self.original));
        inside.ok().map(Path::to_owned)
    }

    /// Opens a path beneath an open folder.
    pub fn open_in(folder: File, path: &Path) -> Result<File, RootError> {
        let folder = Self { original: PathBuf::new(), resolved: PathBuf::new(), folder: folder.into() };
        folder.open_beneath(path)
    }

    /// Opens a file whose path is relative to this folder.
    pub fn open_beneath(&self, path: &Path) -> Result<File, RootError> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        #[cfg(target_os = "linux")]
        match self.open_with_openat2(path) {
            // A kernel before 5.6, or a sandbox that does not allow the call.
            Err(Errno::NOSYS | Errno::PERM) => {}
            Err(Errno::XDEV) => return Err(RootError::Outside),
            other => return other.map(File::from).map_err(|errno| RootError::Io(errno.into())),
        }
        self.open_by_walking(path)
    }

    #[cfg(target_os = "linux")]
    fn open_with_openat2(&self, path: &Path) -> Result<OwnedFd, Errno> {
        use rustix::fs::{ResolveFlags, openat2};
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut result = Err(Errno::AGAIN);
        // EAGAIN: something was renamed in the meantime, and the kernel cannot check `..`.
        for _ in 0..16 {
            result = openat2(&self.folder, path, READ_FLAGS, Mode::empty(), resolve);
            if !matches!(result, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
        }
        result
    }

    /// The same, one folder at a time. Links are not followed: the caller resolves them and tries again.
    pub(super) fn open_by_walking(&self, path: &Path) -> Result<File, RootError> {
        let failed = |errno: Errno| RootError::Io(errno.into());
        let names: Vec<_> = path.components().filter(|part| *part != Component::CurDir).collect();
        if names.iter().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(RootError::Outside);
        }
        let mut folder = openat(&self.folder, ".", READ_FLAGS | OFlags::DIRECTORY, Mode::empty()).map_err(failed)?;
        for (index, part) in names.iter().enumerate() {
            let last = index + 1 == names.len();
            let flags =
                if last { READ_FLAGS | OFlags::NOFOLLOW } else { READ_FLAGS | OFlags::NOFOLLOW | OFlags::DIRECTORY };
            folder = match openat(&folder, part.as_os_str(), flags, Mode::empty()) {
                Ok(opened) => opened,
                Err(Errno::LOOP) => return Err(RootError::Outside),
                Err(Errno::NOTDIR) if is_link(&folder, part.as_os_str()) => return Err(RootError::Outside),
                Err(errno) => return Err(failed(errno)),
            };
        }
        Ok(File::from(folder))
    }
}

/// Opening a link with O_DIRECTORY fails with ENOTDIR.
fn is_link(folder: &OwnedFd, name: &std::ffi::OsStr) -> bool {
    use rustix::fs::{AtFlags, FileType, statat};
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|about| FileType::from_raw_mode(about.st_mode) == FileType::Symlink)
}

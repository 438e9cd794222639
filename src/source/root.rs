//! Opens files beneath a folder in one go: neither `..`, an absolute path nor a link leads out, not even one that is
//! put there in between.

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
    /// As it was named.
    original: PathBuf,
    /// After links are resolved.
    pub resolved: PathBuf,
    folder: OwnedFd,
}

/// Why a root did not give a file.
#[derive(Debug)]
pub enum RootError {
    /// The path leads out of it.
    Outside,
    Io(io::Error),
}

/// FIFOs do not make the open wait, and a terminal does not become the program's own.
const READ_FLAGS: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Opens a file wherever it is; not yet known to be a regular one.
pub fn open_anywhere(path: &Path) -> io::Result<File> {
    Ok(File::from(openat(CWD, path, READ_FLAGS, Mode::empty())?))
}

impl RootFolder {
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let given = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let open = || {
            let resolved = given.canonicalize()?;
            let folder = openat(CWD, &resolved, READ_FLAGS | OFlags::DIRECTORY, Mode::empty())?;
            Ok(Self { original: given.to_owned(), resolved, folder })
        };
        open().map_err(|error: io::Error| read_error(given, &error))
    }

    /// The path as seen from this root; `None` for an absolute one that does not name it.
    pub fn relative_path(&self, path: &Path) -> Option<PathBuf> {
        if path.is_relative() {
            return Some(path.to_owned());
        }
        let inside = path.strip_prefix(&self.resolved).or_else(|_| path.strip_prefix(&self.original));
        inside.ok().map(Path::to_owned)
    }

    pub fn open_beneath(&self, path: &Path) -> Result<File, RootError> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        #[cfg(target_os = "linux")]
        match self.open_with_openat2(path) {
            // A kernel before 5.6, or a sandbox that does not know the call.
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
        // EAGAIN: something was renamed meanwhile, and the kernel cannot vouch for `..`.
        for _ in 0..16 {
            result = openat2(&self.folder, path, READ_FLAGS, Mode::empty(), resolve);
            if !matches!(result, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
        }
        result
    }

    /// The same a folder at a time, following no link: whoever asked finds another way to where a link leads.
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

/// With O_DIRECTORY a link shows as ENOTDIR.
fn is_link(folder: &OwnedFd, name: &std::ffi::OsStr) -> bool {
    use rustix::fs::{AtFlags, FileType, statat};
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|about| FileType::from_raw_mode(about.st_mode) == FileType::Symlink)
}

//! Error messages for files.

use crate::session::SourceError;
use crate::transcript::SafeText;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A path for messages: quoted and escaped.
pub fn quoted_path(path: &Path) -> String {
    format!("\"{}\"", SafeText::new(path.as_os_str().as_bytes()))
}

/// An error for a file that cannot be read.
pub fn read_error(path: &Path, error: &io::Error) -> SourceError {
    SourceError::Unreadable(format!("cannot read {}: {}", quoted_path(path), io_error_text(error)))
}

/// The system's message for an error, without its number and without the name of a temporary file.
pub fn io_error_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::ISDIR) => "it is a folder".to_owned(),
        Some(rustix::io::Errno::NXIO) => "it is a socket or a device, not a regular file".to_owned(),
        Some(rustix::io::Errno::FBIG) => {
            "it is larger than the limit on the size of files allows (ulimit -f)".to_owned()
        }
        _ => text.to_lowercase(),
    }
}

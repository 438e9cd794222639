//! Reads files under a limit, and regular files only.

use super::error_text::{io_error_text, quoted_path, read_error};
use crate::session::{SourceError, Sources};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The limit in bytes for files of `[vars]`, `[secrets]` and `[tls]`, for a netrc file and for a command's output.
pub const SMALL_FILE_LIMIT: u64 = 1 << 20;

/// The length of a regular file. Other files are refused, so that nothing waits for a FIFO or reads a device.
pub fn regular_file_length(file: &File, path: &Path) -> Result<u64, SourceError> {
    use std::os::unix::fs::FileTypeExt;
    let about = file.metadata().map_err(|error| read_error(path, &error))?;
    let kind = about.file_type();
    let what = match () {
        () if kind.is_file() => return Ok(about.len()),
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(SourceError::Unreadable(format!("cannot read {}: it is {what}, not a regular file", quoted_path(path))))
}

/// The limit in bytes for files named on the command line: variables, certificates, a server's script.
const ARGUMENT_FILE_LIMIT: u64 = 64 << 20;

/// Reads a file that is named on the command line, which may be a pipe. Endless files are refused.
pub fn read_argument_file(path: &Path) -> Result<Vec<u8>, SourceError> {
    let file = File::open(path).map_err(|error| read_error(path, &error))?;
    read_limited(file, ARGUMENT_FILE_LIMIT, &quoted_path(path))
}

/// Reads to the end; more than `limit` bytes are an error. `name` is for messages.
pub fn read_limited(reader: impl Read, limit: u64, name: &str) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    let read = reader.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|error| SourceError::Unreadable(format!("cannot read {name}: {}", io_error_text(&error))))?;
    if bytes.len() as u64 > limit {
        let what = format!("{name} is larger than the limit of {} MiB", limit >> 20);
        return Err(SourceError::Refused(what));
    }
    Ok(bytes)
}

/// Reads a whole content file of at most 1 MiB: for variables and secrets.
pub fn read_small_file(sources: &dyn Sources, path: &Path) -> Result<Vec<u8>, SourceError> {
    read_limited(sources.open(path)?.reader, SMALL_FILE_LIMIT, &quoted_path(path))
}

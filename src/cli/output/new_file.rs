//! Session files that commands write next to their work.

use super::console;
use crate::cli::error::CommandError;
use crate::source::io_error_text;
use crate::transcript::escape_unprintable;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a session file that only its owner can read, and prints its name. An existing file stays as it is.
pub fn save_session(path: &Path, text: &str) -> Result<(), CommandError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|why| cannot_save(path, &why))?;
    file.write_all(text.as_bytes()).map_err(|why| cannot_save(path, &why))?;
    console::print_line(&format!("wrote {}", shown(path)));
    Ok(())
}

/// The error for a session file that cannot be written.
pub fn cannot_save(path: &Path, why: &io::Error) -> CommandError {
    let why = match why.kind() {
        io::ErrorKind::AlreadyExists => "it exists already".to_owned(),
        io::ErrorKind::NotFound => "its folder does not exist".to_owned(),
        _ => io_error_text(why),
    };
    CommandError::cannot_create(format!("cannot write the session file {}: {why}", shown(path)))
}

fn shown(path: &Path) -> String {
    escape_unprintable(path.as_os_str().as_encoded_bytes())
}

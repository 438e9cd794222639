//! What sessions read: session files, content beneath the roots, rows, the environment, commands, netrc, a terminal.
//!
//! A session file may come from a stranger: nothing here reads outside its roots, runs a command unless that was allowed,
//! or waits for a FIFO.

mod command;
mod error_text;
mod exclusions;
mod glob;
mod interrupt;
mod json_lines;
mod ledger_path;
mod limited;
mod netrc;
mod prompt;
mod root;
mod row_input;
mod rows;
mod secret_files;
mod sessions;
mod stdin;
mod system;
#[cfg(test)]
mod tests;

pub use error_text::io_error_text;
pub use exclusions::{PLAIN_ADDRESS_HELP, read_exclusions};
pub use glob::glob_matches;
pub use interrupt::InterruptCheck;
pub use limited::{read_argument_file, read_limited, read_small_file};
pub use rows::{RowReader, SourceRow, duplicate_key_error};
pub use sessions::{MAX_SESSION_BYTES, STDIN_READ_TWICE, SessionPath, find_sessions, read_session_text};
pub use system::SystemSources;

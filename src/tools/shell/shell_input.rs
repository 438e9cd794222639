//! Where a command of the shell gets what is not in its line.

use std::io;

/// Asks for what a command needs besides its line.
pub trait ShellInput {
    /// Reads a line; if it is `hidden` it is not shown while it is typed. `None`: it was abandoned, or there is none.
    fn ask(&mut self, what: &str, hidden: bool) -> io::Result<Option<String>>;
}

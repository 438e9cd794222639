//! Prints a session as a session file that runs the same, with everything implied and included spelled out.

use super::{Session, Value};

/// What the command line gave in place of the file's.
#[derive(Clone, Debug, Default)]
pub struct ShowOptions {
    /// `--server`.
    pub server: Option<String>,
    /// `--var` and `--vars`.
    pub variables: Vec<(String, Value)>,
}

pub fn show(session: &Session, options: &ShowOptions) -> String {
    let _ = (session, options);
    todo!()
}

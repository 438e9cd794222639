//! Tools around sessions: what makes a session file from something else.

pub mod import;
pub mod shell;

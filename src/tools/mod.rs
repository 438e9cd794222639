//! Tools around sessions: what makes a session file from something else, and what compares and reduces dialogues.

pub mod diff;
pub mod import;
pub mod probe;
pub mod reduce;
pub mod shell;

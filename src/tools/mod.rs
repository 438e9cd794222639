//! Tools around sessions: what makes a session file from something else, what compares the answers of servers, and what
//! makes commands of a session for those without mailrun.

pub mod diff;
pub mod export;
pub mod import;
pub mod probe;
pub mod reduce;
mod reply_pairing;
pub mod shell;

//! One connection: its stream, the lines and replies read from it, and the state of the dialogue.
//!
//! Every wait ends at an absolute deadline and is cut in slices, so that an interruption is noticed. Lines are emitted
//! before they are judged, and so is an unfinished line when the connection ends or a deadline passes.

mod facts;
mod reading;
mod replies;
mod reply_reader;
mod slice;
mod smtp_connection;

pub use facts::{ByteCounts, ConnectionState, TlsStart};
pub use replies::{FINAL_REPLY_WAIT, SHORT_WAIT};
pub use smtp_connection::{SmtpConnection, WriteOptions};

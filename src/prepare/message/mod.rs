//! Mail: what `[message]` says, rendered, opened and made ready for the server of a connection.

mod addresses;
mod content_source;
mod context;
mod envelope;
mod job;
mod parts;
mod prepare;
mod signing;

pub use content_source::{BLOCK, ContentSource};
pub use context::MessageContext;
pub use envelope::{ServerTraits, prepare_job};
pub use job::{CommandKind, EnvelopeCommand, MessageJob};
pub use parts::{PartReader, TextKind};
pub use prepare::prepare_message;
pub use signing::signing_key;

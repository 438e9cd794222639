//! Mail: from what `[message]` says to the replies of the server, and the messages that follow on the same connection.

mod addresses;
mod bdat;
mod content;
mod context;
mod data;
mod delivery;
mod envelope;
mod parts;
mod pipeline;
mod prepare;
mod recipient_states;
mod recipients;

pub use content::{ContentOptions, ContentProgress, ContentSource, read_content_reply, unanswered, write_content};
pub use context::MessageContext;
pub use delivery::Delivery;
pub use envelope::prepare_job;
pub use parts::PartReader;
pub use pipeline::discard_queued;
pub use prepare::prepare_message;

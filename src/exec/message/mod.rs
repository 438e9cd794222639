//! Messages over a connection: from the envelope to the replies of the server, and the messages that follow.

mod bdat;
mod content;
mod data;
mod delivery;
mod pipeline;
mod recipient_states;
mod recipients;

pub use content::{ContentOptions, ContentProgress, read_content_reply, unanswered, write_content};
pub use delivery::Delivery;
pub use pipeline::discard_queued;

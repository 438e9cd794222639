//! Builds a message from what `[message]` says (RFC 5322, RFC 2045), as a stream. It knows nothing random, no clock and
//! no file: the caller gives date and Message-ID, and opens the files.

mod cache;
mod draft;
mod eml;
mod encoded_message;
mod error;
mod header;
mod media_type;
mod parts;
mod scan;
mod source;
#[cfg(test)]
mod tests;
mod transfer;

pub use crate::smtp::address_list::NamedMailbox;
pub use cache::{PartCache, PartKey, PartSource};
pub use draft::{Draft, FilePart, TextPart};
pub use eml::{Eml, EmlError};
pub use encoded_message::{EncodedMessage, MessageReader};
pub use error::{BuildError, MessageError};
pub use media_type::check as check_media_type;
pub use parts::build;
pub use source::{Opener, Source};

/// As [`crate::smtp::address_list::parse`], with the text in the error.
pub fn parse_address_list(text: &str) -> Result<Vec<NamedMailbox>, MessageError> {
    crate::smtp::address_list::parse(text).map_err(|error| MessageError::new(text, error.within(text)))
}

//! The lines of a transcript: writing, reading, escaping, redacting. Reversible: `parse(print(x)) = x`.

mod body;
mod escape;
mod hex;
mod line;
mod parse;
mod redact;
mod secrets;
#[cfg(test)]
mod tests;

pub use body::{LineBody, unescape};
pub use escape::{SafeText, escape_unprintable, write_notation};
pub use hex::hex_dump;
pub use line::{Mark, TranscriptLine, write_prefix};
pub use parse::{ParseError, parse};
pub use redact::{ContentRedaction, ContentWindow, Redactor, ReplyWindow, Secret};
pub use secrets::Secrets;

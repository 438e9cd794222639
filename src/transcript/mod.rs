//! The transcript's lines: written, read, escaped, redacted. Reversible: `parse(print(x)) = x`.

mod escape;
mod hex;
mod line;
mod parse;
mod redact;
#[cfg(test)]
mod tests;

pub use escape::{Shown, notation, printable, unescape};
pub use hex::hex;
pub use line::{Body, Mark, Record, prefix};
pub use parse::{ParseError, parse};
pub use redact::{Heard, Passage, Redactor, Secret};

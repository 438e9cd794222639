//! The transcript's lines: written, read, escaped, redacted. Reversible: `parse(print(x)) = x`.

mod escape;
mod line;
mod parse;
mod redact;
#[cfg(test)]
mod tests;

pub use escape::{Shown, notation, printable, unescape};
pub use line::{Body, Mark, Record, prefix};
pub use parse::{ParseError, parse};
pub use redact::{Redactor, Secret};

//! The transcript's lines: written, read, escaped, redacted. Reversible: `parse(print(x)) = x`.

mod escape;
mod line;
mod parse;
mod redact;

pub use escape::{Shown, notation, printable, unescape};
pub use line::{Body, Mark, Record};
pub use parse::{ParseError, parse};
pub use redact::{Redactor, Secret};

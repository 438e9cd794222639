//! Finds secrets in what is about to be shown, in every form in which they travel.

use super::Shown;
use std::fmt;
use std::ops::Range;

/// Text that must not be shown: its `Debug` is `[secret]` in every build, and it has no `Display`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the wire.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Knows the run's secrets and finds them: plain, base64 (alone and inside something longer), URL-encoded, and the
/// SASL responses made of them. The longest match wins, so that a secret inside another leaks nothing of it.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    // …
}

impl Redactor {
    /// A secret shorter than this many characters is hidden only where it is sent.
    pub const SHORT: usize = 4;

    /// Finds nothing: `--show-secrets`.
    pub fn off() -> Self {
        todo!()
    }

    /// Learns a secret in all its forms. Gives false where it is too short to be looked for everywhere.
    pub fn add(&mut self, secret: &str) -> bool {
        let _ = secret;
        todo!()
    }

    /// Learns a SASL response, given before base64, which is made of a secret.
    pub fn add_response(&mut self, bytes: &[u8]) {
        let _ = bytes;
        todo!()
    }

    /// The ranges of `bytes` that are secret, ascending and apart.
    pub fn find(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let _ = bytes;
        todo!()
    }

    /// As [`Redactor::find`] for a line that is sent and was made with these secrets: short ones count too.
    pub fn find_sent(&self, bytes: &[u8], used: &[&str]) -> Vec<Range<usize>> {
        let _ = (bytes, used);
        todo!()
    }

    /// Text for remarks, errors and reports: secrets hidden, then escaped.
    pub fn shown(&self, text: impl AsRef<[u8]>) -> Shown {
        let _ = text.as_ref();
        todo!()
    }
}

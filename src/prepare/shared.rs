//! What the messages of all connections share.

use crate::message::PartCache;
use crate::smtp::dkim::{DkimKey, KeyError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What the messages of all connections share.
#[derive(Default)]
pub struct SharedByMessages {
    /// Parts of messages, encoded once.
    pub parts: Arc<PartCache>,
    /// The key of `[dkim]`.
    pub signing: SigningKeys,
}

/// The key of `[dkim]`, shared by all connections.
#[derive(Default)]
pub struct SigningKeys {
    /// The text of a key that is the same for all messages; `None` in it: a dry run goes without.
    fixed: OnceLock<Option<String>>,
    /// The last key that was parsed, and its text.
    parsed: Mutex<Option<(String, DkimKey)>>,
}

impl SigningKeys {
    /// Keeps the key that all messages are signed with.
    pub fn set_fixed(&self, text: Option<String>) {
        let _ = self.fixed.set(text);
    }

    /// The key that all messages are signed with; `None`: it depends on the message.
    pub fn fixed(&self) -> Option<&Option<String>> {
        self.fixed.get()
    }

    /// Parses a key, unless it is the one of the last message.
    pub fn parse(&self, text: &str) -> Result<DkimKey, KeyError> {
        let mut parsed = self.parsed.lock().unwrap_or_else(PoisonError::into_inner);
        match &*parsed {
            Some((known, key)) if known == text => Ok(key.clone()),
            _ => {
                let key = DkimKey::from_pem(text.as_bytes())?;
                *parsed = Some((text.to_owned(), key.clone()));
                Ok(key)
            }
        }
    }
}

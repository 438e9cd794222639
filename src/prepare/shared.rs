//! What the messages of all connections share.

use crate::message::PartCache;
use crate::smtp::dkim::{DkimKey, KeyError};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What the messages of all connections share.
#[derive(Default)]
pub struct SharedByMessages {
    /// Parts of messages, encoded once.
    pub parts: Arc<PartCache>,
    /// The key of `[dkim]`.
    pub signing: SigningKeys,
    /// Whether messages may use BDAT.
    pub chunking: ChunkingState,
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

/// What is known of BDAT in this run, for all connections. A server that offers CHUNKING may still refuse BDAT, and read the
/// octets after it as commands: then the rest of the run uses DATA.
#[derive(Debug, Default)]
pub struct ChunkingState {
    accepted: AtomicBool,
    disabled: AtomicBool,
}

impl ChunkingState {
    /// Whether a server refused BDAT, so that DATA is used.
    pub fn is_disabled(&self) -> bool {
        self.disabled.load(Ordering::Relaxed)
    }

    /// Whether a BDAT got its 250. Before that nothing is sent after one until its reply has come.
    pub fn is_accepted(&self) -> bool {
        self.accepted.load(Ordering::Relaxed)
    }

    /// A server accepted BDAT.
    pub fn accept(&self) {
        self.accepted.store(true, Ordering::Relaxed);
    }

    /// A server refused BDAT. Gives whether it is the first time.
    pub fn disable(&self) -> bool {
        !self.disabled.swap(true, Ordering::Relaxed)
    }
}

//! The files that secrets came from. They are never sent as content, by whatever name or link they are opened.

use std::fs::{File, Metadata, metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The files that were read as secrets so far.
#[derive(Default)]
pub struct SecretFiles {
    /// Device and inode of each when it was read.
    identities: Vec<(u64, u64)>,
    /// Where each can be found, since it may be replaced while the session runs.
    places: Vec<PathBuf>,
    standard_input: bool,
}

impl SecretFiles {
    /// Adds an open file, which is at one of `places`.
    pub fn add(&mut self, file: &File, places: impl IntoIterator<Item = PathBuf>) -> io::Result<()> {
        let identity = identity(&file.metadata()?);
        let is_here = |place: &PathBuf| metadata(place).is_ok_and(|about| self::identity(&about) == identity);
        if let Some(place) = places.into_iter().find(is_here).filter(|place| !self.places.contains(place)) {
            self.places.push(place);
        }
        if !self.identities.contains(&identity) {
            self.identities.push(identity);
        }
        Ok(())
    }

    /// A secret was read from standard input.
    pub fn add_standard_input(&mut self) {
        self.standard_input = true;
    }

    /// Whether a secret was read from standard input.
    pub fn has_standard_input(&self) -> bool {
        self.standard_input
    }

    /// Whether the open file is one of them, or has replaced one.
    pub fn contains(&self, file: &File) -> io::Result<bool> {
        let identity = identity(&file.metadata()?);
        let replaces = |place: &PathBuf| metadata(place).is_ok_and(|about| self::identity(&about) == identity);
        Ok(self.identities.contains(&identity) || self.places.iter().any(replaces))
    }
}

fn identity(about: &Metadata) -> (u64, u64) {
    (about.dev(), about.ino())
}

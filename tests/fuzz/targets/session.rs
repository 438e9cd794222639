//! Session files: read, or refused with diagnostics that can be shown; never a panic, never a file but itself.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailrun::session::{SourceError, SourceFile, Sources, load};
use std::path::Path;

/// A world without files, environment or commands.
struct Nothing;

fn refused<T>() -> Result<T, SourceError> {
    Err(SourceError::Refused("there is nothing here".into()))
}

impl Sources for Nothing {
    fn open(&self, _: &Path) -> Result<SourceFile, SourceError> {
        refused()
    }

    fn read_tls(&self, _: &Path) -> Result<Vec<u8>, SourceError> {
        refused()
    }

    fn env(&self, _: &str) -> Result<Option<String>, SourceError> {
        refused()
    }

    fn command(&self, _: &[String]) -> Result<Vec<u8>, SourceError> {
        refused()
    }

    fn netrc(&self, _: &str, _: &str) -> Result<Option<String>, SourceError> {
        refused()
    }

    fn prompt(&self, _: &str) -> Result<String, SourceError> {
        refused()
    }
}

fuzz_target!(|text: &str| {
    if let Err(diagnostics) = load("fuzz.toml", text, &Nothing, &[]) {
        assert!(diagnostics.has_errors());
        let shown = diagnostics.render(false);
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'));
    }
});

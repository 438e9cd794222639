//! Session files are parsed or refused with diagnostics that can be rendered; there is no panic and no other file is read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailrun::session::{SourceError, SourceFile, Sources, load};
use std::path::Path;

/// Sources without files, environment or commands.
struct Nothing;

impl Sources for Nothing {
    fn open(&self, _: &Path) -> Result<SourceFile, SourceError> {
        Err(SourceError::Refused("there is nothing here".into()))
    }
}

fuzz_target!(|text: &str| {
    if let Err(diagnostics) = load("fuzz.toml", text, &Nothing, &[]) {
        assert!(diagnostics.has_errors());
        let shown = diagnostics.render(false);
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n'));
    }
});

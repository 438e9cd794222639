//! Tests of reading session files.

mod combinations;
mod encodings;
mod includes;
mod invalid;
mod literals;
mod robust;
mod valid;

pub(in crate::session) use valid::EVERY_KEY;

use crate::session::{Diagnostics, Session, SourceError, SourceFile, Sources, load};
use std::collections::HashMap;
use std::path::Path;

/// Files in memory.
#[derive(Default)]
pub(in crate::session) struct Files(pub HashMap<&'static str, String>);

impl Sources for Files {
    fn open(&self, path: &Path) -> Result<SourceFile, SourceError> {
        let text = self.0.get(path.to_str().unwrap_or_default()).cloned();
        let text = text.ok_or(SourceError::Unreadable("no such file".to_owned()))?;
        Ok(SourceFile {
            length: text.len() as u64,
            revision: 0,
            reader: Box::new(std::io::Cursor::new(text.into_bytes())),
        })
    }
}

fn read(text: &str) -> Result<Session, Diagnostics> {
    load("case.toml", text, &Files::default(), &[])
}

/// Reads a valid session; an error fails the test.
fn good(text: &str) -> Session {
    read(text).unwrap_or_else(|wrong| panic!("{text}\n{}", wrong.render(false)))
}

/// Reads an invalid session and returns its errors as they are printed.
fn wrong(text: &str) -> String {
    match read(text) {
        Ok(_) => panic!("this was read without an error:\n{text}"),
        Err(wrong) => wrong.render(false),
    }
}

//! Reads a session file: all its mistakes in one go, each with its place.

use super::{Diagnostics, Session, Sources};

/// Reads, validates and expands a session. `name` is the file's name as given; includes are read through `sources`.
/// `overridden` are the names that `--var` and `--vars` give beside `[vars]`.
pub fn load(name: &str, text: &str, sources: &dyn Sources, overridden: &[String]) -> Result<Session, Diagnostics> {
    let _ = (name, text, sources, overridden);
    todo!()
}

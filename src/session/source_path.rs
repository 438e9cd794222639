//! A file that a session names.

use super::{Span, Template};
use std::path::PathBuf;

/// A file that a session names: relative to the session file's folder, or absolute.
#[derive(Clone, Debug)]
pub struct SourcePath {
    /// As the file writes it.
    pub template: Template,
    /// The folder of the include that names it, relative to the session file's. Empty outside of includes.
    pub base: PathBuf,
    pub span: Span,
}

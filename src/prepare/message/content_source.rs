//! The content of a `body` step, and of a message, before it is encoded.

use super::parts::{PartReader, TextKind};
use crate::event::StepError;
use crate::session::{Span, TextDecoding, TextSource};
use crate::transcript::Secrets;
use std::io::{Cursor, Read};

/// How many bytes are read at once: those that one deadline is for.
pub const BLOCK: usize = 64 * 1024;

/// Content before it is encoded.
pub struct ContentSource<'s> {
    pub reader: Box<dyn Read + 's>,
    /// What the file said its length was.
    pub length: Option<u64>,
    pub name: String,
    pub span: Span,
    /// Secrets that it may hold and that are too short to be hidden everywhere.
    pub short_secrets: Vec<String>,
}

impl ContentSource<'_> {
    fn text(text: impl Into<Vec<u8>>, span: &Span, short_secrets: Vec<String>) -> Self {
        let reader = Box::new(Cursor::new(text.into()));
        Self { reader, length: None, name: "the text".into(), span: span.clone(), short_secrets }
    }

    /// Opens what `body` says.
    pub fn open(parts: &PartReader<'_, '_>, content: &TextSource) -> Result<ContentSource<'static>, StepError> {
        let renderer = parts.renderer;
        match content {
            TextSource::Text(template) => {
                let short_secrets = renderer.short_secrets(template);
                Ok(ContentSource::text(renderer.render(template)?, &template.span, short_secrets))
            }
            TextSource::File { path, template: true, .. } => {
                let rendered = parts.rendered(path, TextKind::Plain, TextDecoding::strict(None))?;
                Ok(ContentSource::text(rendered.text, &path.span, Vec::new()))
            }
            TextSource::File { path, template: false, .. } => {
                let resolved = renderer.resolve(path)?;
                let file = parts.open(&resolved, &path.span)?;
                let (reader, length, name) = (file.reader, Some(file.length), resolved.to_string());
                Ok(ContentSource { reader, length, name, span: path.span.clone(), short_secrets: Vec::new() })
            }
        }
    }

    /// Reads a block; a file that ends early or grows cannot be sent whole.
    pub fn read_block(&mut self, secrets: &Secrets, block: &mut Vec<u8>, so_far: u64) -> Result<usize, StepError> {
        let fail = |why: String| {
            let error = StepError::unreadable(secrets, format!("{}: {why}", self.name)).at(&self.span);
            Err(StepError { closes_connection: true, ..error })
        };
        block.clear();
        let count = match self.reader.by_ref().take(BLOCK as u64).read_to_end(block) {
            Ok(count) => count,
            Err(error) => return fail(error.to_string()),
        };
        match self.length {
            Some(length) if count == 0 && so_far < length => fail(format!("{so_far} bytes came of {length}")),
            Some(length) if so_far + count as u64 > length => {
                fail(format!("it grew beyond its {length} bytes while it was read"))
            }
            _ => Ok(count),
        }
    }
}

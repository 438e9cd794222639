//! What a message is made of, as sources that can be read again: rendered texts, and files beneath the roots.

use crate::exec::context::{RunContext, StepContext};
use crate::exec::error::StepError;
use crate::exec::ports::Clock;
use crate::exec::values::Renderer;
use crate::message::{PartSource, Source, TextPart};
use crate::session::{RenderError, SourceError, SourceFile, SourcePath, Sources, Span, TextSource};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What a file that is a template may hold.
const MAX_TEMPLATE: u64 = 16 << 20;

/// Opens what a session names as content.
#[derive(Clone, Copy)]
pub struct PartReader<'r, 'a> {
    pub run: RunContext<'a>,
    pub renderer: Renderer<'r>,
    pub clock: &'r dyn Clock,
}

impl<'r, 'a> PartReader<'r, 'a> {
    /// For the row whose turn it is.
    pub fn of(context: &'r StepContext<'_, 'a>) -> Self {
        Self { run: context.run, renderer: context.renderer(), clock: context.events.clock }
    }

    fn bad_value(&self, what: impl AsRef<[u8]>, span: &Span) -> StepError {
        StepError::bad_value(self.renderer.secrets, what).at(span)
    }

    /// A file cannot be read.
    pub fn unreadable(&self, error: &io::Error, span: &Span) -> StepError {
        StepError::unreadable(self.renderer.secrets, error.to_string()).at(span)
    }

    /// `text` or `html`, looked through, and the short secrets that it may hold.
    pub fn text(
        &self,
        content: &TextSource,
        html: bool,
        message_id: &str,
    ) -> Result<(TextPart<'a>, Vec<String>), StepError> {
        let (source, span, used) = match content {
            TextSource::Text(template) => {
                let name = if html { "the HTML" } else { "the text" };
                let source = Source::in_memory(name, self.renderer.render(template)?.into_bytes());
                (source, &template.span, self.renderer.short_secrets(template))
            }
            TextSource::File { path, template: false } => (self.file(path)?.1, &path.span, Vec::new()),
            TextSource::File { path, template: true } => {
                let (name, text) = self.rendered(path, html)?;
                (Source::in_memory(name, text.into_bytes()), &path.span, Vec::new())
            }
        };
        let name = source.name.clone();
        let part =
            TextPart::new(self.cached(source, span), message_id).map_err(|error| self.unreadable(&error, span))?;
        if !part.is_utf8() {
            return Err(self.bad_value(format!("{name} is not UTF-8 text"), span));
        }
        Ok((part, used))
    }

    /// What is encoded once and kept if messages have it in common; `span` is where the session names it.
    pub fn cached(&self, source: Source<'a>, span: &Span) -> PartSource<'a> {
        source.with_cache(self.run.parts, (span.file, span.bytes.start))
    }

    /// A file, opened once to know that it can be and how long it is; and its path.
    pub fn file(&self, path: &SourcePath) -> Result<(PathBuf, Source<'a>), StepError> {
        let resolved = self.renderer.resolve(path)?;
        let opened = self.open(&resolved, &path.span)?;
        let (sources, again, length) = (self.run.sources, resolved.clone(), opened.length);
        let opener = move || reopen(sources, &again, length);
        let source =
            Source::new(resolved.display().to_string(), length, Box::new(opener)).with_revision(opened.revision);
        Ok((resolved, source))
    }

    pub fn open(&self, path: &Path, span: &Span) -> Result<SourceFile, StepError> {
        self.run
            .sources
            .open(path)
            .map_err(|error| StepError::source(self.renderer.secrets, self.clock, &error).at(span))
    }

    /// A file that is a template: its name, and what it says now.
    pub fn rendered(&self, path: &SourcePath, html: bool) -> Result<(String, String), StepError> {
        let (name, result) = self.render_file(path, html)?;
        let text = result.map_err(|error| self.bad_value(error.message, &error.span))?;
        Ok((name, text))
    }

    /// Renders a file that is a template, to see whether it can be; a name that `later` knows has no value yet.
    pub fn try_file(&self, path: &SourcePath, html: bool, later: &dyn Fn(&str) -> bool) -> Result<(), StepError> {
        match self.render_file(path, html)?.1 {
            Err(error) if error.undefined.as_deref().is_some_and(|name| later(root(name))) => Ok(()),
            Err(error) => Err(self.bad_value(error.message, &error.span)),
            Ok(_) => Ok(()),
        }
    }

    /// The file's name, and what became of it.
    fn render_file(&self, path: &SourcePath, html: bool) -> Result<(String, Result<String, RenderError>), StepError> {
        let resolved = self.renderer.resolve(path)?;
        let name = resolved.display().to_string();
        let mut bytes = Vec::new();
        let read = self.open(&resolved, &path.span)?.reader.take(MAX_TEMPLATE + 1).read_to_end(&mut bytes);
        read.map_err(|error| self.unreadable(&io::Error::other(format!("{name}: {error}")), &path.span))?;
        let bad = |what: String| self.bad_value(what, &path.span);
        if bytes.len() as u64 > MAX_TEMPLATE {
            return Err(bad(format!("{name} holds more than 16 MiB, the limit of a template")));
        }
        let text = String::from_utf8(bytes).map_err(|_| bad(format!("{name} is not UTF-8 text")))?;
        let (templates, scope) = (&self.run.session.templates, self.renderer.scope);
        let result = if html {
            templates.render_html(&text, &name, &path.span, scope)
        } else {
            templates.render_text(&text, &name, &path.span, scope)
        };
        Ok((name, result))
    }
}

/// Its length was announced.
fn reopen(sources: &dyn Sources, path: &Path, length: u64) -> io::Result<Box<dyn Read>> {
    let file = sources.open(path).map_err(|error| match error {
        SourceError::Refused(what) | SourceError::Unreadable(what) => io::Error::other(what),
    })?;
    if file.length != length {
        let (name, now) = (path.display(), file.length);
        return Err(io::Error::other(format!("{name}: it had {length} bytes, and has {now} now")));
    }
    Ok(file.reader)
}

/// `reply` of `reply.code`.
fn root(name: &str) -> &str {
    name.split(['.', '[']).next().unwrap_or_default()
}

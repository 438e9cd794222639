//! What a message is made of, as sources that can be read again: rendered texts, and files beneath the roots.

use super::job::MessageNotices;
use crate::event::Note;
use crate::event::StepError;
use crate::message::{PartSource, Source, TextPart};
use crate::prepare::clock::Clock;
use crate::prepare::context::RunContext;
use crate::prepare::values::Renderer;
use crate::session::{
    AttachedFile, ContentPath, DecodedReader, FilePattern, InvalidBytes, RenderError, SourceError, SourceFile,
    SourcePath, Sources, Span, TextDecoding, TextSource, decode_text, measure_text,
};
use std::io::{self, Read};

/// What a file that is a template may hold.
const MAX_TEMPLATE: u64 = 16 << 20;

/// The two forms of a message's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextKind {
    Plain,
    Html,
}

/// Opens what a session names as content.
#[derive(Clone, Copy)]
pub struct PartReader<'r, 'a> {
    pub run: RunContext<'a>,
    pub renderer: Renderer<'r>,
    pub clock: &'r dyn Clock,
}

impl<'a> PartReader<'_, 'a> {
    fn bad_value(&self, what: impl AsRef<[u8]>, span: &Span) -> StepError {
        StepError::bad_value(self.renderer.secrets, what).at(span)
    }

    /// A file cannot be read.
    pub fn unreadable(&self, error: &io::Error, span: &Span) -> StepError {
        StepError::unreadable(self.renderer.secrets, error.to_string()).at(span)
    }

    /// `text` or `html`, looked through, and what is to be known of it.
    pub fn text(
        &self,
        content: &TextSource,
        kind: TextKind,
        message_id: &str,
    ) -> Result<(TextPart<'a>, MessageNotices), StepError> {
        let mut notices = MessageNotices::default();
        let (source, span) = match content {
            TextSource::Text(template) => {
                let name = if kind == TextKind::Html { "the HTML" } else { "the text" };
                notices.short_secrets = self.renderer.short_secrets(template);
                (Source::in_memory(name, self.renderer.render(template)?.into_bytes()), &template.span)
            }
            TextSource::File { path, template: false, .. } => {
                let (source, invalid) = self.text_file(path, content.decoding())?;
                self.note_invalid(&mut notices, &invalid, &source.name);
                (source, &path.span)
            }
            TextSource::File { path, template: true, .. } => {
                let rendered = self.rendered(path, kind, content.decoding())?;
                self.note_invalid(&mut notices, &rendered.invalid, &rendered.name);
                (Source::in_memory(rendered.name, rendered.text.into_bytes()), &path.span)
            }
        };
        let name = source.name.clone();
        let part =
            TextPart::new(self.cached(source, span), message_id).map_err(|error| self.unreadable(&error, span))?;
        if !part.is_utf8() {
            return Err(self.bad_value(format!("{name} is not UTF-8 text"), span));
        }
        Ok((part, notices))
    }

    fn note_invalid(&self, notices: &mut MessageNotices, invalid: &InvalidBytes, name: &str) {
        let what = invalid.in_file(name).map(|what| self.renderer.secrets.shown(what));
        notices.notes.extend(what.map(|what| Note::InvalidText { what }));
    }

    /// A text file as UTF-8, and the bytes that were replaced by U+FFFD. It is read once to know how long the text is.
    fn text_file(&self, path: &SourcePath, decoding: TextDecoding) -> Result<(Source<'a>, InvalidBytes), StepError> {
        let (resolved, source) = self.file(path)?;
        let name = resolved.to_string();
        let opened = self.open(&resolved, &path.span)?;
        let read = measure_text(opened.reader, decoding)
            .map_err(|error| self.unreadable(&io::Error::other(format!("{name}: {error}")), &path.span))?;
        let (length, invalid) = read.map_err(|why| self.bad_value(why.in_file(&name), &path.span))?;
        let Some(length) = length else { return Ok((source, invalid)) };
        let (sources, raw_length) = (self.run.sources, source.length);
        let opener = move || {
            let reader = reopen(sources, &resolved, raw_length)?;
            Ok(Box::new(DecodedReader::new(reader, decoding)) as Box<dyn Read>)
        };
        Ok((Source::new(name, length, Box::new(opener)).with_revision(opened.revision), invalid))
    }

    /// What is encoded once and kept if messages have it in common; `span` is where the session names it.
    pub fn cached(&self, source: Source<'a>, span: &Span) -> PartSource<'a> {
        source.with_cache(&self.run.shared.parts, (span.file, span.bytes.start))
    }

    /// A file, opened once to know that it can be and how long it is; and its path.
    pub fn file(&self, path: &SourcePath) -> Result<(ContentPath, Source<'a>), StepError> {
        let resolved = self.renderer.resolve(path)?;
        let source = self.content(&resolved, &path.span)?;
        Ok((resolved, source))
    }

    /// The files that an entry of `attach` names: one, or those that match its pattern.
    pub fn attached(&self, attached: &AttachedFile) -> Result<Vec<ContentPath>, StepError> {
        let (path, span) = (&attached.path, &attached.path.span);
        let exact = self.renderer.resolve(path)?;
        if !attached.can_be_pattern || exact.is_standard_input() {
            return Ok(vec![exact]);
        }
        let rendered = self.renderer.render_marked_line(&path.template)?;
        let pattern = FilePattern::parse(&rendered).map_err(|why| self.bad_value(why, span))?;
        let Some(pattern) = pattern else { return Ok(vec![exact]) };
        let found = match self.run.sources.open_content(&exact) {
            // A file that has this very name.
            Ok(_) => return Ok(vec![exact]),
            Err(SourceError::Refused(why)) => Err(SourceError::Refused(why)),
            Err(SourceError::Unreadable(_)) => pattern.matching_files(&exact, self.run.sources),
        };
        found.map_err(|error| StepError::source(self.renderer.secrets, self.clock, &error).at(span))
    }

    /// A file, opened once to know that it can be and how long it is.
    pub fn content(&self, resolved: &ContentPath, span: &Span) -> Result<Source<'a>, StepError> {
        let opened = self.open(resolved, span)?;
        let (sources, again, length) = (self.run.sources, resolved.clone(), opened.length);
        let opener = move || reopen(sources, &again, length);
        let source = Source::new(resolved.to_string(), length, Box::new(opener)).with_revision(opened.revision);
        Ok(source)
    }

    pub fn open(&self, path: &ContentPath, span: &Span) -> Result<SourceFile, StepError> {
        self.run
            .sources
            .open_content(path)
            .map_err(|error| StepError::source(self.renderer.secrets, self.clock, &error).at(span))
    }

    /// Renders a file that is a template.
    pub fn rendered(
        &self,
        path: &SourcePath,
        kind: TextKind,
        decoding: TextDecoding,
    ) -> Result<RenderedFile, StepError> {
        let file = self.read_template(path, decoding)?;
        let text = self.render_file(path, kind, &file).map_err(|error| self.bad_value(error.message, &error.span))?;
        Ok(RenderedFile { text, ..file })
    }

    /// Renders a file that is a template, to see whether it can be; a name that `later` knows has no value yet.
    pub fn try_file(
        &self,
        path: &SourcePath,
        kind: TextKind,
        decoding: TextDecoding,
        later: &dyn Fn(&str) -> bool,
    ) -> Result<(), StepError> {
        let file = self.read_template(path, decoding)?;
        match self.render_file(path, kind, &file) {
            Err(error) if error.undefined.as_deref().is_some_and(|name| later(root(name))) => Ok(()),
            Err(error) => Err(self.bad_value(error.message, &error.span)),
            Ok(_) => Ok(()),
        }
    }

    /// Reads a file that is a template, and does not render it.
    fn read_template(&self, path: &SourcePath, decoding: TextDecoding) -> Result<RenderedFile, StepError> {
        let resolved = self.renderer.resolve(path)?;
        let name = resolved.to_string();
        let mut bytes = Vec::new();
        let read = self.open(&resolved, &path.span)?.reader.take(MAX_TEMPLATE + 1).read_to_end(&mut bytes);
        read.map_err(|error| self.unreadable(&io::Error::other(format!("{name}: {error}")), &path.span))?;
        if bytes.len() as u64 > MAX_TEMPLATE {
            let what = format!("{name} holds more than 16 MiB, the limit of a template");
            return Err(self.bad_value(what, &path.span));
        }
        let decoded = decode_text(&bytes, decoding);
        let (text, invalid) = decoded.map_err(|why| self.bad_value(why.in_file(&name), &path.span))?;
        Ok(RenderedFile { name, text, invalid })
    }

    fn render_file(&self, path: &SourcePath, kind: TextKind, file: &RenderedFile) -> Result<String, RenderError> {
        let (templates, scope) = (&self.run.session.templates, self.renderer.scope);
        match kind {
            TextKind::Html => templates.render_html(&file.text, &file.name, &path.span, scope),
            TextKind::Plain => templates.render_text(&file.text, &file.name, &path.span, scope),
        }
    }
}

/// The text of a file that is a template.
pub struct RenderedFile {
    name: String,
    pub text: String,
    /// What was replaced by U+FFFD.
    invalid: InvalidBytes,
}

/// Its length was announced.
fn reopen(sources: &dyn Sources, path: &ContentPath, length: u64) -> io::Result<Box<dyn Read>> {
    let file = sources.open_content(path).map_err(|error| match error {
        SourceError::Refused(what) | SourceError::Unreadable(what) => io::Error::other(what),
    })?;
    if file.length != length {
        let now = file.length;
        return Err(io::Error::other(format!("{path}: it had {length} bytes, and has {now} now")));
    }
    Ok(file.reader)
}

/// `reply` of `reply.code`.
fn root(name: &str) -> &str {
    name.split(['.', '[']).next().unwrap_or_default()
}

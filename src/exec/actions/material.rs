//! What a message is made of, as sources that can be read again: rendered texts, and files beneath the roots.

use crate::exec::error::StepError;
use crate::exec::executor::Executor;
use crate::message::{PartSource, Source, TextPart};
use crate::session::{RenderError, SourceError, SourceFile, SourcePath, Sources, Span, TextSource};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What a file that is a template may hold.
const TEMPLATE: u64 = 16 << 20;

/// `text` or `html`, looked through, and the short secrets that it may hold.
pub fn text<'a>(
    executor: &Executor<'a>,
    content: &TextSource,
    html: bool,
    message_id: &str,
) -> Result<(TextPart<'a>, Vec<String>), StepError> {
    let (source, span, used) = match content {
        TextSource::Text(template) => {
            let name = if html { "the HTML" } else { "the text" };
            let source = Source::in_memory(name, executor.render(template)?.into_bytes());
            (source, &template.span, executor.secrets_in(template))
        }
        TextSource::File { path, template: false } => (file(executor, path)?.1, &path.span, Vec::new()),
        TextSource::File { path, template: true } => {
            let (name, text) = rendered(executor, path, html)?;
            (Source::in_memory(name, text.into_bytes()), &path.span, Vec::new())
        }
    };
    let name = source.name.clone();
    let part = TextPart::new(cached(executor, source, span), message_id)
        .map_err(|error| unreadable(executor, &error, span))?;
    if !part.is_utf8() {
        return Err(StepError::bad_value(&executor.events, format!("{name} is not UTF-8 text")).at(span));
    }
    Ok((part, used))
}

/// What is encoded once and kept if messages have it in common; `span` is where the session names it.
pub fn cached<'a>(executor: &Executor<'a>, source: Source<'a>, span: &Span) -> PartSource<'a> {
    source.with_cache(&executor.parts, (span.file, span.bytes.start))
}

/// A file, opened once to know that it can be and how long it is; and its path.
pub fn file<'a>(executor: &Executor<'a>, path: &SourcePath) -> Result<(PathBuf, Source<'a>), StepError> {
    let resolved = executor.resolve(path)?;
    let opened = open(executor, &resolved, &path.span)?;
    let (sources, again, length) = (executor.sources, resolved.clone(), opened.length);
    let opener = move || reopen(sources, &again, length);
    Ok((resolved.clone(), Source::new(resolved.display().to_string(), length, Box::new(opener))))
}

pub fn open(executor: &Executor<'_>, path: &Path, span: &Span) -> Result<SourceFile, StepError> {
    executor.sources.open(path).map_err(|error| StepError::source(&executor.events, &error).at(span))
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

/// A file that is a template: its name, and what it says now.
pub fn rendered(executor: &Executor<'_>, path: &SourcePath, html: bool) -> Result<(String, String), StepError> {
    let (name, result) = render_file(executor, path, html)?;
    let text = result.map_err(|error| StepError::bad_value(&executor.events, error.message).at(&error.span))?;
    Ok((name, text))
}

/// Renders a file that is a template, to see whether it can be; what hangs on a name that `later` knows cannot be seen
/// yet.
pub fn try_file(
    executor: &Executor<'_>,
    path: &SourcePath,
    html: bool,
    later: &dyn Fn(&str) -> bool,
) -> Result<(), StepError> {
    match render_file(executor, path, html)?.1 {
        Err(error) if error.undefined.as_deref().is_some_and(|name| later(root(name))) => Ok(()),
        Err(error) => Err(StepError::bad_value(&executor.events, error.message).at(&error.span)),
        Ok(_) => Ok(()),
    }
}

/// `reply` of `reply.code`.
fn root(name: &str) -> &str {
    name.split(['.', '[']).next().unwrap_or_default()
}

/// The file's name, and what became of it.
fn render_file(
    executor: &Executor<'_>,
    path: &SourcePath,
    html: bool,
) -> Result<(String, Result<String, RenderError>), StepError> {
    let resolved = executor.resolve(path)?;
    let name = resolved.display().to_string();
    let mut bytes = Vec::new();
    let read = open(executor, &resolved, &path.span)?.reader.take(TEMPLATE + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(executor, &io::Error::other(format!("{name}: {error}")), &path.span))?;
    let bad = |what: String| StepError::bad_value(&executor.events, what).at(&path.span);
    if bytes.len() as u64 > TEMPLATE {
        return Err(bad(format!("{name} holds more than 16 MiB, the limit of a template")));
    }
    let text = String::from_utf8(bytes).map_err(|_| bad(format!("{name} is not UTF-8 text")))?;
    let (templates, scope) = (&executor.session.templates, &executor.scope);
    let result = if html {
        templates.render_html(&text, &name, &path.span, scope)
    } else {
        templates.render_text(&text, &name, &path.span, scope)
    };
    Ok((name, result))
}

pub fn unreadable(executor: &Executor<'_>, error: &io::Error, span: &Span) -> StepError {
    StepError::unreadable(&executor.events, error.to_string()).at(span)
}

//! What a message is made of, as sources that can be read again: rendered texts, and files beneath the roots.

use crate::exec::player::Player;
use crate::exec::trouble::Trouble;
use crate::message::{Source, TextPart};
use crate::session::{Content, RenderError, SourceError, SourceFile, SourcePath, Sources, Span};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What a file that is a template may hold.
const TEMPLATE: u64 = 16 << 20;

/// `text` or `html`, looked through, and the short secrets that it may hold.
pub fn text<'a>(
    player: &Player<'a>,
    content: &Content,
    html: bool,
    message_id: &str,
) -> Result<(TextPart<'a>, Vec<String>), Trouble> {
    let (source, span, used) = match content {
        Content::Text(template) => {
            let name = if html { "the HTML" } else { "the text" };
            let source = Source::held(name, player.render(template)?.into_bytes());
            (source, &template.span, player.secrets_in(template))
        }
        Content::File { path, template: false } => (file(player, path)?.1, &path.span, Vec::new()),
        Content::File { path, template: true } => {
            let (name, text) = rendered(player, path, html)?;
            (Source::held(name, text.into_bytes()), &path.span, Vec::new())
        }
    };
    let name = source.name.clone();
    let part = TextPart::new(source, message_id).map_err(|error| unreadable(player, &error, span))?;
    if !part.is_utf8() {
        return Err(Trouble::bad_value(&player.narrator, format!("{name} is not UTF-8 text")).at(span));
    }
    Ok((part, used))
}

/// A file, opened once to know that it can be and how long it is; and its path.
pub fn file<'a>(player: &Player<'a>, path: &SourcePath) -> Result<(PathBuf, Source<'a>), Trouble> {
    let resolved = player.resolve(path)?;
    let opened = open(player, &resolved, &path.span)?;
    let (sources, again, length) = (player.sources, resolved.clone(), opened.length);
    let opener = move || reopen(sources, &again, length);
    Ok((resolved.clone(), Source::new(resolved.display().to_string(), length, Box::new(opener))))
}

pub fn open(player: &Player<'_>, path: &Path, span: &Span) -> Result<SourceFile, Trouble> {
    player.sources.open(path).map_err(|error| Trouble::source(&player.narrator, &error).at(span))
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
pub fn rendered(player: &Player<'_>, path: &SourcePath, html: bool) -> Result<(String, String), Trouble> {
    let (name, result) = render_file(player, path, html)?;
    let text = result.map_err(|error| Trouble::bad_value(&player.narrator, error.message).at(&error.span))?;
    Ok((name, text))
}

/// Renders a file that is a template, to see whether it can be; what hangs on a name that `later` knows cannot be seen
/// yet.
pub fn try_file(
    player: &Player<'_>,
    path: &SourcePath,
    html: bool,
    later: &dyn Fn(&str) -> bool,
) -> Result<(), Trouble> {
    match render_file(player, path, html)?.1 {
        Err(error) if error.undefined.as_deref().is_some_and(|name| later(root(name))) => Ok(()),
        Err(error) => Err(Trouble::bad_value(&player.narrator, error.message).at(&error.span)),
        Ok(_) => Ok(()),
    }
}

/// `reply` of `reply.code`.
fn root(name: &str) -> &str {
    name.split(['.', '[']).next().unwrap_or_default()
}

/// The file's name, and what became of it.
fn render_file(
    player: &Player<'_>,
    path: &SourcePath,
    html: bool,
) -> Result<(String, Result<String, RenderError>), Trouble> {
    let resolved = player.resolve(path)?;
    let name = resolved.display().to_string();
    let mut bytes = Vec::new();
    let read = open(player, &resolved, &path.span)?.reader.take(TEMPLATE + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(player, &io::Error::other(format!("{name}: {error}")), &path.span))?;
    let bad = |what: String| Trouble::bad_value(&player.narrator, what).at(&path.span);
    if bytes.len() as u64 > TEMPLATE {
        return Err(bad(format!("{name} holds more than 16 MiB, the limit of a template")));
    }
    let text = String::from_utf8(bytes).map_err(|_| bad(format!("{name} is not UTF-8 text")))?;
    let (templates, scope) = (&player.session.templates, &player.scope);
    let result = if html {
        templates.render_html(&text, &name, &path.span, scope)
    } else {
        templates.render_text(&text, &name, &path.span, scope)
    };
    Ok((name, result))
}

pub fn unreadable(player: &Player<'_>, error: &io::Error, span: &Span) -> Trouble {
    Trouble::unreadable(&player.narrator, error.to_string()).at(span)
}

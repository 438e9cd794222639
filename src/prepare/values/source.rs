//! Reads one value from where the session says that it comes from.

use super::renderer::Renderer;
use crate::event::StepError;
use crate::prepare::clock::Clock;
use crate::prepare::context::RunContext;
use crate::session::{
    ContentPath, DecodeError, Scope, SourceError, TextDecoding, Value, ValueSource, Variable, csv_table, decode_text,
    json_value,
};
use crate::transcript::{SafeText, Secrets};
use std::io::Read;

/// What a file of `[vars]` or `[secrets]` may hold.
const LIMIT: u64 = 1 << 20;

/// What is to be said of the values.
#[derive(Clone, Default)]
pub struct ValueNotices {
    /// The names of secrets that are too short to be hidden everywhere.
    pub short_names: Vec<String>,
    /// Secrets that a dry run goes without, and why they have no value.
    pub placeholders: Vec<(String, SafeText)>,
    /// Names whose defaults are used because a command failed, and why it did.
    pub defaults: Vec<(String, String)>,
}

/// Reads values, and collects what is to be said of them.
pub struct ValueReader<'v, 'a> {
    pub run: RunContext<'a>,
    /// For netrc; `None` before the server's URL is known.
    pub host: Option<String>,
    pub secrets: &'v mut Secrets,
    pub clock: &'v dyn Clock,
    pub notices: ValueNotices,
}

impl<'v, 'a> ValueReader<'v, 'a> {
    pub fn new(run: RunContext<'a>, host: Option<String>, secrets: &'v mut Secrets, clock: &'v dyn Clock) -> Self {
        Self { run, host, secrets, clock, notices: ValueNotices::default() }
    }

    /// What templates are rendered with.
    pub fn renderer<'r>(&'r self, scope: &'r Scope) -> Renderer<'r> {
        Renderer { session: self.run.session, scope, secrets: self.secrets }
    }

    /// `Ok(None)`: the source has no value, and there is no default. The default of a secret is shown to nobody.
    pub fn value(&mut self, variable: &Variable, scope: &Scope, is_secret: bool) -> Result<Option<Value>, StepError> {
        let source = &variable.source;
        let found = match source {
            ValueSource::Template(template) => {
                return self.renderer(scope).render(template).map(|text| Some(Value::Text(text)));
            }
            ValueSource::Literal(value) => return Ok(Some(value.clone())),
            ValueSource::Env { name, default } => (self.run.sources.env(name), default),
            ValueSource::Prompt { text, default } => {
                let hint = default.as_ref().map(|default| match is_secret {
                    true => "Enter takes the default".to_owned(),
                    false => default.to_string(),
                });
                match self.run.sources.prompt(text, hint.as_deref()) {
                    Err(_) if self.run.options.dry_run && default.is_some() => (Ok(None), default),
                    answer => (answer, default),
                }
            }
            ValueSource::Netrc { field, default } => {
                let (host, user) = (self.host.as_deref().unwrap_or_default(), self.netrc_user(scope));
                (self.run.sources.netrc(host, user.as_deref(), field), default)
            }
            ValueSource::Command { argv, default, .. } => match self.run.sources.command(argv) {
                Err(_) if self.run.options.dry_run && default.is_some() => (Ok(None), default),
                Err(error) => (Err(error), default),
                // A signal ends a command, too, and then the session.
                Ok(Err(why)) if default.is_some() && self.clock.interrupted().is_none() => {
                    self.notices.defaults.push((variable.name.clone(), why));
                    (Ok(None), default)
                }
                Ok(Err(why)) => (Err(SourceError::Refused(why)), default),
                Ok(Ok(bytes)) => {
                    let text = text_of(&bytes, TextDecoding::strict(None));
                    let text = text.map_err(|why| SourceError::Refused(format!("the command's output: {why}")));
                    (text.map(Some), default)
                }
            },
            ValueSource::Csv { path, default, .. } | ValueSource::Json { path, default } => {
                let resolved = self.renderer(scope).resolve(path)?;
                let name = resolved.to_string();
                let read = match self.bytes(&resolved, is_secret) {
                    Ok(bytes) => match source {
                        ValueSource::Csv { format, .. } => csv_table(&bytes, &name, format),
                        _ => json_value(&bytes, &name),
                    },
                    Err(SourceError::Unreadable(_)) if default.is_some() => return Ok(default.clone()),
                    Err(error) => return Err(StepError::source(self.secrets, self.clock, &error)),
                };
                return read.map(Some).map_err(|why| StepError::bad_value(self.secrets, why));
            }
            ValueSource::File { path, template, charset, default } => {
                let resolved = self.renderer(scope).resolve(path)?;
                match self.file(&resolved, TextDecoding::strict(*charset), is_secret) {
                    Err(SourceError::Unreadable(_)) if default.is_some() => (Ok(None), default),
                    Ok(text) if *template => {
                        let rendered =
                            self.run.session.templates.render_text(&text, &resolved.to_string(), &path.span, scope);
                        let text = rendered
                            .map_err(|error| StepError::bad_value(self.secrets, error.message).at(&error.span))?;
                        return Ok(Some(Value::Text(text)));
                    }
                    content => (content.map(Some), default),
                }
            }
        };
        match found {
            (Ok(Some(text)), _) => Ok(Some(Value::Text(text))),
            (Ok(None), default) => Ok(default.clone()),
            (Err(error), _) => Err(StepError::source(self.secrets, self.clock, &error)),
        }
    }

    /// The login whose netrc entry is taken: `[auth] user`, if it has a value by now. It may come from netrc itself.
    pub(super) fn netrc_user(&self, scope: &Scope) -> Option<String> {
        let user = self.run.session.auth.as_ref()?.user.as_ref()?;
        self.renderer(scope).render(user).ok()
    }

    fn file(&self, path: &ContentPath, decoding: TextDecoding, is_secret: bool) -> Result<String, SourceError> {
        let text = text_of(&self.bytes(path, is_secret)?, decoding);
        text.map_err(|why| SourceError::Refused(why.in_file(&path.to_string())))
    }

    fn bytes(&self, path: &ContentPath, is_secret: bool) -> Result<Vec<u8>, SourceError> {
        let file = match is_secret {
            true => self.run.sources.open_secret(path),
            false => self.run.sources.open_content(path),
        }?;
        let mut bytes = Vec::new();
        file.reader
            .take(LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| SourceError::Unreadable(format!("{path}: {error}")))?;
        if bytes.len() as u64 > LIMIT {
            return Err(SourceError::Refused(format!("{path} holds more than 1 MiB, the limit of a value's file")));
        }
        Ok(bytes)
    }
}

/// The text without a byte order mark and without one final line end.
fn text_of(bytes: &[u8], decoding: TextDecoding) -> Result<String, DecodeError> {
    let (mut text, _) = decode_text(bytes, decoding)?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

//! Gives the names of `[vars]` and `[secrets]` their values, before anything is sent, and teaches the redactor the
//! secrets.

mod missing;
mod own;
mod rendering;

pub use rendering::{one_line, render, render_line, resolve};

use super::RunOptions;
use super::error::StepError;
use super::events::EventSink;
use super::tables;
use crate::session::{
    Scheme, Scope, Server, ServerAddress, Session, SourceError, Sources, Value, ValueSource, Variable,
};
use crate::transcript::SafeText;
use missing::MissingValues;
use std::collections::HashMap;
use std::io::Read;

/// What a file of `[vars]` or `[secrets]` may hold.
const LIMIT: u64 = 1 << 20;
/// Where mail exchangers listen (RFC 5321 §4.5.4.2).
const SMTP: u16 = 25;
/// A secret's value under `--dry-run` where it has none.
const PLACEHOLDER: &str = "dry-run-placeholder";

/// What values are made from.
pub struct ValueReader<'a> {
    pub session: &'a Session,
    pub settings: &'a RunOptions,
    pub sources: &'a dyn Sources,
    /// For netrc; `None` before the server's URL is known.
    pub host: Option<String>,
}

/// The short secrets, by the names of the variables that hold or contain them.
#[derive(Clone, Default)]
pub struct ShortSecrets {
    by_name: HashMap<String, Vec<String>>,
}

impl ShortSecrets {
    /// The short secrets that a template's result may hold.
    pub fn used(&self, names: &[String]) -> Vec<String> {
        names.iter().filter_map(|name| self.by_name.get(name)).flatten().cloned().collect()
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    fn inherit(&mut self, name: &str, from: &[String]) {
        let used = self.used(from);
        if !used.is_empty() {
            self.by_name.insert(name.to_owned(), used);
        }
    }
}

/// How a value is asked for, and what is to be said of it.
#[derive(Default)]
pub struct ValueRequest {
    /// Its default is shown to nobody.
    pub is_secret: bool,
    /// Why its default stands in where a value was to be had.
    pub failed: Option<String>,
}

/// What became of the names.
#[derive(Clone)]
pub struct GatheredValues {
    pub server: Server,
    pub short: ShortSecrets,
    /// The names of secrets that are too short to be hidden everywhere.
    pub short_names: Vec<String>,
    /// Secrets that a dry run goes without, and why they have no value.
    pub placeholders: Vec<(String, SafeText)>,
    /// Names whose defaults stand in for a command that failed, and why it did.
    pub defaults: Vec<(String, String)>,
}

impl ValueReader<'_> {
    /// Reads all values. Secrets come first, so that variables may hold them; what waits for another name waits.
    pub fn gather(&mut self, scope: &mut Scope, events: &mut EventSink<'_>) -> Result<GatheredValues, StepError> {
        let mut gathered = PendingValues {
            short: ShortSecrets::default(),
            short_names: Vec::new(),
            placeholders: Vec::new(),
            defaults: Vec::new(),
        };
        for (name, value) in &self.settings.variables {
            scope.set(name, self.session.typed_override(name, value).clone());
        }
        let overridden = |variable: &Variable| self.settings.variables.iter().any(|(name, _)| *name == variable.name);
        let (mut ready, mut late): (Vec<&Variable>, Vec<&Variable>) = (Vec::new(), Vec::new());
        for secret in &self.session.secrets {
            let awaited = |name: &String| {
                late.iter().any(|late| late.name == *name)
                    || self.session.vars.iter().any(|variable| variable.name == *name && !overridden(variable))
            };
            if self.waits(secret, &awaited) { late.push(secret) } else { ready.push(secret) }
        }
        let (vars, netrc_vars): (Vec<_>, Vec<_>) = self
            .session
            .vars
            .iter()
            .filter(|variable| !overridden(variable))
            .partition(|variable| !matches!(variable.source, ValueSource::Netrc { .. }));
        // All that fail are told together, so that nobody has to mend them run by run.
        let mut missing = MissingValues::default();
        for secret in ready {
            missing.keep(secret, self.secret(secret, scope, events, &mut gathered))?;
        }
        for variable in vars {
            if !missing.explains(self.session, variable) {
                missing.keep(variable, self.variable(variable, scope, events, &mut gathered))?;
            }
        }
        let server = match self.server(scope, events) {
            Ok(server) => server,
            // Without it there is no host to look values up for; it may be what is missing that it is made of.
            Err(error) => return Err(missing.told().err().unwrap_or(error)),
        };
        self.host = Some(server.host().to_owned());
        for variable in netrc_vars {
            missing.keep(variable, self.variable(variable, scope, events, &mut gathered))?;
        }
        for secret in late {
            if !missing.explains(self.session, secret) {
                missing.keep(secret, self.secret(secret, scope, events, &mut gathered))?;
            }
        }
        missing.told()?;
        Ok(GatheredValues {
            server,
            short: gathered.short,
            short_names: gathered.short_names,
            placeholders: gathered.placeholders,
            defaults: gathered.defaults,
        })
    }

    /// Whether the secret's source needs the server's name, or a name that has no value yet.
    fn waits(&self, secret: &Variable, awaited: &dyn Fn(&String) -> bool) -> bool {
        match &secret.source {
            ValueSource::Netrc { .. } => true,
            ValueSource::File { path, .. } | ValueSource::Csv { path, .. } | ValueSource::Json { path, .. } => {
                self.session.templates.names(&path.template).iter().any(awaited)
            }
            ValueSource::Template(template) => self.session.templates.names(template).iter().any(awaited),
            ValueSource::Literal(_)
            | ValueSource::Env { .. }
            | ValueSource::Command { .. }
            | ValueSource::Prompt { .. } => false,
        }
    }

    fn secret(
        &self,
        secret: &Variable,
        scope: &mut Scope,
        events: &mut EventSink<'_>,
        gathered: &mut PendingValues,
    ) -> Result<(), StepError> {
        let mut request = ValueRequest { is_secret: true, failed: None };
        let value = match self.value(&secret.source, scope, events, &mut request) {
            Ok(Some(value)) => value,
            Ok(None) if self.settings.dry_run => {
                let why = self.no_value(secret, events).cause.to_string();
                gathered.placeholders.push((secret.name.clone(), events.shown(why)));
                Value::Text(PLACEHOLDER.into())
            }
            // What would have to be asked for, run or read stands out in a dry run; an interruption ends it.
            Err(error) if self.settings.dry_run && error.interrupt(events.clock).is_none() && outside(secret) => {
                gathered.placeholders.push((secret.name.clone(), events.shown(error.cause.to_string())));
                Value::Text(PLACEHOLDER.into())
            }
            Ok(None) => return Err(self.no_value(secret, events)),
            Err(error) => return Err(error.at(&secret.span)),
        };
        gathered.defaults.extend(request.failed.map(|why| (secret.name.clone(), why)));
        let text = value.to_string();
        if !text.is_empty() && !events.redactor.add(&text) {
            gathered.short.by_name.insert(secret.name.clone(), vec![text]);
            gathered.short_names.push(secret.name.clone());
        }
        scope.set(&secret.name, value);
        Ok(())
    }

    fn variable(
        &self,
        variable: &Variable,
        scope: &mut Scope,
        events: &mut EventSink<'_>,
        gathered: &mut PendingValues,
    ) -> Result<(), StepError> {
        let mut request = ValueRequest::default();
        match self.value(&variable.source, scope, events, &mut request) {
            Ok(Some(value)) => scope.set(&variable.name, value),
            Ok(None) => return Err(self.no_value(variable, events)),
            Err(error) => return Err(error.at(&variable.span)),
        }
        gathered.defaults.extend(request.failed.map(|why| (variable.name.clone(), why)));
        if let ValueSource::Template(template) = &variable.source {
            gathered.short.inherit(&variable.name, &self.session.templates.names(template));
        }
        Ok(())
    }

    /// `Ok(None)`: the source has no value, and no default stands in for it.
    pub fn value(
        &self,
        source: &ValueSource,
        scope: &Scope,
        events: &EventSink<'_>,
        request: &mut ValueRequest,
    ) -> Result<Option<Value>, StepError> {
        let found = match source {
            ValueSource::Template(template) => {
                return render(self.session, scope, events, template).map(|text| Some(Value::Text(text)));
            }
            ValueSource::Literal(value) => return Ok(Some(value.clone())),
            ValueSource::Env { name, default } => (self.sources.env(name), default),
            ValueSource::Prompt { text, default } => {
                let hint = default.as_ref().map(|default| match request.is_secret {
                    true => "Enter takes the default".to_owned(),
                    false => default.to_string(),
                });
                match self.sources.prompt(text, hint.as_deref()) {
                    Err(_) if self.settings.dry_run && default.is_some() => (Ok(None), default),
                    answer => (answer, default),
                }
            }
            ValueSource::Netrc { field, default } => {
                (self.sources.netrc(self.host.as_deref().unwrap_or_default(), field), default)
            }
            ValueSource::Command { argv, default } => match self.sources.command(argv) {
                Err(_) if self.settings.dry_run && default.is_some() => (Ok(None), default),
                Err(error) => (Err(error), default),
                // A signal ends a command, too, and then the session.
                Ok(Err(why)) if default.is_some() && events.clock.interrupted().is_none() => {
                    request.failed = Some(why);
                    (Ok(None), default)
                }
                Ok(Err(why)) => (Err(SourceError::Refused(why)), default),
                Ok(Ok(bytes)) => (text_of(bytes, "the command's output").map(Some), default),
            },
            ValueSource::Csv { path, default } | ValueSource::Json { path, default } => {
                let resolved = resolve(self.session, scope, events, path)?;
                let name = resolved.display().to_string();
                let read = match self.bytes(&resolved) {
                    Ok(bytes) if matches!(source, ValueSource::Csv { .. }) => tables::csv(&bytes, &name),
                    Ok(bytes) => tables::json(&bytes, &name),
                    Err(SourceError::Unreadable(_)) if default.is_some() => return Ok(default.clone()),
                    Err(error) => return Err(StepError::source(events, &error)),
                };
                return read.map(Some).map_err(|why| StepError::bad_value(events, why));
            }
            ValueSource::File { path, template, default } => {
                let resolved = resolve(self.session, scope, events, path)?;
                match self.file(&resolved) {
                    Err(SourceError::Unreadable(_)) if default.is_some() => (Ok(None), default),
                    Ok(text) if *template => {
                        let rendered = self.session.templates.render_text(
                            &text,
                            &resolved.display().to_string(),
                            &path.span,
                            scope,
                        );
                        let text =
                            rendered.map_err(|error| StepError::bad_value(events, error.message).at(&error.span))?;
                        return Ok(Some(Value::Text(text)));
                    }
                    content => (content.map(Some), default),
                }
            }
        };
        match found {
            (Ok(Some(text)), _) => Ok(Some(Value::Text(text))),
            (Ok(None), default) => Ok(default.clone()),
            (Err(error), _) => Err(StepError::source(events, &error)),
        }
    }

    fn file(&self, path: &std::path::Path) -> Result<String, SourceError> {
        text_of(self.bytes(path)?, &path.display().to_string())
    }

    fn bytes(&self, path: &std::path::Path) -> Result<Vec<u8>, SourceError> {
        let file = self.sources.open(path)?;
        let mut bytes = Vec::new();
        file.reader
            .take(LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| SourceError::Unreadable(format!("{}: {error}", path.display())))?;
        if bytes.len() as u64 > LIMIT {
            return Err(SourceError::Refused(format!(
                "{} holds more than 1 MiB, the limit of a value's file",
                path.display()
            )));
        }
        Ok(bytes)
    }

    fn no_value(&self, variable: &Variable, events: &EventSink<'_>) -> StepError {
        let what = match &variable.source {
            ValueSource::Env { name, .. } => {
                format!("{} has no value: the environment variable {name} is not set", variable.name)
            }
            ValueSource::Netrc { field, .. } => {
                let host = self.host.as_deref().unwrap_or_default();
                format!("{} has no value: ~/.netrc has no {field} for {host}", variable.name)
            }
            _ => format!("{} has no value", variable.name),
        };
        StepError::bad_value(events, what).at(&variable.span)
    }

    /// The server, with the domain of `--mx` in place of its host.
    fn server(&self, scope: &Scope, events: &EventSink<'_>) -> Result<Server, StepError> {
        let Some(domain) = &self.settings.mx else { return self.named_server(scope, events) };
        let Some(template) = &self.session.server else {
            let address = ServerAddress::Tcp { host: domain.clone(), port: SMTP };
            return Ok(Server { scheme: Scheme::Smtp, address });
        };
        let server = self.named_server(scope, events)?;
        if let ServerAddress::Unix(_) = server.address {
            let what = format!("{server} is a UNIX socket, which --mx cannot lead elsewhere");
            return Err(StepError::bad_value(events, what).at(&template.span));
        }
        Ok(server.at(domain))
    }

    /// The server's URL: `--server`, or the file's.
    fn named_server(&self, scope: &Scope, events: &EventSink<'_>) -> Result<Server, StepError> {
        let (url, span) = match (&self.settings.server, &self.session.server) {
            (Some(url), _) => (url.clone(), None),
            (None, Some(template)) => (render(self.session, scope, events, template)?, Some(&template.span)),
            (None, None) => {
                let what = "no server: give `server = \"smtp://host\"` in the file or --server URL";
                return Err(StepError::bad_value(events, what));
            }
        };
        Server::parse(&url).map_err(|why| {
            let error = StepError::bad_value(events, format!("server \"{url}\": {why}"));
            match span {
                Some(span) => error.at(span),
                None => error,
            }
        })
    }
}

struct PendingValues {
    short: ShortSecrets,
    short_names: Vec<String>,
    placeholders: Vec<(String, SafeText)>,
    defaults: Vec<(String, String)>,
}

/// Whether a value comes from beyond the session file.
fn outside(variable: &Variable) -> bool {
    matches!(
        variable.source,
        ValueSource::Prompt { .. } | ValueSource::Command { .. } | ValueSource::File { template: false, .. }
    )
}

/// UTF-8, without one final line end.
fn text_of(bytes: Vec<u8>, what: &str) -> Result<String, SourceError> {
    let mut text = String::from_utf8(bytes).map_err(|_| SourceError::Refused(format!("{what} is not UTF-8 text")))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

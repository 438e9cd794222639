//! Gives the names of `[vars]` and `[secrets]` their values before anything is sent, and tells the redactor the secrets.

use super::missing::MissingValues;
use super::source::ValueReader;
use crate::event::StepError;
use crate::session::{Scheme, Scope, Server, ServerAddress, Value, ValueSource, Variable};
use crate::transcript::{SafeText, Secrets};

/// Where mail exchangers listen (RFC 5321 §4.5.4.2).
const SMTP: u16 = 25;
/// A secret's value under `--dry-run` if it has none.
pub const PLACEHOLDER: &str = "dry-run-placeholder";
/// The key of `[dkim]` in remarks.
pub const DKIM_KEY: &str = "[dkim] key";

impl ValueReader<'_, '_> {
    /// Reads all values. Secrets come first, so that variables may hold them; what waits for another name waits.
    pub fn gather(&mut self, scope: &mut Scope) -> Result<Server, StepError> {
        for (name, value) in &self.run.options.variables {
            scope.set(name, self.run.session.typed_override(name, value).clone());
        }
        let overridden =
            |variable: &Variable| self.run.options.variables.iter().any(|(name, _)| *name == variable.name);
        let (mut ready, mut late): (Vec<&Variable>, Vec<&Variable>) = (Vec::new(), Vec::new());
        for secret in &self.run.session.secrets {
            let awaited = |name: &String| {
                late.iter().any(|late| late.name == *name)
                    || self.run.session.vars.iter().any(|variable| variable.name == *name && !overridden(variable))
            };
            if self.waits(secret, &awaited) { late.push(secret) } else { ready.push(secret) }
        }
        let (vars, netrc_vars): (Vec<_>, Vec<_>) = self
            .run
            .session
            .vars
            .iter()
            .filter(|variable| !overridden(variable))
            .partition(|variable| !matches!(variable.source, ValueSource::Netrc { .. }));
        // All that fail are reported together, so that they need not be fixed run by run.
        let mut missing = MissingValues::default();
        for secret in ready {
            missing.keep(secret, self.secret(secret, scope))?;
        }
        for variable in vars {
            if !missing.explains(self.run.session, variable) {
                missing.keep(variable, self.variable(variable, scope))?;
            }
        }
        let server = match self.server(scope) {
            Ok(server) => server,
            // Without it there is no host to look values up for; it may be what is missing that it is made of.
            Err(error) => return Err(missing.told().err().unwrap_or(error)),
        };
        self.host = Some(server.host().to_owned());
        for variable in netrc_vars {
            missing.keep(variable, self.variable(variable, scope))?;
        }
        for secret in late {
            if !missing.explains(self.run.session, secret) {
                missing.keep(secret, self.secret(secret, scope))?;
            }
        }
        missing.told()?;
        Ok(server)
    }

    /// Whether the secret's source needs the server's name, or a name that has no value yet.
    fn waits(&self, secret: &Variable, awaited: &dyn Fn(&String) -> bool) -> bool {
        match &secret.source {
            ValueSource::Netrc { .. } => true,
            ValueSource::File { path, .. } | ValueSource::Csv { path, .. } | ValueSource::Json { path, .. } => {
                self.run.session.templates.names(&path.template).iter().any(awaited)
            }
            ValueSource::Template(template) => self.run.session.templates.names(template).iter().any(awaited),
            ValueSource::Literal(_)
            | ValueSource::Env { .. }
            | ValueSource::Command { .. }
            | ValueSource::Prompt { .. } => false,
        }
    }

    fn secret(&mut self, secret: &Variable, scope: &mut Scope) -> Result<(), StepError> {
        let began = self.clock.now();
        let value = match self.value(secret, scope, true) {
            Ok(Some(value)) => {
                if let ValueSource::Command { refresh: Some(limit), .. } = secret.source {
                    self.run.aging.add(&secret.name, limit, began, value.clone());
                }
                value
            }
            Ok(None) if self.run.options.dry_run => {
                let why = self.no_value(secret, scope).cause.to_string();
                self.notices.placeholders.push((secret.name.clone(), self.secrets.shown(why)));
                Value::Text(PLACEHOLDER.into())
            }
            // What would have to be asked for, run or read is left open in a dry run; an interruption ends it.
            Err(error) if self.run.options.dry_run && error.interrupt(self.clock).is_none() && outside(secret) => {
                self.notices.placeholders.push((secret.name.clone(), self.secrets.shown(error.cause.to_string())));
                Value::Text(PLACEHOLDER.into())
            }
            Ok(None) => return Err(self.no_value(secret, scope)),
            Err(error) => return Err(error.at(&secret.span)),
        };
        if !self.secrets.add(&secret.name, &value.to_string()) {
            self.notices.short_names.push(secret.name.clone());
        }
        scope.set(&secret.name, value);
        Ok(())
    }

    /// The key of `[dkim]`, if it is the same for all messages. A dry run can go without.
    pub fn dkim_key(&mut self, scope: &Scope) -> Result<(), StepError> {
        let session = self.run.session;
        let Some(section) = session.dkim.as_ref().filter(|section| section.has_fixed_key(&session.templates)) else {
            return Ok(());
        };
        let missing = match self.value(&section.key, scope, true) {
            Ok(Some(text)) => {
                let text = text.to_string();
                self.secrets.redactor.add(&text);
                if self.run.options.dry_run && text.contains(PLACEHOLDER) {
                    self.notices
                        .placeholders
                        .push((DKIM_KEY.to_owned(), unsigned(self.secrets, "a secret in it has no value")));
                }
                self.run.shared.signing.set_fixed(Some(text));
                return Ok(());
            }
            Ok(None) => self.no_value(&section.key, scope),
            Err(error) => error.at(&section.key.span),
        };
        if !self.run.options.dry_run || missing.interrupt(self.clock).is_some() {
            return Err(missing);
        }
        self.notices.placeholders.push((DKIM_KEY.to_owned(), unsigned(self.secrets, &missing.cause.to_string())));
        self.run.shared.signing.set_fixed(None);
        Ok(())
    }

    fn variable(&mut self, variable: &Variable, scope: &mut Scope) -> Result<(), StepError> {
        match self.value(variable, scope, false) {
            Ok(Some(value)) => scope.set(&variable.name, value),
            Ok(None) => return Err(self.no_value(variable, scope)),
            Err(error) => return Err(error.at(&variable.span)),
        }
        if let ValueSource::Template(template) = &variable.source {
            self.secrets.inherit(&variable.name, &self.run.session.templates.names(template));
        }
        Ok(())
    }

    pub(super) fn no_value(&self, variable: &Variable, scope: &Scope) -> StepError {
        let what = match &variable.source {
            ValueSource::Env { name, .. } => {
                format!("{} has no value: the environment variable {name} is not set", variable.name)
            }
            ValueSource::Netrc { field, .. } => {
                let host = self.host.as_deref().unwrap_or_default();
                let user = self.netrc_user(scope).map_or(String::new(), |user| format!(" with the login {user}"));
                let file = self.run.sources.netrc_file();
                format!("{} has no value: {file} has no {field} for {host}{user}", variable.name)
            }
            _ => format!("{} has no value", variable.name),
        };
        StepError::bad_value(self.secrets, what).at(&variable.span)
    }

    /// The server, with the domain of `--mx` in place of its host.
    fn server(&self, scope: &Scope) -> Result<Server, StepError> {
        let Some(domain) = &self.run.options.target.mx else { return self.named_server(scope) };
        let Some(template) = &self.run.session.server else {
            let address = ServerAddress::Tcp { host: domain.clone(), port: SMTP };
            return Ok(Server { scheme: Scheme::Smtp, address });
        };
        let server = self.named_server(scope)?;
        if let ServerAddress::Unix(_) = server.address {
            let what = format!("{server} is a UNIX socket, which --mx cannot lead elsewhere");
            return Err(StepError::bad_value(self.secrets, what).at(&template.span));
        }
        Ok(server.at(domain))
    }

    /// The server's URL: `--server`, or the file's.
    pub(super) fn named_server(&self, scope: &Scope) -> Result<Server, StepError> {
        let (url, span) = match (&self.run.options.target.url, &self.run.session.server) {
            (Some(url), _) => (url.clone(), None),
            (None, Some(template)) => (self.renderer(scope).render(template)?, Some(&template.span)),
            (None, None) => {
                let what = "no server: give `server = \"smtp://host\"` in the file or --server URL";
                return Err(StepError::bad_value(self.secrets, what));
            }
        };
        Server::parse(&url).map_err(|why| {
            let error = StepError::bad_value(self.secrets, format!("server \"{url}\": {why}"));
            match span {
                Some(span) => error.at(span),
                None => error,
            }
        })
    }
}

/// Why a dry run sends messages without a signature.
pub fn unsigned(secrets: &Secrets, why: &str) -> SafeText {
    secrets.shown(format!("{why}; messages are sent unsigned"))
}

/// Whether a value comes from beyond the session file.
fn outside(variable: &Variable) -> bool {
    matches!(
        variable.source,
        ValueSource::Prompt { .. } | ValueSource::Command { .. } | ValueSource::File { template: false, .. }
    )
}

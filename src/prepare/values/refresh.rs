//! Fetches secrets that age again when a connection is opened.

use super::source::ValueReader;
use crate::event::StepError;
use crate::session::{Scope, Value, ValueSource, Variable};
use std::collections::HashSet;

impl ValueReader<'_, '_> {
    /// Fetches the secrets again that are older than their `refresh`, and gives `scope` the newest values, with everything
    /// that is made of them.
    ///
    /// # Errors
    /// A command fails whose secret has no default.
    pub fn refresh(&mut self, scope: &mut Scope) -> Result<(), StepError> {
        let session = self.run.session;
        let mut changed = HashSet::new();
        let mut list = self.run.aging.lock();
        for aging in list.iter_mut() {
            let Some(secret) = session.secrets.iter().find(|secret| secret.name == aging.name) else { continue };
            let now = self.clock.now();
            if now.saturating_duration_since(aging.fetched) > aging.limit {
                let value = self.value(secret, scope, true).map_err(|error| error.at(&secret.span))?;
                let value = value.ok_or_else(|| self.no_value(secret, scope))?;
                aging.fetched = now;
                aging.values.retain(|known| *known != value);
                aging.values.push(value);
            }
            for value in &aging.values {
                self.learn(&aging.name, value);
            }
            if let Some(newest) = aging.values.last().filter(|_| aging.values.len() > 1) {
                scope.set(&aging.name, newest.clone());
                changed.insert(aging.name.clone());
            }
        }
        drop(list);
        self.render_again(changed, scope)
    }

    /// Renders the secrets and variables again that are made of `changed` ones, each after those that it is made of.
    fn render_again(&mut self, mut changed: HashSet<String>, scope: &mut Scope) -> Result<(), StepError> {
        if changed.is_empty() {
            return Ok(());
        }
        let (session, options) = (self.run.session, self.run.options);
        let overridden = |variable: &Variable| options.variables.iter().any(|(name, _)| *name == variable.name);
        let secrets = session.secrets.iter().map(|secret| (secret, true));
        let variables = session.vars.iter().filter(|variable| !overridden(variable)).map(|variable| (variable, false));
        let mut others: Vec<_> = secrets
            .chain(variables)
            .filter_map(|(variable, is_secret)| match &variable.source {
                ValueSource::Template(template) => Some((variable, session.templates.names(template), is_secret)),
                _ => None,
            })
            .collect();
        let mut stale = Vec::new();
        while let Some(index) = others.iter().position(|(_, names, _)| names.iter().any(|name| changed.contains(name)))
        {
            let found = others.swap_remove(index);
            changed.insert(found.0.name.clone());
            stale.push(found);
        }
        // No cycles are possible, so there is always one that waits for no other.
        while let Some(index) = stale.iter().position(|(_, names, _)| {
            !names.iter().any(|name| stale.iter().any(|(variable, ..)| variable.name == *name))
        }) {
            let (variable, names, is_secret) = stale.swap_remove(index);
            let Some(value) = self.value(variable, scope, is_secret)? else { continue };
            if is_secret {
                self.learn(&variable.name, &value);
            } else {
                self.secrets.inherit(&variable.name, &names);
            }
            scope.set(&variable.name, value);
        }
        Ok(())
    }

    /// Tells the redactor a secret.
    fn learn(&mut self, name: &str, value: &Value) {
        let is_known = self.secrets.short_in(&[name.to_owned()]).contains(&value.to_string());
        if !self.secrets.add(name, &value.to_string()) && !is_known {
            self.notices.short_names.push(name.to_owned());
        }
    }
}

//! The values that a session's files alone give: those of literals, of files, and of templates over them.

use super::source::ValueReader;
use crate::event::StepError;
use crate::session::{Scope, Server, Template, ValueSource, Variable};
use std::collections::HashSet;

/// What is known without environment, commands, questions, netrc and standard input.
pub struct KnownValues {
    /// The names that have a value.
    pub names: HashSet<String>,
    /// `None` if it is not known.
    pub server: Option<Server>,
    /// Why values that should be known are not.
    pub errors: Vec<StepError>,
}

impl ValueReader<'_, '_> {
    /// Gives names their values, as far as they are known.
    pub fn gather_known(&mut self, scope: &mut Scope) -> KnownValues {
        let (session, options) = (self.run.session, self.run.options);
        let mut names: HashSet<String> = HashSet::new();
        let mut errors = Vec::new();
        for (name, value) in &options.variables {
            scope.set(name, session.typed_override(name, value).clone());
            names.insert(name.clone());
        }
        let secrets = session.secrets.iter().map(|secret| (secret, true));
        let all = secrets.chain(session.vars.iter().map(|variable| (variable, false)));
        let mut left: Vec<(&Variable, bool)> = all.filter(|(variable, _)| !names.contains(&variable.name)).collect();
        // A name can be made of those that are found after it: a secret of a variable.
        loop {
            let before = left.len();
            let mut later = Vec::new();
            for (variable, is_secret) in left {
                let is_known =
                    |template: &Template| session.templates.names(template).iter().all(|name| names.contains(name));
                if !is_in_files(&variable.source, &is_known) {
                    later.push((variable, is_secret));
                    continue;
                }
                match self.value(variable, scope, is_secret) {
                    Ok(None) => {}
                    Ok(Some(value)) => {
                        if is_secret {
                            self.secrets.add(&variable.name, &value.to_string());
                        } else if let ValueSource::Template(template) = &variable.source {
                            self.secrets.inherit(&variable.name, &session.templates.names(template));
                        }
                        scope.set(&variable.name, value);
                        names.insert(variable.name.clone());
                    }
                    Err(error) => errors.push(error.at(&variable.span)),
                }
            }
            left = later;
            if left.len() == before {
                break;
            }
        }
        let is_known = |template: &Template| session.templates.names(template).iter().all(|name| names.contains(name));
        let is_server_known = options.target.url.is_some() || session.server.as_ref().is_some_and(is_known);
        let server = match is_server_known.then(|| self.named_server(scope)) {
            Some(Ok(server)) => Some(server),
            Some(Err(error)) => {
                errors.push(error);
                None
            }
            None => None,
        };
        KnownValues { names, server, errors }
    }
}

/// Whether a source needs nothing but the session's files and names that are known.
fn is_in_files(source: &ValueSource, is_known: &dyn Fn(&Template) -> bool) -> bool {
    match source {
        ValueSource::Literal(_) => true,
        ValueSource::Template(template) => is_known(template),
        // The names in a file that is a template are not known before it is read.
        ValueSource::File { path, template: false, .. }
        | ValueSource::Csv { path, .. }
        | ValueSource::Json { path, .. } => path.template.source != "-" && is_known(&path.template),
        ValueSource::File { template: true, .. }
        | ValueSource::Env { .. }
        | ValueSource::Command { .. }
        | ValueSource::Netrc { .. }
        | ValueSource::Prompt { .. } => false,
    }
}

//! Where the key of `[dkim]` comes from.

use super::{Diagnostic, DkimSection, Scope, Session, Templates, ValueSource};
use std::collections::HashSet;

impl DkimSection {
    /// Whether the key is the same for all messages, so that it is read before the first one.
    pub fn has_fixed_key(&self, templates: &Templates) -> bool {
        match &self.key.source {
            ValueSource::File { path, .. } => !templates.uses_data(&path.template),
            _ => true,
        }
    }

    /// Errors for a key that is a value of a row, a reply or a capture. Such a key would be hidden nowhere.
    pub(super) fn key_errors(&self, session: &Session, data: &HashSet<String>) -> Vec<Diagnostic> {
        let ValueSource::Template(template) = &self.key.source else { return Vec::new() };
        let is_own = |name: &str| session.vars.iter().chain(&session.secrets).any(|variable| variable.name == name);
        let late = |name: &str| (data.contains(name) || Scope::FACTS.contains(&name)) && !is_own(name);
        let names = session.templates.names_at(template).into_iter().filter(|(name, _)| late(name));
        let error = |(name, span)| {
            let error = Diagnostic::error(
                span,
                format!("the key cannot be made of \"{name}\": it is read before the first row"),
            );
            error.with_help("a key for each row comes from a file: key = { file = \"keys/{{ row.domain }}.pem\" }")
        };
        names.map(error).collect()
    }
}

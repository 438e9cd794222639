//! Where the key of `[dkim]` comes from.

use super::{DkimSection, Template, Templates, ValueSource};

impl DkimSection {
    /// Whether the key is the same for all messages, so that it is read before the first one.
    pub fn has_fixed_key(&self, templates: &Templates) -> bool {
        match &self.key.source {
            ValueSource::Template(_) => false,
            ValueSource::File { path, .. } => !templates.uses_data(&path.template),
            _ => true,
        }
    }

    /// The key's template, if it is one: it is rendered for each message.
    pub fn key_template(&self) -> Option<&Template> {
        match &self.key.source {
            ValueSource::Template(template) => Some(template),
            _ => None,
        }
    }
}

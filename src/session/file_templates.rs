//! Finds out whether a session renders files. The names in such files are unknown until they are opened.

use super::visitor::{FilePurpose, Visitor};
use super::{Session, TextSource, ValueSource, Variable};

impl Session {
    /// Whether any file is a template (`template = true`).
    pub fn has_file_templates(&self) -> bool {
        let mut search = FileTemplates { found: false };
        search.visit_session(self);
        search.found
    }
}

struct FileTemplates {
    found: bool,
}

impl<'s> Visitor<'s> for FileTemplates {
    fn visit_variable(&mut self, variable: &'s Variable) {
        self.found |= matches!(variable.source, ValueSource::File { template: true, .. });
    }

    fn visit_text_source(&mut self, source: &'s TextSource, _: FilePurpose) {
        self.found |= matches!(source, TextSource::File { template: true, .. });
    }
}

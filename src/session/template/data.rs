//! Which names templates use, and whether they are data: values from rows, replies and captures.

use super::{Template, Templates};
use std::collections::HashSet;

impl Templates {
    /// The names that any template or expression uses, including those that it tests.
    pub fn all_names(&self) -> HashSet<String> {
        let ready = self.compiled.iter().filter_map(|one| self.environment().get_template(&one.name).ok());
        ready.flat_map(|template| template.undeclared_variables(false)).collect()
    }

    /// Whether the template uses one of `names`, also only to test it.
    pub(in crate::session) fn mentions(&self, template: &Template, names: &HashSet<String>) -> bool {
        let Some(index) = template.compiled else { return false };
        let ready = self.environment().get_template(&self.compiled(index).name);
        ready.is_ok_and(|ready| ready.undeclared_variables(false).iter().any(|name| names.contains(name)))
    }

    /// Sets the names whose values are data.
    pub(in crate::session) fn set_data_names(&mut self, names: HashSet<String>) {
        self.data_names = names;
    }

    /// Whether the template uses a value from a row, a reply or a capture.
    pub fn uses_data(&self, template: &Template) -> bool {
        let Some(index) = template.compiled else { return false };
        *self.compiled(index).uses_data.get_or_init(|| self.mentions(template, &self.data_names))
    }
}

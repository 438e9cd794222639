//! Finds the names whose values are data: what rows, replies and captures bring into a session.

use super::visitor::{Visitor, walk_step_after_with};
use super::{Capture, Session, Step, ValueSource, Variable};
use std::collections::HashSet;

/// Data from the start: rows, and what the server says.
const DATA: [&str; 4] = ["row", "reply", "ehlo", "tls"];

/// The names whose values are data, including those in `with` that are made of other data.
pub(super) fn data_names(session: &Session) -> HashSet<String> {
    let mut search = DataNames { names: DATA.into_iter().map(str::to_owned).collect(), with: Vec::new() };
    search.visit_session(session);
    let DataNames { mut names, with } = search;
    loop {
        let known = names.len();
        for variable in &with {
            let template = match &variable.source {
                ValueSource::Template(template) => template,
                ValueSource::File { path, .. } | ValueSource::Csv { path, .. } | ValueSource::Json { path, .. } => {
                    &path.template
                }
                ValueSource::Literal(_)
                | ValueSource::Env { .. }
                | ValueSource::Command { .. }
                | ValueSource::Netrc { .. }
                | ValueSource::Prompt { .. } => continue,
            };
            if session.templates.mentions(template, &names) {
                names.insert(variable.name.clone());
            }
        }
        if names.len() == known {
            return names;
        }
    }
}

struct DataNames<'s> {
    names: HashSet<String>,
    /// The variables of all steps.
    with: Vec<&'s Variable>,
}

impl<'s> Visitor<'s> for DataNames<'s> {
    fn visit_step(&mut self, step: &'s Step) {
        self.with.extend(&step.with);
        walk_step_after_with(self, step);
    }

    fn visit_capture(&mut self, capture: &'s Capture) {
        self.names.insert(capture.name.clone());
    }
}

#[cfg(test)]
mod tests {
    use crate::session::load;
    use crate::session::read::tests::Files;

    #[test]
    fn data_is_followed_through_with() {
        let text = r#"
server = "smtp://mx.example.com"
[vars]
v = "x"
[rows]
file = "people.csv"
[[step]]
with = { a = "{{ row.f }}", c = "{{ v }}" }
steps = [ { with = { b = "{% if a %}y{% endif %}" }, send = "NOOP {{ b }}", expect = 250, capture = { d = "(.*)" } } ]
"#;
        let session = load("a.toml", text, &Files::default(), &[]).map_err(|errors| errors.render(false));
        let names = super::data_names(&session.expect("a valid session"));
        for name in ["row", "reply", "a", "b", "d"] {
            assert!(names.contains(name), "{name} is data");
        }
        for name in ["v", "c", "session"] {
            assert!(!names.contains(name), "{name} is not data");
        }
    }
}

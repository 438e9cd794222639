//! The names that secrets are made of, as far as the file shows.

use super::visitor::Visitor;
use super::{AuthSettings, Session, Template, ValueSource, Variable};
use std::collections::BTreeSet;

impl Session {
    /// The names that a `password`, a `token` or a value of `[secrets]` is made of, directly or through `[vars]` and
    /// `with`. What the command line gives for one of them is a secret wherever it is shown.
    pub fn secret_names(&self) -> BTreeSet<String> {
        let mut sources = SecretSources::default();
        sources.visit_session(self);
        let mut names = BTreeSet::new();
        let mut queue: Vec<String> =
            sources.templates.iter().flat_map(|template| self.templates.names(template)).collect();
        while let Some(name) = queue.pop() {
            if names.insert(name.clone()) {
                let definitions = sources.variables.iter().filter(|variable| variable.name == name);
                queue.extend(definitions.flat_map(|variable| match &variable.source {
                    ValueSource::Template(template) => self.templates.names(template),
                    _ => Vec::new(),
                }));
            }
        }
        names
    }
}

#[derive(Default)]
struct SecretSources<'s> {
    /// The templates whose results are secrets.
    templates: Vec<&'s Template>,
    /// What names are made of: `[vars]`, `[secrets]` and each `with`.
    variables: Vec<&'s Variable>,
}

impl<'s> Visitor<'s> for SecretSources<'s> {
    fn visit_variable(&mut self, variable: &'s Variable) {
        self.variables.push(variable);
    }

    fn visit_secret(&mut self, secret: &'s Variable) {
        if let ValueSource::Template(template) = &secret.source {
            self.templates.push(template);
        }
        self.visit_variable(secret);
    }

    fn visit_auth(&mut self, auth: &'s AuthSettings) {
        self.templates.extend([&auth.password, &auth.token].into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use crate::session::load;
    use crate::session::read::tests::Files;

    #[test]
    fn names_of_secrets_are_found_through_variables() {
        let table = [
            ("[auth]\nuser = '{{ u }}'\npassword = '{{ token }}'", vec!["token"], "a password, and not the user"),
            ("[secrets]\npw = '{{ token }}'", vec!["token"], "a secret"),
            ("[vars]\na = 'x{{ b }}'\n[auth]\nuser = 'u'\ntoken = '{{ a }}'", vec!["a", "b"], "through a variable"),
            (
                "[[step]]\nwith = { c = '{{ d }}' }\nauth = { user = 'u', password = '{{ c }}' }",
                vec!["c", "d"],
                "through a step's own variable",
            ),
            ("[[step]]\nsend = 'NOOP {{ x }}'\nexpect = 250", vec![], "what is only sent is none"),
        ];
        for (text, expected, why) in table {
            let text = format!("[[open]]\nexpect = 220\n{text}\n");
            let text = if text.contains("[[step]]") { text } else { format!("{text}\n[[step]]\nexpect = 250\n") };
            let given = ["token", "b", "d", "u", "x"].map(str::to_owned);
            let session =
                load("s.toml", &text, &Files::default(), &given).map_err(|found| found.render(false)).expect(why);
            assert_eq!(session.secret_names().into_iter().collect::<Vec<_>>(), expected, "{why}");
        }
    }
}

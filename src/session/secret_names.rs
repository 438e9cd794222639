//! The names whose values go into a secret, as far as the file tells.

use super::{Action, AuthSettings, Session, Step, Template, ValueSource, Variable};
use std::collections::BTreeSet;

impl Session {
    /// The names that a `password`, a `token` or a value of `[secrets]` is made of, through `[vars]` and `with` too. What
    /// the command line gives for one of them is a secret, wherever it is shown.
    pub fn secret_names(&self) -> BTreeSet<String> {
        let mut found = SecretSources::default();
        self.secrets.iter().for_each(|secret| found.secret(secret));
        self.auth.iter().for_each(|auth| found.auth(auth));
        for part in [&self.open, &self.steps, &self.close] {
            found.steps(part);
        }
        found.made_of.extend(self.vars.iter());
        let mut names = BTreeSet::new();
        let mut waiting: Vec<String> =
            found.templates.iter().flat_map(|template| self.templates.names(template)).collect();
        while let Some(name) = waiting.pop() {
            if names.insert(name.clone()) {
                let same = found.made_of.iter().filter(|variable| variable.name == name);
                waiting.extend(same.flat_map(|variable| match &variable.source {
                    ValueSource::Template(template) => self.templates.names(template),
                    _ => Vec::new(),
                }));
            }
        }
        names
    }
}

#[derive(Default)]
struct SecretSources<'a> {
    /// What secrets are.
    templates: Vec<&'a Template>,
    /// What names are made of.
    made_of: Vec<&'a Variable>,
}

impl<'a> SecretSources<'a> {
    fn secret(&mut self, secret: &'a Variable) {
        if let ValueSource::Template(template) = &secret.source {
            self.templates.push(template);
        }
        self.made_of.push(secret);
    }

    fn auth(&mut self, auth: &'a AuthSettings) {
        self.templates.extend([&auth.password, &auth.token].into_iter().flatten());
    }

    fn steps(&mut self, steps: &'a [Step]) {
        for step in steps {
            self.made_of.extend(&step.with);
            match &step.action {
                Action::Auth(auth) => self.auth(auth),
                Action::Steps(members) | Action::Pipeline(members) => self.steps(members),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::session::load;
    use crate::session::read::tests::Files;

    #[test]
    fn names_are_followed_to_where_the_command_line_gives_them() {
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

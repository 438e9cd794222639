//! `--var` values take the type that `[vars]` gives the name. As text, `--var n=1` would be greater than every number,
//! and `n > 2` would be true.

use super::{Diagnostic, Session, Value, ValueSource};

impl Session {
    /// Converts the values of `--var` to numbers and booleans if `[vars]` has such a value for the name. Returns an error
    /// for each value that cannot be converted.
    pub fn apply_overrides(&mut self, texts: &[(String, String)]) -> Vec<Diagnostic> {
        let mut wrong = Vec::new();
        for variable in &self.vars {
            let ValueSource::Literal(own) = &variable.source else { continue };
            // The last value of a name wins.
            let Some((name, text)) = texts.iter().rev().find(|(name, _)| *name == variable.name) else { continue };
            let (kind, read) = match own {
                Value::Integer(_) | Value::Float(_) => ("a number", number(text)),
                Value::Boolean(_) => ("true or false", text.parse().ok().map(Value::Boolean)),
                _ => continue,
            };
            match read {
                Some(value) => self.overrides.push((name.clone(), value)),
                None => wrong.push(
                    Diagnostic::error(
                        variable.span.clone(),
                        format!("--var gives \"{name}\" the value \"{text}\", but [vars] makes it {kind}"),
                    )
                    .with_help("use a file of --vars for another type, or make it a string in [vars]"),
                ),
            }
        }
        wrong
    }

    /// The value that [`Session::apply_overrides`] converted for the name, otherwise `value`.
    pub fn typed_override<'a>(&'a self, name: &str, value: &'a Value) -> &'a Value {
        self.overrides.iter().find(|(known, _)| known == name).map_or(value, |(_, value)| value)
    }
}

/// Parses a TOML number.
fn number(text: &str) -> Option<Value> {
    match text.parse().ok()? {
        toml::Value::Integer(number) => Some(Value::Integer(number)),
        toml::Value::Float(number) => Some(Value::Float(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::tests::Files;
    use super::super::{Value, load};

    #[test]
    fn values_of_var_take_the_type_of_the_file() {
        let file = "vars = { n = 3, f = 0.5, b = true, t = \"3\", e = { env = 'E', default = 1 } }\nstep = [ { expect = 220 } ]";
        let text = |text: &str| Value::Text(text.to_owned());
        let table = [
            ("n", "1", Some(Value::Integer(1)), "a number"),
            ("n", "-0x10", None, "no number of TOML's"),
            ("n", "1.5", Some(Value::Float(1.5)), "numbers are one kind"),
            ("f", "2", Some(Value::Integer(2)), "either way"),
            ("n", "abc", None, "a word"),
            ("n", "", None, "nothing"),
            ("n", "true", None, "a boolean"),
            ("n", "1\nm = 2", None, "more than one"),
            ("b", "false", Some(Value::Boolean(false)), "a boolean"),
            ("b", "no", None, "no boolean"),
            ("b", "1", None, "a number is none"),
            ("t", "4", Some(text("4")), "a string stays text"),
            ("e", "4", Some(text("4")), "so does what a source gives"),
            ("new", "4", Some(text("4")), "and what the file does not know"),
        ];
        for (name, given, expected, why) in table {
            let mut session = load("case.toml", file, &Files::default(), &[]).expect("it is right");
            let wrong =
                session.apply_overrides(&[(name.to_owned(), "9".to_owned()), (name.to_owned(), given.to_owned())]);
            match expected {
                Some(value) => {
                    assert!(wrong.is_empty(), "{why}: {wrong:?}");
                    assert_eq!(*session.typed_override(name, &text(given)), value, "{why}");
                }
                None => assert!(wrong.iter().any(|one| one.message.contains("--var gives")), "{why}"),
            }
        }
    }
}

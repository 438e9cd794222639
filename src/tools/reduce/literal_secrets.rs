//! Replaces the secrets that a session file has in its text, so that it can be shown to others.

use super::atoms::has_expression;
use super::parts::auth_tables;
use super::session_document::{ItemPath, SessionDocument};
use crate::session::toml_string;
use toml_edit::Value;

/// Replaces literal secrets by environment variables, and leaves out the defaults of secrets. `names` are the secrets
/// whose values are in `[vars]`. Gives the names of the variables that need a value now.
pub fn replace_literal_secrets(session: &mut SessionDocument, names: &[String]) -> Vec<String> {
    let mut variables = Vec::new();
    let [vars, secrets] = ["vars", "secrets"].map(|table| ItemPath::of(&[table]));
    for name in names.iter().filter(|name| session.get(&vars.key(name)).is_some()).cloned().collect::<Vec<_>>() {
        session.set(Some("vars"), &name, env_source(&name, &mut variables));
    }
    for key in session.keys(&secrets) {
        let path = secrets.key(&key);
        if session.string(&path).is_some_and(|text| !has_expression(text)) {
            session.set(Some("secrets"), &key, env_source(&key, &mut variables));
        } else if session.get(&path.key("default")).is_some() {
            variables.extend(session.string(&path.key("env")).map(str::to_owned));
            *session = session.without([&path.key("default")]);
        }
    }
    let mut named: Vec<(String, String)> = Vec::new();
    for table in auth_tables(session) {
        for path in ["password", "token"].map(|key| table.key(key)) {
            let literal = session.string(&path).filter(|text| !text.is_empty() && !has_expression(text));
            let Some(literal) = literal.map(str::to_owned) else { continue };
            let known = named.iter().find(|(value, _)| *value == literal).map(|(_, name)| name.clone());
            let name = known.unwrap_or_else(|| {
                let key = path.last_key().unwrap_or("password");
                let is_free =
                    |name: &String| [&vars, &secrets].iter().all(|table| session.get(&table.key(name)).is_none());
                let mut names = std::iter::once(key.to_owned()).chain((2..).map(|number| format!("{key}_{number}")));
                names.find(is_free).unwrap_or_default()
            });
            if named.iter().all(|(_, known)| *known != name) {
                session.set(Some("secrets"), &name, env_source(&name, &mut variables));
                named.push((literal, name.clone()));
            }
            replace(session, &path, Value::from(format!("{{{{ {name} }}}}")));
        }
    }
    let key = ItemPath::of(&["dkim", "key"]);
    if session.string(&key).is_some_and(|text| !has_expression(text)) {
        replace(session, &key, env_source("dkim_key", &mut variables));
    }
    variables
}

fn replace(session: &mut SessionDocument, path: &ItemPath, value: Value) {
    if let Some(changed) = session.with_value(path, value) {
        *session = changed;
    }
}

/// `{ env = "NAME" }`, whose name is added to `variables`.
fn env_source(name: &str, variables: &mut Vec<String>) -> Value {
    let variable = name.to_uppercase();
    let source = format!("{{ env = {} }}", toml_string(&variable));
    variables.push(variable);
    source.parse().unwrap_or_else(|_| Value::from(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_the_text_become_environment_variables() {
        let table: [(&str, &str, &[&str]); 5] = [
            (
                "[secrets]\na = \"x\" # mine\nb = { env = \"B\", default = \"y\" }\nc = { file = \"f\" }\n",
                "[secrets]\na = { env = \"A\" } # mine\nb = { env = \"B\" }\nc = { file = \"f\" }\n",
                &["A", "B"],
            ),
            (
                "[auth]\nuser = \"u\"\npassword = \"x\"\n",
                "[auth]\nuser = \"u\"\npassword = \"{{ password }}\"\n\n[secrets]\npassword = { env = \"PASSWORD\" }\n",
                &["PASSWORD"],
            ),
            (
                "vars = { token = 1 }\nstep = [ { auth = { token = \"x\" } }, { auth = { token = \"y\" } }, { auth = { token = \"x\" } } ]\n",
                "vars = { token = 1 }\nstep = [ { auth = { token = \"{{ token_2 }}\" } }, { auth = { token = \"{{ token_3 }}\" } }, { auth = { token = \"{{ token_2 }}\" } } ]\n\n[secrets]\ntoken_2 = { env = \"TOKEN_2\" }\ntoken_3 = { env = \"TOKEN_3\" }\n",
                &["TOKEN_2", "TOKEN_3"],
            ),
            ("[dkim]\nkey = \"x\"\n", "[dkim]\nkey = { env = \"DKIM_KEY\" }\n", &["DKIM_KEY"]),
            ("[auth]\npassword = \"{{ p }}\"\n", "[auth]\npassword = \"{{ p }}\"\n", &[]),
        ];
        for (text, expected, names) in table {
            let mut session = SessionDocument::parse(text).expect("TOML");
            assert_eq!(replace_literal_secrets(&mut session, &[]), names, "{text}");
            assert_eq!(session.text(), expected);
        }
    }
}

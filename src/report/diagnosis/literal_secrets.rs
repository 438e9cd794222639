//! The secrets that stand in a session file itself: a line of it that is shown must not show them.

use crate::session::{Action, AuthSettings, Session, Step, Value, ValueSource, Variable};
use crate::transcript::Redactor;

/// Knows the literal values and defaults of `[secrets]`, and every literal `password` and `token`.
pub fn literal_secrets(session: &Session) -> Redactor {
    let mut redactor = Redactor::default();
    session.secrets.iter().for_each(|secret| variable(secret, &mut redactor));
    session.auth.iter().for_each(|settings| auth(settings, &mut redactor));
    for part in [&session.open, &session.steps, &session.close] {
        steps(part, &mut redactor);
    }
    redactor
}

fn steps(list: &[Step], redactor: &mut Redactor) {
    for step in list {
        match &step.action {
            Action::Auth(settings) => auth(settings, redactor),
            Action::Pipeline(inner) | Action::Steps(inner) => steps(inner, redactor),
            _ => {}
        }
    }
}

fn auth(settings: &AuthSettings, redactor: &mut Redactor) {
    for template in [&settings.password, &settings.token].into_iter().flatten() {
        // With markup in it, what is secret is the value of a name.
        if !template.source.contains("{{") && !template.source.contains("{%") {
            redactor.add(&template.source);
        }
    }
}

fn variable(secret: &Variable, redactor: &mut Redactor) {
    let value = match &secret.source {
        ValueSource::Literal(value) => Some(value),
        // With markup in a template, what is secret is the value of a name.
        source => source.default_value(),
    };
    match value {
        Some(Value::Text(text)) => {
            redactor.add(text);
        }
        Some(Value::Integer(number)) => {
            redactor.add(&number.to_string());
        }
        Some(Value::Float(number)) => {
            redactor.add(&number.to_string());
        }
        Some(Value::Boolean(_) | Value::List(_) | Value::Table(_) | Value::None) | None => {}
    }
}

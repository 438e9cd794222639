//! Literal secrets of a session file, which must not be shown with its source.

use crate::session::{AuthSettings, Session, Value, ValueSource, Variable, Visitor};
use crate::transcript::Redactor;

/// Returns a redactor for the literal values and defaults of `[secrets]`, and for every literal `password` and `token`.
pub fn literal_secrets(session: &Session) -> Redactor {
    let mut literals = LiteralSecrets { redactor: Redactor::default() };
    literals.visit_session(session);
    literals.redactor
}

struct LiteralSecrets {
    redactor: Redactor,
}

impl<'s> Visitor<'s> for LiteralSecrets {
    fn visit_secret(&mut self, secret: &'s Variable) {
        add_literal(secret, &mut self.redactor);
    }

    fn visit_auth(&mut self, auth: &'s AuthSettings) {
        for template in [&auth.password, &auth.token].into_iter().flatten() {
            // A template is no secret; the values of its names are.
            if !template.source.contains("{{") && !template.source.contains("{%") {
                self.redactor.add(&template.source);
            }
        }
    }
}

fn add_literal(secret: &Variable, redactor: &mut Redactor) {
    let value = match &secret.source {
        ValueSource::Literal(value) => Some(value),
        // A template is no secret; the values of its names are.
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

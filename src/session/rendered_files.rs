//! Whether a session renders files: what those name is not known before they are opened.

use super::{Action, Message, Session, Step, TextSource, ValueSource, Variable};

impl Session {
    /// Whether any file is a template (`template = true`).
    pub fn has_file_templates(&self) -> bool {
        self.vars.iter().chain(&self.secrets).any(variable)
            || self.message.as_ref().is_some_and(message)
            || [&self.open, &self.steps, &self.close].into_iter().flatten().any(step)
    }
}

fn variable(variable: &Variable) -> bool {
    matches!(variable.source, ValueSource::File { template: true, .. })
}

fn content(content: &TextSource) -> bool {
    matches!(content, TextSource::File { template: true, .. })
}

fn message(message: &Message) -> bool {
    message.contents().any(content)
}

fn step(one: &Step) -> bool {
    let own = match &one.action {
        Action::Message(own) => message(own),
        Action::Body { content: body, .. } => content(body),
        _ => false,
    };
    own || one.with.iter().any(variable) || one.members().iter().any(step)
}

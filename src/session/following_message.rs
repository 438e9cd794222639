//! The message that is sure to follow if the one before it is delivered.

use super::{Action, Message, Session, Step, Template, TextSource, all_steps};

/// The message that is sure to follow if the one before it is delivered.
#[derive(Clone, Copy)]
pub struct FollowingMessage<'s> {
    pub message: &'s Message,
    /// Its index among the messages of the file.
    pub index: usize,
    pub connection: &'s str,
    pub repetition: Option<u32>,
    /// It is the next row's.
    pub in_next_row: bool,
}

impl<'s> FollowingMessage<'s> {
    /// What `step` begins with, if that is a message and nothing comes before it. `index` counts the messages before it,
    /// `connection` is that of the group around it, `repetition` what its `loop.index` will be.
    pub fn of(step: &'s Step, index: usize, connection: &'s str, repetition: Option<u32>) -> Option<Self> {
        // What is between the two messages, or decides whether there is a second one, comes first.
        if step.deselected || step.condition.is_some() || step.delay.is_some() || !step.with.is_empty() || step.always {
            return None;
        }
        let connection = step.on.as_deref().unwrap_or(connection);
        let repetition = if step.repeat.is_some() { Some(1) } else { repetition };
        Self::begun(step, index, connection, repetition)
    }

    /// What the next row begins with, over `connection`.
    pub fn in_next_row(steps: &'s [Step], index: usize, connection: &'s str) -> Option<Self> {
        let next = Self::of(steps.first()?, index, connection, None)?;
        Some(Self { in_next_row: true, ..next })
    }

    /// What a further repetition of `step` begins with: its own variables are there already.
    pub fn again(step: &'s Step, index: usize, connection: &'s str, repetition: u32) -> Option<Self> {
        if step.condition.is_some() || step.delay.is_some() {
            return None;
        }
        Self::begun(step, index, connection, Some(repetition))
    }

    fn begun(step: &'s Step, index: usize, connection: &'s str, repetition: Option<u32>) -> Option<Self> {
        match &step.action {
            Action::Message(message) if step.chunk.is_none() => {
                Some(Self { message, index, connection, repetition, in_next_row: false })
            }
            Action::Steps(members) => Self::of(members.first()?, index, connection, repetition),
            _ => None,
        }
    }

    /// Whether the message says something that is not known before the message of `step` is answered.
    pub fn depends_on(&self, session: &Session, step: &Step) -> bool {
        // What a row captured the next one does not see.
        let captured = |name: &str| match self.in_next_row {
            true => captures_name(&session.steps, name),
            false => step.captures.iter().any(|capture| capture.name == name),
        };
        let later = |name: &str| matches!(name, "reply" | "session") || captured(name);
        match templates_of(self.message) {
            Some(templates) => templates.into_iter().any(|template| session.templates.uses(template, later)),
            None => true,
        }
    }
}

/// How many messages may be in flight if `following` follows: more than one only if the messages of all rows follow one
/// another with nothing between them.
pub fn max_in_flight(session: &Session, following: Option<&FollowingMessage<'_>>) -> usize {
    let rows = session.rows.as_ref().filter(|_| following.is_some_and(|following| following.in_next_row));
    let [step] = session.steps.as_slice() else { return 1 };
    let is_only_step = step.repeat_count() <= 1 && matches!(step.action, Action::Message(_));
    match rows {
        Some(rows) if is_only_step => usize::try_from(rows.in_flight).unwrap_or(usize::MAX),
        _ => 1,
    }
}

/// Whether one of the steps captures the name.
pub fn captures_name(steps: &[Step], name: &str) -> bool {
    all_steps(steps).any(|step| step.captures.iter().any(|capture| capture.name == name))
}

/// The templates that a message is made of; `None` if a file holds one, whose names nobody knows yet.
fn templates_of(message: &Message) -> Option<Vec<&Template>> {
    let mut templates = message.lines();
    for content in message.contents() {
        match content {
            TextSource::Text(template) => templates.push(template),
            TextSource::File { path, template: false } => templates.push(&path.template),
            TextSource::File { template: true, .. } => return None,
        }
    }
    Some(templates)
}

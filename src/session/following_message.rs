//! Finds the message that follows another one, so that its envelope can be sent early.

use super::{Action, Message, Session, Step, all_steps};

/// The message that is sure to follow if the one before it is delivered.
#[derive(Clone, Copy)]
pub struct FollowingMessage<'s> {
    pub message: &'s Message,
    /// Its index among the messages of the file.
    pub index: usize,
    pub connection: &'s str,
    pub repetition: Option<u32>,
    /// Whether it belongs to the next row.
    pub in_next_row: bool,
}

impl<'s> FollowingMessage<'s> {
    /// The message that `step` begins with, if nothing comes before it. `index` is the number of messages before it,
    /// `connection` that of the group around it, `repetition` its `loop.index`.
    pub fn of(step: &'s Step, index: usize, connection: &'s str, repetition: Option<u32>) -> Option<Self> {
        // Each of these comes between the messages, or decides whether there is a second one.
        if step.deselected || step.condition.is_some() || step.delay.is_some() || !step.with.is_empty() || step.always {
            return None;
        }
        let connection = step.on.as_deref().unwrap_or(connection);
        let repetition = if step.repeat.is_some() { Some(1) } else { repetition };
        Self::begun(step, index, connection, repetition)
    }

    /// The message that the next row begins with on `connection`.
    pub fn in_next_row(steps: &'s [Step], index: usize, connection: &'s str) -> Option<Self> {
        let next = Self::of(steps.first()?, index, connection, None)?;
        Some(Self { in_next_row: true, ..next })
    }

    /// The message that the next repetition of `step` begins with. Its `with` is set already.
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

    /// Whether the message uses a value that is unknown before the message of `step` is answered.
    pub fn depends_on(&self, session: &Session, step: &Step) -> bool {
        // Captures of a row are forgotten in the next one, so no capture may be used.
        let captured = |name: &str| match self.in_next_row {
            true => captures_name(&session.steps, name),
            false => step.captures.iter().any(|capture| capture.name == name),
        };
        let later = |name: &str| matches!(name, "reply" | "session") || captured(name);
        match self.message.templates() {
            Some(templates) => templates.into_iter().any(|template| session.templates.uses(template, later)),
            None => true,
        }
    }
}

/// The most messages in flight if `following` follows. More than one only if each row is a single message.
pub fn max_in_flight(session: &Session, following: Option<&FollowingMessage<'_>>) -> usize {
    let rows = session.rows.as_ref().filter(|_| following.is_some_and(|following| following.in_next_row));
    let [step] = session.steps.as_slice() else { return 1 };
    let is_only_step = step.repeat_count() <= 1 && matches!(step.action, Action::Message(_));
    match rows {
        Some(rows) if is_only_step => usize::try_from(rows.in_flight).unwrap_or(usize::MAX),
        _ => 1,
    }
}

/// Whether any of the steps captures the name.
pub fn captures_name(steps: &[Step], name: &str) -> bool {
    all_steps(steps).any(|step| step.captures.iter().any(|capture| capture.name == name))
}

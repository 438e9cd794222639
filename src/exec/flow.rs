//! What a step leaves to those after it, and its position.

use super::events::MAIN;
use crate::session::{FailurePolicy, FollowingMessage, Session, Step, count_messages, count_messages_of};

/// What a list of steps leaves to those that follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flow {
    #[default]
    Continue,
    /// A failure stopped the session: only steps with `always` still run.
    SkipRest,
    /// As `SkipRest`, but `[[close]]` runs as a whole.
    CloseOnly,
    /// Nothing runs any more: the session is skipped, or was interrupted.
    Abort,
}

impl Flow {
    /// What a failure leaves to the steps after it.
    pub fn after_failure(on_fail: FailurePolicy) -> Self {
        match on_fail {
            FailurePolicy::Stop => Self::SkipRest,
            FailurePolicy::Continue => Self::Continue,
            FailurePolicy::Quit => Self::CloseOnly,
        }
    }
}

/// The position of a step, or of a list of steps.
#[derive(Clone, Copy)]
pub struct StepPosition<'p> {
    /// Of a step: its number, a group's for those in it. Of a section: the number of the step before its first one.
    pub number: usize,
    /// Of a list: whether it is a section, whose steps are counted.
    pub is_section: bool,
    /// How many messages the file has before it.
    pub index: usize,
    /// The group's connection.
    pub connection: &'p str,
    pub repetition: Option<u32>,
    /// A failure came before: only steps with `always` run.
    pub after_failure: bool,
    /// The message that follows, if one does.
    pub following: Option<FollowingMessage<'p>>,
}

impl<'p> StepPosition<'p> {
    /// The sections `[[open]]`, `[[step]]` and `[[close]]`.
    pub fn sections(session: &Session) -> [Self; 3] {
        let (mut number, mut index) = (0, 0);
        session.sections().map(|steps| {
            let list = Self {
                number,
                is_section: true,
                index,
                connection: MAIN,
                repetition: None,
                after_failure: false,
                following: None,
            };
            (number, index) = (number + steps.len(), index + count_messages(steps));
            list
        })
    }

    /// The steps of this list, each with its position.
    pub fn steps(self, steps: &'p [Step]) -> impl Iterator<Item = (&'p Step, Self)> {
        let mut next_index = self.index;
        steps.iter().enumerate().map(move |(offset, step)| {
            let index = next_index;
            next_index += count_messages_of(step);
            let following = match steps.get(offset + 1) {
                Some(next) => FollowingMessage::of(next, next_index, self.connection, self.repetition),
                None => self.following,
            };
            let position = Self {
                number: if self.is_section { self.number + offset + 1 } else { self.number },
                is_section: false,
                index,
                connection: step.on.as_deref().unwrap_or(self.connection),
                // What follows does not see this step's own variables.
                following: following.filter(|_| step.with.is_empty()),
                ..self
            };
            (step, position)
        })
    }

    /// The position of this step if a failure came before: what follows may not run at all then.
    pub fn after(self, failure: bool, close_only: bool) -> Self {
        let following = self.following.filter(|_| !failure);
        Self { after_failure: failure || close_only, following, ..self }
    }

    /// The position of a step in this repetition of it, counted from 1.
    pub fn in_repetition(self, step: &'p Step, repetition: u32) -> Self {
        let following = match repetition < step.repeat_count() {
            // The next time its own variables are others.
            true => FollowingMessage::again(step, self.index, self.connection, repetition + 1)
                .filter(|_| step.with.is_empty()),
            false => self.following,
        };
        let repetition = if step.repeat.is_some() { Some(repetition) } else { self.repetition };
        Self { repetition, following, ..self }
    }
}

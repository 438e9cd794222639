//! What a step leaves to those after it, and its position.

use super::events::MAIN;
use crate::session::FailurePolicy;
use crate::session::FollowingMessage;

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

impl StepPosition<'_> {
    /// Of a section: how many steps and messages the file has before it.
    pub fn section(number: usize, index: usize) -> Self {
        Self { number, index, connection: MAIN, repetition: None, after_failure: false, following: None }
    }
}

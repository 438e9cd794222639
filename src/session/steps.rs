//! Iterates over steps and the steps inside them.

use super::{Action, Session, Step};
use std::slice;

/// The steps of a list and those inside them: a group or pipeline first, then its members.
pub fn all_steps(steps: &[Step]) -> AllSteps<'_> {
    AllSteps { open: vec![steps.iter()] }
}

/// The iterator of [`all_steps`].
pub struct AllSteps<'s> {
    /// Iterators that are not at their end, the innermost last.
    open: Vec<slice::Iter<'s, Step>>,
}

impl<'s> Iterator for AllSteps<'s> {
    type Item = &'s Step;

    fn next(&mut self) -> Option<&'s Step> {
        while let Some(list) = self.open.last_mut() {
            if let Some(step) = list.next() {
                self.open.push(step.members().iter());
                return Some(step);
            }
            self.open.pop();
        }
        None
    }
}

impl Session {
    /// `[[open]]`, `[[step]]` and `[[close]]`.
    pub fn sections(&self) -> [&[Step]; 3] {
        [&self.open, &self.steps, &self.close]
    }

    /// Every step of the session, as [`all_steps`] has them.
    pub fn all_steps(&self) -> AllSteps<'_> {
        let [open, steps, close] = self.sections();
        AllSteps { open: vec![close.iter(), steps.iter(), open.iter()] }
    }
}

impl Step {
    /// The steps inside a group or a pipeline.
    pub fn members(&self) -> &[Step] {
        match &self.action {
            Action::Steps(members) | Action::Pipeline(members) => members,
            _ => &[],
        }
    }

    /// The step itself and the steps inside it.
    pub fn with_members(&self) -> AllSteps<'_> {
        all_steps(slice::from_ref(self))
    }

    /// How many times it runs, without retries.
    pub fn repeat_count(&self) -> u32 {
        self.repeat.unwrap_or(1).max(1)
    }
}

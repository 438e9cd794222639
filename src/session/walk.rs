//! Looking through steps and those inside them.

use super::{Action, Step};

impl Step {
    /// The steps inside it: of a group, or of a pipeline.
    pub fn members(&self) -> &[Step] {
        match &self.action {
            Action::Steps(members) | Action::Pipeline(members) => members,
            _ => &[],
        }
    }

    /// Whether it holds of the step or of one inside it.
    pub fn any(&self, holds: &dyn Fn(&Step) -> bool) -> bool {
        holds(self) || self.members().iter().any(|member| member.any(holds))
    }
}

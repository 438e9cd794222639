//! Looking through steps and those inside them, and through sources of values.

use super::{Action, Step, Value, ValueSource};

impl Step {
    /// The steps inside it: of a group, or of a pipeline.
    pub fn members(&self) -> &[Step] {
        match &self.action {
            Action::Steps(members) | Action::Pipeline(members) => members,
            _ => &[],
        }
    }

    /// How many times it is played, retries aside.
    pub fn repeat_count(&self) -> u32 {
        self.repeat.unwrap_or(1).max(1)
    }

    /// Whether it holds of the step or of one inside it.
    pub fn any(&self, holds: &dyn Fn(&Step) -> bool) -> bool {
        holds(self) || self.members().iter().any(|member| member.any(holds))
    }
}

impl ValueSource {
    /// What stands in where the source has no value.
    pub fn default_value(&self) -> Option<&Value> {
        match self {
            Self::Template(_) | Self::Literal(_) => None,
            Self::Env { default, .. }
            | Self::File { default, .. }
            | Self::Command { default, .. }
            | Self::Netrc { default, .. }
            | Self::Prompt { default, .. }
            | Self::Csv { default, .. }
            | Self::Json { default, .. } => default.as_ref(),
        }
    }
}

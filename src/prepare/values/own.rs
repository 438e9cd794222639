//! A step's own variables: what `with` says.

use super::source::ValueReader;
use crate::event::StepError;
use crate::session::{Scope, Value, Variable};

impl ValueReader<'_, '_> {
    /// The values of a step's own variables. Each may use those before it.
    pub fn own_values(&mut self, scope: &mut Scope, variables: &[Variable]) -> Result<Vec<(String, Value)>, StepError> {
        scope.push_layer(Vec::new());
        let values = variables.iter().map(|variable| self.own_value(scope, variable)).collect();
        scope.pop_layer();
        values
    }

    fn own_value(&mut self, scope: &mut Scope, variable: &Variable) -> Result<(String, Value), StepError> {
        match self.value(variable, scope, false) {
            Ok(Some(value)) => {
                scope.add_to_layer(&variable.name, value.clone());
                Ok((variable.name.clone(), value))
            }
            Ok(None) => {
                let what = format!("{} has no value", variable.name);
                Err(StepError::bad_value(self.secrets, what).at(&variable.span))
            }
            Err(error) => Err(error.at(&variable.span)),
        }
    }
}

//! A step's own variables: what `with` says.

use super::{ValueReader, ValueRequest};
use crate::exec::error::StepError;
use crate::exec::executor::Executor;
use crate::session::{Value, Variable};

impl Executor<'_> {
    /// The step's own variables. Each may use those before it.
    pub fn with(&mut self, variables: &[Variable]) -> Result<Vec<(String, Value)>, StepError> {
        self.scope.push_layer(Vec::new());
        let values = variables.iter().map(|variable| self.own_variable(variable)).collect();
        self.scope.pop_layer();
        values
    }

    fn own_variable(&mut self, variable: &Variable) -> Result<(String, Value), StepError> {
        let reader = ValueReader {
            session: self.session,
            settings: self.settings,
            sources: self.sources,
            host: Some(self.server.host().to_owned()),
        };
        let mut request = ValueRequest::default();
        match reader.value(&variable.source, &self.scope, &self.events, &mut request) {
            Ok(Some(value)) => {
                if let Some(why) = request.failed {
                    self.events.note_default_used(&variable.name, &why);
                }
                self.scope.add_to_layer(&variable.name, value.clone());
                Ok((variable.name.clone(), value))
            }
            Ok(None) => {
                let what = format!("{} has no value", variable.name);
                Err(StepError::bad_value(&self.events, what).at(&variable.span))
            }
            Err(error) => Err(error.at(&variable.span)),
        }
    }
}

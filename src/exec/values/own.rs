//! A step's own variables: what `with` says.

use super::source::{ValueReader, ValueRequest};
use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::exec::events::EventSink;
use crate::session::{Scope, Value, Variable};

/// The values of a step's own variables. Each may use those before it.
pub fn own_values(
    reader: &ValueReader<'_>,
    scope: &mut Scope,
    events: &mut EventSink<'_>,
    variables: &[Variable],
) -> Result<Vec<(String, Value)>, StepError> {
    scope.push_layer(Vec::new());
    let values = variables.iter().map(|variable| own_value(reader, scope, events, variable)).collect();
    scope.pop_layer();
    values
}

fn own_value(
    reader: &ValueReader<'_>,
    scope: &mut Scope,
    events: &mut EventSink<'_>,
    variable: &Variable,
) -> Result<(String, Value), StepError> {
    let mut request = ValueRequest::default();
    match reader.value(&variable.source, scope, events, &mut request) {
        Ok(Some(value)) => {
            if let Some(why) = request.failed {
                events.note_default_used(&variable.name, &why);
            }
            scope.add_to_layer(&variable.name, value.clone());
            Ok((variable.name.clone(), value))
        }
        Ok(None) => {
            let what = format!("{} has no value", variable.name);
            Err(StepError::bad_value(&events.secrets, what).at(&variable.span))
        }
        Err(error) => Err(error.at(&variable.span)),
    }
}

impl StepContext<'_, '_> {
    /// The values of a step's own variables.
    pub fn own_values(&mut self, variables: &[Variable]) -> Result<Vec<(String, Value)>, StepError> {
        let reader = ValueReader { run: self.run, host: Some(self.connector.server.host().to_owned()) };
        own_values(&reader, &mut self.row.scope, self.events, variables)
    }
}

//! A step's own variables: what `with` says.

use super::{Asked, Reader};
use crate::exec::player::Player;
use crate::exec::trouble::Trouble;
use crate::session::{Value, Variable};

impl Player<'_> {
    /// The step's own variables. Each may use those before it.
    pub fn with(&mut self, variables: &[Variable]) -> Result<Vec<(String, Value)>, Trouble> {
        self.scope.push(Vec::new());
        let values = variables.iter().map(|variable| self.own_variable(variable)).collect();
        self.scope.pop();
        values
    }

    fn own_variable(&mut self, variable: &Variable) -> Result<(String, Value), Trouble> {
        let reader = Reader {
            session: self.session,
            settings: self.settings,
            sources: self.sources,
            host: Some(self.server.host().to_owned()),
        };
        let mut asked = Asked::default();
        match reader.value(&variable.source, &self.scope, &self.narrator, &mut asked) {
            Ok(Some(value)) => {
                if let Some(why) = asked.failed {
                    self.narrator.default_taken(&variable.name, &why);
                }
                self.scope.add(&variable.name, value.clone());
                Ok((variable.name.clone(), value))
            }
            Ok(None) => {
                let what = format!("{} has no value", variable.name);
                Err(Trouble::bad_value(&self.narrator, what).at(&variable.span))
            }
            Err(trouble) => Err(trouble.at(&variable.span)),
        }
    }
}

//! Renders every row before anything is sent: `mailrun check --rows`.

use super::clock::Clock;
use super::context::{Row, RunContext};
use super::preflight::{Preflight, PreflightFindings};
use super::values::PreparedValues;
use crate::event::StepError;
use crate::session::Visitor;
use crate::transcript::Secrets;

/// Renders the steps for one row after another, as far as the file and the row show, and opens the files that they name.
pub struct RowPreflight<'p, 'a>(Preflight<'p, 'a>);

/// What was found in a row.
pub struct RowFindings {
    pub errors: Vec<StepError>,
    /// The size of the row's largest message in bytes; 0 if it has none that can be prepared.
    pub message_bytes: u64,
    /// Addresses of its envelopes that are longer than every server accepts, and why.
    pub long_addresses: Vec<String>,
    /// All recipients of all its messages are excluded.
    pub is_excluded: bool,
}

impl<'p, 'a> RowPreflight<'p, 'a> {
    pub fn new(run: RunContext<'a>, values: &PreparedValues, secrets: &'p mut Secrets, clock: &'p dyn Clock) -> Self {
        let mut preflight = Preflight::new(run, values, secrets, clock);
        preflight.known.names.insert("row".to_owned());
        Self(preflight)
    }

    /// Checks all steps that are sure to run for the row.
    pub fn check_row(&mut self, mut row: Row) -> RowFindings {
        let preflight = &mut self.0;
        let session = preflight.run.session;
        preflight.findings = PreflightFindings::default();
        if let Some(why) = row.error.take() {
            let error = StepError::bad_value(preflight.secrets, why);
            let error = session.rows.iter().fold(error, |error, rows| error.at(&rows.file.span));
            return RowFindings {
                errors: vec![error],
                message_bytes: 0,
                long_addresses: Vec::new(),
                is_excluded: false,
            };
        }
        preflight.row.begin(row);
        session.steps.iter().for_each(|step| preflight.visit_step(step));
        let PreflightFindings { errors, message_bytes, long_addresses, excluded_messages, messages, .. } =
            std::mem::take(&mut preflight.findings);
        let is_excluded = messages > 0 && excluded_messages == messages;
        RowFindings { errors, message_bytes, long_addresses, is_excluded }
    }
}

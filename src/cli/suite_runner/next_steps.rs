//! What to do about the rows of a batch that are left: the lines after its summary.

use super::batch_runner::BatchSummary;
use crate::cli::arguments::RunArguments;
use crate::cli::output::rerun_command::{HiddenValues, continue_command, file_argument};
use crate::cli::sessions::load::LoadedSession;
use crate::event::group_thousands;
use crate::report::record::Record;

/// The lines after the summary: the commands to go on with.
pub fn next_steps(
    arguments: &RunArguments,
    loaded: &LoadedSession,
    record: &Record,
    summary: &BatchSummary,
) -> Vec<String> {
    let tally = &summary.tally;
    let mut lines = Vec::new();
    if tally.left() > 0 {
        let hidden = HiddenValues::of(arguments, &loaded.session, record);
        let command = continue_command(arguments, tally.left() as u64, &loaded.path.name(), &hidden);
        lines.push(match &summary.ledger {
            Some(_) => format!("to send what is left: {command}"),
            None => format!("no ledger says which rows are left; to send all again: {command}"),
        });
    }
    let unknown = tally.unknown + tally.unknown_before;
    if let Some(ledger) = summary.ledger.as_ref().filter(|_| unknown > 0) {
        let ledger = file_argument(ledger);
        lines.push(format!("{} may have been delivered: mailrun ledger {ledger} list --state unknown", rows(unknown)));
        lines.push(format!(
            "when you know, mailrun ledger {ledger} resolve KEY sent (or pending); --resend-unknown sends them again"
        ));
    }
    lines
}

/// `1 row`, `2,000 rows`.
fn rows(count: usize) -> String {
    format!("{} {}", group_thousands(count), if count == 1 { "row" } else { "rows" })
}

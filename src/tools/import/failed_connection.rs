//! Logs of connections that were never made.

use super::error::ImportError;
use super::log_text::log_lines;
use crate::transcript::escape_unprintable;

/// What programs print if no connection is made, in lower case.
const FAILURES: [&str; 17] = [
    "connection refused",
    "econnrefused",
    "connect:errno=",
    "failed to connect",
    "unable to connect",
    "could not connect",
    "couldn't connect",
    "cannot connect",
    "can't connect",
    "could not open connection",
    "error connecting",
    "timed out",
    "etimedout",
    "no route to host",
    "network is unreachable",
    "could not resolve",
    "name or service not known",
];

/// How much of the line is quoted, in characters.
const SHOWN: usize = 100;

/// The error for a log without a dialogue that tells of a failed connection.
pub fn find_failure(log: &[u8]) -> Option<ImportError> {
    let lines = log_lines(log);
    let failed = lines.iter().find(|line| {
        let text = line.text().to_lowercase();
        FAILURES.iter().any(|failure| text.contains(failure))
    })?;
    let text: String = failed.text().trim().chars().take(SHOWN).collect();
    let message = format!("this log has no dialogue: no connection was made: {}", escape_unprintable(text.as_bytes()));
    let help = "`mailrun probe` shows why a server cannot be reached; `mailrun run` ends with 69 then";
    Some(ImportError::new(message, help).at(failed.number, 1))
}

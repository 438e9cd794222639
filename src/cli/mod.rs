//! Arguments, exit statuses, wiring.

use std::process::ExitCode;

pub fn main() -> ExitCode {
    ExitCode::from(70)
}

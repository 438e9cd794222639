//! Arguments, exit statuses, wiring.

mod arguments;
mod environment;
mod values;

use std::process::ExitCode;

pub fn main() -> ExitCode {
    match environment::read(std::env::args_os().collect(), &|name| std::env::var_os(name)) {
        Ok(_) => ExitCode::from(70),
        Err(e) => {
            let _ = e.print();
            ExitCode::from(64)
        }
    }
}

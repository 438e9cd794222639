//! What a run wants to know of this machine.

use std::io;

/// The host's name; empty where it has none.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The time zone of `TZ`, or of the system.
pub fn zone() -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::try_system().unwrap_or(jiff::tz::TimeZone::UTC)
}

/// Whether standard output is a file, where nobody waits for the next line.
pub fn stdout_is_a_file() -> bool {
    rustix::fs::fstat(io::stdout())
        .is_ok_and(|about| rustix::fs::FileType::from_raw_mode(about.st_mode) == rustix::fs::FileType::RegularFile)
}

//! What a run wants to know of this machine.

use jiff::tz::TimeZone;
use std::io;

/// The host's name; empty where it has none.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The time zone of `TZ`, or of the system.
pub fn time_zone() -> TimeZone {
    // Finding the zone's name walks through the whole zone database; its rules alone stand in one small file.
    let rules = std::env::var_os("TZ").is_none().then(|| std::fs::read("/etc/localtime").ok()).flatten();
    rules
        .and_then(|rules| TimeZone::tzif("local", &rules).ok())
        .or_else(|| TimeZone::try_system().ok())
        .unwrap_or(TimeZone::UTC)
}

/// Whether standard output is a file, where nobody waits for the next line.
pub fn stdout_is_a_file() -> bool {
    rustix::fs::fstat(io::stdout())
        .is_ok_and(|about| rustix::fs::FileType::from_raw_mode(about.st_mode) == rustix::fs::FileType::RegularFile)
}

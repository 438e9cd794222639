//! What a run wants to know of this machine.

use jiff::tz::TimeZone;

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

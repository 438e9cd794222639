//! The name and the time zone of this machine.

use jiff::tz::TimeZone;

/// The host name; empty if there is none.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The time zone of `TZ`, otherwise that of the system.
pub fn time_zone() -> TimeZone {
    // Reading this file is fast. Finding the zone's name would search the whole zone database.
    let rules = std::env::var_os("TZ").is_none().then(|| std::fs::read("/etc/localtime").ok()).flatten();
    rules
        .and_then(|rules| TimeZone::tzif("local", &rules).ok())
        .or_else(|| TimeZone::try_system().ok())
        .unwrap_or(TimeZone::UTC)
}

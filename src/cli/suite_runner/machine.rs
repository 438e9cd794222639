//! The name and the time zone of this machine.

use jiff::tz::TimeZone;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The host name; empty if there is none.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The time zone of `TZ`, otherwise that of the system.
pub fn time_zone() -> TimeZone {
    let named = std::env::var_os("TZ");
    if named.as_deref().is_some_and(is_endless) {
        return TimeZone::UTC;
    }
    // Reading this file is fast. Finding the zone's name would search the whole zone database.
    let rules = named.is_none().then(|| std::fs::read("/etc/localtime").ok()).flatten();
    rules
        .and_then(|rules| TimeZone::tzif("local", &rules).ok())
        .or_else(|| TimeZone::try_system().ok())
        .unwrap_or(TimeZone::UTC)
}

/// Whether a value of `TZ` names a device, a pipe or a folder. jiff would read it to its end, which may not come.
fn is_endless(name: &OsStr) -> bool {
    let name = Path::new(OsStr::from_bytes(name.as_bytes().strip_prefix(b":").unwrap_or(name.as_bytes())));
    let is_other = |path: &Path| path.metadata().is_ok_and(|about| !about.is_file());
    !name.as_os_str().is_empty() && (is_other(name) || is_other(&Path::new("/usr/share/zoneinfo").join(name)))
}

#[cfg(test)]
mod tests {
    use super::is_endless;
    use std::ffi::OsStr;

    #[test]
    fn a_time_zone_is_read_from_a_regular_file_only() {
        for name in ["/dev/zero", ":/dev/zero", "../../../dev/zero", "/"] {
            assert!(is_endless(OsStr::new(name)), "{name}");
        }
        for name in ["", "UTC", ":UTC", "CET-1CEST", "No/Such", "/no/such/file", "/proc/self/exe"] {
            assert!(!is_endless(OsStr::new(name)), "{name}");
        }
    }
}

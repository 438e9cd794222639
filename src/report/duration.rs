//! Durations as text.

use std::time::Duration;

/// Formats a duration for people: `12 ms`, `1.2 s`, `2 minutes`.
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1000.0;
    if millis < 1.0 {
        "under 1 ms".to_owned()
    } else if millis < 999.5 {
        format!("{millis:.0} ms")
    } else if millis < 99_950.0 {
        format!("{:.1} s", millis / 1000.0)
    } else {
        crate::event::HumanDuration(Duration::from_secs(duration.as_secs())).to_string()
    }
}

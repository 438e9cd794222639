//! Durations in the words of reports.

use std::time::Duration;

/// `1.25 s`, `12 ms`: for people.
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

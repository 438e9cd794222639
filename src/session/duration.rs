//! Durations as session files and options write them: `30s`, `500ms`, `5m`, `1h`.

use std::time::Duration;

/// A year: longer than any run, and far from where an `Instant` overflows.
const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 3600);

/// ```abnf
/// duration = 1*( *SP number unit )
/// number   = 1*DIGIT [ "." 1*9DIGIT ]
/// unit     = "ms" / "s" / "m" / "h"
/// ```
///
/// The parts are added: `1m 30s`. The error names the accepted forms.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong =
        |why: &str| Err(format!("\"{text}\" is not a duration{why}: write \"500ms\", \"30s\", \"5m\" or \"1h\""));
    let mut rest = text.trim();
    if rest.is_empty() {
        return wrong("");
    }
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let nanos_per_unit: u128 = match unit {
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "" if after.is_empty() && !number.is_empty() => return wrong(" (the unit is missing)"),
            _ => return wrong(""),
        };
        let Some(nanos) = scaled(number, nanos_per_unit) else { return wrong("") };
        sum = match from_nanos(nanos).and_then(|part| sum.checked_add(part)).filter(|sum| *sum <= MAX_DURATION) {
            Some(sum) => sum,
            None => return Err(format!("\"{text}\" is too long: the longest duration is a year")),
        };
        rest = after.trim_start();
    }
    Ok(sum)
}

/// `number` times `unit`, in whole nanoseconds. `None` if it is not a number or too large.
fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || whole.len() > 18 || fraction.is_empty() || fraction.len() > 9 || fraction.contains('.') {
        return None;
    }
    let parts = fraction.parse::<u128>().ok()? * unit / 10u128.pow(fraction.len() as u32);
    Some(whole.parse::<u128>().ok()? * unit + parts)
}

/// Like `Duration::from_nanos_u128`, but returns `None` instead of panicking.
fn from_nanos(nanos: u128) -> Option<Duration> {
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, (nanos % 1_000_000_000) as u32))
}

/// The shortest text that [`parse_duration`] reads as this duration.
pub(super) fn format_duration(duration: Duration) -> String {
    if !duration.subsec_nanos().is_multiple_of(1_000_000) {
        return format!("{}.{:09}s", duration.as_secs(), duration.subsec_nanos());
    }
    let millis = duration.as_millis();
    match millis {
        0 => "0s".to_owned(),
        _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ if millis.is_multiple_of(1_000) => format!("{}s", millis / 1_000),
        _ => format!("{millis}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_numbers_with_units() {
        let table = [
            ("500ms", 500, "milliseconds"),
            ("30s", 30_000, "seconds"),
            ("5m", 300_000, "minutes"),
            ("1h", 3_600_000, "hours"),
            ("1.5s", 1_500, "a fraction"),
            ("0.001s", 1, "leading zeros in the fraction count"),
            ("1m 30s", 90_000, "parts are added"),
            ("1m30s", 90_000, "without a space too"),
            (" 2s ", 2_000, "spaces around it"),
            ("0s", 0, "nothing is a duration"),
        ];
        for (text, millis, why) in table {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{why}");
        }
    }

    #[test]
    fn an_invalid_duration_is_an_error_that_names_the_forms() {
        let table = [
            ("", "empty"),
            ("30", "no unit"),
            ("s", "no number"),
            ("30 seconds", "a word"),
            ("-5s", "negative"),
            (".5s", "no whole part"),
            ("1.s", "no fraction"),
            ("1.2.3s", "two points"),
            ("5 m", "a space between number and unit"),
            ("5M", "units are lower case"),
            ("\u{661}s", "digits are ASCII"),
        ];
        for (text, why) in table {
            let error = parse_duration(text).expect_err(why);
            assert!(error.contains("\"30s\""), "{why}: {error}");
        }
        assert!(parse_duration("99999999999999h").expect_err("beyond a year").contains("a year"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in ".*") {
            let _ = parse_duration(&text);
        }

        #[test]
        fn a_printed_duration_is_read_back(millis in 0u64..31_536_000_000, nanos in 0u64..1_000_000_000) {
            for duration in [Duration::from_millis(millis), Duration::from_nanos(nanos)] {
                prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
            }
        }
    }
}

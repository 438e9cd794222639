//! A time in templates: rendered as RFC 3339, comparable, and the input of the filters `date` and `rfc5322`.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use minijinja::value::{DynObject, Object, ObjectRepr, Value};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

pub struct TimeValue(pub Zoned);

impl TimeValue {
    pub fn new(timestamp: Timestamp, zone: &TimeZone) -> Self {
        Self(timestamp.to_zoned(zone.clone()))
    }

    /// Reads a time value, RFC 3339 or RFC 5322 text (a date alone is its midnight in `zone`), or seconds since 1970.
    pub fn read(value: &Value, zone: &TimeZone) -> Option<Zoned> {
        if let Some(moment) = value.downcast_object_ref::<Self>() {
            return Some(moment.0.clone());
        }
        if let Some(text) = value.as_str() {
            return Self::parse(text.trim(), zone);
        }
        if !value.is_number() {
            return None;
        }
        if let Some(seconds) = value.as_i64() {
            return Timestamp::from_second(seconds).ok().map(|at| at.to_zoned(zone.clone()));
        }
        let seconds = f64::try_from(value.clone()).ok()?;
        let duration = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
        Timestamp::from_duration(duration).ok().map(|at| at.to_zoned(zone.clone()))
    }

    fn parse(text: &str, zone: &TimeZone) -> Option<Zoned> {
        // An offset in the text is kept, so that the same hour is shown.
        let pieces = jiff::fmt::temporal::Pieces::parse(text);
        if let Ok(pieces) = pieces {
            let time = pieces.time().unwrap_or(jiff::civil::Time::midnight());
            let date_time = pieces.date().to_datetime(time);
            let zone = match pieces.offset() {
                Some(jiff::fmt::temporal::PiecesOffset::Numeric(offset)) => TimeZone::fixed(offset.offset()),
                Some(_) => TimeZone::UTC,
                None => zone.clone(),
            };
            return date_time.to_zoned(zone).ok();
        }
        jiff::fmt::rfc2822::parse(text).ok()
    }
}

/// What [`date_field`] takes.
pub const DATE_HELP: &str = "write it like 2026-11-03, 2026-11-03T08:00:00Z, seconds since 1970, or an RFC 5322 date";

/// The Date field of a message (RFC 5322 §3.3): such a date as it is written, or another input of the filter `date` in
/// that form. `None` if `text` is neither.
pub fn date_field(text: &str, zone: &TimeZone) -> Option<String> {
    let text = text.trim();
    if text.is_ascii() && jiff::fmt::rfc2822::parse(text).is_ok() {
        return Some(text.to_owned());
    }
    let seconds = || Timestamp::from_second(text.parse().ok()?).ok().map(|at| at.to_zoned(zone.clone()));
    let moment = TimeValue::parse(text, zone).or_else(seconds)?;
    // RFC 5322 §3.3: the year has four digits, and is 1900 or later.
    (1900..=9999).contains(&moment.year()).then(|| moment.strftime("%a, %-d %b %Y %H:%M:%S %z").to_string())
}

impl fmt::Display for TimeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = if self.0.offset().is_zero() { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%:z" };
        match jiff::fmt::strtime::format(format, &self.0) {
            Ok(text) => f.write_str(&text),
            Err(_) => Err(fmt::Error),
        }
    }
}

impl fmt::Debug for TimeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Object for TimeValue {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        other.downcast_ref::<Self>().map(|other| self.0.cmp(&other.0))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_field_is_rfc_5322_or_becomes_it() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        for (text, field, why) in [
            ("Mon, 2 Nov 2026 08:00:00 +0000", Some("Mon, 2 Nov 2026 08:00:00 +0000"), "as it is"),
            (" 2 Nov 2026 08:00 GMT ", Some("2 Nov 2026 08:00 GMT"), "without weekday and seconds"),
            ("Tue, 2 Nov 2026 08:00:00 +0000", None, "a Monday"),
            ("2 Nov 2026 08:00 GMT (é)", Some("Mon, 2 Nov 2026 08:00:00 +0000"), "without a comment beyond ASCII"),
            ("2026-11-03", Some("Tue, 3 Nov 2026 00:00:00 +0200"), "midnight in the zone of this machine"),
            ("2026-11-03T08:00:00Z", Some("Tue, 3 Nov 2026 08:00:00 +0000"), "UTC"),
            ("2026-11-02T10:00:00+01:00", Some("Mon, 2 Nov 2026 10:00:00 +0100"), "with its offset"),
            ("2026-11-02T10:00:00", Some("Mon, 2 Nov 2026 10:00:00 +0200"), "without an offset"),
            ("1793664000", Some("Tue, 3 Nov 2026 02:00:00 +0200"), "seconds since 1970"),
            ("0", Some("Thu, 1 Jan 1970 02:00:00 +0200"), "the first one"),
            ("yesterday", None, "no date"),
            ("", None, "nothing"),
            ("2026-13-01", None, "no month"),
            ("0044-03-15", None, "before 1900"),
            ("99999999999999", None, "beyond all calendars"),
        ] {
            assert_eq!(date_field(text, &zone).as_deref(), field, "{text:?}: {why}");
        }
    }
}

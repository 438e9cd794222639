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

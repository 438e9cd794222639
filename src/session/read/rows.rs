//! Reads `[rows]` and `[retry]`.

use super::reader::SessionReader;
use super::table_fields::{Field, TableFields};
use super::tables;
use crate::session::{
    CsvOptions, Diagnostic, Encoding, Exclusion, KeyCase, RetrySettings, RowsSettings, encoding_for_label,
    parse_delimiter,
};
use toml::de::DeValue;

/// The default of `per_connection`.
const PER_CONNECTION: u32 = 100;

impl SessionReader<'_> {
    pub(super) fn rows(&mut self, field: Field<'_>) -> Option<RowsSettings> {
        let at = field.value.span();
        let table = self.table(field)?;
        let fields = self.fields(table, at.clone(), &tables::ROWS);
        let file = fields.get("file").map(|field| self.path(field));
        if file.is_none() && !fields.has("file") {
            let wrong = Diagnostic::error(self.span(at.clone()), "[rows] needs \"file\"");
            self.report_missing(wrong.with_help("write file = \"people.csv\", or \"-\" for standard input"));
        }
        let format = self.csv_options(&fields);
        let key = fields.get("key").and_then(|field| Some((self.word(field)?, self.value_span(field.value))));
        let ledger = fields.get("ledger").and_then(|field| Some((self.word(field)?, self.value_span(field.value))));
        let key_case = match fields.get("key_case").and_then(|field| self.one_of(field, &["exact", "ignore"])) {
            Some(1) => KeyCase::Ignore,
            _ => KeyCase::Exact,
        };
        let exclude = fields.get("exclude").map(|field| self.exclusions(field)).unwrap_or_default();
        if let Some(field) = fields.get("exclude").filter(|_| !fields.has("key")) {
            let wrong = Diagnostic::error(self.span(field.key_bytes()), "\"exclude\" needs \"key\" in [rows]");
            self.report_missing(wrong.with_help("key names the column that is compared with the lists"));
        }
        if let Some((_, span)) = ledger.as_ref().filter(|_| !fields.has("key")) {
            let wrong = Diagnostic::error(span.clone(), "\"ledger\" needs \"key\" in [rows]");
            self.report_missing(wrong.with_help("key names the column that identifies a row"));
        }
        let mut count = |name| fields.get(name).and_then(|field| self.count(field));
        let (connections, per_connection, in_flight) =
            (count("connections"), count("per_connection"), count("in_flight"));
        let rate = fields.get("rate").and_then(|field| {
            let text = self.plain(field)?;
            parse_rate(&text).map_err(|why| self.error(field.value.span(), why)).ok()
        });
        Some(RowsSettings {
            span: self.span(at),
            file: file??,
            format,
            key,
            ledger,
            key_case,
            exclude,
            connections: connections.unwrap_or(1),
            per_connection: per_connection.unwrap_or(PER_CONNECTION),
            in_flight: in_flight.unwrap_or(1),
            rate,
        })
    }

    /// A table of `exclude`, or a list of them.
    fn exclusions(&mut self, field: Field<'_>) -> Vec<Exclusion> {
        match field.value.get_ref() {
            DeValue::Table(_) => self.exclusion(field).into_iter().collect(),
            _ => self.list(field, Self::exclusion).unwrap_or_default(),
        }
    }

    fn exclusion(&mut self, field: Field<'_>) -> Option<Exclusion> {
        let table = self.table(field)?;
        let fields = self.fields(table, field.value.span(), &tables::EXCLUSION);
        for name in ["file", "key"].into_iter().filter(|name| !fields.has(name)) {
            let wrong = Diagnostic::error(fields.span.clone(), format!("\"exclude\" needs \"{name}\""));
            self.report_missing(wrong.with_help("write exclude = { file = \"optout.csv\", key = \"email\" }"));
        }
        let file = fields.get("file").and_then(|field| self.path(field));
        let key = fields.get("key").and_then(|field| Some((self.word(field)?, self.value_span(field.value))));
        let format = self.csv_options(&fields);
        Some(Exclusion { file: file?, format, key: key? })
    }

    /// `delimiter` and `encoding` next to a file of rows.
    pub(super) fn csv_options(&mut self, fields: &TableFields<'_>) -> CsvOptions {
        let delimiter = fields.get("delimiter").and_then(|field| {
            let text = self.plain(field)?;
            parse_delimiter(&text).map_err(|why| self.error(field.value.span(), why.to_string())).ok()
        });
        CsvOptions { delimiter, encoding: self.encoding(fields, "encoding") }
    }

    /// The encoding of a label that a table may have.
    pub(super) fn encoding(&mut self, fields: &TableFields<'_>, name: &'static str) -> Option<&'static Encoding> {
        let field = fields.get(name)?;
        let label = self.plain(field)?;
        encoding_for_label(&label).map_err(|why| self.error(field.value.span(), why.to_string())).ok()
    }

    pub(super) fn retry_settings(&mut self, field: Field<'_>) -> Option<RetrySettings> {
        let at = field.value.span();
        let table = self.table(field)?;
        let fields = self.fields(table, at.clone(), &tables::RETRY);
        let times = fields.get("times").map(|field| self.count(field));
        if times.is_none() && !fields.has("times") {
            self.report_missing(Diagnostic::error(self.span(at), "[retry] needs \"times\""));
        }
        let wait = fields.get("wait").and_then(|field| self.duration(field));
        let max_wait = fields.get("max_wait").and_then(|field| self.duration(field));
        let backoff = fields.get("backoff").and_then(|field| self.backoff(field));
        let defaults = RetrySettings::with_times(times??);
        Some(RetrySettings {
            wait: wait.unwrap_or(defaults.wait),
            backoff: backoff.unwrap_or(defaults.backoff),
            max_wait: max_wait.or(defaults.max_wait),
            ..defaults
        })
    }

    fn backoff(&mut self, field: Field<'_>) -> Option<f64> {
        let number = match field.value.get_ref() {
            DeValue::Float(number) => number.as_str().replace('_', "").parse::<f64>().ok(),
            DeValue::Integer(number) => i32::from_str_radix(number.as_str(), number.radix()).ok().map(f64::from),
            _ => None,
        };
        number.filter(|number| (1.0..=1000.0).contains(number)).or_else(|| self.wrong_type(field))
    }
}

/// ```abnf
/// rate = 1*DIGIT [ "." 1*DIGIT ] "/" ( "s" / "m" / "h" )
/// ```
///
/// Returns the rate per second.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let wrong = || format!("\"{text}\" is not a rate: write \"10/s\", \"600/m\" or \"5000/h\"");
    let (number, unit) = text.trim().split_once('/').ok_or_else(wrong)?;
    let seconds = match unit.trim() {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let number = number.trim();
    if !number.starts_with(|first: char| first.is_ascii_digit()) || number.contains(['e', 'E']) {
        return Err(wrong());
    }
    let rate = number.parse::<f64>().map_err(|_| wrong())? / seconds;
    // The pauses must fit into a clock: at least one row in ten days.
    if (1e-6..=1e9).contains(&rate) { Ok(rate) } else { Err(wrong()) }
}

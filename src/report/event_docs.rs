//! Compares docs/events.md with the events that `--json -` writes.

use serde_json::Value;

const PAGE: &str = include_str!("../../docs/events.md");

/// Whether the page describes the event with all of these fields.
pub fn documents(event: &str, fields: &Value) -> bool {
    let start = format!("| `{event}` | ");
    let Some(row) = PAGE.lines().find_map(|line| line.strip_prefix(&start)) else { return false };
    let Some(fields) = fields.as_object() else { return false };
    fields.keys().all(|field| row.contains(&format!("`{field}`")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_page_is_read() {
        assert!(documents("connected", &json!({ "address": "a" })));
        assert!(!documents("connected", &json!({ "adress": "a" })), "no such field");
        assert!(!documents("conected", &json!({})), "no such event");
    }

    #[test]
    fn the_page_has_every_name_of_the_stream() {
        let source = include_str!("json_events.rs");
        let names = source.split("(\"").skip(1).filter_map(|text| text.split_once("\", "));
        let names: Vec<&str> = names.filter(|(_, rest)| rest.starts_with("json!")).map(|(name, _)| name).collect();
        assert!(names.len() > 20, "they are found: {names:?}");
        for name in names {
            assert!(PAGE.contains(&format!("\n| `{name}` | ")), "{name}");
        }
    }

    /// The reverse: every event on the page is written by some code.
    #[test]
    fn every_event_of_the_page_is_one_of_the_streams() {
        let sources = concat!(include_str!("json_events.rs"), include_str!("../cli/output/report_files.rs"));
        let events: Vec<&str> =
            PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(event, _)| event).collect();
        assert!(events.len() > 30, "the tables are there: {events:?}");
        for event in events {
            assert!(sources.contains(&format!("\"{event}\"")), "nothing writes {event}");
        }
    }
}

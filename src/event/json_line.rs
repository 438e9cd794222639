//! The line of an event in JSON Lines.

use serde_json::Value;

/// Writes an object with its line end. The field `event` comes first, for people and for programs that read no JSON.
pub fn json_line(event: &Value) -> String {
    let Some((name, fields)) = event.as_object().and_then(|fields| Some((fields.get("event")?, fields))) else {
        return format!("{event}\n");
    };
    let mut rest = fields.clone();
    rest.remove("event");
    let rest = Value::Object(rest).to_string();
    let comma = if rest == "{}" { "" } else { "," };
    format!("{{\"event\":{name}{comma}{}\n", &rest[1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_name_of_an_event_comes_first() {
        let table = [
            (
                json!({ "address": "[::1]:25", "event": "listening" }),
                "{\"event\":\"listening\",\"address\":\"[::1]:25\"}\n",
            ),
            (json!({ "event": "half_closed" }), "{\"event\":\"half_closed\"}\n"),
            (json!({ "a": 1 }), "{\"a\":1}\n"),
            (json!([1]), "[1]\n"),
        ];
        for (event, line) in table {
            assert_eq!(json_line(&event), line);
        }
    }
}

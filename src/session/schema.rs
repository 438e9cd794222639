//! The JSON Schema of session files, made from the tables of the reader.

use super::read::{INCLUDE, KeySpec, KeyType, SESSION, STEP, TABLES, TableSpec};
use serde_json::{Map, Value, json};

/// The schema, for editors.
pub fn schema() -> Value {
    let mut definitions = Map::new();
    for keys in TABLES {
        definitions.insert(name(keys), table(keys));
    }
    definitions.insert("expectation".to_owned(), expectation());
    definitions.insert("steps".to_owned(), json!({ "type": "array", "items": reference(&STEP) }));
    let mut schema = table(&SESSION);
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = "A session file of mailrun".into();
    definitions.remove(&name(&SESSION));
    definitions.remove(&name(&INCLUDE));
    schema["definitions"] = Value::Object(definitions);
    schema
}

/// `a step` is `step`, `[tls]` is `tls`.
fn name(keys: &TableSpec) -> String {
    let words = keys.title.trim_start_matches("a ").trim_start_matches("an ");
    let plain = words.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect::<String>();
    let quoted = keys.title.starts_with('"');
    let name = plain.trim_matches('-').to_owned();
    // Distinguishes `[retry]` of the session from "retry" of a step.
    if quoted { format!("step-{name}") } else { name }
}

fn reference(keys: &TableSpec) -> Value {
    json!({ "$ref": format!("#/definitions/{}", name(keys)) })
}

fn table(keys: &TableSpec) -> Value {
    let properties: Map<String, Value> = keys.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn property(key: &KeySpec) -> Value {
    let mut value = of(&key.kind);
    // Draft 7 ignores keys next to a reference.
    if value.get("$ref").is_some() {
        value = json!({ "allOf": [value] });
    }
    value["description"] = key.doc.into();
    value
}

fn of(kind: &KeyType) -> Value {
    match kind {
        KeyType::Template | KeyType::Expression => json!({ "type": "string" }),
        KeyType::Regex => json!({ "type": "string", "format": "regex" }),
        KeyType::Plain(words) => plain(words),
        KeyType::Boolean => json!({ "type": "boolean" }),
        KeyType::True => json!({ "const": true }),
        KeyType::Integer { min, max } => {
            let mut value = json!({ "type": "integer", "minimum": min });
            if *max != i64::MAX {
                value["maximum"] = (*max).into();
            }
            value
        }
        KeyType::Duration => json!({ "type": "string", "pattern": "^ *[0-9]", "examples": ["30s", "500ms", "5m"] }),
        KeyType::Word(words) => json!({ "enum": words }),
        KeyType::Value => {
            let source = TABLES.iter().find(|keys| keys.title == "a source").map(|keys| reference(keys));
            let mut any = vec![json!({ "type": ["string", "number", "boolean"] })];
            any.extend(source);
            json!({ "anyOf": any })
        }
        KeyType::Expect => json!({ "$ref": "#/definitions/expectation" }),
        KeyType::List(kind) => json!({ "type": "array", "items": of(kind) }),
        KeyType::Either(kinds) => json!({ "anyOf": kinds.iter().map(of).collect::<Vec<_>>() }),
        KeyType::Table(keys) => reference(keys),
        KeyType::Map(kind) => json!({ "type": "object", "additionalProperties": of(kind) }),
        KeyType::Steps => json!({ "$ref": "#/definitions/steps" }),
    }
}

/// A string that is not a template. Its description says if it can also be a number.
fn plain(words: &str) -> Value {
    if words.starts_with("a code") {
        json!({ "anyOf": [code(), { "type": "string", "pattern": "^[0-9][0-9xX]{2}$" }] })
    } else if words.contains("a number") {
        json!({ "type": ["string", "number", "boolean"] })
    } else {
        json!({ "type": "string" })
    }
}

fn code() -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": 999 })
}

fn expectation() -> Value {
    let word = json!({
        "type": "string",
        "pattern": "^([0-9][0-9xX]{2}|any|close|silence|malformed|handshake-failure)$",
        "examples": ["2xx", "any", "close", "silence", "malformed", "handshake-failure"],
    });
    let table = TABLES.iter().find(|keys| keys.title == "\"expect\"").map(|keys| reference(keys));
    let mut one = vec![code(), word];
    one.extend(table);
    let mut any = one.clone();
    any.push(json!({ "type": "array", "minItems": 1, "items": { "anyOf": one } }));
    json!({ "anyOf": any })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All references.
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(key, value)| match value {
                Value::String(target) if key == "$ref" => found.push(target.clone()),
                value => references(value, found),
            }),
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_has_a_definition() {
        let schema = schema();
        let mut found = Vec::new();
        references(&schema, &mut found);
        assert!(found.len() > 20);
        for target in found {
            let pointer = target.trim_start_matches('#');
            assert!(schema.pointer(pointer).is_some(), "{target}");
        }
    }

    #[test]
    fn every_key_is_in_the_schema() {
        let schema = schema();
        for key in SESSION.keys {
            assert_eq!(schema["properties"][key.name]["description"], key.doc);
        }
        assert_eq!(schema["definitions"]["step"]["properties"]["send"]["type"], "string");
        assert_eq!(schema["definitions"].as_object().map(Map::len), Some(TABLES.len()));
    }
}

//! The part of JSON Schema that the schemas in docs/ use.

use serde_json::Value;

/// What of `value` is not as `schema` says.
pub fn validate(schema: &Value, value: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    check(schema, schema, value, "", &mut wrong);
    wrong
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    if let Some(target) = schema["$ref"].as_str() {
        let target = root.pointer(target.trim_start_matches('#')).expect("what is referred to is there");
        check(root, target, value, at, wrong);
    }
    let fits = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("the schema has the type {other}"),
    };
    let types = match &schema["type"] {
        Value::String(name) => vec![name.as_str()],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.into_iter().any(fits) {
        wrong.push(format!("{at}: {value} is of another type"));
    }
    if schema.get("const").is_some_and(|only| only != value) {
        wrong.push(format!("{at}: {value} is another constant"));
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        wrong.push(format!("{at}: {value} is none of the words"));
    }
    if let Value::Object(fields) = value {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                wrong.push(format!("{at}: {name} is missing"));
            }
        }
        for (name, value) in fields {
            let at = format!("{at}/{name}");
            match (schema["properties"].get(name), schema.get("additionalProperties")) {
                (Some(schema), _) | (None, Some(schema @ Value::Object(_))) => {
                    check(root, schema, value, &at, wrong);
                }
                (None, Some(Value::Bool(false))) => wrong.push(format!("{at} is unknown")),
                _ => {}
            }
        }
    }
    if let (Value::Array(values), Some(schema)) = (value, schema.get("items")) {
        for (index, value) in values.iter().enumerate() {
            check(root, schema, value, &format!("{at}/{index}"), wrong);
        }
    }
}

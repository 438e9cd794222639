//! The value of `row` in templates.

use minijinja::value::{Enumerator, Object, Value};
use serde_json::Value as Json;
use std::fmt;
use std::sync::Arc;

/// A row's values by the names of its columns.
#[derive(Clone)]
pub struct RowValue(Value);

impl RowValue {
    /// From a line of CSV or TSV. All rows share the names of the columns.
    pub fn from_fields(columns: Arc<[String]>, fields: Vec<String>) -> Self {
        Self(Value::from_object(RowFields { columns, fields }))
    }

    /// From a line of JSON Lines: an object.
    pub fn from_json(object: &serde_json::Map<String, Json>) -> Self {
        Self(from_object(object))
    }

    /// A column's value as text, if there is such a column.
    pub fn text(&self, column: &str) -> Option<String> {
        let value = self.0.get_attr(column).ok()?;
        (!value.is_undefined() && !value.is_none()).then(|| value.to_string())
    }

    pub(super) fn to_template_value(&self) -> Value {
        self.0.clone()
    }
}

fn from_object(object: &serde_json::Map<String, Json>) -> Value {
    Value::from_pairs(object.iter().map(|(name, value)| (name.as_str(), from_json(value))))
}

/// Recursion is bounded: serde_json nests at most 128 deep.
fn from_json(value: &Json) -> Value {
    match value {
        Json::Null => Value::from(()),
        Json::Bool(truth) => Value::from(*truth),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.to_string()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(values) => values.iter().map(from_json).collect(),
        Json::Object(object) => from_object(object),
    }
}

/// Shows no value: some may be secrets.
impl fmt::Debug for RowValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("row")
    }
}

#[derive(Debug)]
struct RowFields {
    columns: Arc<[String]>,
    fields: Vec<String>,
}

impl Object for RowFields {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let name = key.as_str()?;
        let index = self.columns.iter().position(|column| column == name)?;
        self.fields.get(index).map(|field| Value::from(field.as_str()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.columns.iter().map(|column| Value::from(column.as_str())).collect())
    }
}

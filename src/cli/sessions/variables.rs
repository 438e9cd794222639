//! The variables that `--var` and `--vars` set.

use super::diagnostics::source_error;
use crate::cli::arguments::InputArguments;
use crate::cli::arguments::values::is_variable_name;
use crate::cli::error::CommandError;
use crate::session::{Diagnostic, Diagnostics, SourceMap, Span, TextDecoding, Value, decode_text};
use crate::source::read_argument_file;
use crate::transcript::escape_unprintable;
use std::collections::BTreeMap;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// The variables of the command line. `--var` wins over `--vars`, and of two values the later one counts.
///
/// `origin` says where an option came from, for errors.
pub fn read_variables(
    arguments: &InputArguments,
    origin: &dyn Fn(&str) -> String,
) -> Result<Vec<(String, Value)>, CommandError> {
    let mut all = BTreeMap::new();
    for path in &arguments.vars {
        let text = read_argument_file(path).map_err(|why| source_error(why).with_prefix(&origin("vars")))?;
        let (text, _) = decode_text(&text, TextDecoding::strict(None)).map_err(|why| {
            CommandError::invalid_data(why.in_file(&escape_unprintable(path.as_os_str().as_encoded_bytes())))
        })?;
        all.extend(parse(path, &text).map_err(CommandError::invalid_data)?);
    }
    // Values of --var are text, until `Session::apply_overrides` gives them the type that the session declares.
    all.extend(arguments.var.iter().map(|(name, value)| (name.clone(), Value::Text(value.clone()))));
    Ok(all.into_iter().collect())
}

/// Reads a file of `--vars`. The error has all diagnostics, rendered.
fn parse(path: &Path, text: &str) -> Result<Vec<(String, Value)>, String> {
    let mut found = Diagnostics { list: Vec::new(), sources: SourceMap::default() };
    let file = found.sources.add(path.to_string_lossy(), text);
    let span = |bytes| Span { file, bytes };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        found.list.push(Diagnostic::error(span(error.span().unwrap_or_default()), error.message()));
    }
    let mut variables = Vec::new();
    for (name, value) in table.into_inner() {
        if !is_variable_name(name.get_ref()) {
            let message = format!("{:?} is not a valid variable name", name.get_ref());
            found.list.push(Diagnostic::error(span(name.span()), message));
            continue;
        }
        match toml_value(value.get_ref()) {
            Some(value) => variables.push((name.into_inner().into_owned(), value)),
            None => {
                let message = format!("expected a string, a number or a boolean for {:?}", name.get_ref());
                found.list.push(Diagnostic::error(span(value.span()), message));
            }
        }
    }
    if found.has_errors() { Err(found.render(crate::cli::output::console::stderr_colours())) } else { Ok(variables) }
}

fn toml_value(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(truth) => Value::Boolean(*truth),
        DeValue::Integer(number) => Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok()?),
        DeValue::Float(number) => Value::Float(number.as_str().parse().ok()?),
        DeValue::Datetime(moment) => Value::Text(moment.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_types() {
        let text = "a = \"x\"\nb = 0x10\nc = 1.5\nd = true\ne = 2026-11-21\n";
        let expected = [
            ("a", Value::Text("x".into())),
            ("b", Value::Integer(16)),
            ("c", Value::Float(1.5)),
            ("d", Value::Boolean(true)),
            ("e", Value::Text("2026-11-21".into())),
        ];
        let found = parse(Path::new("v.toml"), text).expect("the file is valid");
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value)));
    }

    #[test]
    fn errors_have_a_place() {
        let table = [
            ("a = [1]\n", "v.toml:1:5", "a list is no variable"),
            ("a = 1\n\"b c\" = 2\n", "v.toml:2:1", "no template can name it"),
            ("a = \n", "v.toml:1:", "no TOML"),
            ("a = 99999999999999999999\n", "v.toml:1:5", "no number of 64 bits"),
        ];
        for (text, place, why) in table {
            let message = parse(Path::new("v.toml"), text).expect_err(why);
            assert!(message.contains(place), "{why}: {message}");
        }
    }
}

//! Errors of templates with their place: those of the engine, reworded, and those that the engine would report only when
//! it renders.

use super::super::facts::known_attributes;
use super::super::suggestions::closest_name;
use super::identifiers::{Identifier, IdentifierRole, leading_path};
use super::lexer::literal_end;
use super::limits::{MAX_INSTRUCTIONS, MAX_RESULT_BYTES};
use minijinja::{Environment, Error, ErrorKind};
use std::ops::Range;

/// An error, and its place in the template's source.
pub struct TemplateError {
    pub message: String,
    pub range: Option<Range<usize>>,
    pub undefined: Option<String>,
}

/// Filters and tests to suggest. The engine knows which of them exist, but does not list them.
const FILTERS_AND_TESTS: &str = "abs attr b64decode b64encode batch bool boolean capitalize chain date default defined dictsort \
    divisibleby endingwith eq equalto escape even false filter first float format ge groupby gt in \
    indent int integer items iterable join last le length lines list lower lt map mapping matching max \
    min ne none number odd pprint reject rejectattr replace reverse rfc5322 round sameas select \
    selectattr sequence slice sort split startingwith string sum title tojson trim true undefined unique \
    upper";

/// An error with a label such as "did you mean …?".
pub struct LabelledError {
    pub error: TemplateError,
    pub label: Option<String>,
}

impl LabelledError {
    fn at(range: Range<usize>, message: String) -> Self {
        Self { error: TemplateError { message, range: Some(range), undefined: None }, label: None }
    }
}

/// Filters and tests that do not exist. The labels suggest the closest ones.
pub fn unknown_filters_and_tests(
    environment: &Environment<'_>,
    source: &str,
    found: &[Identifier],
) -> Vec<LabelledError> {
    let unknown = found.iter().filter_map(|word| {
        let (what, question) = match word.role {
            IdentifierRole::Filter => ("filter", "it is filter"),
            IdentifierRole::Test => ("test", "it is test"),
            _ => return None,
        };
        let name = &source[word.bytes.clone()];
        let asked = environment.compile_expression(question).ok()?;
        let is_known = |name: &str| asked.eval(minijinja::context! { it => name }).is_ok_and(|answer| answer.is_true());
        if is_known(name) {
            return None;
        }
        let close = closest_name(name, FILTERS_AND_TESTS.split_whitespace().filter(|word| is_known(word)));
        let label = close.map(|close| format!("did you mean \"{close}\"?"));
        Some(LabelledError { label, ..LabelledError::at(word.bytes.clone(), format!("unknown {what} \"{name}\"")) })
    });
    unknown.collect()
}

/// Attributes that a fact never has: `reply.cod`. The labels suggest the closest ones.
pub fn unknown_attributes(
    environment: &Environment<'_>,
    template: &str,
    source: &str,
    found: &[Identifier],
) -> Vec<LabelledError> {
    let undeclared = environment.get_template(template).map(|ready| ready.undeclared_variables(false));
    let undeclared = undeclared.unwrap_or_default();
    let names = found.iter().enumerate().filter(|(_, word)| word.role == IdentifierRole::Name);
    let facts = names.filter(|(_, word)| undeclared.contains(&source[word.bytes.clone()]));
    facts.filter_map(|(index, _)| unknown_attribute(source, found.get(index..)?)).collect()
}

/// The first unknown attribute of the name at the beginning of `found`.
fn unknown_attribute(source: &str, found: &[Identifier]) -> Option<LabelledError> {
    let text = |word: &Identifier| &source[word.bytes.clone()];
    let (name, behind) = found.split_first()?;
    let mut path = vec![text(name)];
    let mut end = name.bytes.end;
    for next in behind {
        if next.role != IdentifierRole::Attribute || next.called || source[end..next.bytes.start].trim() != "." {
            return None;
        }
        let known = known_attributes(&path)?;
        if !known.contains(&text(next)) {
            let nearest = known.iter().min_by_key(|known| strsim::damerau_levenshtein(known, text(next)));
            let close = nearest.filter(|known| strsim::damerau_levenshtein(known, text(next)) <= 2);
            let label = match close {
                Some(known) => format!("did you mean \"{known}\"?"),
                None => format!("it has {}", known.join(", ")),
            };
            let message = format!("\"{}\" has no \"{}\"", path.join("."), text(next));
            return Some(LabelledError { label: Some(label), ..LabelledError::at(next.bytes.clone(), message) });
        }
        path.push(text(next));
        end = next.bytes.end;
    }
    None
}

/// Literal patterns of `matching` that are not regular expressions.
pub fn invalid_patterns(environment: &Environment<'_>, source: &str, found: &[Identifier]) -> Vec<LabelledError> {
    let tests =
        found.iter().filter(|word| word.role == IdentifierRole::Test && source[word.bytes.clone()] == *"matching");
    let bad = tests.filter_map(|word| {
        let behind = source[word.bytes.end..].trim_start();
        let inside = behind.strip_prefix('(').unwrap_or(behind).trim_start();
        let start = source.len() - inside.len();
        let end = inside.starts_with(['"', '\'']).then(|| literal_end(source.as_bytes(), start))?;
        // A literal that is part of a larger expression is not the pattern.
        let whole = !behind.starts_with('(') || source[end..].trim_start().starts_with(')');
        let literal = source.get(start..end).filter(|_| whole)?;
        let pattern = environment.compile_expression(literal).and_then(|ready| ready.eval(())).ok()?;
        let why = super::filters::pattern(pattern.as_str()?).err()?;
        Some(LabelledError::at(start..end, why))
    });
    bad.collect()
}

pub fn undefined_message(name: &str) -> String {
    format!("undefined name \"{name}\"")
}

/// Rewords an error of the engine. `own` is the template's name, if the error may come from another template. `before`
/// is the number of bytes that precede `source` in the template.
pub fn translate_error(error: &Error, own: Option<&str>, source: &str, before: usize) -> TemplateError {
    let mine = own.is_none() || error.name().is_none() || error.name() == own;
    let shift = |at: usize| at.saturating_sub(before).min(source.len());
    let range = error.range().filter(|_| mine).map(|range| shift(range.start)..shift(range.end));
    let mut undefined = None;
    let message = match error.kind() {
        ErrorKind::OutOfFuel => format!("a template may take {MAX_INSTRUCTIONS} instructions, this one takes more"),
        ErrorKind::WriteFailure => format!("a template may give {} MiB, this one gives more", MAX_RESULT_BYTES >> 20),
        ErrorKind::UndefinedError => {
            let named = error.detail().and_then(between_backticks);
            let is_value = |range: &Range<usize>| {
                let before = source.get(..range.start).unwrap_or_default().trim_end();
                // The error of a filter or test points at the filter, not at its value.
                !before.ends_with('|') && !before.ends_with(" is") && !before.ends_with(" is not")
            };
            let sliced = range.clone().filter(is_value).and_then(|range| source.get(range));
            // A computed value has no useful name: `(...)[...]`.
            let named = named.filter(|named| sliced.is_none() || !named.starts_with('('));
            undefined = named.or(sliced.map(leading_path)).map(str::to_owned);
            undefined.as_deref().map_or_else(|| "undefined value".to_owned(), undefined_message)
        }
        ErrorKind::UnknownFunction if error.detail().is_none() => "unknown function".to_owned(),
        kind => match error.detail() {
            Some(detail) => {
                undefined =
                    detail.contains("` is undefined").then(|| between_backticks(detail)).flatten().map(str::to_owned);
                format!("{kind}: {detail}")
            }
            None => kind.to_string(),
        },
    };
    TemplateError { message, range, undefined }
}

fn between_backticks(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once('`')?;
    rest.rsplit_once('`').map(|(name, _)| name)
}

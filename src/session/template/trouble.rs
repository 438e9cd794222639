//! What is wrong with a template, in our words and with its place: what the engine says, and what it would say too
//! late.

use super::super::facts::known_attributes;
use super::super::read::nearest;
use super::words::{Role, Word};
use super::{FUEL, RESULT_LIMIT};
use minijinja::{Environment, Error, ErrorKind};
use std::ops::Range;

/// What went wrong, and where in the template's source.
pub struct Trouble {
    pub message: String,
    pub range: Option<Range<usize>>,
    pub undefined: Option<String>,
}

/// Filters and tests that a mistyped one may mean: the engine knows which of them it has, and does not list them.
const WORDS: [&str; 74] = [
    "abs",
    "attr",
    "b64decode",
    "b64encode",
    "batch",
    "bool",
    "boolean",
    "capitalize",
    "chain",
    "date",
    "default",
    "defined",
    "dictsort",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escape",
    "even",
    "false",
    "filter",
    "first",
    "float",
    "format",
    "ge",
    "groupby",
    "gt",
    "in",
    "indent",
    "int",
    "integer",
    "items",
    "iterable",
    "join",
    "last",
    "le",
    "length",
    "lines",
    "list",
    "lower",
    "lt",
    "map",
    "mapping",
    "matching",
    "max",
    "min",
    "ne",
    "none",
    "number",
    "odd",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "rfc5322",
    "round",
    "sameas",
    "select",
    "selectattr",
    "sequence",
    "slice",
    "sort",
    "split",
    "startingwith",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "true",
    "undefined",
    "unique",
    "upper",
];

/// A filter or test that does not exist. The nearest one becomes the label.
pub fn unknown_word(environment: &Environment<'_>, source: &str, found: &[Word]) -> Option<(Trouble, Option<String>)> {
    found.iter().find_map(|word| {
        let (what, question) = match word.role {
            Role::Filter => ("filter", "it is filter"),
            Role::Test => ("test", "it is test"),
            _ => return None,
        };
        let name = &source[word.bytes.clone()];
        let asked = environment.compile_expression(question).ok()?;
        let is_known = |name: &str| asked.eval(minijinja::context! { it => name }).is_ok_and(|answer| answer.is_true());
        if is_known(name) {
            return None;
        }
        let close = nearest(name, WORDS.iter().copied().filter(|word| is_known(word)));
        let trouble =
            Trouble { message: format!("unknown {what} \"{name}\""), range: Some(word.bytes.clone()), undefined: None };
        Some((trouble, close.map(|close| format!("did you mean \"{close}\"?"))))
    })
}

/// An attribute that the fact before it never has: `reply.cod`. The nearest one becomes the label.
pub fn unknown_attribute(
    environment: &Environment<'_>,
    template: &str,
    source: &str,
    found: &[Word],
) -> Option<(Trouble, Option<String>)> {
    let undeclared = environment.get_template(template).ok()?.undeclared_variables(false);
    found.iter().enumerate().find_map(|(index, word)| {
        let text = |word: &Word| &source[word.bytes.clone()];
        if word.role != Role::Name || !undeclared.contains(text(word)) {
            return None;
        }
        let mut path = vec![text(word)];
        let mut end = word.bytes.end;
        for next in found.get(index + 1..)? {
            if next.role != Role::Attribute || next.called || source[end..next.bytes.start].trim() != "." {
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
                let trouble = Trouble { message, range: Some(next.bytes.clone()), undefined: None };
                return Some((trouble, Some(label)));
            }
            path.push(text(next));
            end = next.bytes.end;
        }
        None
    })
}

pub fn undefined_words(name: &str) -> String {
    format!("undefined name \"{name}\"")
}

/// Says an engine's error in our words. `own` is the template's name, where the error may come from another.
pub fn trouble(error: &Error, own: Option<&str>, source: &str) -> Trouble {
    let mine = own.is_none() || error.name().is_none() || error.name() == own;
    let range = error.range().filter(|_| mine);
    let mut undefined = None;
    let message = match error.kind() {
        ErrorKind::OutOfFuel => format!("a template may take {FUEL} instructions, this one takes more"),
        ErrorKind::WriteFailure => format!("a template may give {} MiB, this one gives more", RESULT_LIMIT >> 20),
        ErrorKind::UndefinedError => {
            let named = error.detail().and_then(between_backticks).map(str::to_owned);
            let sliced = || range.clone().and_then(|range| source.get(range)).map(str::to_owned);
            undefined = named.or_else(sliced);
            undefined.as_deref().map_or_else(|| "undefined value".to_owned(), undefined_words)
        }
        ErrorKind::UnknownFunction if error.detail().is_none() => "unknown function".to_owned(),
        kind => match error.detail() {
            Some(detail) => format!("{kind}: {detail}"),
            None => kind.to_string(),
        },
    };
    Trouble { message, range, undefined }
}

fn between_backticks(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once('`')?;
    rest.rsplit_once('`').map(|(name, _)| name)
}

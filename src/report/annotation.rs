//! GitHub Actions' annotations: `::error file=…,line=…,col=…,title=…::message`.

use super::diagnosis::cut_long_lines;
use super::record::{Record, SessionFailure};
use crate::event::{Cause, Failure, ServerResponse};
use crate::transcript::escape_unprintable;

/// The most annotations of one session: GitHub shows ten per step.
const MAX_ANNOTATIONS: usize = 10;

/// A path as GitHub wants it: relative to the repository.
type PathBelow<'a> = &'a dyn Fn(&str) -> String;

/// Returns a line for each failure of a session, and none if it did not fail. `below` makes a path relative to the repository.
pub fn for_record(record: &Record, below: PathBelow<'_>) -> Vec<String> {
    let line = |file: &str, row: usize, column: Option<usize>, title: &str, message: &str| {
        line(&below(file), row, column, title, message)
    };
    let failure_line = |failure: &Failure, step: &str| failure_line(record, failure, step, &line);
    if !record.judgement.is_bad() {
        return Vec::new();
    }
    let steps = record.steps.iter().filter(|step| step.is_bad());
    let mut lines: Vec<String> = steps
        .filter_map(|step| step.failure().map(|failure| (failure, format!(", {}", step.title()))))
        .flat_map(|(failure, title)| {
            let all = std::iter::once(failure).chain(&failure.details.others);
            all.map(|one| failure_line(one, &title)).collect::<Vec<_>>()
        })
        .collect();
    lines.extend(record.failures.iter().flat_map(|outside| match outside {
        SessionFailure::Failure(failure) => vec![failure_line(failure, "")],
        SessionFailure::InvalidFile { text, .. } => invalid_file_lines(record, text, &line),
        SessionFailure::Message(text) => vec![line(record.file.as_str(), 1, None, "mailrun", text)],
    }));
    if lines.is_empty() {
        let why = record.reason().unwrap_or_else(|| "failed".to_owned());
        lines.push(line(record.file.as_str(), 1, None, "mailrun", &why));
    }
    lines.truncate(MAX_ANNOTATIONS);
    lines
}

/// Writes a line: file, row, column, title, message.
type WriteLine<'a> = &'a dyn Fn(&str, usize, Option<usize>, &str, &str) -> String;

fn failure_line(record: &Record, failure: &Failure, step: &str, line: WriteLine<'_>) -> String {
    let place = &failure.place;
    let title = format!("mailrun{step}");
    let mut message = failure.cause.to_string();
    if let Cause::Unexpected { got: ServerResponse::Reply { text, .. }, .. } = &failure.cause {
        message.push_str(&format!(" {text}"));
    }
    failure.details.mismatches.iter().for_each(|part| message.push_str(&format!("\n{part}")));
    match place.file.is_empty() {
        true => line(record.file.as_str(), 1, None, &title, &message),
        false => line(&place.file, place.line, Some(place.column), &title, &message),
    }
}

/// Returns a line for each diagnostic that has a place: `file:line:column: error: …`.
fn invalid_file_lines(record: &Record, text: &str, line: WriteLine<'_>) -> Vec<String> {
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<usize>().ok());
    let placed = text.lines().filter_map(|found| {
        let rest = found.strip_prefix(record.file.as_str())?.strip_prefix(':')?;
        let mut parts = rest.splitn(3, ':');
        let (row, column) = (number(parts.next())?, number(parts.next())?);
        let message = parts.next()?.trim_start().strip_prefix("error: ")?;
        Some(line(record.file.as_str(), row, Some(column), "mailrun", message))
    });
    let placed: Vec<String> = placed.collect();
    if placed.is_empty() {
        vec![line(record.file.as_str(), 1, None, "mailrun", text.lines().next().unwrap_or_default())]
    } else {
        placed
    }
}

fn line(file: &str, row: usize, column: Option<usize>, title: &str, message: &str) -> String {
    let column = column.map(|column| format!(",col={column}")).unwrap_or_default();
    let file = escape_property(&escape_controls(file));
    format!(
        "::error file={file},line={row}{column},title={}::{}",
        escape_property(&escape_controls(title)),
        escape_data(&cut_long_lines(&escape_controls(message)))
    )
}

/// Escapes control characters, except for line ends, which [`escape_data`] escapes.
fn escape_controls(text: &str) -> String {
    let shown = |piece: &str| {
        let end = piece.trim_end_matches(['\r', '\n']);
        escape_unprintable(end.as_bytes()) + &piece[end.len()..]
    };
    text.split_inclusive(['\r', '\n']).map(shown).collect()
}

/// Escapes like `escapeData` of GitHub's toolkit.
fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes like `escapeProperty` of GitHub's toolkit.
fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_or_message_ends_the_command() {
        let expected = "::error file=a%3A%3A,line=3,col=5,title=x%2Cy::50%25::%0A";
        assert_eq!(
            line("a::", 3, Some(5), "x,y", "50%::\n").replace(",title=x%2Cy::50%25::%0A", ""),
            "::error file=a%3A%3A,line=3,col=5"
        );
        assert_eq!(line("a::", 3, Some(5), "x,y", "50%::\n"), expected);
        let named = line("a\u{1b}[2J\u{7}\nb.toml", 1, None, "x", "y\u{1b}");
        assert_eq!(named, "::error file=a\\x1b[2J\\x07%0Ab.toml,line=1,title=x::y\\x1b", "no control character");
    }
}

//! Errors and warnings that point into a session file.

use std::ops::Range;

/// Shown instead of a secret.
const HIDDEN: &str = "\"[secret]\"";

/// A range of bytes in one of a session's files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Index into the [`SourceMap`]; 0 is the session file, the others are includes.
    pub file: usize,
    pub bytes: Range<usize>,
}

/// A place for people: `sessions/smoke.toml:14:8`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file's name as it was given.
    pub file: String,
    /// Counted from 1; the column in characters.
    pub line: usize,
    pub column: usize,
}

/// The texts of a session's files.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<SourceText>,
    /// Literal secrets. Messages do not show them.
    hidden: Vec<Span>,
}

#[derive(Clone, Debug)]
struct SourceText {
    name: String,
    text: String,
    /// The start of each line.
    lines: Vec<usize>,
}

impl SourceMap {
    /// Returns the file's index for [`Span`].
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> usize {
        let text = text.into();
        // A byte order mark does not count as a character of the first line.
        let first = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let lines = std::iter::once(first).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        self.files.push(SourceText { name: name.into(), text, lines });
        self.files.len() - 1
    }

    /// Hides a secret in all messages.
    pub fn hide(&mut self, span: Span) {
        self.hidden.push(span);
    }

    /// Whether any byte of the span is hidden.
    pub fn is_hidden(&self, span: &Span) -> bool {
        let overlaps = |hidden: &Range<usize>| hidden.start < span.bytes.end && span.bytes.start < hidden.end;
        self.hidden.iter().any(|hidden| hidden.file == span.file && overlaps(&hidden.bytes))
    }

    /// The file's name as it was given; empty for an index that [`SourceMap::add`] did not give.
    pub fn name(&self, file: usize) -> &str {
        self.files.get(file).map_or("", |file| &file.name)
    }

    /// The names of all files, the session's own first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| file.name.as_str())
    }

    /// The whole text of the file.
    pub fn text(&self, file: usize) -> &str {
        self.files.get(file).map_or("", |file| &file.text)
    }

    /// The text of the span.
    pub fn snippet(&self, span: &Span) -> &str {
        self.text(span.file).get(span.bytes.clone()).unwrap_or("")
    }

    /// File, line and column of the span's first byte.
    pub fn place(&self, span: &Span) -> Place {
        let (line, start) = self.line_at(span);
        let text = self.text(span.file);
        let at = text.floor_char_boundary(span.bytes.start);
        let column = text.get(start..at).map_or(0, |before| before.chars().count()) + 1;
        Place { file: self.name(span.file).to_owned(), line: line + 1, column }
    }

    /// The inverse of [`SourceMap::place`]: the value or table header that begins there, up to the end of the line.
    pub fn span_at(&self, place: &Place) -> Option<Span> {
        let file = self.files.iter().position(|file| file.name == place.file)?;
        let line = place.line.checked_sub(1)?;
        let SourceText { text, lines, .. } = &self.files[file];
        let start = *lines.get(line)?;
        let rest = text.get(start..)?.lines().next().unwrap_or("");
        let column = rest.char_indices().map(|(at, _)| at).nth(place.column.saturating_sub(1)).unwrap_or(rest.len());
        let end = match value_end(&rest[column..]) {
            Some(length) => column + length,
            None => rest.trim_end().trim_end_matches(',').len().max(column),
        };
        Some(Span { file, bytes: start + column..start + end })
    }

    /// The index and the first byte of the line in which the span begins.
    fn line_at(&self, span: &Span) -> (usize, usize) {
        let Some(file) = self.files.get(span.file) else { return (0, 0) };
        let line = file.lines.partition_point(|start| *start <= span.bytes.start).saturating_sub(1);
        (line, file.lines.get(line).copied().unwrap_or(0))
    }

    /// A line's text, counted from 1, with its secrets hidden.
    pub(super) fn text_of_line(&self, file: usize, line: usize) -> Option<String> {
        let start = *self.files.get(file)?.lines.get(line.checked_sub(1)?)?;
        Some(self.line(&Span { file, bytes: start..start }).0)
    }

    /// The line in which the span begins, without its line end, and the part of the span within it.
    /// Secrets in it are hidden.
    pub(super) fn line(&self, span: &Span) -> (String, Range<usize>) {
        let (_, start) = self.line_at(span);
        let text = self.text(span.file).get(start..).unwrap_or("");
        let line = text.split('\n').next().unwrap_or("").trim_end_matches('\r');
        let within = |bytes: &Range<usize>| {
            let from = line.floor_char_boundary(bytes.start.saturating_sub(start));
            let to = line.ceil_char_boundary(bytes.end.saturating_sub(start).min(line.len())).max(from);
            from..to
        };
        let mut marked = within(&span.bytes);
        let mut shown = line.to_owned();
        let hidden = self.hidden.iter().filter(|hidden| hidden.file == span.file);
        let mut hidden: Vec<_> = hidden.map(|hidden| within(&hidden.bytes)).filter(|range| !range.is_empty()).collect();
        hidden.sort_unstable_by_key(|range| range.start);
        // In a line with a syntax error, the hidden part can begin inside a value.
        hidden.dedup_by(|next, kept| {
            let overlaps = next.start < kept.end;
            if overlaps {
                kept.end = kept.end.max(next.end);
            }
            overlaps
        });
        // From the end, so that earlier positions stay valid.
        for range in hidden.into_iter().rev() {
            shown.replace_range(range.clone(), HIDDEN);
            let moved = |at: usize, inside: usize| match at {
                at if at >= range.end => at - range.len() + HIDDEN.len(),
                at if at > range.start => range.start + inside,
                at => at,
            };
            marked = moved(marked.start, 0)..moved(marked.end, HIDDEN.len());
        }
        (shown, marked)
    }
}

/// The end of the TOML value at the beginning of `text`: after its quote, its bracket, or its last letter or digit.
/// `None` if it continues in the next line.
fn value_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let quoted = |from: usize| {
        let quote = bytes[from];
        let mut at = from + 1;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'\\' if quote == b'"' => at += 1,
                byte if *byte == quote => return Some(at + 1),
                _ => {}
            }
            at += 1;
        }
        None
    };
    match bytes.first()? {
        b'"' | b'\'' if bytes.get(..3).is_some_and(|three| three.iter().all(|b| *b == bytes[0])) => None,
        b'"' | b'\'' => quoted(0),
        b'[' | b'{' => {
            let (mut depth, mut at) = (0usize, 0);
            while let Some(byte) = bytes.get(at) {
                match byte {
                    b'"' | b'\'' => at = quoted(at)? - 1,
                    b'[' | b'{' => depth += 1,
                    b']' | b'}' => depth = depth.saturating_sub(1),
                    b'#' => return None,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            None
        }
        byte if byte.is_ascii_alphanumeric() => {
            let bare = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'.');
            let length = bytes.iter().take_while(|byte| bare(byte)).count();
            // A key is shown with its value.
            let key = text[length..].trim_start().starts_with('=');
            (!key).then_some(length)
        }
        _ => None,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The session cannot run. [`Diagnostic::no_input`] decides between exit status 65 and 66.
    Error,
    Warning,
}

/// An error or a warning about a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Whether a file that the session names cannot be read (exit status 66 instead of 65).
    pub no_input: bool,
    pub span: Span,
    /// The first line to show, if it is not the span's own: that of a step whose later line failed.
    pub context_from: Option<usize>,
    /// Whether the line of the source is shown.
    pub shows_source: bool,
    /// What is wrong, in a sentence without a full stop: `unknown key "expct"`.
    pub message: String,
    /// Shown after the caret: `did you mean "expect"?`
    pub label: Option<String>,
    /// What to write instead, or how to allow it.
    pub help: Option<String>,
}

impl Diagnostic {
    pub fn error(span: Span, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            severity: Severity::Error,
            no_input: false,
            span,
            context_from: None,
            shows_source: true,
            message,
            label: None,
            help: None,
        }
    }

    pub fn warning(span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message) }
    }

    /// Shows the source from this line on, counted from 1, if it is close before the span's line.
    pub fn with_context_from(self, line: usize) -> Self {
        Self { context_from: Some(line), ..self }
    }

    /// Shows the message alone.
    pub fn without_source(self) -> Self {
        Self { shows_source: false, ..self }
    }

    pub fn with_label(self, label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    pub fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// All errors and warnings of one reading, in file order.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    pub list: Vec<Diagnostic>,
    pub sources: SourceMap,
}

impl Diagnostics {
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn place(text: &str, at: usize) -> (usize, usize) {
        let mut sources = SourceMap::default();
        let file = sources.add("a.toml", text);
        let place = sources.place(&Span { file, bytes: at..at });
        assert_eq!(place.file, "a.toml");
        (place.line, place.column)
    }

    #[test]
    fn lines_and_columns_count_from_one() {
        let table = [
            ("", 0, (1, 1), "an empty file"),
            ("ab\ncd", 0, (1, 1), "the first byte"),
            ("ab\ncd", 1, (1, 2), "in a line"),
            ("ab\ncd", 2, (1, 3), "a line's end belongs to it"),
            ("ab\ncd", 3, (2, 1), "the next line"),
            ("ab\r\ncd", 4, (2, 1), "CRLF ends a line"),
            ("é=1", 2, (1, 2), "columns are characters"),
            ("é=1", 1, (1, 1), "within a character: where it begins"),
            ("ab", 99, (1, 3), "beyond the end: the end"),
            ("a\n", 2, (2, 1), "behind the last line's end"),
        ];
        for (text, at, expected, why) in table {
            assert_eq!(place(text, at), expected, "{why}");
        }
    }

    #[test]
    fn a_place_is_mapped_back_to_the_span_of_its_value() {
        let table = [
            ("[[step]]", 1, "[[step]]", "a header"),
            ("  { send = \"a]}\", expect = 250 }, # x", 3, "{ send = \"a]}\", expect = 250 }", "an inline table"),
            ("{ send = \"x\", expect = 250 }", 24, "250", "a number"),
            ("expect = \"2xx\" # any", 10, "\"2xx\"", "a string"),
            ("expect = [250, \"2xx\"]", 10, "[250, \"2xx\"]", "a list"),
            ("expect = 250  ", 1, "expect = 250", "a key with its value"),
            ("steps = [ { expect = 1 },  ", 9, "[ { expect = 1 }", "what goes on in the next line"),
            ("x = \"a\\\"b\"", 5, "\"a\\\"b\"", "an escaped quote"),
        ];
        for (text, column, expected, why) in table {
            let mut sources = SourceMap::default();
            sources.add("a", text);
            let place = Place { file: "a".to_owned(), line: 1, column };
            assert_eq!(
                sources.span_at(&place).map(|span| sources.snippet(&span).to_owned()).as_deref(),
                Some(expected),
                "{why}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_span_has_a_place(text in "(.|\n)*", file in 0usize..3, from in 0usize..50, length in 0usize..50) {
            let mut sources = SourceMap::default();
            sources.add("x", text);
            let span = Span { file, bytes: from..from + length };
            sources.place(&span);
            sources.line(&span);
        }
    }
}

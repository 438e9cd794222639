//! Renders diagnostics: the place and the message in one line, then the line of the source with carets.
//!
//! ```text
//! smoke.toml:4:1: error: unknown key "expct"
//!   |
//! 4 | expct = 220
//!   | ^^^^^ did you mean "expect"?
//!   = help: …
//! ```
//!
//! One line with carets is all that is needed. That takes less code than a crate for diagnostics, and escapes what must
//! not reach a terminal.

use super::{Diagnostic, Diagnostics, Severity, SourceMap};
use anstyle::{AnsiColor, Style};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

/// Further diagnostics of a file are only counted.
const MAX_SHOWN: usize = 20;
/// How much of a long line is shown before and after the place, in characters.
const COLUMNS_BEFORE: usize = 50;
const COLUMNS_AFTER: usize = 70;
/// The least that is shown of a line, even on a narrower terminal.
const MIN_COLUMNS: usize = 20;
/// Help longer than this is wrapped.
const MAX_UNWRAPPED: usize = 100;
const WRAP_COLUMNS: usize = 80;
/// The most lines that [`Diagnostic::with_context_from`] shows before the place.
const MAX_CONTEXT_LINES: usize = 12;

const ERROR: Style = AnsiColor::BrightRed.on_default().bold();
const WARNING: Style = AnsiColor::BrightYellow.on_default().bold();
const GUTTER: Style = AnsiColor::BrightBlue.on_default().bold();
const BOLD: Style = Style::new().bold();

impl Diagnostics {
    /// All of them as text for a terminal or a pipe: `file:line:column: error: message`, the line, a caret, help.
    /// Text from the file is escaped.
    pub fn render(&self, colour: bool) -> String {
        self.render_within(None, colour)
    }

    /// As [`Diagnostics::render`], with the file's lines cut to this many columns.
    pub fn render_within(&self, columns: Option<usize>, colour: bool) -> String {
        let mut out = String::new();
        // Their number by file, in the order of the files.
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for diagnostic in &self.list {
            let count = counts.entry(diagnostic.span.file).or_default();
            *count += 1;
            if *count <= MAX_SHOWN {
                render_one(diagnostic, &self.sources, columns, &Paint { colour }, &mut out);
            }
        }
        for (file, count) in counts.into_iter().filter(|(_, count)| *count > MAX_SHOWN) {
            let _ = writeln!(out, "{}: … and {} more", visible(self.sources.name(file)), count - MAX_SHOWN);
        }
        out
    }
}

struct Paint {
    colour: bool,
}

impl Paint {
    fn paint(&self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}

fn render_one(diagnostic: &Diagnostic, sources: &SourceMap, columns: Option<usize>, paint: &Paint, out: &mut String) {
    let (word, style) = match diagnostic.severity {
        Severity::Error => ("error", ERROR),
        Severity::Warning => ("warning", WARNING),
    };
    let place = sources.place(&diagnostic.span);
    let message = paint.paint(BOLD, &visible(&diagnostic.message));
    let word = paint.paint(style, word);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}:{}:{}: {word}: {message}", visible(&place.file), place.line, place.column);

    if !diagnostic.shows_source {
        return;
    }
    let (line, span) = sources.line(&diagnostic.span);
    let number = place.line.to_string();
    let gap = " ".repeat(number.len());
    let room = LineWidth::within(columns.map(|columns| columns.saturating_sub(number.len() + 3)));
    let (shown, indent, carets) = excerpt(&line, span, room);
    let bar = paint.paint(GUTTER, "|");
    let label = diagnostic.label.as_deref().map(|label| format!(" {}", visible(label))).unwrap_or_default();
    let marks = paint.paint(style, &format!("{}{label}", "^".repeat(carets)));
    let _ = writeln!(out, "{gap} {bar}");
    let first = diagnostic.context_from.filter(|first| (*first..=*first + MAX_CONTEXT_LINES).contains(&place.line));
    for before in first.unwrap_or(place.line)..place.line {
        let text = sources.text_of_line(diagnostic.span.file, before).unwrap_or_default();
        let (text, _, _) = excerpt(&text, 0..0, room);
        let number = paint.paint(GUTTER, &format!("{before:>width$}", width = number.len()));
        let _ = writeln!(out, "{}", format!("{number} {bar} {text}").trim_end());
    }
    let _ = writeln!(out, "{} {bar} {shown}", paint.paint(GUTTER, &number));
    let _ = writeln!(out, "{gap} {bar} {}{marks}", " ".repeat(indent));
    if let Some(help) = &diagnostic.help {
        let _ = write!(out, "{gap} {} {} ", paint.paint(GUTTER, "="), paint.paint(BOLD, "help:"));
        let indent = gap.len() + " = help: ".len();
        write_wrapped(&visible(help), indent, out);
    }
}

/// Wraps long text, such as a list of keys, with an indent for the further lines.
fn write_wrapped(text: &str, indent: usize, out: &mut String) {
    let mut column = indent;
    for (index, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if index > 0 && text.chars().count() > MAX_UNWRAPPED && column + 1 + length > WRAP_COLUMNS {
            let _ = write!(out, "\n{}", " ".repeat(indent));
            column = indent;
        } else if index > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
}

/// How much of a line is shown, in characters.
#[derive(Clone, Copy)]
struct LineWidth {
    before: usize,
    after: usize,
    all: Option<usize>,
}

impl LineWidth {
    /// For a terminal of this width. Two columns are for the signs of omitted text.
    fn within(columns: Option<usize>) -> Self {
        let Some(columns) = columns else { return Self { before: COLUMNS_BEFORE, after: COLUMNS_AFTER, all: None } };
        let all = columns.saturating_sub(2).max(MIN_COLUMNS);
        Self { before: (all * 2 / 5).min(COLUMNS_BEFORE), after: all, all: Some(all) }
    }

    /// The characters after the place, if `before` are shown before it.
    fn after(self, before: usize) -> usize {
        self.all.map_or(self.after, |all| all.saturating_sub(before))
    }
}

/// The escaped part of a line around a place, the columns before the place, and the columns that it takes.
fn excerpt(line: &str, span: Range<usize>, room: LineWidth) -> (String, usize, usize) {
    let (before, rest) = line.split_at(span.start);
    let (marked, after) = rest.split_at(span.end - span.start);
    let start = before.char_indices().rev().nth(room.before.saturating_sub(1)).map_or(0, |(at, _)| at);
    let after_room = room.after(before[start..].chars().count());
    let marked_end = marked.char_indices().nth(after_room).map_or(marked.len(), |(at, _)| at);
    let left = after_room - marked[..marked_end].chars().count();
    let after_end = after.char_indices().nth(left).map_or(after.len(), |(at, _)| at);
    let after_end = if marked_end < marked.len() { 0 } else { after_end };

    let mut head = if start > 0 { "…".to_owned() } else { String::new() };
    head.push_str(&visible(&before[start..]));
    let marked_shown = visible(&marked[..marked_end]);
    let tail = visible(&after[..after_end]);
    let cut = marked_end < marked.len() || after_end < after.len();
    let text = format!("{head}{marked_shown}{tail}{}", if cut { "…" } else { "" });
    (text.trim_end().to_owned(), columns(&head), columns(&marked_shown).max(1))
}

/// Escapes what could move a cursor or deceive a reader as `\xNN`, byte by byte, as transcripts do. A backslash is not
/// escaped, since it is an escape in TOML already. A tab becomes four spaces.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' => out.push_str("    "),
            c if is_deceptive(c) => {
                let mut buffer = [0; 4];
                for byte in c.encode_utf8(&mut buffer).bytes() {
                    let _ = write!(out, "\\x{byte:02x}");
                }
            }
            c => out.push(c),
        }
    }
    out
}

/// C0, DEL and C1 controls, separators, zero-width characters, bidirectional marks, overrides and isolates, tags.
pub(super) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// The columns of the text on a terminal: two for East Asian wide characters and emoji, otherwise one.
fn columns(text: &str) -> usize {
    let wide = |c: &char| {
        matches!(*c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{1f300}'..='\u{1faff}'
            | '\u{20000}'..='\u{3fffd}')
    };
    text.chars().count() + text.chars().filter(wide).count()
}

#[cfg(test)]
mod tests {
    use super::super::{Diagnostics, Span};
    use super::*;
    use proptest::prelude::*;

    fn rendered(name: &str, text: &str, bytes: Range<usize>, change: impl Fn(&mut Diagnostic)) -> String {
        let mut all = Diagnostics::default();
        let file = all.sources.add(name, text);
        let mut diagnostic = Diagnostic::error(Span { file, bytes }, "unknown key \"expct\"");
        change(&mut diagnostic);
        all.list.push(diagnostic);
        all.render(false)
    }

    #[test]
    fn an_error_shows_place_line_caret_and_help() {
        let text = rendered("smoke.toml", "[[step]]\nexpct = 220\n", 9..14, |d| {
            d.label = Some("did you mean \"expect\"?".to_owned());
            d.help = Some("steps that send nothing must have one".to_owned());
        });
        let expected = "\
smoke.toml:2:1: error: unknown key \"expct\"
  |
2 | expct = 220
  | ^^^^^ did you mean \"expect\"?
  = help: steps that send nothing must have one
";
        assert_eq!(text, expected);
    }

    #[test]
    fn lines_before_the_place_are_shown_on_request() {
        let text = rendered("a", "[[step]]\nsend = \"NOOP\"\n\nexpect = 250\n", 33..36, |d| d.context_from = Some(1));
        let expected = "  |\n1 | [[step]]\n2 | send = \"NOOP\"\n3 |\n4 | expect = 250\n  |          ^^^\n";
        assert!(text.ends_with(expected), "{text}");
        let far = "\n".repeat(100) + "expect = 250";
        let text = rendered("a", &far, 100..106, |d| d.context_from = Some(1));
        assert_eq!(text.lines().count(), 4, "what stands far away is left out: {text}");
    }

    #[test]
    fn a_span_of_several_lines_is_marked_in_the_first() {
        let text = rendered("a", "x = {\n y = 1,\n}\n", 4..15, |d| d.severity = Severity::Warning);
        assert_eq!(text, "a:1:5: warning: unknown key \"expct\"\n  |\n1 | x = {\n  |     ^\n");
    }

    #[test]
    fn a_place_at_the_end_of_the_file_has_a_caret() {
        let text = rendered("a", "x = 1\n", 6..6, |_| {});
        assert_eq!(text, "a:2:1: error: unknown key \"expct\"\n  |\n2 | \n  | ^\n");
    }

    #[test]
    fn text_of_the_file_is_escaped() {
        let text =
            rendered("a\x1b[2J.toml", "\t\"\x1b[31mé\u{202e}\" = 1", 1..14, |d| d.message = "bad \r\n".to_owned());
        assert!(text.chars().all(|c| c == '\n' || !is_deceptive(c)), "{text:?}");
        assert!(text.starts_with("a\\x1b[2J.toml:1:2: error: bad \\x0d\\x0a\n"), "{text}");
        assert!(text.contains("\n1 |     \"\\x1b[31mé\\xe2\\x80\\xae\" = 1\n  |     ^^^"), "{text}");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let line = format!("{}HERE{}", "a".repeat(1_000_000), "b".repeat(1_000_000));
        let text = rendered("a", &line, 1_000_000..1_000_004, |_| {});
        assert!(text.len() < 500, "{}", text.len());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "a:1:1000001: error: unknown key \"expct\"");
        assert_eq!(lines[2].find("HERE").map(|at| lines[2][..at].chars().count()), lines[3].find('^'));
        assert!(lines[2].starts_with("1 | …aa") && lines[2].ends_with("bb…"), "{}", lines[2]);
    }

    #[test]
    fn a_secret_is_hidden_and_the_caret_is_in_its_place() {
        let line = "x = { pw = \"hunter2\", expct = 1, pw2 = \"swordfish\" }\n";
        let table = [(22..27, "expct", "behind it"), (6..8, "pw", "before it"), (11..20, "\"[secret]\"", "on it")];
        for (bytes, marked, why) in table {
            let mut all = Diagnostics::default();
            let file = all.sources.add("a", line);
            for secret in [39..50, 11..20] {
                all.sources.hide(Span { file, bytes: secret });
            }
            all.list.push(Diagnostic::error(Span { file, bytes }, "no"));
            let text = all.render(false);
            let lines: Vec<_> = text.lines().collect();
            assert_eq!(lines[2], "1 | x = { pw = \"[secret]\", expct = 1, pw2 = \"[secret]\" }", "{why}");
            let caret = lines[3].find('^').expect("there is a caret");
            assert_eq!(&lines[2][caret..][..lines[3].matches('^').count()], marked, "{why}");
        }
    }

    #[test]
    fn a_thousand_errors_are_counted() {
        let mut all = Diagnostics::default();
        let file = all.sources.add("a", "x");
        all.list = vec![Diagnostic::error(Span { file, bytes: 0..1 }, "no"); 1_000];
        assert!(all.render(false).ends_with("a: … and 980 more\n"));
    }

    #[test]
    fn colours_are_optional() {
        let mut all = Diagnostics::default();
        let file = all.sources.add("a", "x");
        all.list = vec![Diagnostic::error(Span { file, bytes: 0..1 }, "no").with_help("yes")];
        assert!(all.render(true).contains("\x1b["));
        assert!(!all.render(false).contains('\x1b'));
    }

    proptest! {
        #[test]
        fn any_file_and_span_can_be_shown(text in "(.|\n|\r|\t){0,300}", from in 0usize..320, length in 0usize..320) {
            let shown = rendered("x", &text, from..from + length, |_| {});
            prop_assert!(shown.chars().all(|c| c == '\n' || !is_deceptive(c)));
            prop_assert!(shown.contains('^'));
        }
    }
}

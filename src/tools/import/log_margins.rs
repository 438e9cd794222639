//! Margins of a log that was pasted: indentation, line numbers, times, the prefixes of syslog and of containers, the marks of a diff.

use regex::bytes::Regex;

/// What may stand before each line. Exactly one space or tab after it belongs to it, but for line numbers: these may have two.
const MARGINS: [&str; 10] = [
    r"^[ \t]*\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d) (?:stdout|stderr) [FP] ",
    r"^[A-Za-z0-9][\w.-]* +\| (?:\d{4}-\d\d-\d\dT[\d:.]+Z )?",
    r"^[ \t]*\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?:?[ \t]",
    r"^[ \t]*\[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?:?[ \t]",
    r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [^ ]+ [^ :]+: ",
    r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^ ]* [^ ]+ [^ :]+: ",
    r"^[ \t]*\d{1,6}[.:)]?[ \t]",
    r"^[ \t]*\d{1,6}[.:)]?  ",
    r"^(?:\+\+\+ .*|\+)",
    r"^(?:--- .*|\+\+\+ .*|[-+ ])",
];

/// The log without its margin. `None` if a line of a server is there already, if none is behind a margin, or if this is a diff with
/// two versions.
pub fn without_margin(log: &[u8], is_of_server: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = log.split(|byte| *byte == b'\n').collect();
    if lines.iter().any(|line| is_of_server(line)) || is_mixed_diff(log, &is_of_server) {
        return None;
    }
    let indent = indentation(&lines);
    // The indentation that all lines have in common is tried first, then each kind of margin.
    let expressions = MARGINS.iter().filter_map(|margin| Regex::new(margin).ok());
    std::iter::once(None).chain(expressions.map(Some)).find_map(|margin| {
        let width = |line: &[u8]| match &margin {
            None => Some(indent),
            Some(margin) => margin.find(line).map(|found| found.end()),
        };
        let found = lines.iter().any(|line| text_behind(line, width).is_some_and(&is_of_server));
        found.then(|| keep(&lines, |_, line| text_behind(line, width)))
    })
}

/// Whether each line has a mark of a diff, and lines of a dialogue have different marks.
pub fn is_mixed_diff(log: &[u8], is_of_dialogue: impl Fn(&[u8]) -> bool) -> bool {
    const HEADERS: [&[u8]; 7] = [b"+++ ", b"--- ", b"@@ ", b"diff ", b"index ", b"\\ No newline", b"```"];
    let is_header = |line: &&[u8]| HEADERS.iter().any(|header| line.starts_with(header));
    let lines = log.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let mut marks = [false; 3];
    for line in lines.filter(|line| !line.is_empty() && !is_header(line)) {
        let Some(mark) = b"+- ".iter().position(|mark| *mark == line[0]) else { return false };
        marks[mark] |= is_of_dialogue(&line[1..]);
    }
    marks.iter().filter(|has| **has).count() > 1
}

/// What stands behind a margin of this width.
fn text_behind(line: &[u8], width: impl Fn(&[u8]) -> Option<usize>) -> Option<&[u8]> {
    line.get(width(line)?..)
}

/// The lines that `of` keeps; the others become empty.
pub fn keep<'a>(lines: &[&'a [u8]], of: impl Fn(usize, &'a [u8]) -> Option<&'a [u8]>) -> Vec<u8> {
    let kept: Vec<&[u8]> = lines.iter().enumerate().map(|(at, line)| of(at, line).unwrap_or_default()).collect();
    kept.join(&b'\n')
}

/// How many bytes of white space all lines have in common.
fn indentation(lines: &[&[u8]]) -> usize {
    let blank = |line: &&&[u8]| !line.trim_ascii().is_empty();
    let spaces = |line: &[u8]| line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    lines.iter().filter(blank).map(|line| spaces(line)).min().unwrap_or(0)
}

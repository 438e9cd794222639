//! Cuts the long lines of a diagnosis.

use crate::event::group_thousands;
use std::borrow::Cow;

/// The longest line that is shown whole, in characters.
const MAX_LINE: usize = 1_000;
/// How much of a longer line is shown, so that it is not long with the count behind it.
const SHOWN: usize = 970;

/// Cuts each line of more than 1,000 characters: `… 19,012 more`. Transcript files have it whole.
pub fn cut_long_lines(text: &str) -> Cow<'_, str> {
    // A character has one byte at least.
    if text.lines().all(|line| line.len() <= MAX_LINE) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len().min(64 * 1024));
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        match line.char_indices().nth(SHOWN) {
            Some((at, _)) if line.chars().count() > MAX_LINE => {
                let more = line[at..].chars().count();
                out.push_str(&line[..at]);
                // What was coloured ends here.
                out.push_str(if line.contains('\x1b') { "\x1b[0m" } else { "" });
                out.push_str(&format!("… {} more", group_thousands(more)));
            }
            _ => out.push_str(line),
        }
        out.push_str(end);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_and_its_rest_counted() {
        let long = format!("S: {}", "é".repeat(20_000));
        let text = format!("short\n{long}\nlast");
        let cut = cut_long_lines(&text);
        let lines: Vec<&str> = cut.lines().collect();
        assert_eq!((lines[0], lines[2]), ("short", "last"));
        assert!(lines[1].starts_with("S: éé") && lines[1].ends_with("… 19,033 more"), "{}", lines[1]);
        assert_eq!(cut_long_lines(&cut), cut, "once is enough");
        assert_eq!(cut_long_lines(&"x".repeat(1_000)), "x".repeat(1_000));
        assert_eq!(cut_long_lines("a\n\nb\n"), "a\n\nb\n");
    }
}

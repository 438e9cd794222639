//! What a typed line says by itself, without the dialogue around it.

use crate::tools::import::is_command;
use crate::transcript::unescape;

/// Where the secret of an AUTH command begins: its initial response.
pub fn secret_from(line: &str) -> Option<usize> {
    let after_word = |text: &str| {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        (text[..end].to_owned(), text[end..].trim_start().len())
    };
    let whole = line.trim_start();
    let (auth, left) = after_word(whole);
    let (_mechanism, left) = after_word(&whole[whole.len() - left..]);
    (auth.eq_ignore_ascii_case("AUTH") && left > 0).then(|| line.len() - left)
}

/// Whether a line begins with AUTH.
pub fn is_auth(line: &str) -> bool {
    line.trim_start().get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case("AUTH"))
}

/// Where the first secret begins in bytes that are sent at once: what follows AUTH in any of their lines. `is_answer`: AUTH was
/// sent before them, so that a line that is no command answers it.
pub fn raw_secret_from(text: &str, mut is_answer: bool) -> Option<usize> {
    let mut start = 0;
    for piece in text.split_inclusive('\n') {
        let line = piece.trim_end_matches(['\r', '\n']);
        if let Some(at) = secret_from(line) {
            return Some(start + at);
        }
        if is_command(line.trim_start().as_bytes()) {
            is_answer = is_auth(line);
        } else if is_answer && is_secret_answer(line) {
            return Some(start);
        }
        start += piece.len();
    }
    None
}

/// Whether a line that may answer AUTH says something. `*` gives up AUTH (RFC 4954 §4), and is no secret.
pub fn is_secret_answer(line: &str) -> bool {
    !matches!(line.trim(), "" | "*")
}

/// Like [`masked_line`] for a line after AUTH, which is an answer as long as it is no command.
pub fn masked_answer(typed: &str) -> Option<String> {
    let (open, answer) = match typed.strip_prefix(":raw ") {
        Some(bytes) => (":raw ", bytes),
        None => ("", typed),
    };
    if answer.starts_with(':') || is_command(answer.trim_start().as_bytes()) || !is_secret_answer(answer) {
        return masked_line(typed);
    }
    Some(format!("{open}{}", "*".repeat(answer.chars().count())))
}

/// The line as a terminal shows it, with a star for each character of a secret; `None` if it has none. A paste of several lines
/// is hidden after an AUTH command: what follows answers the server's 334.
pub fn masked_line(typed: &str) -> Option<String> {
    let mut masked = String::with_capacity(typed.len());
    let (mut is_answer, mut has_secret) = (false, false);
    for (number, line) in typed.split('\n').enumerate() {
        if number > 0 {
            masked.push('\n');
        }
        let argument =
            line.strip_prefix(":b64 ").or_else(|| raw_auth(line)).map(|argument| line.len() - argument.len());
        let at = if is_answer { 0 } else { secret_from(line).or(argument).unwrap_or(line.len()) };
        let (open, secret) = line.split_at(at);
        masked.push_str(open);
        masked.extend(secret.chars().map(|_| '*'));
        has_secret |= !secret.is_empty();
        let word = line.split_whitespace().next().unwrap_or_default();
        is_answer |= word.trim_start_matches(':').eq_ignore_ascii_case("AUTH") || raw_auth(line).is_some();
    }
    has_secret.then_some(masked)
}

/// What follows the first AUTH at the beginning of a line in the bytes of `:raw`.
fn raw_auth(line: &str) -> Option<&str> {
    let bytes = line.strip_prefix(":raw ")?;
    let ends = ["\\n", "\\x0a", "\\x0A"].into_iter().flat_map(|end| bytes.match_indices(end));
    let starts = std::iter::once(0).chain(ends.map(|(at, end)| at + end.len()));
    let after_auth = starts.filter_map(|at| {
        let (verb, rest) = bytes[at..].trim_start().split_at_checked("AUTH ".len())?;
        // A tab may be written as an escape.
        (is_auth(verb) && verb.ends_with([' ', '\t', '\\'])).then_some(rest)
    });
    after_auth.max_by_key(|rest| rest.len())
}

/// The bytes of `:raw`: escapes are those of transcripts, and `\r`, `\n`, `\t`.
pub fn raw_bytes(text: &str) -> Option<Vec<u8>> {
    let text = text.replace("\\\\", "\\x5c").replace("\\r", "\\x0d").replace("\\n", "\\x0a").replace("\\t", "\\x09");
    unescape(&text).ok()?.bytes().map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_after_auth_is_a_secret() {
        for (line, at) in [
            ("AUTH PLAIN AGEAYg==", Some(11)),
            (" AUTH PLAIN x", Some(12)),
            ("AUTH\tPLAIN\tx", Some(11)),
            ("auth x y", Some(7)),
            ("AUTH LOGIN", None),
            ("NOOP a b", None),
        ] {
            assert_eq!(secret_from(line), at, "{line}");
        }
    }

    #[test]
    fn a_secret_is_shown_as_stars() {
        for (typed, shown) in [
            ("AUTH PLAIN AGEä", Some("AUTH PLAIN ****")),
            (":b64 pässword", Some(":b64 ********")),
            ("AUTH LOGIN\ndXNlcg==\ncHc=", Some("AUTH LOGIN\n********\n****")),
            ("EHLO x\nAUTH PLAIN\nAGEA\nNOOP", Some("EHLO x\nAUTH PLAIN\n****\n****")),
            ("AUTH PLAIN", None),
            (":b64", None),
            (":raw auth LOGIN\\r\\ndXNlcg==", Some(":raw auth *****************")),
            (":raw NOOP\\r\\n", None),
            (":raw AUTÄ", None),
            (":raw NOOP\\r\\nAUTH PLAIN x\\r\\n", Some(":raw NOOP\\r\\nAUTH ***********")),
            (":raw A\\x0aauth\\tPLAIN x", Some(":raw A\\x0aauth\\********")),
            (":raw AUTH X\ndXNl", Some(":raw AUTH *\n****")),
            (":auth\nann\npw", Some(":auth\n***\n**")),
            ("MAIL FROM:<auth@x.example>", None),
            ("", None),
        ] {
            assert_eq!(masked_line(typed).as_deref(), shown, "{typed}");
        }
    }

    #[test]
    fn a_line_after_auth_is_shown_as_stars_until_it_is_a_command() {
        for (typed, shown) in [
            ("NOO", Some("***")),
            ("NOOP", None),
            ("NOOPS", Some("*****")),
            ("dXNlcg==", Some("********")),
            ("AUTH PLAIN x", Some("AUTH PLAIN *")),
            (":raw AGEA\\r\\n", Some(":raw ********")),
            (":raw QUIT\\r\\n", Some(":raw ********")),
            (":wait", None),
            (":b64 x", Some(":b64 *")),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(masked_answer(typed).as_deref(), shown, "{typed}");
        }
    }

    #[test]
    fn raw_bytes_have_a_secret_after_auth_in_any_line() {
        for (text, after_auth, at) in [
            ("AUTH PLAIN AGEA\r\n", false, Some(11)),
            ("NOOP\r\nAUTH PLAIN AGEA\r\n", false, Some(17)),
            ("NOOP\nAUTH LOGIN\ndXNl\n", false, Some(16)),
            ("AUTH LOGIN\r\nNOOP\r\n", false, None),
            ("AUTH LOGIN\r\n*\r\n", false, None),
            ("AGEA\r\n", true, Some(0)),
            ("AGEA\r\n", false, None),
            ("NOOP\r\nAGEA\r\n", true, None),
            ("\r\n", true, None),
        ] {
            assert_eq!(raw_secret_from(text, after_auth), at, "{text}");
        }
    }

    #[test]
    fn raw_bytes_have_escapes() {
        for (text, bytes) in [("NO\\r\\n", Some(&b"NO\r\n"[..])), ("\\x00\\\\n", Some(b"\0\\n")), ("\\q", None)] {
            assert_eq!(raw_bytes(text).as_deref(), bytes, "{text}");
        }
    }
}

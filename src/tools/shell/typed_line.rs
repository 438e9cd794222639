//! What a typed line says by itself, without the dialogue around it.

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
        is_answer |= line
            .split_whitespace()
            .next()
            .is_some_and(|word| word.trim_start_matches(':').eq_ignore_ascii_case("AUTH"));
    }
    has_secret.then_some(masked)
}

/// What follows AUTH in the bytes of `:raw`.
fn raw_auth(line: &str) -> Option<&str> {
    let (verb, rest) = line.strip_prefix(":raw ")?.trim_start().split_at_checked("AUTH ".len())?;
    verb.eq_ignore_ascii_case("AUTH ").then_some(rest)
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
            (":auth\nann\npw", Some(":auth\n***\n**")),
            ("MAIL FROM:<auth@x.example>", None),
            ("", None),
        ] {
            assert_eq!(masked_line(typed).as_deref(), shown, "{typed}");
        }
    }

    #[test]
    fn raw_bytes_have_escapes() {
        for (text, bytes) in [("NO\\r\\n", Some(&b"NO\r\n"[..])), ("\\x00\\\\n", Some(b"\0\\n")), ("\\q", None)] {
            assert_eq!(raw_bytes(text).as_deref(), bytes, "{text}");
        }
    }
}

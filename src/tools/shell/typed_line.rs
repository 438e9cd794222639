//! What a typed line says by itself, without the dialogue around it.

use crate::tools::import::is_command;

/// Where the secret of an AUTH command begins: its initial response.
pub fn secret_from(line: &[u8]) -> Option<usize> {
    // Without a word at its beginning, and the white space after it.
    let after_word = |text: &mut &[u8]| {
        let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        *text = rest.trim_ascii_start();
        word.eq_ignore_ascii_case(b"AUTH")
    };
    let mut rest = line.trim_ascii_start();
    let is_auth = after_word(&mut rest);
    after_word(&mut rest);
    (is_auth && !rest.is_empty()).then(|| line.len() - rest.len())
}

/// Whether a line begins with AUTH.
pub fn is_auth(line: &[u8]) -> bool {
    line.trim_ascii_start().get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH"))
}

/// Whether a line may end here. A lenient server takes a bare CR for the end of a line.
pub fn is_line_end(byte: &u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// Whether one of the lines begins with AUTH.
pub fn has_auth(bytes: &[u8]) -> bool {
    bytes.split(is_line_end).any(is_auth)
}

/// Where the first secret begins in bytes that are sent at once: what follows AUTH in any of their lines. `open` was sent before,
/// and the bytes go on with its line. `is_answer`: AUTH was sent before that, so that a line that is no command answers it.
pub fn first_secret(open: &[u8], bytes: &[u8], mut is_answer: bool) -> Option<usize> {
    let whole = [open, bytes].concat();
    let (mut start, mut has_auth) = (0, false);
    for piece in whole.split_inclusive(is_line_end) {
        let line = without_line_end(piece);
        let answers = is_answer && !is_command(line.trim_ascii_start()) && is_secret_answer(line);
        let of_line = if answers { Some(0) } else { secret_from(line) };
        // What is open may be octets, after which a command begins.
        let own = open.len().checked_sub(start).and_then(|from| Some(from + secret_from(line.get(from..)?)?));
        let at = of_line.into_iter().chain(own).min().map(|at| (start + at).max(open.len()));
        if let Some(at) = at.filter(|at| *at < start + line.len()) {
            return Some(at - open.len());
        }
        if is_command(line.trim_ascii_start()) {
            // In bytes that are sent at once a later command does not end AUTH: its answer may come after it.
            has_auth |= is_auth(line);
            is_answer = has_auth;
        }
        start += piece.len();
    }
    None
}

/// A line without its CRLF, LF or CR.
pub fn without_line_end(piece: &[u8]) -> &[u8] {
    let line = piece.strip_suffix(b"\n").unwrap_or(piece);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Whether a line that may answer AUTH says something. `*` gives up AUTH (RFC 4954 §4), and is no secret.
fn is_secret_answer(line: &[u8]) -> bool {
    !matches!(line.trim_ascii(), b"" | b"*")
}

/// The line as a terminal shows it, with a star for each character of a secret; `None` if it has none. `open` and `is_answer` are
/// those of [`first_secret`]. A paste of several lines is hidden after an AUTH command: what follows answers the server's 334.
pub fn masked_line(typed: &str, open: &[u8], is_answer: bool) -> Option<String> {
    let mut masked = String::with_capacity(typed.len());
    let (mut open, mut follows_auth, mut has_secret) = (open.to_vec(), false, false);
    for (number, line) in typed.split('\n').enumerate() {
        if number > 0 {
            masked.push('\n');
        }
        let sent = SentBytes::of(line);
        let secret = match &sent {
            _ if follows_auth => Some(0),
            Some(sent) => first_secret(&open, &sent.bytes, is_answer && number == 0).map(|at| sent.place(at)),
            None => line.starts_with(":b64 ").then_some(":b64 ".len()),
        };
        let (shown, secret) = secret.and_then(|at| line.split_at_checked(at)).unwrap_or((line, ""));
        masked.push_str(shown);
        masked.extend(secret.chars().map(|_| '*'));
        has_secret |= !secret.is_empty();
        let is_login = line.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case(":auth"));
        if let Some(sent) = sent {
            open.extend_from_slice(&sent.bytes);
            follows_auth |= has_auth(&open) || has_auth(&sent.bytes);
            let ended = if sent.ends_line { open.len() } else { line_start(&open) };
            open.drain(..ended);
        }
        follows_auth |= is_login;
    }
    has_secret.then_some(masked)
}

/// Where the last line begins.
pub fn line_start(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

/// What a typed line sends.
struct SentBytes {
    bytes: Vec<u8>,
    /// The place of each byte in the typed line.
    places: Vec<usize>,
    /// A CRLF is sent after the bytes.
    ends_line: bool,
}

impl SentBytes {
    /// `None`: a command that sends something else, or nothing. An escape that is not valid, or not complete yet, stands for itself.
    fn of(line: &str) -> Option<Self> {
        if let Some(text) = line.strip_prefix(":raw ") {
            let start = line.len() - text.len();
            let mut sent = Self { bytes: Vec::new(), places: Vec::new(), ends_line: false };
            decode_raw(text, |at, bytes| {
                sent.bytes.extend_from_slice(bytes);
                sent.places.extend(bytes.iter().map(|_| start + at));
            });
            return Some(sent);
        }
        let text = line.strip_prefix("::").map_or(line, |_| &line[1..]);
        let is_sent = !line.starts_with(':') || line.starts_with("::");
        let start = line.len() - text.len();
        is_sent.then(|| Self { bytes: text.into(), places: (start..line.len()).collect(), ends_line: true })
    }

    /// The place of a byte in the typed line.
    fn place(&self, index: usize) -> usize {
        self.places.get(index).copied().unwrap_or(0)
    }
}

/// The bytes of `:raw`; `None` if an escape is not valid.
pub fn raw_bytes(text: &str) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    decode_raw(text, |_, bytes| all.extend_from_slice(bytes)).then_some(all)
}

/// Gives the bytes of `:raw`, each with the place of its character or escape. Gives whether all escapes are valid: others stand
/// for themselves.
fn decode_raw(text: &str, mut take: impl FnMut(usize, &[u8])) -> bool {
    let (mut at, mut is_valid) = (0, true);
    while let Some(first) = text[at..].chars().next() {
        let escape = raw_escape(&text.as_bytes()[at..]);
        let length = match escape {
            Some((length, byte)) => {
                take(at, &[byte]);
                length
            }
            None => {
                is_valid &= first != '\\';
                take(at, &text.as_bytes()[at..at + first.len_utf8()]);
                first.len_utf8()
            }
        };
        at += length;
    }
    is_valid
}

/// The length of the escape at the beginning of `text`, and its byte.
fn raw_escape(text: &[u8]) -> Option<(usize, u8)> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some(match text {
        [b'\\', b'\\', ..] => (2, b'\\'),
        [b'\\', b'r', ..] => (2, b'\r'),
        [b'\\', b'n', ..] => (2, b'\n'),
        [b'\\', b't', ..] => (2, b'\t'),
        [b'\\', b'x', high, low, ..] => (4, digit(*high)? << 4 | digit(*low)?),
        _ => return None,
    })
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
            ("", None),
        ] {
            assert_eq!(secret_from(line.as_bytes()), at, "{line}");
        }
    }

    #[test]
    fn a_secret_is_shown_as_stars() {
        for (open, typed, shown) in [
            ("", "AUTH PLAIN AGEä", Some("AUTH PLAIN ****")),
            ("", ":b64 pässword", Some(":b64 ********")),
            ("", "AUTH LOGIN\ndXNlcg==\ncHc=", Some("AUTH LOGIN\n********\n****")),
            ("", "EHLO x\nAUTH PLAIN\nAGEA\nNOOP", Some("EHLO x\nAUTH PLAIN\n****\n****")),
            ("", "AUTH PLAIN", None),
            ("", ":b64", None),
            ("", ":raw auth LOGIN\\r\\ndXNlcg==", Some(":raw auth LOGIN\\r\\n********")),
            ("", ":raw NOOP\\r\\n", None),
            ("", ":raw AUTÄ", None),
            ("", ":raw NOOP\\r\\nAUTH PLAIN x\\r\\n", Some(":raw NOOP\\r\\nAUTH PLAIN *****")),
            ("", ":raw A\\x0aauth\\tPLAIN x", Some(":raw A\\x0aauth\\tPLAIN *")),
            ("", ":raw A\\x55TH\\x20PLAIN x", Some(":raw A\\x55TH\\x20PLAIN *")),
            ("", ":raw AUTH X\ndXNl", Some(":raw AUTH X\n****")),
            ("", ":auth\nann\npw", Some(":auth\n***\n**")),
            ("", ":raw AU\n:raw TH PLAIN x", Some(":raw AU\n:raw TH PLAIN *")),
            ("", ":raw AU\nTH LOGIN\nx", Some(":raw AU\nTH LOGIN\n*")),
            ("AU", "TH PLAIN x", Some("TH PLAIN *")),
            ("AU", ":raw TH PLAIN x\\r\\n", Some(":raw TH PLAIN *****")),
            ("AUTH PLAIN A", ":raw GEA", Some(":raw ***")),
            ("AUTH PLAIN A", ":raw \\r\\nNOOP", None),
            ("AU", ":wait", None),
            ("abc", "AUTH PLAIN x", Some("AUTH PLAIN *")),
            ("", "::AUTH PLAIN x", None),
            ("", "MAIL FROM:<auth@x.example>", None),
            ("", "", None),
        ] {
            assert_eq!(masked_line(typed, open.as_bytes(), false).as_deref(), shown, "{open:?} {typed:?}");
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
            (":raw QUIT\\r\\n", None),
            (":wait", None),
            (":b64 x", Some(":b64 *")),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(masked_line(typed, b"", true).as_deref(), shown, "{typed}");
        }
    }

    #[test]
    fn raw_bytes_have_a_secret_after_auth_in_any_line() {
        for (open, text, after_auth, at) in [
            ("", "AUTH PLAIN AGEA\r\n", false, Some(11)),
            ("", "NOOP\r\nAUTH PLAIN AGEA\r\n", false, Some(17)),
            ("", "NOOP\nAUTH LOGIN\ndXNl\n", false, Some(16)),
            ("", "AUTH LOGIN\r\nNOOP\r\n", false, None),
            ("", "AUTH LOGIN\r\n*\r\n", false, None),
            ("", "AUTH LOGIN\r\nNOOP\r\ndXNl\r\n", false, Some(18)),
            ("", "NOOP\rAUTH PLAIN AGEA\r\n", false, Some(16)),
            ("NOOP\rAU", "TH PLAIN AGEA\r\n", false, Some(9)),
            ("NOOP\rAUTH PLAIN A", "GEA\r\n", false, Some(0)),
            ("NOOP\r", "NOOP\r\n", false, None),
            ("", "AGEA\r\n", true, Some(0)),
            ("", "AGEA\r\n", false, None),
            ("", "NOOP\r\nAGEA\r\n", true, None),
            ("", "\r\n", true, None),
            ("AU", "TH PLAIN AGEA\r\n", false, Some(9)),
            ("AUTH PLAIN A", "GEA\r\n", false, Some(0)),
            ("AUTH PLAIN A", "\r\nNOOP\r\n", false, None),
            ("AUTH LOGIN\r", "\ndXNl\r\n", false, Some(1)),
            ("abc", "AUTH PLAIN AGEA\r\n", false, Some(11)),
            ("\u{e9}AU", "TH PLAIN AGEA\r\n", false, None),
        ] {
            assert_eq!(first_secret(open.as_bytes(), text.as_bytes(), after_auth), at, "{open:?} {text:?}");
        }
    }

    #[test]
    fn raw_bytes_have_escapes() {
        for (text, bytes) in [
            ("NO\\r\\n", Some(&b"NO\r\n"[..])),
            ("\\x00\\\\n", Some(b"\0\\n")),
            ("\\xFf\\té", Some(b"\xff\t\xc3\xa9")),
            ("a [secret] b", Some(b"a [secret] b")),
            ("\\q", None),
            ("\\x0", None),
            ("\\xé", None),
            ("a\\c", None),
            ("\\", None),
        ] {
            assert_eq!(raw_bytes(text).as_deref(), bytes, "{text}");
        }
    }
}

//! Where content and BDAT's octets end among the lines of a script.

use super::content_reader::EndingDot;
use super::directive::Directive;
use super::script_line::{RequestedInput, ScriptItem, first_piece, has_secret, line_bytes, reply_code, wire_length};
use crate::smtp::lines::LineEnd;
use crate::smtp::transaction::bdat_octets;
use crate::transcript::LineBody;

/// Splits each line that begins with the last octets of a BDAT: a client that pipelines sends the next command directly after
/// them, whether or not they end in CRLF.
pub(super) fn split_after_octets(items: Vec<(usize, ScriptItem)>) -> Vec<(usize, ScriptItem)> {
    let mut out = Vec::with_capacity(items.len());
    let mut requested = RequestedInput::Command;
    let mut left = 0;
    for (number, item) in items {
        let mut body = match item {
            ScriptItem::Client(body) if requested == RequestedInput::Command => body,
            other => {
                if let ScriptItem::Server(body) = &other {
                    (requested, left) = (requested_by(body), 0);
                }
                out.push((number, other));
                continue;
            }
        };
        if left > 0 && left < wire_length(&body) && !has_secret(&body) {
            let (octets, next) = split(&body, left);
            out.push((number, ScriptItem::Client(octets)));
            (body, left) = (next, 0);
        }
        left = match left {
            0 if body.end == LineEnd::CrLf => bdat_octets(first_piece(&body)).unwrap_or(0),
            // The length of a secret is unknown.
            _ if has_secret(&body) => 0,
            _ => left.saturating_sub(wire_length(&body)),
        };
        out.push((number, ScriptItem::Client(body)));
    }
    out
}

/// The first octets of a line, and what follows them.
fn split(body: &LineBody, octets: u64) -> (LineBody, LineBody) {
    let bytes = line_bytes(body);
    let (octets, rest) = bytes.split_at(usize::try_from(octets).unwrap_or(usize::MAX).min(bytes.len()));
    let next = match (rest.strip_suffix(b"\r\n"), rest.strip_suffix(b"\n")) {
        (Some(rest), _) => LineBody::plain(rest, LineEnd::CrLf),
        (None, Some(rest)) => LineBody::plain(rest, LineEnd::Lf),
        (None, None) => LineBody::plain(rest, LineEnd::Missing),
    };
    (LineBody::plain(octets, LineEnd::Missing), next)
}

/// What the client is to send after this line of the server.
pub(super) fn requested_by(body: &LineBody) -> RequestedInput {
    match reply_code(body) {
        Some(b"354") => RequestedInput::Content,
        Some(b"334") => RequestedInput::Response,
        _ => RequestedInput::Command,
    }
}

/// How many lines after `first` belong to the content that begins with it, its dot included; `None` if there is no dot. A dot
/// between two CRLFs ends content (RFC 5321 §4.1.1.4). So does one after a bare LF if it is the only one and the server speaks
/// after it: that server is a lenient one.
pub(super) fn content_lines(first: &LineBody, rest: &[(usize, ScriptItem)]) -> Option<(usize, EndingDot)> {
    let mut previous = LineEnd::CrLf;
    let mut dots = 0;
    // The end of the line before the dot, if a line is one.
    let mut look = |body: &LineBody| {
        let is_dot = is_lone_dot(body);
        dots += usize::from(is_dot);
        let before = std::mem::replace(&mut previous, body.end);
        (is_dot && body.end == LineEnd::CrLf).then_some((before, dots))
    };
    let mut last = look(first);
    if matches!(last, Some((LineEnd::CrLf, _))) {
        return Some((0, EndingDot::AfterCrLf));
    }
    let mut lines = 0;
    for (_, item) in rest {
        match item {
            ScriptItem::Client(body) => last = look(body),
            ScriptItem::Directive(Directive::Elision) => {}
            _ => break,
        }
        lines += 1;
        if matches!(last, Some((LineEnd::CrLf, _))) {
            return Some((lines, EndingDot::AfterCrLf));
        }
    }
    let is_answered = matches!(rest.get(lines), Some((_, ScriptItem::Server(_))));
    (is_answered && matches!(last, Some((LineEnd::Lf, 1)))).then_some((lines, EndingDot::AfterLf))
}

/// How many lines have BDAT's octets, and the number of octets if there are fewer than BDAT announces.
pub(super) fn octet_lines(announced: u64, rest: &[(usize, ScriptItem)]) -> (usize, Option<u64>) {
    let mut left = announced;
    let mut lines = 0;
    for (_, item) in rest {
        match item {
            _ if left == 0 => break,
            // The length of a secret is unknown: then the octets are assumed to reach to the server's next line.
            ScriptItem::Client(next) if has_secret(next) => left = u64::MAX,
            ScriptItem::Client(next) => left = left.saturating_sub(wire_length(next)),
            ScriptItem::Directive(Directive::Elision) => left = u64::MAX,
            _ => break,
        }
        lines += 1;
    }
    (lines, (left > 0 && left <= announced).then(|| announced - left))
}

/// Whether a line is only a dot, whatever its end.
pub(super) fn is_lone_dot(body: &LineBody) -> bool {
    body.pieces == [b"."]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(text: &str, end: LineEnd) -> (usize, ScriptItem) {
        (1, ScriptItem::Client(LineBody::plain(text, end)))
    }

    fn texts(items: Vec<(usize, ScriptItem)>) -> Vec<String> {
        let client = items.into_iter().filter_map(|(_, item)| match item {
            ScriptItem::Client(body) => Some(body.to_string()),
            _ => None,
        });
        client.collect()
    }

    #[test]
    fn a_line_is_split_after_the_octets_of_bdat() {
        use LineEnd::{CrLf, Lf, Missing};
        let table = [
            (
                vec![plain("BDAT 3", CrLf), plain("abcBDAT 2 LAST", CrLf), plain("de", Missing)],
                "BDAT 3|abc\\c|BDAT 2 LAST|de\\c",
            ),
            (vec![plain("BDAT 5", CrLf), plain("abc", CrLf), plain("RSET", CrLf)], "BDAT 5|abc|RSET"),
            (vec![plain("BDAT 4", CrLf), plain("abc", CrLf), plain("RSET", CrLf)], "BDAT 4|abc\\x0d\\c|\\n|RSET"),
            (
                vec![plain("BDAT 6", CrLf), plain("a", Lf), plain("b", CrLf), plain("cNOOP", CrLf)],
                "BDAT 6|a\\n|b|c\\c|NOOP",
            ),
            (vec![plain("BDAT 0", CrLf), plain("NOOP", CrLf)], "BDAT 0|NOOP"),
            (vec![plain("NOOP", CrLf), plain("abcBDAT 3", CrLf), plain("defgh", CrLf)], "NOOP|abcBDAT 3|defgh"),
        ];
        for (items, expected) in table {
            assert_eq!(texts(split_after_octets(items)).join("|"), expected);
        }
    }

    #[test]
    fn what_a_server_asked_for_is_not_split() {
        let items = vec![
            (1, ScriptItem::Server(LineBody::plain("354 go", LineEnd::CrLf))),
            plain("BDAT 1", LineEnd::CrLf),
            plain("abc", LineEnd::CrLf),
        ];
        assert_eq!(texts(split_after_octets(items)), ["BDAT 1", "abc"]);
    }

    #[test]
    fn content_ends_at_a_dot_between_crlfs_or_at_the_only_dot_of_a_lenient_server() {
        let line = |text: &str, end| LineBody::plain(text, end);
        let (first, dot) = (line("a", LineEnd::CrLf), plain(".", LineEnd::CrLf));
        let reply = || (1, ScriptItem::Server(line("250 ok", LineEnd::CrLf)));
        let (bare, after_lf) = (|| plain("b", LineEnd::Lf), || plain(".", LineEnd::CrLf));
        assert_eq!(content_lines(&first, &[plain("b", LineEnd::CrLf), dot]), Some((2, EndingDot::AfterCrLf)));
        assert_eq!(content_lines(&first, &[bare(), after_lf()]), None);
        assert_eq!(content_lines(&first, &[bare(), after_lf(), reply()]), Some((2, EndingDot::AfterLf)));
        let two = [bare(), after_lf(), bare(), after_lf(), reply()];
        assert_eq!(content_lines(&first, &two), None, "which of them?");
        assert_eq!(content_lines(&first, &[bare(), after_lf(), after_lf()]), Some((3, EndingDot::AfterCrLf)));
        assert_eq!(content_lines(&first, &[plain(".", LineEnd::Lf)]), None);
        assert_eq!(content_lines(&line(".", LineEnd::CrLf), &[]), Some((0, EndingDot::AfterCrLf)));
    }

    proptest! {
        #[test]
        fn splitting_keeps_every_byte(lines in prop::collection::vec("(BDAT [0-9])|[a-z]{0,6}", 0..12)) {
            let items: Vec<_> = lines.iter().map(|line| plain(line, LineEnd::CrLf)).collect();
            let bytes = |items: &[(usize, ScriptItem)]| -> Vec<u8> {
                items.iter().flat_map(|(_, item)| match item {
                    ScriptItem::Client(body) | ScriptItem::Server(body) => line_bytes(body),
                    ScriptItem::Directive(_) => Vec::new(),
                }).collect()
            };
            let before = bytes(&items);
            prop_assert_eq!(bytes(&split_after_octets(items)), before);
        }
    }
}

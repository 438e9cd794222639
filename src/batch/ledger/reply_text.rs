//! How the ledger stores replies: a server may reply with thousands of lines, and a batch has many rows.

use std::borrow::Cow;

/// How many characters of the beginning of a long reply are stored.
const HEAD: usize = 1000;
/// How many characters of its end.
const TAIL: usize = 500;

/// The reason of a row whose run ended, or died, while it was being sent.
pub const RUN_ENDED: &str = "the run ended before the reply was recorded";

/// The reason of a row whose state was set with `mailrun ledger … resolve`.
pub const RESOLVED: &str = "resolved by hand";

/// A reply as it is stored: the beginning and the end, with the number of characters between them, if it has more than 1,500
/// characters.
pub fn stored_reply(reply: &str) -> Cow<'_, str> {
    // No text has more characters than bytes.
    if reply.len() <= HEAD + TAIL {
        return reply.into();
    }
    let omitted = reply.chars().count().saturating_sub(HEAD + TAIL);
    let head = reply.char_indices().nth(HEAD).map_or(reply.len(), |(at, _)| at);
    let tail = reply.char_indices().nth_back(TAIL - 1).map_or(0, |(at, _)| at);
    match omitted {
        0 => reply.into(),
        _ => format!("{} … {omitted} characters … {}", &reply[..head], &reply[tail..]).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reply_of_thousands_of_lines_keeps_its_beginning_and_its_end() {
        let lines: String = (0..20_000).map(|n| format!("line {n} / ")).collect();
        let reply = format!("550 5.7.1 {lines}queued as 4F2A");
        let stored = stored_reply(&reply);
        assert!(stored.len() < 1600, "{}", stored.len());
        assert!(stored.starts_with("550 5.7.1 line 0 / line 1") && stored.ends_with("queued as 4F2A"), "{stored}");
        assert!(stored.contains(&format!(" … {} characters … ", reply.len() - 1500)), "{stored}");
    }

    proptest! {
        #[test]
        fn what_is_stored_is_short_and_a_short_reply_is_stored_as_it_is(reply in "[a-é\u{1f600}]{1490,1510}|.{0,40}", cut: bool) {
            let reply = if cut { reply } else { reply.chars().take(1500).collect() };
            let stored = stored_reply(&reply);
            let length = reply.chars().count();
            prop_assert_eq!(stored == reply, length <= 1500);
            prop_assert!(stored.chars().count() <= 1600);
            let head: String = reply.chars().take(1000).collect();
            prop_assert!(stored.starts_with(&head));
        }
    }
}

//! Replies that were shown before anybody waited for them.

use super::recording::RecordedReply;
use crate::smtp::reply::ReplyParser;
use std::collections::VecDeque;

/// What the server said unasked since the last reply that was awaited.
#[derive(Default)]
pub struct UnaskedReplies {
    parser: ReplyParser,
    codes: VecDeque<u16>,
}

impl UnaskedReplies {
    /// Takes a line. Gives the reply that ends with it.
    pub fn line(&mut self, line: &[u8]) -> Option<RecordedReply> {
        let Ok(reply) = self.parser.line(line) else {
            self.parser = ReplyParser::default();
            return Some(RecordedReply::Malformed);
        };
        let code = reply?.code.get();
        self.codes.push_back(code);
        Some(RecordedReply::Code(code))
    }

    /// The code of the first of them, which is then no longer one.
    pub fn take(&mut self) -> Option<u16> {
        self.codes.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_replies_are_kept_in_order() {
        let mut replies = UnaskedReplies::default();
        let found = [&b"250-a"[..], b"250 b", b"no reply", b"421 c"].map(|line| replies.line(line));
        let code = |code| Some(RecordedReply::Code(code));
        assert_eq!(found, [None, code(250), Some(RecordedReply::Malformed), code(421)]);
        assert_eq!([replies.take(), replies.take(), replies.take()], [Some(250), Some(421), None]);
    }
}

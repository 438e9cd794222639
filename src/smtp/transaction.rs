//! Follows the mail transactions that the client really sends (RFC 5321 §3.3, RFC 3030, RFC 2033): where content ends,
//! and which reply answers what.
//!
//! The tracker is fed with the bytes that left and with the code of each reply, in the order of the wire. It reads no
//! transcript, so what a report hides or escapes changes nothing here.

mod command;
mod content;
#[cfg(test)]
mod tests;
mod upcoming;

pub use command::{CommandVerb, bdat_octets, may_end_content};

use command::verb_of;
use content::{ContentEnd, ContentScanner};
use std::collections::VecDeque;

/// The most bytes of a command line that are kept: no command of a transaction needs more.
const MAX_LINE: usize = 4096;

/// What a reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// No command: the greeting, or an unsolicited reply.
    Nothing,
    Command(CommandVerb),
    /// DATA, with a 3yz reply. `content_sent`: the content had left already, in one write with DATA.
    GoAhead {
        content_sent: bool,
    },
    /// The content, for one of the recipients that the server had accepted, counted from 0 (RFC 2033 §4.2,
    /// draft-hall-prdr). `last`: no other reply to this content follows.
    Recipient {
        index: usize,
        last: bool,
    },
    /// The content, for all recipients.
    Content,
}

/// What was sent and has no reply yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outstanding {
    /// So many commands of this kind in a row.
    Command(CommandVerb, usize),
    /// The end of content.
    Content { command: ContentCommand, replies: ContentReplies },
}

/// The command that content goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContentCommand {
    Data,
    Bdat,
}

/// Which replies to a content have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContentReplies {
    /// None. Over LMTP `recipients` replies follow, else one, or a 353 under PRDR.
    First,
    /// So many of the replies for each recipient, of which one was positive or not.
    Each { next: usize, count: usize, accepted: bool },
    /// PRDR's replies for each recipient have come: one for all follows.
    Final,
}

/// What the next bytes are.
#[derive(Clone, Debug, Default)]
enum Mode {
    #[default]
    Commands,
    /// A SASL exchange goes on: the next line is no command (RFC 4954 §4).
    Sasl,
    /// Content after DATA, up to its dot.
    Content(ContentScanner),
    /// The octets of a BDAT chunk.
    Chunk { octets: u64, last: bool },
}

/// Follows the transactions of one connection.
#[derive(Debug, Default)]
pub struct TransactionTracker {
    mode: Mode,
    /// The beginning of a line that has not ended.
    line: Vec<u8>,
    outstanding: VecDeque<Outstanding>,
    /// MAIL was answered, and nothing has ended the transaction since.
    open: bool,
    /// LHLO was accepted: content is answered for each recipient.
    lmtp: bool,
    /// MAIL asked for a reply for each recipient.
    prdr: bool,
    /// RCPT commands of this transaction that were accepted.
    accepted: usize,
    /// A chunk of this transaction was refused: the last one has a single reply.
    chunk_refused: bool,
}

impl TransactionTracker {
    /// Takes bytes that left. Gives the number of contents whose end was among them.
    ///
    /// A line that holds nothing but a dot ends content whatever its line end, since a lenient server takes it so.
    pub fn sent(&mut self, mut bytes: &[u8]) -> usize {
        let mut ends = 0;
        while !bytes.is_empty() {
            match &mut self.mode {
                Mode::Commands | Mode::Sasl => {
                    let Some(lf) = memchr::memchr(b'\n', bytes) else {
                        self.keep(bytes);
                        return ends;
                    };
                    let (line, rest) = bytes.split_at(lf + 1);
                    self.keep(line);
                    bytes = rest;
                    let line = std::mem::take(&mut self.line);
                    ends += usize::from(self.command(line.trim_ascii_end()));
                    self.line = line;
                    self.line.clear();
                }
                Mode::Content(scanner) => match scanner.scan(bytes) {
                    ContentEnd::Found { length } => {
                        bytes = bytes.get(length..).unwrap_or_default();
                        ends += self.end_content(ContentCommand::Data);
                    }
                    ContentEnd::NotYet => return ends,
                },
                Mode::Chunk { octets, last } => {
                    let (here, last) = ((*octets).min(bytes.len() as u64), *last);
                    *octets -= here;
                    let done = *octets == 0;
                    bytes = bytes.get(usize::try_from(here).unwrap_or(usize::MAX)..).unwrap_or_default();
                    if done {
                        self.mode = Mode::Commands;
                        if last {
                            ends += self.end_content(ContentCommand::Bdat);
                        }
                    }
                }
            }
        }
        ends
    }

    /// Takes the code of a whole reply; 0 stands for one that is not SMTP. Says what it answers.
    pub fn reply(&mut self, code: u16) -> Answered {
        let class = code / 100;
        let Some(front) = self.outstanding.front().copied() else {
            // Content is answered before its end only by a server that refuses it, or that took a lone CR for a line end.
            return match &mut self.mode {
                Mode::Content(scanner) if matches!(class, 4 | 5) || scanner.may_have_ended() => {
                    self.mode = Mode::Commands;
                    self.end_transaction();
                    Answered::Content
                }
                Mode::Chunk { last, .. } if *last && matches!(class, 4 | 5) => {
                    // Its octets are still skipped, but their end is answered already.
                    *last = false;
                    Answered::Content
                }
                _ => Answered::Nothing,
            };
        };
        match front {
            Outstanding::Command(verb, count) => {
                match self.outstanding.front_mut() {
                    Some(Outstanding::Command(_, count)) if *count > 1 => *count -= 1,
                    _ => drop(self.outstanding.pop_front()),
                }
                debug_assert!(count > 0);
                self.command_answered(verb, code)
            }
            Outstanding::Content { command, replies } => self.content_answered(command, replies, code),
        }
    }

    /// The replies that are missing will not come. A transaction may be open.
    pub fn forget_replies(&mut self) {
        self.open |= !self.outstanding.is_empty();
        self.outstanding.clear();
    }

    /// Whether a transaction may be open: MAIL was answered and nothing has ended it, or a reply is missing.
    pub fn may_be_open(&self) -> bool {
        self.open || !self.outstanding.is_empty()
    }

    /// Whether MAIL was sent and has no reply yet.
    pub fn awaits_mail_reply(&self) -> bool {
        self.outstanding.iter().any(|one| matches!(one, Outstanding::Command(CommandVerb::Mail { .. }, _)))
    }

    /// Whether the end of content may have left although [`TransactionTracker::sent`] did not count it: the dot has, or a
    /// lone CR is in place of a line end.
    pub fn end_may_have_left(&self) -> bool {
        matches!(&self.mode, Mode::Content(scanner) if scanner.may_have_ended())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = MAX_LINE.saturating_sub(self.line.len());
        self.line.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// A line was sent that is no content; gives whether it ended a content.
    fn command(&mut self, line: &[u8]) -> bool {
        if matches!(self.mode, Mode::Sasl) {
            self.mode = Mode::Commands;
            self.push(CommandVerb::Other);
            return false;
        }
        let (verb, octets) = verb_of(line);
        // As long as DATA has no reply it is not known whether what follows is content or commands.
        let undecided = self.outstanding.contains(&Outstanding::Command(CommandVerb::Data, 1));
        match verb {
            CommandVerb::Chunk | CommandVerb::LastChunk if undecided => self.push(CommandVerb::Other),
            CommandVerb::Chunk | CommandVerb::LastChunk => {
                let last = verb == CommandVerb::LastChunk;
                if !last {
                    self.push(verb);
                }
                if octets > 0 {
                    self.mode = Mode::Chunk { octets, last };
                } else if last {
                    return self.end_content(ContentCommand::Bdat) > 0;
                }
            }
            verb => self.push(verb),
        }
        false
    }

    fn push(&mut self, verb: CommandVerb) {
        match self.outstanding.back_mut() {
            // DATA stays by itself: its reply decides what the lines after it are.
            Some(Outstanding::Command(last, count)) if *last == verb && verb != CommandVerb::Data => *count += 1,
            _ => self.outstanding.push_back(Outstanding::Command(verb, 1)),
        }
    }

    fn end_content(&mut self, command: ContentCommand) -> usize {
        self.mode = Mode::Commands;
        self.outstanding.push_back(Outstanding::Content { command, replies: ContentReplies::First });
        1
    }

    fn end_transaction(&mut self) {
        self.open = false;
        self.prdr = false;
        self.accepted = 0;
        self.chunk_refused = false;
    }

    fn command_answered(&mut self, verb: CommandVerb, code: u16) -> Answered {
        let positive = code / 100 == 2;
        match verb {
            CommandVerb::Mail { prdr } => {
                if positive {
                    self.end_transaction();
                    self.prdr = prdr;
                }
                // Whatever the reply: RSET after a MAIL that was refused does no harm.
                self.open = true;
            }
            CommandVerb::Rcpt if positive => self.accepted += 1,
            CommandVerb::Data if code / 100 == 3 => return Answered::GoAhead { content_sent: self.begin_content() },
            CommandVerb::Chunk if !positive => self.chunk_refused = true,
            CommandVerb::Rset if positive => self.end_transaction(),
            CommandVerb::Hello { lmtp } if positive => {
                self.end_transaction();
                self.lmtp = lmtp;
            }
            CommandVerb::Starttls if positive => self.end_transaction(),
            CommandVerb::Other if code == 334 => self.mode = Mode::Sasl,
            _ => {}
        }
        Answered::Command(verb)
    }

    /// DATA was accepted: what left after it is content, up to its dot. Gives whether the dot has left.
    fn begin_content(&mut self) -> bool {
        let dot = self.outstanding.iter().position(|one| matches!(one, Outstanding::Command(CommandVerb::Dot, _)));
        let Some(dot) = dot else {
            self.outstanding.clear();
            let mut scanner = ContentScanner::default();
            // The beginning of a line that left with DATA.
            scanner.scan(&self.line);
            self.line.clear();
            self.mode = Mode::Content(scanner);
            return false;
        };
        self.outstanding.drain(..dot);
        if let Some(Outstanding::Command(_, count)) = self.outstanding.front_mut() {
            *count -= 1;
            if *count == 0 {
                self.outstanding.pop_front();
            }
        }
        self.outstanding
            .push_front(Outstanding::Content { command: ContentCommand::Data, replies: ContentReplies::First });
        true
    }

    fn content_answered(&mut self, command: ContentCommand, replies: ContentReplies, code: u16) -> Answered {
        let positive = code / 100 == 2;
        let each = match replies {
            ContentReplies::First if self.lmtp && !self.chunk_refused => Some((0, self.accepted.max(1), false)),
            ContentReplies::First if self.prdr && code == 353 => {
                let count = self.accepted;
                let replies = match count {
                    0 => ContentReplies::Final,
                    count => ContentReplies::Each { next: 0, count, accepted: false },
                };
                self.set_front(command, replies);
                return Answered::Command(CommandVerb::Other);
            }
            ContentReplies::Each { next, count, accepted } => Some((next, count, accepted)),
            ContentReplies::First | ContentReplies::Final => None,
        };
        let Some((index, count, accepted)) = each else {
            self.finish_content(command, positive);
            return Answered::Content;
        };
        let (is_last, accepted) = (index + 1 == count, accepted || positive);
        let prdr = !self.lmtp;
        match (is_last, prdr) {
            (true, true) => self.set_front(command, ContentReplies::Final),
            (true, false) => self.finish_content(command, accepted),
            (false, _) => self.set_front(command, ContentReplies::Each { next: index + 1, count, accepted }),
        }
        Answered::Recipient { index, last: is_last && !prdr }
    }

    fn set_front(&mut self, command: ContentCommand, replies: ContentReplies) {
        if let Some(front) = self.outstanding.front_mut() {
            *front = Outstanding::Content { command, replies };
        }
    }

    /// The dot ends the transaction whatever its reply (RFC 5321 §4.1.1.4), BDAT LAST if it is accepted (RFC 3030 §2).
    fn finish_content(&mut self, command: ContentCommand, accepted: bool) {
        self.outstanding.pop_front();
        if accepted || command == ContentCommand::Data {
            self.end_transaction();
        }
    }
}

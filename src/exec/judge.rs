//! Holds what came against what was expected.

use super::answer::{Answer, End};
use super::narrate::Narrator;
use super::trouble::{Limit, Trouble};
use crate::event::{Cause, Got, Status};
use crate::session::{CodePattern, Expect, ReplyFacts, ReplyPattern, Span, Template};
use crate::smtp::reply::Reply;
use crate::transcript::Shown;
use regex::Regex;

/// An expectation that the program itself has: `25x`.
pub fn codes(words: &str) -> Expect {
    let code = words.split(" or ").filter_map(CodePattern::parse).collect();
    let any_of = vec![ReplyPattern::Reply { code, enhanced: None, text: None, lines: None }];
    Expect { span: Span::default(), words: words.to_owned(), any_of }
}

/// Any reply will do: what it means is for the caller to say.
pub fn any() -> Expect {
    Expect { span: Span::default(), words: "any".to_owned(), any_of: vec![ReplyPattern::Any] }
}

/// Any reply will do, and so does an end of another kind that `expect` names.
pub fn any_or_end(expect: &Expect) -> Expect {
    let ends = expect
        .any_of
        .iter()
        .filter(|pattern| matches!(pattern, ReplyPattern::Close | ReplyPattern::Silence | ReplyPattern::Malformed));
    let any_of = std::iter::once(ReplyPattern::Any).chain(ends.cloned()).collect();
    Expect { any_of, ..expect.clone() }
}

/// Holds an answer against an expectation. `waiting_for` and `limit` are for the message where nothing came.
/// `regex` renders and compiles the patterns of `text`.
pub fn judge(
    narrator: &Narrator<'_>,
    expect: &Expect,
    answer: Answer,
    waiting_for: &str,
    limit: Limit,
    regex: &mut dyn FnMut(&Template) -> Result<Regex, Trouble>,
) -> Result<Option<ReplyFacts>, Trouble> {
    let unexpected = |got| Cause::Unexpected { expected: narrator.shown(&expect.words), got };
    match answer {
        Answer::Reply(facts) => {
            let mut broken = None;
            let accepted = expect.accepts(&facts.reply, &mut |pattern| match regex(pattern) {
                Ok(regex) => Some(regex),
                Err(trouble) => {
                    broken.get_or_insert(trouble);
                    None
                }
            });
            match broken {
                _ if accepted => Ok(Some(facts)),
                Some(trouble) => Err(trouble),
                None => {
                    let unmet = expect.unmet(&facts.reply, &mut |pattern| regex(pattern).ok());
                    let parts = unmet.iter().map(|part| narrator.shown(part)).collect();
                    Err(mismatch(narrator, expect, &facts.reply).not_meeting(parts))
                }
            }
        }
        Answer::Ended(End::Fin | End::Reset) if expect.close() => Ok(None),
        Answer::Ended(end @ (End::Fin | End::Reset)) if expect.silence() => {
            let got = if end == End::Fin { Got::Closed } else { Got::Reset };
            Err(at_expectation(Trouble::severing(Status::Failed, unexpected(got)), expect))
        }
        Answer::Ended(end) => Err(Trouble::lost(narrator, &end)),
        Answer::Nothing { partial: false } if expect.silence() => Ok(None),
        Answer::Nothing { partial: false } if expect.close() => {
            Err(at_expectation(Trouble::new(Status::Failed, unexpected(Got::Nothing)), expect))
        }
        Answer::Nothing { partial: true } if expect.silence() || expect.close() => {
            Err(at_expectation(Trouble::severing(Status::Failed, unexpected(Got::Bytes)), expect))
        }
        Answer::Nothing { .. } => Err(Trouble::timed_out(narrator, waiting_for, limit)),
        Answer::Malformed(_) if expect.malformed() => Ok(None),
        Answer::Malformed(_) if expect.silence() => {
            Err(at_expectation(Trouble::severing(Status::Failed, unexpected(Got::Malformed)), expect))
        }
        Answer::Malformed(malformed) => Err(Trouble::malformed(&malformed)),
        Answer::Interrupted(interrupt) => Err(Trouble::interrupted(interrupt)),
    }
}

/// A reply that was not expected.
pub fn mismatch(narrator: &Narrator<'_>, expect: &Expect, reply: &Reply) -> Trouble {
    let cause = Cause::Unexpected { expected: narrator.shown(&expect.words), got: got_reply(narrator, reply) };
    at_expectation(Trouble::new(status_of(expect, reply), cause), expect)
}

/// What was not met is where it went wrong; the program's own expectations stand nowhere.
fn at_expectation(trouble: Trouble, expect: &Expect) -> Trouble {
    if expect.span == Span::default() { trouble } else { trouble.at(&expect.span) }
}

/// 75 where trying later may help: a 4yz where the step expects none.
fn status_of(expect: &Expect, reply: &Reply) -> Status {
    if reply.code.class() == 4 && !expect.accepts_some_4xx() { Status::TempFail } else { Status::Failed }
}

pub fn got_reply(narrator: &Narrator<'_>, reply: &Reply) -> Got {
    Got::Reply { code: reply.code.get(), text: narrator.redactor.shown_lines(reply.readable()) }
}

/// A reply where none was due: a 421 is the 4yz that it is (RFC 5321 §3.8), all else a protocol error.
pub fn out_of_turn(narrator: &Narrator<'_>, text: &[u8], answer: &Answer) -> Trouble {
    match answer {
        Answer::Reply(facts) if facts.reply.code.get() == 421 => {
            let expected = Shown::new("nothing before the next command");
            Trouble::severing(Status::TempFail, Cause::Unexpected { expected, got: got_reply(narrator, &facts.reply) })
        }
        Answer::Interrupted(interrupt) => Trouble::interrupted(*interrupt),
        _ => Trouble::severing(Status::Protocol, Cause::OutOfTurn { text: narrator.shown(text) }),
    }
}

/// `550 5.1.1 no such user`, for messages: what [`Narrator::said`] shows.
pub fn reply_words(reply: &Reply) -> String {
    format!("{} {}", reply.code, reply.readable())
}

//! Holds what came against what was expected.

use super::error::{Limit, StepError};
use super::events::EventSink;
use super::read_outcome::{ReadOutcome, StreamEnd};
use crate::event::{Cause, ServerResponse, Status};
use crate::session::{CodePattern, Expectation, ReplyFacts, ReplyPattern, Span, Template};
use crate::smtp::reply::Reply;
use crate::transcript::SafeText;
use regex::Regex;

/// An expectation that the program itself has: `25x`.
pub fn codes(words: &str) -> Expectation {
    let code = words.split(" or ").filter_map(CodePattern::parse).collect();
    let any_of = vec![ReplyPattern::Reply { code, enhanced: None, text: None, lines: None }];
    Expectation { span: Span::default(), words: words.to_owned(), any_of }
}

/// Any reply will do: what it means is for the caller to say.
pub fn any() -> Expectation {
    Expectation { span: Span::default(), words: "any".to_owned(), any_of: vec![ReplyPattern::Any] }
}

/// Any reply will do, and so does an end of another kind that `expect` names.
pub fn any_or_end(expect: &Expectation) -> Expectation {
    let ends = expect
        .any_of
        .iter()
        .filter(|pattern| matches!(pattern, ReplyPattern::Close | ReplyPattern::Silence | ReplyPattern::Malformed));
    let any_of = std::iter::once(ReplyPattern::Any).chain(ends.cloned()).collect();
    Expectation { any_of, ..expect.clone() }
}

/// Holds an answer against an expectation. `waiting_for` and `limit` are for the message where nothing came.
/// `regex` renders and compiles the patterns of `text`.
pub fn judge(
    events: &EventSink<'_>,
    expect: &Expectation,
    answer: ReadOutcome,
    waiting_for: &str,
    limit: Limit,
    regex: &mut dyn FnMut(&Template) -> Result<Regex, StepError>,
) -> Result<Option<ReplyFacts>, StepError> {
    let unexpected = |got| Cause::Unexpected { expected: events.shown(&expect.words), got };
    match answer {
        ReadOutcome::Reply(facts) => {
            let mut broken = None;
            let accepted = expect.accepts(&facts.reply, &mut |pattern| match regex(pattern) {
                Ok(regex) => Some(regex),
                Err(error) => {
                    broken.get_or_insert(error);
                    None
                }
            });
            match broken {
                _ if accepted => Ok(Some(facts)),
                Some(error) => Err(error),
                None => {
                    let mismatches = expect.mismatches(&facts.reply, &mut |pattern| regex(pattern).ok());
                    let parts = mismatches.iter().map(|part| events.shown(part)).collect();
                    Err(mismatch(events, expect, &facts.reply).with_unmet(parts))
                }
            }
        }
        ReadOutcome::Ended(StreamEnd::Fin | StreamEnd::Reset) if expect.accepts_close() => Ok(None),
        ReadOutcome::Ended(end @ (StreamEnd::Fin | StreamEnd::Reset)) if expect.accepts_silence() => {
            let got = if end == StreamEnd::Fin { ServerResponse::Closed } else { ServerResponse::Reset };
            Err(at_expectation(StepError::closing(Status::Failed, unexpected(got)), expect))
        }
        ReadOutcome::Ended(end) => Err(StepError::lost(events, &end)),
        ReadOutcome::Nothing { partial: false } if expect.accepts_silence() => Ok(None),
        ReadOutcome::Nothing { partial: false } if expect.accepts_close() => {
            Err(at_expectation(StepError::new(Status::Failed, unexpected(ServerResponse::Nothing)), expect))
        }
        ReadOutcome::Nothing { partial: true } if expect.accepts_silence() || expect.accepts_close() => {
            Err(at_expectation(StepError::closing(Status::Failed, unexpected(ServerResponse::Bytes)), expect))
        }
        ReadOutcome::Nothing { .. } => Err(StepError::timed_out(events, waiting_for, limit)),
        ReadOutcome::Malformed(_) if expect.accepts_malformed() => Ok(None),
        ReadOutcome::Malformed(_) if expect.accepts_silence() => {
            Err(at_expectation(StepError::closing(Status::Failed, unexpected(ServerResponse::Malformed)), expect))
        }
        ReadOutcome::Malformed(malformed) => Err(StepError::malformed(&malformed)),
        ReadOutcome::Interrupted(interrupt) => Err(StepError::interrupted(interrupt)),
    }
}

/// A reply that was not expected.
pub fn mismatch(events: &EventSink<'_>, expect: &Expectation, reply: &Reply) -> StepError {
    let cause = Cause::Unexpected { expected: events.shown(&expect.words), got: got_reply(events, reply) };
    at_expectation(StepError::new(status_of(expect, reply), cause), expect)
}

/// What was not met is where it went wrong; the program's own expectations stand nowhere.
fn at_expectation(error: StepError, expect: &Expectation) -> StepError {
    if expect.span == Span::default() { error } else { error.at(&expect.span) }
}

/// 75 where trying later may help: a 4yz where the step expects none.
fn status_of(expect: &Expectation, reply: &Reply) -> Status {
    if reply.code.class() == 4 && !expect.accepts_some_4xx() { Status::TempFail } else { Status::Failed }
}

pub fn got_reply(events: &EventSink<'_>, reply: &Reply) -> ServerResponse {
    ServerResponse::Reply { code: reply.code.get(), text: events.redactor.redact_lines(reply.display_text()) }
}

/// A reply where none was due: a 421 is the 4yz that it is (RFC 5321 §3.8), all else a protocol error.
pub fn unsolicited_error(events: &EventSink<'_>, text: &[u8], answer: &ReadOutcome) -> StepError {
    match answer {
        ReadOutcome::Reply(facts) if facts.reply.code.get() == 421 => {
            let expected = SafeText::new("nothing before the next command");
            StepError::closing(Status::TempFail, Cause::Unexpected { expected, got: got_reply(events, &facts.reply) })
        }
        ReadOutcome::Interrupted(interrupt) => StepError::interrupted(*interrupt),
        _ => StepError::closing(Status::Protocol, Cause::UnsolicitedInput { text: events.shown(text) }),
    }
}

/// `550 5.1.1 no such user`, for messages: what [`EventSink::shown_reply`] shows.
pub fn reply_words(reply: &Reply) -> String {
    format!("{} {}", reply.code, reply.display_text())
}

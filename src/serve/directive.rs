//! Directives: the remarks of a transcript that a scripted server acts on.

use super::script::{MatchMode, Pace};
use crate::session::parse_duration;
use std::time::Duration;

/// A remark that a scripted server acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    Connected,
    StartTls,
    ClosedByServer,
    ResetByServer,
    ClosedByClient,
    Wait(Duration),
    /// `None` is `*: chunk off`.
    Pace(Option<Pace>),
    Repeat(u32),
    Match(MatchMode),
    AnyOrder,
    EndAnyOrder,
    /// `… 1,234 more lines (96 kB)`: the transcript does not contain all of the content.
    Elision,
}

/// The longest duration in `*: wait` and `*: chunk … every`.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

/// Parses a remark. `None` if it only reports what happened; an error if it is a misspelt directive.
pub(super) fn parse_directive(text: &str) -> Result<Option<Directive>, String> {
    let text = text.trim();
    let words: Vec<&str> = text.split_whitespace().collect();
    let known = match words.as_slice() {
        ["connected", ..] => Directive::Connected,
        ["TLS", "started" | "started:" | "failed" | "failed:", ..] => Directive::StartTls,
        ["closed", "by", "the", "server", ..] => Directive::ClosedByServer,
        ["reset", "by", "the", "server", ..] => Directive::ResetByServer,
        ["closed" | "reset", "by", "the", "client", ..] => Directive::ClosedByClient,
        ["wait", rest @ ..] => Directive::Wait(match rest {
            [duration] => {
                parse_limited_duration(duration).map_err(|why| format!("`*: wait 2s` takes a duration: {why}"))?
            }
            _ => return Err("`*: wait 2s` takes a duration".to_owned()),
        }),
        ["chunk", "off"] => Directive::Pace(None),
        ["chunk", rest @ ..] => {
            Directive::Pace(Some(parse_pace(rest).ok_or("write `*: chunk 1 every 10ms` or `*: chunk off`")?))
        }
        ["repeat", rest @ ..] => match rest {
            [times] => Directive::Repeat(
                times.parse().ok().filter(|n| *n > 0).ok_or("`*: repeat 10000` takes a number from 1 to 4294967295")?,
            ),
            _ => return Err("`*: repeat 10000` takes a number".to_owned()),
        },
        ["match", rest @ ..] => Directive::Match(match rest {
            ["exact"] => MatchMode::Exact,
            ["verb"] => MatchMode::Verb,
            ["any"] => MatchMode::Any,
            _ => return Err("`*: match` takes exact, verb or any".to_owned()),
        }),
        ["any", "order"] => Directive::AnyOrder,
        ["any", "order", ..] => return Err("write `*: any order` alone".to_owned()),
        ["end"] => Directive::EndAnyOrder,
        ["…", ..] => Directive::Elision,
        [first, ..] => return check_spelling(text, first),
        [] => return Ok(None),
    };
    Ok(Some(known))
}

fn parse_limited_duration(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration > MAX_DURATION { Err("it is at most one day".to_owned()) } else { Ok(duration) }
}

/// `1 every 10ms`; `every …` is optional.
fn parse_pace(words: &[&str]) -> Option<Pace> {
    let (size, every) = match words {
        [size] => (size, Duration::ZERO),
        [size, "every", every] => (size, parse_limited_duration(every).ok()?),
        _ => return None,
    };
    let size = size.parse().ok().filter(|size| *size > 0)?;
    Some(Pace { size, every })
}

/// A remark that is nearly a directive is an error: if it were ignored, the script would be another one.
fn check_spelling(text: &str, first: &str) -> Result<Option<Directive>, String> {
    for (word, rest) in [("connected", ""), ("chunk", " …"), ("repeat", " …"), ("match", " …")] {
        if strsim::damerau_levenshtein(&first.to_lowercase(), word) <= 1 {
            return Err(format!("did you mean `*: {word}{rest}`?"));
        }
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let near = |typed: &str, word: &str| strsim::damerau_levenshtein(&typed.to_lowercase(), word) <= 1;
    match words.as_slice() {
        // Only if a duration may follow: `waits for the client` reports what happened.
        [typed, time] if near(typed, "wait") && time.starts_with(|c: char| c.is_ascii_digit()) => {
            return Err(format!("did you mean `*: wait {time}`?"));
        }
        [typed] if near(typed, "end") => return Err("did you mean `*: end`?".to_owned()),
        _ => {}
    }
    for phrase in ["closed by the server", "reset by the server", "closed by the client", "any order", "TLS started"] {
        let distance = |typed: &str| strsim::damerau_levenshtein(&typed.to_lowercase(), &phrase.to_lowercase());
        let without_the = phrase.contains("the ") && text == phrase.replace("the ", "");
        // More may follow: `TLS strated: TLSv1.3`. There is less to go by then, so only one typing error is assumed.
        let begins = words.get(..phrase.split(' ').count()).map(|first| first.join(" "));
        let begins =
            begins.is_some_and(|first| phrase != "any order" && distance(first.trim_end_matches([':', ',', ';'])) <= 1);
        if distance(text) <= 2 || without_the || begins {
            return Err(format!("did you mean `*: {phrase}`?"));
        }
    }
    Ok(None)
}

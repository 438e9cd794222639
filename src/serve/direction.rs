//! Stage directions: the remarks of a transcript that a scripted server acts upon.

use super::script::{Matching, Pace};
use crate::session::parse_duration;
use std::time::Duration;

/// A remark that a scripted server acts upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Connected,
    StartTls,
    ClosedByServer,
    ResetByServer,
    ClosedByClient,
    Wait(Duration),
    /// `None` is `*: chunk off`.
    Pace(Option<Pace>),
    Repeat(u32),
    Matching(Matching),
    AnyOrder,
    End,
    /// `… 1,234 more lines (96 kB)`: the transcript lacks content here.
    Cut,
}

/// The most that `*: wait` and `*: chunk … every` take.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Understands a remark. `None` where it only tells what happened; an error where a direction is misspelt.
pub(super) fn direction(text: &str) -> Result<Option<Direction>, String> {
    let text = text.trim();
    let words: Vec<&str> = text.split_whitespace().collect();
    let known = match words.as_slice() {
        ["connected", ..] => Direction::Connected,
        ["TLS", "started" | "started:" | "failed" | "failed:", ..] => Direction::StartTls,
        ["closed", "by", "the", "server", ..] => Direction::ClosedByServer,
        ["reset", "by", "the", "server", ..] => Direction::ResetByServer,
        ["closed" | "reset", "by", "the", "client", ..] => Direction::ClosedByClient,
        ["wait", rest @ ..] => Direction::Wait(match rest {
            [duration] => limited(duration).map_err(|why| format!("`*: wait 2s` takes a duration: {why}"))?,
            _ => return Err("`*: wait 2s` takes a duration".to_owned()),
        }),
        ["chunk", "off"] => Direction::Pace(None),
        ["chunk", rest @ ..] => {
            Direction::Pace(Some(pace(rest).ok_or("write `*: chunk 1 every 10ms` or `*: chunk off`")?))
        }
        ["repeat", rest @ ..] => match rest {
            [times] => Direction::Repeat(
                times.parse().ok().filter(|n| *n > 0).ok_or("`*: repeat 10000` takes a number from 1 to 4294967295")?,
            ),
            _ => return Err("`*: repeat 10000` takes a number".to_owned()),
        },
        ["match", rest @ ..] => Direction::Matching(match rest {
            ["exact"] => Matching::Exact,
            ["verb"] => Matching::Verb,
            ["any"] => Matching::Any,
            _ => return Err("`*: match` takes exact, verb or any".to_owned()),
        }),
        ["any", "order"] => Direction::AnyOrder,
        ["any", "order", ..] => return Err("write `*: any order` alone".to_owned()),
        ["end"] => Direction::End,
        ["…", ..] => Direction::Cut,
        [first, ..] => return misspelt(text, first),
        [] => return Ok(None),
    };
    Ok(Some(known))
}

fn limited(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration > LONGEST { Err("a day is the most".to_owned()) } else { Ok(duration) }
}

/// `1 every 10ms`; `every …` may be missing.
fn pace(words: &[&str]) -> Option<Pace> {
    let (size, every) = match words {
        [size] => (size, Duration::ZERO),
        [size, "every", every] => (size, limited(every).ok()?),
        _ => return None,
    };
    let size = size.parse().ok().filter(|size| *size > 0)?;
    Some(Pace { size, every })
}

/// A remark that is nearly a direction is an error: passed over, it would make the script another one.
fn misspelt(text: &str, first: &str) -> Result<Option<Direction>, String> {
    for (word, rest) in [("connected", ""), ("chunk", " …"), ("repeat", " …"), ("match", " …")] {
        if strsim::damerau_levenshtein(&first.to_lowercase(), word) <= 1 {
            return Err(format!("did you mean `*: {word}{rest}`?"));
        }
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let near = |typed: &str, word: &str| strsim::damerau_levenshtein(&typed.to_lowercase(), word) <= 1;
    match words.as_slice() {
        // Only before what may be a duration: `waits for the client` tells what happened.
        [typed, time] if near(typed, "wait") && time.starts_with(|c: char| c.is_ascii_digit()) => {
            return Err(format!("did you mean `*: wait {time}`?"));
        }
        [typed] if near(typed, "end") => return Err("did you mean `*: end`?".to_owned()),
        _ => {}
    }
    for phrase in ["closed by the server", "reset by the server", "closed by the client", "any order", "TLS started"] {
        let distance = |typed: &str| strsim::damerau_levenshtein(&typed.to_lowercase(), &phrase.to_lowercase());
        let without_the = phrase.contains("the ") && text == phrase.replace("the ", "");
        // More may stand behind: `TLS strated: TLSv1.3`. With less to go by, only one mistake is taken for one there.
        let begins = words.get(..phrase.split(' ').count()).map(|first| first.join(" "));
        let begins =
            begins.is_some_and(|first| phrase != "any order" && distance(first.trim_end_matches([':', ',', ';'])) <= 1);
        if distance(text) <= 2 || without_the || begins {
            return Err(format!("did you mean `*: {phrase}`?"));
        }
    }
    Ok(None)
}

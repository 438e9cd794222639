//! Remarks that are no directives: those that mailrun writes, and those that were probably meant as a directive.

/// Every direction, as help shows it.
const DIRECTIONS: [&str; 20] = [
    "connected",
    "TLS started",
    "TLS closed by the client",
    "TLS with expired",
    "outside TLS: TEXT",
    "closed by the server",
    "reset by the server",
    "closed by the client",
    "wait 2s",
    "chunk 1 every 10ms",
    "chunk off",
    "repeat 10000",
    "close after 100 bytes",
    "reset after 100 bytes",
    "half-close",
    "stop reading",
    "stall TLS",
    "match verb",
    "any order",
    "optional",
];

/// Words of which a remark that begins nearly so was meant as a direction.
const FIRST_WORDS: [&str; 9] =
    ["connected", "chunk", "repeat", "match", "optional", "half-close", "wait", "stall", "stop"];

/// Directions that other words may follow.
const PHRASES: [&str; 6] = [
    "closed by the server",
    "reset by the server",
    "closed by the client",
    "TLS closed by the client",
    "TLS started",
    "any order",
];

/// How every remark of mailrun begins that is no direction. docs/transcript.md lists them.
const BEGINNINGS: [&str; 36] = [
    "session",
    "row",
    "sent",
    "not sent",
    "dry run:",
    "warning:",
    "interrupted by",
    "server",
    "resolved",
    "mail exchanger",
    "cannot connect",
    "closed by",
    "reset by",
    "sending half closed",
    "TLS",
    "certificate",
    "cipher",
    "continuing unencrypted:",
    "expected",
    "assert failed",
    "capture failed",
    "timeout:",
    "protocol error:",
    "retrying:",
    "skipped",
    "paused for",
    "recipient",
    "message",
    "removed",
    "not UTF-8:",
    "chunking:",
    "the last ",
    "capabilities",
    "prompt",
    "secret",
    "…",
];

/// Whether mailrun writes this remark, and it is not nearly a direction.
pub(super) fn is_of_mailrun(text: &str) -> bool {
    let hex_row = text.split_once("  ").is_some_and(|(offset, _)| {
        offset.len() >= 4 && offset.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    });
    if hex_row {
        return true;
    }
    if is_nearly_a_direction(text) {
        return false;
    }
    let begins = |beginning: &&str| {
        let Some(rest) = text.strip_prefix(*beginning) else { return false };
        // `recipients refused` begins with `recipient`.
        let rest = rest.strip_prefix('s').unwrap_or(rest);
        !beginning.ends_with(char::is_alphanumeric) || !rest.starts_with(char::is_alphanumeric)
    };
    BEGINNINGS.iter().any(begins)
}

fn distance(typed: &str, meant: &str) -> usize {
    strsim::damerau_levenshtein(&typed.to_lowercase(), &meant.to_lowercase())
}

/// Whether there are at most `most` typing errors. Texts whose lengths alone say no are not compared: a long transcript has
/// many remarks.
fn is_near(typed: &str, meant: &str, most: usize) -> bool {
    typed.chars().count().abs_diff(meant.len()) <= most && distance(typed, meant) <= most
}

fn is_nearly_a_direction(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [first, rest @ ..] = words.as_slice() else { return false };
    // Only mailrun says who closed; anyone else is a typing error.
    let ends = matches!(*first, "closed" | "reset") || matches!((*first, rest.first()), ("TLS", Some(&"closed")));
    let phrase_is_near = |phrase: &str| {
        let count = phrase.split(' ').count();
        // More may follow: `TLS strated: TLSv1.3`. There is less to go by then, so only one typing error is assumed.
        let begins = words.get(..count).map(|first| first.join(" "));
        let begins = begins.is_some_and(|first| is_near(first.trim_end_matches([':', ',', ';']), phrase, 1));
        let without_the = phrase.contains("the ") && text == phrase.replace("the ", "");
        is_near(text, phrase, 2) || without_the || begins
    };
    ends || FIRST_WORDS.iter().any(|word| is_near(first, word, 1))
        || (rest.is_empty() && is_near(first, "end", 1))
        || PHRASES.iter().any(|phrase| phrase_is_near(phrase))
}

/// Says that a remark is unknown, and the direction that is nearest to it.
pub(super) fn nearest_direction(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let first = words.first().copied().unwrap_or_default();
    let near = |direction: &&&str| {
        // The first word says most: what follows it is often a value.
        let begin = direction.split(' ').next().unwrap_or_default();
        let count = direction.split(' ').count();
        let start = words.get(..count).unwrap_or(&words).join(" ");
        let nearest = distance(&start, direction).min(distance(text, direction));
        // In proportion: a long direction has room for more typing errors.
        (nearest * 1000 / direction.len(), distance(first, begin))
    };
    let by_word = DIRECTIONS.iter().filter(|direction| {
        let begin = direction.split(' ').next().unwrap_or_default();
        distance(first, begin) <= 1
    });
    let nearest = by_word.min_by_key(near).or_else(|| DIRECTIONS.iter().chain(&["end"]).min_by_key(near));
    match (nearest, words.as_slice()) {
        // The value was right.
        (Some(&"wait 2s"), [_, time]) if time.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("unknown remark; did you mean `*: wait {time}`?")
        }
        (Some(direction), _) => format!("unknown remark; did you mean `*: {direction}`?"),
        (None, _) => "unknown remark".to_owned(),
    }
}

//! What surrounds a log that was pasted: colours, tags of HTML, the `> ` of a quoted mail, the fences of Markdown, margins.

use super::dialogue::is_reply;
use super::entities::{without_entities, without_tags};
use super::formats::marks::{self, LineMark, Marked};
use super::log_margins::{is_mixed_diff, keep, without_margin};
use super::log_text::is_command;
use std::borrow::Cow;

/// How deep a quote may be, and how often quotes and fences may enclose each other.
const DEPTH: usize = 8;

/// The log without what surrounds it. Lines keep their numbers: those outside become empty. A log that has nothing of this
/// keeps every byte.
pub fn clean(log: &[u8]) -> Cow<'_, [u8]> {
    let log = log.strip_prefix(b"\xef\xbb\xbf").unwrap_or(log);
    // Content may have such sequences, too: the log is coloured if its dialogue is.
    let is_coloured = |line: &[u8]| line.contains(&b'\x1b') && is_of_dialogue(&without_colours(line));
    let plain = match log.split(|byte| *byte == b'\n').any(is_coloured) {
        true => without_colours(log),
        false => Cow::Borrowed(log),
    };
    let mut log = without_entities(without_tags(plain, is_of_server, has_dialogue));
    for _ in 0..DEPTH {
        let Some(inner) = fenced_block(&log).or_else(|| unquoted(&log)) else { break };
        log = Cow::Owned(inner);
    }
    without_margin(&log, is_of_server).map_or(log, Cow::Owned)
}

/// Whether a log without what surrounds it is a diff with lines of two versions of a dialogue.
pub fn has_two_versions(log: &[u8]) -> bool {
    is_mixed_diff(log, is_of_dialogue)
}

/// Without the sequences that colour a terminal (ECMA-48 §8.3.117, SGR) or erase the rest of its line.
fn without_colours(log: &[u8]) -> Cow<'_, [u8]> {
    const INTRODUCER: &[u8] = b"\x1b[";
    if memchr::memmem::find(log, INTRODUCER).is_none() {
        return Cow::Borrowed(log);
    }
    let mut plain = Vec::with_capacity(log.len());
    let mut rest = log;
    while let Some(at) = memchr::memmem::find(rest, INTRODUCER) {
        let (before, sequence) = rest.split_at(at);
        plain.extend_from_slice(before);
        let parameters = sequence[2..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
        let end = 2 + parameters;
        if matches!(sequence.get(end), Some(b'm' | b'K')) {
            rest = &sequence[end + 1..];
        } else {
            plain.extend_from_slice(INTRODUCER);
            rest = &sequence[2..];
        }
    }
    plain.extend_from_slice(rest);
    Cow::Owned(plain)
}

/// The fenced block with the most lines of a dialogue, if a fence comes before any of them.
fn fenced_block(log: &[u8]) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = log.split(|byte| *byte == b'\n').collect();
    let fences: Vec<usize> = (0..lines.len()).filter(|at| is_fence(lines[*at])).collect();
    let first = *fences.first()?;
    let is_spoken = |line: &&[u8]| {
        (0..=DEPTH).any(|depth| unquote(line, depth).is_some_and(|text| is_of_dialogue(text.trim_ascii_start())))
    };
    let spoken = |lines: &[&[u8]]| lines.iter().copied().filter(is_spoken).count();
    if spoken(&lines[..first]) > 0 {
        return None;
    }
    let blocks = fences.chunks(2).map(|pair| (pair[0] + 1, pair.get(1).copied().unwrap_or(lines.len())));
    let (from, to) = blocks.rev().max_by_key(|(from, to)| spoken(&lines[*from..*to]))?;
    Some(keep(&lines, |at, line| (from..to).contains(&at).then_some(line)))
}

/// "```" and maybe the name of a language (CommonMark §4.5).
fn is_fence(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    [b"```".as_slice(), b"~~~"].iter().any(|fence| {
        line.strip_prefix(*fence)
            .is_some_and(|rest| rest.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-'))
    })
}

/// The quoted lines, without their `>`, if no dialogue is outside the quote.
fn unquoted(log: &[u8]) -> Option<Vec<u8>> {
    let lines: Vec<&[u8]> = log.split(|byte| *byte == b'\n').collect();
    let has_server = |depth: &usize| lines.iter().any(|line| unquote(line, *depth).is_some_and(is_of_server));
    let depth = (0..=DEPTH).find(has_server).filter(|depth| *depth > 0)?;
    Some(keep(&lines, |_, line| unquote(line, depth)))
}

/// The line without its first `depth` marks of a quote, each `>` or `> `; `None` if it has fewer.
fn unquote(line: &[u8], depth: usize) -> Option<&[u8]> {
    (0..depth).try_fold(line, |line, _| {
        let text = line.strip_prefix(b">")?;
        Some(text.strip_prefix(b" ").unwrap_or(text))
    })
}

/// Whether the text has a line of a server, maybe quoted or behind a margin.
fn has_dialogue(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(is_of_server)
        || unquoted(text).is_some()
        || without_margin(text, is_of_server).is_some()
}

fn is_of_dialogue(line: &[u8]) -> bool {
    is_of_server(line) || is_command(line)
}

/// Whether a line is a reply, with or without a format's mark. One that begins with `>` is quoted.
fn is_of_server(line: &[u8]) -> bool {
    let has_reply = |mark: &LineMark| match mark(line) {
        Some(Marked::Sent(text) | Marked::Received(text)) => is_reply(text),
        Some(Marked::Remark(_)) | None => false,
    };
    let has_bytes = matches!(marks::curl_trace(line), Some(Marked::Received(_)));
    !line.starts_with(b">") && (is_reply(line) || has_bytes || marks::ALL.iter().any(has_reply))
}

//! Joins lines that belong together, to find secrets that were split over them: folded headers (RFC 5322 §2.2.3) and their
//! parameters in sections (RFC 2231 §3), soft line breaks (RFC 2045 §6.7), folded base64 (§6.8), the lines of a reply.
//!
//! A view contains only lines that were joined, with a line feed between groups.

use super::views::View;
use crate::smtp::reply::EnhancedCode;
use memchr::{memchr, memchr_iter, memmem};
use std::ops::Range;

/// The shortest line of folded base64, except for the last one.
const SHORTEST: usize = 20;
/// The longest line (RFC 5322 §2.1.1).
const LONGEST: usize = 998;

/// Calls `look` with every view in which lines are joined. `spaces`: a secret contains a space, at which a header may be folded.
pub(super) fn for_each_joined(text: &[u8], spaces: bool, mut look: impl FnMut(&View)) {
    if memchr(b'\n', text).is_none() {
        return;
    }
    let views = [
        join_folded(text, false),
        if spaces { join_folded(text, true) } else { None },
        join_sections(text),
        join_soft_breaks(text, false),
        // After a soft break a stuffed dot (RFC 5321 §4.5.2) is inside the secret.
        if memmem::find(text, b"\n..").is_some() { join_soft_breaks(text, true) } else { None },
        join_base64(text),
    ];
    views.iter().flatten().for_each(&mut look);
}

/// Like [`for_each_joined`] for the lines of a reply without their codes. A secret may be split anywhere, and each line may begin
/// with an enhanced code. `look` gets a view of a view: the second one is the lines without enhanced codes.
pub(super) fn for_each_joined_reply(text: &[u8], spaces: bool, mut look: impl FnMut(&[&View])) {
    look(&[&join_reply_lines(text, b"")]);
    look(&[&join_reply_lines(text, b" ")]);
    let bare = join_reply_lines(text, b"\n");
    for_each_joined(&bare.bytes, spaces, |view| look(&[view, &bare]));
}

/// Joins the lines without their enhanced codes, with `between` between them.
fn join_reply_lines(text: &[u8], between: &[u8]) -> View {
    let mut view = View::default();
    for line in lines(text) {
        if line.start > 0 {
            view.push_decoded(between, 0..0);
        }
        let said = &text[line.clone()];
        let code =
            EnhancedCode::leading(said).map_or(0, |_| said.iter().take_while(|b| !b.is_ascii_whitespace()).count());
        let code = if said.get(code) == Some(&b' ') && code > 0 { code + 1 } else { code };
        view.push_verbatim(&said[code..], line.start + code);
    }
    view
}

/// The range of each line, without its end.
fn lines(text: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let ends = memchr_iter(b'\n', text).chain((!text.ends_with(b"\n")).then_some(text.len()));
    let mut start = 0;
    ends.map(move |end| {
        let line = start..end - usize::from(end > start && text[end - 1] == b'\r');
        start = end + 1;
        line
    })
}

/// Joins a line with the next one if `goes_on` says so. `add` appends each line; its last argument says whether the line continues
/// the one before. `None` if no lines are joined.
fn join(
    text: &[u8],
    goes_on: impl Fn(&[u8], &[u8]) -> bool,
    mut add: impl FnMut(&mut View, Range<usize>, bool),
) -> Option<View> {
    let (mut view, mut lines, mut continues_line) = (View::default(), lines(text).peekable(), false);
    while let Some(line) = lines.next() {
        let next = lines.peek().cloned();
        let joins = next.clone().is_some_and(|next| goes_on(&text[line.clone()], &text[next]));
        if joins || continues_line {
            add(&mut view, line, continues_line);
        }
        if continues_line && !joins && next.is_some() {
            view.push_decoded(b"\n", 0..0);
        }
        continues_line = joins;
    }
    (!view.bytes.is_empty()).then_some(view)
}

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Joins folded headers. A continuation begins with white space. `one_space`: the fold and the white space around it stand for a
/// single space.
fn join_folded(text: &[u8], one_space: bool) -> Option<View> {
    let goes_on = |_: &[u8], next: &[u8]| next.first().is_some_and(is_space);
    join(text, goes_on, |view, line, continues_line| {
        let bytes = &text[line.clone()];
        let indent = if continues_line { bytes.iter().take_while(|b| is_space(b)).count() } else { 0 };
        // The white space of a fold is not hidden.
        view.push_decoded(if one_space && indent > 0 { b" " } else { &bytes[..indent] }, 0..0);
        let end = if one_space { bytes.trim_ascii_end().len().max(indent) } else { bytes.len() };
        view.push_verbatim(&bytes[indent..end], line.start + indent);
    })
}

/// Joins the sections of parameters: `name*0="a";` and ` name*1="b"` are one value, which is percent-encoded if a star follows
/// the number.
fn join_sections(text: &[u8]) -> Option<View> {
    memmem::find(text, b"*1")?;
    let goes_on = |line: &[u8], next: &[u8]| line.ends_with(b";") && section_value_start(next).is_some();
    join(text, goes_on, |view, line, continues_line| {
        let bytes = &text[line.clone()];
        let from = if continues_line { section_value_start(bytes).unwrap_or_default() } else { 0 };
        let end = bytes.strip_suffix(b";").unwrap_or(bytes);
        let end = end.strip_suffix(b"\"").unwrap_or(end).len().max(from);
        view.push_verbatim(&bytes[from..end], line.start + from);
    })
}

/// Where the value of a section after the first one begins.
fn section_value_start(line: &[u8]) -> Option<usize> {
    let indent = line.iter().take_while(|b| is_space(b)).count();
    let equals = line.iter().take(80).position(|b| *b == b'=')?;
    let name = line.get(indent..equals)?;
    let name = name.strip_suffix(b"*").unwrap_or(name);
    let star = name.iter().rposition(|b| *b == b'*')?;
    let digits = &name[star + 1..];
    let is_section = indent > 0 && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_section.then(|| equals + 1 + usize::from(line.get(equals + 1) == Some(&b'"')))
}

/// Joins lines at soft breaks, an equals sign at the end. `unstuff`: removes a stuffed dot at the beginning of the next line.
fn join_soft_breaks(text: &[u8], unstuff: bool) -> Option<View> {
    let cut = |line: &[u8]| line.trim_ascii_end().strip_suffix(b"=").map(<[u8]>::len);
    let goes_on = |line: &[u8], _: &[u8]| cut(line).is_some();
    join(text, goes_on, |view, line, continues_line| {
        let bytes = &text[line.clone()];
        let dot = usize::from(unstuff && continues_line && bytes.starts_with(b".."));
        view.push_verbatim(&bytes[dot..cut(bytes).unwrap_or(bytes.len()).max(dot)], line.start + dot);
    })
}

/// Joins lines of base64. A line with a part of the secret is hidden as a whole.
fn join_base64(text: &[u8]) -> Option<View> {
    let goes_on = |line: &[u8], next: &[u8]| is_base64(line) && (next.is_empty() || is_in_base64(next));
    let mut view = join(text, goes_on, |view, line, _| view.push_decoded(&text[line.clone()], line))?;
    view.whole = true;
    Some(view)
}

/// Whether it can be a line of folded base64 other than the last one.
pub(super) fn is_base64(line: &[u8]) -> bool {
    line.len() >= SHORTEST && is_in_base64(line)
}

fn is_in_base64(line: &[u8]) -> bool {
    let in_base64 = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    line.len() <= LONGEST && line.iter().all(in_base64)
}

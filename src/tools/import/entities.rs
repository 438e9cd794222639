//! Entities and tags of HTML (HTML §13) that pasted logs have.

use std::borrow::Cow;

const ENTITIES: [(&[u8], u8); 10] = [
    (b"&lt;", b'<'),
    (b"&gt;", b'>'),
    (b"&quot;", b'"'),
    (b"&apos;", b'\''),
    (b"&#39;", b'\''),
    (b"&#039;", b'\''),
    (b"&#x27;", b'\''),
    (b"&nbsp;", b' '),
    (b"&#160;", b' '),
    (b"&amp;", b'&'),
];

/// Text that was copied out of HTML with its entities: `MAIL FROM:&lt;a@example.com&gt;`, `&lt;-  220`. In such text there is no
/// `<`, and the client's addresses or the marks show that it is not the content of a message that is meant.
pub fn without_entities(log: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    const SIGNS: [&[u8]; 4] = [b"FROM:&lt;", b"from:&lt;", b"\n&lt;- ", b"\n&lt; "];
    let has = |sign: &&[u8]| memchr::memmem::find(&log, sign).is_some();
    if log.contains(&b'<') || !SIGNS.iter().any(has) { log } else { Cow::Owned(decode_entities(&log)) }
}

/// The text of a page of HTML, if one of `<pre>` and `<code>` comes before any line of the dialogue: what these have, without tags,
/// and with its entities decoded. In such a page the tags of a message are entities. Lines keep their numbers. If the dialogue is
/// not in these blocks, the log stays as it is. `has_dialogue` looks also behind what may surround a log.
pub fn without_tags(
    log: Cow<'_, [u8]>,
    is_of_dialogue: impl Fn(&[u8]) -> bool,
    has_dialogue: impl Fn(&[u8]) -> bool,
) -> Cow<'_, [u8]> {
    let begins = |line: &[u8]| BLOCKS.iter().any(|tag| find_tag(line, tag).is_some());
    let first = log.split(|byte| *byte == b'\n').find(|line| begins(line) || is_of_dialogue(line));
    if !first.is_some_and(begins) {
        return log;
    }
    let mut text = Vec::with_capacity(log.len());
    let mut depth = 0usize;
    let mut rest: &[u8] = &log;
    while let Some((byte, after)) = rest.split_first() {
        match tag_length(rest) {
            Some(length) => {
                let (tag, after) = rest.split_at(length);
                if BLOCKS.iter().any(|block| find_tag(tag, block) == Some(0)) {
                    depth += 1;
                } else if tag == b"</pre>" || tag == b"</code>" {
                    depth = depth.saturating_sub(1);
                }
                rest = after;
            }
            None => {
                if depth > 0 || *byte == b'\n' {
                    text.push(*byte);
                }
                rest = after;
            }
        }
    }
    let text = decode_entities(&text);
    let spoken = |text: &[u8]| text.split(|byte| *byte == b'\n').filter(|line| is_of_dialogue(line)).count();
    if spoken(&text) >= spoken(&log) && has_dialogue(&text) { Cow::Owned(text) } else { log }
}

/// What a page shows a log in.
const BLOCKS: [&[u8]; 2] = [b"<pre", b"<code"];

fn find_tag(line: &[u8], tag: &[u8]) -> Option<usize> {
    let at = memchr::memmem::find(line, tag)?;
    matches!(line.get(at + tag.len()), Some(b'>' | b' ')).then_some(at)
}

/// The longest tag that is looked for, in bytes.
const LONGEST_TAG: usize = 1024;

/// The length of the tag at the beginning: `<` and a letter or a slash, up to `>` in the same line.
fn tag_length(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'<') {
        return None;
    }
    let mut bytes = text.iter().take(LONGEST_TAG);
    let end = bytes.position(|byte| matches!(byte, b'>' | b'\n')).filter(|end| text[*end] == b'>')?;
    let name = text[1..end].strip_prefix(b"/").unwrap_or(&text[1..end]);
    let letters = name.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let ends = matches!(name.get(letters), None | Some(b' ' | b'/'));
    (letters > 0 && name[0].is_ascii_alphabetic() && ends).then_some(end + 1)
}

/// The text with each known entity replaced by its character, once.
pub fn decode_entities(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        match ENTITIES.iter().find(|(entity, _)| rest.starts_with(entity)) {
            Some((entity, byte)) => {
                out.push(*byte);
                rest = &rest[entity.len()..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

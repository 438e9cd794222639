//! Entities of HTML (HTML §13.5) that logs have.

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

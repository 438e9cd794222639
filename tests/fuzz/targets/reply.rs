//! Bytes from a server are split into lines and parsed as replies; the result does not depend on how they arrive.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailrun::smtp::lines::LineBuffer;
use mailrun::smtp::reply::ReplyParser;

/// Every reply and error as text; reading ends at a line that is too long.
fn replies(bytes: &[u8], chunk: usize) -> Vec<String> {
    let mut cutter = LineBuffer::default();
    let mut parser = ReplyParser::default();
    let mut out = Vec::new();
    for piece in bytes.chunks(chunk) {
        cutter.push(piece);
        loop {
            match cutter.next_line() {
                Ok(Some(line)) => match parser.line(line.bytes) {
                    Ok(Some(reply)) => out.push(format!("{reply:?} {:?} {:?}", reply.enhanced(), reply.text())),
                    Ok(None) => {}
                    Err(error) => out.push(format!("{error:?}")),
                },
                Ok(None) => break,
                Err(too_long) => {
                    out.push(format!("{too_long:?}"));
                    return out;
                }
            }
        }
    }
    out
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let whole = replies(rest, rest.len().max(1));
    assert_eq!(replies(rest, usize::from(first % 16) + 1), whole);
});

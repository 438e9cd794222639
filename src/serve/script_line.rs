//! Questions about one line of a script.

use super::directive::Directive;
use super::script::{MatchMode, verb};
use crate::smtp::lines::LineEnd;
use crate::transcript::LineBody;

/// A line of one connection, not yet compiled.
pub(super) enum ScriptItem {
    Client(LineBody),
    Server(LineBody),
    Directive(Directive),
}

/// The lines of one connection, each with its line number.
pub(super) struct ConnectionLines {
    pub(super) name: String,
    /// How its lines are compared until a directive says otherwise.
    pub(super) matching: MatchMode,
    pub(super) items: Vec<(usize, ScriptItem)>,
}

/// What the server's last line requested from the client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestedInput {
    Command,
    /// After 354.
    Content,
    /// After 334.
    Response,
}

/// The first three bytes of a server's line, if they are digits.
pub(super) fn reply_code(body: &LineBody) -> Option<&[u8]> {
    let code = body.pieces.first()?.get(..3)?;
    code.iter().all(u8::is_ascii_digit).then_some(code)
}

pub(super) fn first_piece(body: &LineBody) -> &[u8] {
    body.pieces.first().map_or(&[], Vec::as_slice)
}

pub(super) fn has_secret(body: &LineBody) -> bool {
    body.pieces.len() > 1
}

/// Whether it is EHLO, HELO or LHLO: their name differs from machine to machine.
pub(super) fn is_hello(body: &LineBody) -> bool {
    let word = verb(first_piece(body));
    let line = first_piece(body);
    ["EHLO", "HELO", "LHLO"].iter().any(|hello| word.eq_ignore_ascii_case(hello.as_bytes()))
        && body.end == LineEnd::CrLf
        && matches!(line.get(word.len()), None | Some(b' '))
}

/// The octets of a line on the wire, without its secrets.
pub(super) fn wire_length(body: &LineBody) -> u64 {
    let end = match body.end {
        LineEnd::CrLf => 2,
        LineEnd::Lf => 1,
        LineEnd::Missing => 0,
    };
    body.pieces.iter().map(Vec::len).sum::<usize>() as u64 + end
}

/// The bytes of a server's line. Secrets that were hidden are unknown and stay `[secret]`.
pub(super) fn line_bytes(body: &LineBody) -> Vec<u8> {
    let mut bytes = body.pieces.join(&b"[secret]"[..]);
    match body.end {
        LineEnd::CrLf => bytes.extend_from_slice(b"\r\n"),
        LineEnd::Lf => bytes.push(b'\n'),
        LineEnd::Missing => {}
    }
    bytes
}

/// Appends `next` to a line without an end.
pub(super) fn append_fragment(body: &mut LineBody, next: &LineBody) {
    let mut pieces = next.pieces.iter();
    if let (Some(last), Some(first)) = (body.pieces.last_mut(), pieces.next()) {
        last.extend_from_slice(first);
    }
    body.pieces.extend(pieces.cloned());
    body.end = next.end;
}

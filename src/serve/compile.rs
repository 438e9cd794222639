//! Makes operations of one connection's lines and stage directions.

use super::direction::Direction;
use super::script::{
    ConnectionScript, Expected, Item, Matching, Op, Pace, ScriptError, Track, What, bdat_octets, error, verb,
};
use crate::smtp::lines::LineEnd;
use crate::transcript::Body;

/// The first three bytes of a server's line, where they are digits.
fn code(body: &Body) -> Option<&[u8]> {
    let code = body.pieces.first()?.get(..3)?;
    code.iter().all(u8::is_ascii_digit).then_some(code)
}

fn first_piece(body: &Body) -> &[u8] {
    body.pieces.first().map_or(&[], Vec::as_slice)
}

fn has_secret(body: &Body) -> bool {
    body.pieces.len() > 1
}

/// The octets that a line is on the wire, secrets aside.
fn wire_length(body: &Body) -> u64 {
    let end = match body.end {
        LineEnd::CrLf => 2,
        LineEnd::Lf => 1,
        LineEnd::Missing => 0,
    };
    body.pieces.iter().map(Vec::len).sum::<usize>() as u64 + end
}

/// The bytes of a server's line. What was hidden stays `[secret]`: nobody knows it any more.
fn bytes(body: &Body) -> Vec<u8> {
    let mut bytes = body.pieces.join(&b"[secret]"[..]);
    match body.end {
        LineEnd::CrLf => bytes.extend_from_slice(b"\r\n"),
        LineEnd::Lf => bytes.push(b'\n'),
        LineEnd::Missing => {}
    }
    bytes
}

/// Appends `next` to a line that had no end.
fn join(body: &mut Body, next: &Body) {
    let mut pieces = next.pieces.iter();
    if let (Some(last), Some(first)) = (body.pieces.last_mut(), pieces.next()) {
        last.extend_from_slice(first);
    }
    body.pieces.extend(pieces.cloned());
    body.end = next.end;
}

/// What the server's last line asked the client for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Command,
    /// By 354.
    Content,
    /// By 334.
    Response,
}

struct Compiler<'a> {
    items: &'a [(usize, Item)],
    at: usize,
    matching: Matching,
    pace: Option<Pace>,
    times: Option<(usize, u32)>,
    asked: Asked,
    /// Whether the last client's line was STARTTLS.
    starttls: bool,
    ops: Vec<Op>,
    /// `*: any order`: its line, the groups before the present one.
    block: Option<(usize, Vec<Vec<Op>>, Vec<Op>)>,
    ended: bool,
}

/// Makes a connection's lines operations.
pub(super) fn compile(track: Track, errors: &mut Vec<ScriptError>) -> ConnectionScript {
    let mut compiler = Compiler {
        items: &track.items,
        at: 0,
        matching: Matching::Exact,
        pace: None,
        times: None,
        asked: Asked::Command,
        starttls: false,
        ops: Vec::new(),
        block: None,
        ended: false,
    };
    compiler.run(errors);
    ConnectionScript { name: track.name, ops: compiler.ops }
}

impl Compiler<'_> {
    fn run(&mut self, errors: &mut Vec<ScriptError>) {
        while let Some((line, item)) = self.items.get(self.at) {
            self.at += 1;
            let line = *line;
            match item {
                // The client may have written before it saw that the connection was closed.
                Item::Client(_) if self.ended => {}
                Item::Client(body) => self.client(line, body, errors),
                Item::Server(_) if self.ended => {
                    errors.push(error(line, "the server has closed this connection; `*: connected` begins the next"));
                }
                Item::Server(body) => self.server(body),
                Item::Direction(direction) => self.direction(line, direction, errors),
            }
        }
        if let Some((line, _)) = self.times {
            errors.push(error(line, "`*: repeat` stands before an S: line; none follows"));
        }
        if let Some((line, _, _)) = self.block {
            errors.push(error(line, "`*: any order` has no `*: end`"));
        }
        self.finish();
    }

    /// What a script does at its end where it does not say: close behind the reply that says so (RFC 5321
    /// §4.1.1.10, §3.8), else wait for the client to close.
    fn finish(&mut self) {
        if self.ended {
            return;
        }
        if self.starttls {
            self.ops.push(Op::PerhapsTls);
        }
        let last = self.ops.iter().rev().find_map(|op| match op {
            Op::Send { bytes, .. } => Some(bytes.starts_with(b"221") || bytes.starts_with(b"421")),
            Op::Expect(_) | Op::AwaitEnd | Op::AnyOrder(_) => Some(false),
            _ => None,
        });
        match self.ops.last() {
            Some(Op::AwaitEnd) => {}
            _ => self.ops.push(if last == Some(true) { Op::Close } else { Op::AwaitEnd }),
        }
    }

    fn push(&mut self, op: Op) {
        let Some((_, groups, current)) = &mut self.block else {
            self.ops.push(op);
            return;
        };
        // A group is C: lines with their S: lines; what a 334 or 354 asks for belongs to the same group.
        let answered = current.iter().any(|op| matches!(op, Op::Send { .. }));
        if matches!(op, Op::Expect(_)) && answered && self.asked == Asked::Command {
            groups.push(std::mem::take(current));
        }
        current.push(op);
    }

    fn client(&mut self, line: usize, body: &Body, errors: &mut Vec<ScriptError>) {
        let first = first_piece(body);
        let scram = first.get(..11).is_some_and(|start| start.eq_ignore_ascii_case(b"AUTH SCRAM-"));
        if scram && self.next_server_line().is_some_and(|body| code(body) == Some(b"334")) {
            errors.push(error(line, "a SCRAM exchange cannot be played back: each one has a nonce of its own"));
        }
        if self.starttls {
            self.push(Op::PerhapsTls);
        }
        self.starttls = body.end == LineEnd::CrLf && first.trim_ascii_end().eq_ignore_ascii_case(b"STARTTLS");
        let what = match self.matching {
            Matching::Exact => What::Exact(self.joined(body)),
            _ if self.asked == Asked::Content => self.content(body),
            Matching::Verb if self.asked == Asked::Command && !verb(first).is_empty() => What::Verb(self.command(body)),
            _ => What::Any(self.command(body)),
        };
        let whole_content = what == What::Content;
        self.push(Op::Expect(Expected { line, what }));
        if whole_content {
            self.asked = Asked::Command;
        }
    }

    fn next_server_line(&self) -> Option<&Body> {
        self.items.get(self.at..)?.iter().find_map(|(_, item)| match item {
            Item::Server(body) => Some(body),
            _ => None,
        })
    }

    fn next_client_line(&self) -> Option<&Body> {
        match self.items.get(self.at) {
            Some((_, Item::Client(body))) => Some(body),
            _ => None,
        }
    }

    /// The whole line that begins with `body`, where it was sent in pieces.
    fn joined(&mut self, body: &Body) -> Body {
        let mut whole = body.clone();
        while whole.end == LineEnd::Missing {
            let Some(next) = self.next_client_line().cloned() else { break };
            join(&mut whole, &next);
            self.at += 1;
        }
        whole
    }

    /// A command, and past the octets that belong to it where it is BDAT.
    fn command(&mut self, body: &Body) -> Body {
        let whole = self.joined(body);
        let Some(mut octets) = bdat_octets(first_piece(&whole)) else { return whole };
        while octets > 0 {
            let Some(next) = self.next_client_line() else { break };
            // How long a secret was is not known: then the octets go on to the server's next line.
            octets = if has_secret(next) { u64::MAX } else { octets.saturating_sub(wire_length(next)) };
            self.at += 1;
        }
        whole
    }

    /// Content up to its dot; where the dot is missing, each line by itself.
    fn content(&mut self, body: &Body) -> What {
        let is_dot = |body: &Body| body.pieces == [b"."] && body.end == LineEnd::CrLf;
        let rest = self.items.get(self.at..).unwrap_or_default();
        let run = rest.iter().map_while(|(_, item)| match item {
            Item::Client(body) => Some(body),
            _ => None,
        });
        match std::iter::once(body).chain(run).position(is_dot) {
            Some(lines) => {
                self.at += lines;
                What::Content
            }
            None => What::Any(body.clone()),
        }
    }

    fn server(&mut self, body: &Body) {
        let asked = match code(body) {
            Some(b"354") => Asked::Content,
            Some(b"334") => Asked::Response,
            _ => Asked::Command,
        };
        let refused = self.starttls && code(body) != Some(b"220");
        let times = self.times.take().map_or(1, |(_, times)| times);
        self.push(Op::Send { bytes: bytes(body), times, pace: self.pace });
        self.asked = asked;
        if refused {
            self.starttls = false;
        }
    }

    fn direction(&mut self, line: usize, direction: &Direction, errors: &mut Vec<ScriptError>) {
        match direction {
            Direction::Connected => {}
            Direction::Matching(matching) => self.matching = *matching,
            Direction::Pace(pace) => self.pace = *pace,
            Direction::Repeat(times) => {
                if !matches!(self.items.get(self.at), Some((_, Item::Server(_)))) {
                    errors.push(error(line, "`*: repeat` stands before an S: line"));
                    return;
                }
                self.times = Some((line, *times));
            }
            Direction::Cut if self.matching == Matching::Exact => errors.push(error(
                line,
                "this transcript was shortened here: record it whole (--full or --transcript), or put `*: match verb` above",
            )),
            Direction::Cut => {}
            Direction::AnyOrder if self.block.is_some() => {
                errors.push(error(line, "`*: any order` inside another one"));
            }
            Direction::AnyOrder => self.block = Some((line, Vec::new(), Vec::new())),
            Direction::End => match self.block.take() {
                None => errors.push(error(line, "`*: end` without `*: any order`")),
                Some((_, mut groups, last)) => {
                    if !last.is_empty() {
                        groups.push(last);
                    }
                    if groups.iter().any(|group| !matches!(group.first(), Some(Op::Expect(_)))) {
                        errors.push(error(line, "each group of `*: any order` begins with a C: line"));
                    }
                    self.ops.push(Op::AnyOrder(groups));
                }
            },
            Direction::Wait(duration) => self.push(Op::Wait(*duration)),
            Direction::StartTls => {
                self.starttls = false;
                self.push(Op::StartTls);
            }
            Direction::ClosedByServer | Direction::ResetByServer if self.block.is_some() => {
                errors.push(error(line, "a connection cannot end inside `*: any order`"));
            }
            Direction::ClosedByServer | Direction::ResetByServer if self.ended => {}
            Direction::ClosedByServer => self.end(Op::Close),
            Direction::ResetByServer => self.end(Op::Reset),
            Direction::ClosedByClient => {
                if !self.ended {
                    self.push(Op::AwaitEnd);
                }
            }
        }
    }

    fn end(&mut self, op: Op) {
        if self.starttls {
            self.push(Op::PerhapsTls);
            self.starttls = false;
        }
        self.push(op);
        self.ended = true;
    }
}

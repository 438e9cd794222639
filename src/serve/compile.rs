//! Compiles the lines and directives of one connection to operations.

use super::directive::Directive;
use super::script::{
    ConnectionScript, ExpectedLine, LinePattern, MatchMode, Pace, ScriptError, ScriptOp, bdat_octets, script_error,
    verb,
};
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
    pub(super) items: Vec<(usize, ScriptItem)>,
}

/// The first three bytes of a server's line, if they are digits.
fn reply_code(body: &LineBody) -> Option<&[u8]> {
    let code = body.pieces.first()?.get(..3)?;
    code.iter().all(u8::is_ascii_digit).then_some(code)
}

fn first_piece(body: &LineBody) -> &[u8] {
    body.pieces.first().map_or(&[], Vec::as_slice)
}

fn has_secret(body: &LineBody) -> bool {
    body.pieces.len() > 1
}

/// The octets of a line on the wire, without its secrets.
fn wire_length(body: &LineBody) -> u64 {
    let end = match body.end {
        LineEnd::CrLf => 2,
        LineEnd::Lf => 1,
        LineEnd::Missing => 0,
    };
    body.pieces.iter().map(Vec::len).sum::<usize>() as u64 + end
}

/// The bytes of a server's line. Secrets that were hidden are unknown and stay `[secret]`.
fn line_bytes(body: &LineBody) -> Vec<u8> {
    let mut bytes = body.pieces.join(&b"[secret]"[..]);
    match body.end {
        LineEnd::CrLf => bytes.extend_from_slice(b"\r\n"),
        LineEnd::Lf => bytes.push(b'\n'),
        LineEnd::Missing => {}
    }
    bytes
}

/// Appends `next` to a line without an end.
fn append_fragment(body: &mut LineBody, next: &LineBody) {
    let mut pieces = next.pieces.iter();
    if let (Some(last), Some(first)) = (body.pieces.last_mut(), pieces.next()) {
        last.extend_from_slice(first);
    }
    body.pieces.extend(pieces.cloned());
    body.end = next.end;
}

/// What the server's last line requested from the client.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RequestedInput {
    Command,
    /// After 354.
    Content,
    /// After 334.
    Response,
}

struct ScriptCompiler<'a> {
    items: &'a [(usize, ScriptItem)],
    at: usize,
    matching: MatchMode,
    pace: Option<Pace>,
    times: Option<(usize, u32)>,
    requested: RequestedInput,
    /// Whether the client's last line was STARTTLS.
    starttls: bool,
    ops: Vec<ScriptOp>,
    /// Inside `*: any order`: its line number, the complete groups, the current group.
    block: Option<(usize, Vec<Vec<ScriptOp>>, Vec<ScriptOp>)>,
    closed: bool,
}

/// Compiles the lines of a connection.
pub(super) fn compile(track: ConnectionLines, errors: &mut Vec<ScriptError>) -> ConnectionScript {
    let mut compiler = ScriptCompiler {
        items: &track.items,
        at: 0,
        matching: MatchMode::Exact,
        pace: None,
        times: None,
        requested: RequestedInput::Command,
        starttls: false,
        ops: Vec::new(),
        block: None,
        closed: false,
    };
    compiler.run(errors);
    ConnectionScript { name: track.name, ops: compiler.ops }
}

impl ScriptCompiler<'_> {
    fn run(&mut self, errors: &mut Vec<ScriptError>) {
        while let Some((line, item)) = self.items.get(self.at) {
            self.at += 1;
            let line = *line;
            match item {
                // The client may have sent this before it noticed the close.
                ScriptItem::Client(_) if self.closed => {}
                ScriptItem::Client(body) => self.client(line, body, errors),
                ScriptItem::Server(_) if self.closed => {
                    errors.push(script_error(
                        line,
                        "the server has closed this connection; `*: connected` begins the next",
                    ));
                }
                ScriptItem::Server(body) => self.server(body),
                ScriptItem::Directive(direction) => self.directive(line, direction, errors),
            }
        }
        if let Some((line, _)) = self.times {
            errors.push(script_error(line, "`*: repeat` stands before an S: line; none follows"));
        }
        if let Some((line, _, _)) = self.block {
            errors.push(script_error(line, "`*: any order` has no `*: end`"));
        }
        self.finish();
    }

    /// Adds what a script without an explicit end does: it closes after a reply that announces that (RFC 5321
    /// §4.1.1.10, §3.8), else it waits for the client to close.
    fn finish(&mut self) {
        if self.closed {
            return;
        }
        if self.starttls {
            self.ops.push(ScriptOp::OptionalTls);
        }
        let last = self.ops.iter().rev().find_map(|op| match op {
            ScriptOp::Send { bytes, .. } => Some(bytes.starts_with(b"221") || bytes.starts_with(b"421")),
            ScriptOp::Expect(_) | ScriptOp::AwaitClose | ScriptOp::AnyOrder(_) => Some(false),
            _ => None,
        });
        match self.ops.last() {
            Some(ScriptOp::AwaitClose) => {}
            _ => self.ops.push(if last == Some(true) { ScriptOp::Close } else { ScriptOp::AwaitClose }),
        }
    }

    fn push(&mut self, op: ScriptOp) {
        let Some((_, groups, current)) = &mut self.block else {
            self.ops.push(op);
            return;
        };
        // A group is C: lines with their S: lines; what a 334 or 354 requests belongs to the same group.
        let answered = current.iter().any(|op| matches!(op, ScriptOp::Send { .. }));
        if matches!(op, ScriptOp::Expect(_)) && answered && self.requested == RequestedInput::Command {
            groups.push(std::mem::take(current));
        }
        current.push(op);
    }

    fn client(&mut self, line: usize, body: &LineBody, errors: &mut Vec<ScriptError>) {
        let first = first_piece(body);
        let scram = first.get(..11).is_some_and(|start| start.eq_ignore_ascii_case(b"AUTH SCRAM-"));
        if scram && self.next_server_line().is_some_and(|body| reply_code(body) == Some(b"334")) {
            errors.push(script_error(line, "a SCRAM exchange cannot be played back: each one has a nonce of its own"));
        }
        if self.starttls {
            self.push(ScriptOp::OptionalTls);
        }
        self.starttls = body.end == LineEnd::CrLf && first.trim_ascii_end().eq_ignore_ascii_case(b"STARTTLS");
        let what = match self.matching {
            MatchMode::Exact => LinePattern::Exact(self.join_fragments(body)),
            _ if self.requested == RequestedInput::Content => self.content(body),
            MatchMode::Verb if self.requested == RequestedInput::Command && !verb(first).is_empty() => {
                LinePattern::Verb(self.command(body))
            }
            _ => LinePattern::Any(self.command(body)),
        };
        let whole_content = what == LinePattern::Content;
        self.push(ScriptOp::Expect(ExpectedLine { line, what }));
        if whole_content {
            self.requested = RequestedInput::Command;
        }
    }

    fn next_server_line(&self) -> Option<&LineBody> {
        self.items.get(self.at..)?.iter().find_map(|(_, item)| match item {
            ScriptItem::Server(body) => Some(body),
            _ => None,
        })
    }

    fn next_client_line(&self) -> Option<&LineBody> {
        match self.items.get(self.at) {
            Some((_, ScriptItem::Client(body))) => Some(body),
            _ => None,
        }
    }

    /// The whole line that begins with `body`, if it was sent in fragments.
    fn join_fragments(&mut self, body: &LineBody) -> LineBody {
        let mut whole = body.clone();
        while whole.end == LineEnd::Missing {
            let Some(next) = self.next_client_line().cloned() else { break };
            append_fragment(&mut whole, &next);
            self.at += 1;
        }
        whole
    }

    /// The command. After BDAT it skips the lines with its octets.
    fn command(&mut self, body: &LineBody) -> LineBody {
        let whole = self.join_fragments(body);
        let Some(mut octets) = bdat_octets(first_piece(&whole)) else { return whole };
        while octets > 0 {
            let Some(next) = self.next_client_line() else { break };
            // The length of a secret is unknown: then the octets are assumed to reach to the server's next line.
            octets = if has_secret(next) { u64::MAX } else { octets.saturating_sub(wire_length(next)) };
            self.at += 1;
        }
        whole
    }

    /// Content up to its dot; without a dot, each line by itself.
    fn content(&mut self, body: &LineBody) -> LinePattern {
        let is_dot = |body: &LineBody| body.pieces == [b"."] && body.end == LineEnd::CrLf;
        let rest = self.items.get(self.at..).unwrap_or_default();
        let run = rest.iter().map_while(|(_, item)| match item {
            ScriptItem::Client(body) => Some(body),
            _ => None,
        });
        match std::iter::once(body).chain(run).position(is_dot) {
            Some(lines) => {
                self.at += lines;
                LinePattern::Content
            }
            None => LinePattern::Any(body.clone()),
        }
    }

    fn server(&mut self, body: &LineBody) {
        let requested = match reply_code(body) {
            Some(b"354") => RequestedInput::Content,
            Some(b"334") => RequestedInput::Response,
            _ => RequestedInput::Command,
        };
        let refused = self.starttls && reply_code(body) != Some(b"220");
        let times = self.times.take().map_or(1, |(_, times)| times);
        self.push(ScriptOp::Send { bytes: line_bytes(body), times, pace: self.pace });
        self.requested = requested;
        if refused {
            self.starttls = false;
        }
    }

    fn directive(&mut self, line: usize, direction: &Directive, errors: &mut Vec<ScriptError>) {
        match direction {
            Directive::Connected => {}
            Directive::Match(matching) => self.matching = *matching,
            Directive::Pace(pace) => self.pace = *pace,
            Directive::Repeat(times) => {
                if !matches!(self.items.get(self.at), Some((_, ScriptItem::Server(_)))) {
                    errors.push(script_error(line, "`*: repeat` stands before an S: line"));
                    return;
                }
                self.times = Some((line, *times));
            }
            Directive::Elision if self.matching == MatchMode::Exact => errors.push(script_error(
                line,
                "this transcript was shortened here: record it whole (--full or --transcript), or put `*: match verb` above",
            )),
            Directive::Elision => {}
            Directive::AnyOrder if self.block.is_some() => {
                errors.push(script_error(line, "`*: any order` inside another one"));
            }
            Directive::AnyOrder => self.block = Some((line, Vec::new(), Vec::new())),
            Directive::EndAnyOrder => match self.block.take() {
                None => errors.push(script_error(line, "`*: end` without `*: any order`")),
                Some((_, mut groups, last)) => {
                    if !last.is_empty() {
                        groups.push(last);
                    }
                    if groups.iter().any(|group| !matches!(group.first(), Some(ScriptOp::Expect(_)))) {
                        errors.push(script_error(line, "each group of `*: any order` begins with a C: line"));
                    }
                    self.ops.push(ScriptOp::AnyOrder(groups));
                }
            },
            Directive::Wait(duration) => self.push(ScriptOp::Wait(*duration)),
            Directive::StartTls => {
                self.starttls = false;
                self.push(ScriptOp::StartTls);
            }
            Directive::ClosedByServer | Directive::ResetByServer if self.block.is_some() => {
                errors.push(script_error(line, "a connection cannot end inside `*: any order`"));
            }
            Directive::ClosedByServer | Directive::ResetByServer if self.closed => {}
            Directive::ClosedByServer => self.end(ScriptOp::Close),
            Directive::ResetByServer => self.end(ScriptOp::Reset),
            Directive::ClosedByClient => {
                if !self.closed {
                    self.push(ScriptOp::AwaitClose);
                }
            }
        }
    }

    fn end(&mut self, op: ScriptOp) {
        if self.starttls {
            self.push(ScriptOp::OptionalTls);
            self.starttls = false;
        }
        self.push(op);
        self.closed = true;
    }
}

//! Compiles the lines and directives of one connection to operations.

use super::block::{Block, BlockKind};
use super::directive::Directive;
use super::script::{
    ConnectionScript, ExpectedLine, LinePattern, MatchMode, Pace, ScriptError, ScriptOp, script_error, verb,
};
use super::script_content::{content_lines, is_lone_dot, octet_lines, requested_by, split_after_octets};
use super::script_line::{
    ConnectionLines, RequestedInput, ScriptItem, append_fragment, first_piece, is_hello, line_bytes, reply_code,
};
use crate::smtp::lines::LineEnd;
use crate::smtp::transaction::bdat_octets;
use crate::transcript::LineBody;

/// What can still happen on the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ScriptReach {
    Open,
    /// The server has shut its sending half.
    HalfClosed,
    /// The server hears nothing more: what the client says, and what the server would have answered, cannot come.
    Deaf,
    /// The server has closed.
    Closed,
    /// The connection ends before what follows, inside content or a handshake: such lines are those that would have come.
    Unreachable,
}

struct ScriptCompiler<'a> {
    items: &'a [(usize, ScriptItem)],
    at: usize,
    matching: MatchMode,
    pace: Option<Pace>,
    times: Option<(usize, u32)>,
    /// The line of `*: close after N bytes`, and what it says.
    content_end: Option<(usize, ScriptOp)>,
    requested: RequestedInput,
    /// Whether the server answered before the content's end: the client may go on sending it.
    content_goes_on: bool,
    /// Whether the client's last line was STARTTLS.
    starttls: bool,
    ops: Vec<ScriptOp>,
    block: Option<Block>,
    reach: ScriptReach,
    /// How a server that hears nothing more waits for the client to go, and whether the client has spoken in vain.
    deafness: Option<ScriptOp>,
    unheard: bool,
}

/// Compiles the lines of a connection.
pub(super) fn compile(track: ConnectionLines, errors: &mut Vec<ScriptError>) -> ConnectionScript {
    let items = split_after_octets(track.items);
    let mut compiler = ScriptCompiler {
        items: &items,
        at: 0,
        matching: track.matching,
        pace: None,
        times: None,
        content_end: None,
        requested: RequestedInput::Command,
        content_goes_on: false,
        starttls: false,
        ops: Vec::new(),
        block: None,
        reach: ScriptReach::Open,
        deafness: None,
        unheard: false,
    };
    compiler.run(errors);
    ConnectionScript { name: track.name, ops: compiler.ops }
}

impl ScriptCompiler<'_> {
    fn run(&mut self, errors: &mut Vec<ScriptError>) {
        while let Some((line, item)) = self.items.get(self.at) {
            self.at += 1;
            let line = *line;
            match (item, self.reach) {
                (_, ScriptReach::Unreachable) => {}
                // The client may have sent this before it noticed the close.
                (ScriptItem::Client(_), ScriptReach::Closed) => {}
                (ScriptItem::Client(_), ScriptReach::Deaf) => self.unheard = true,
                (ScriptItem::Server(_), ScriptReach::Deaf) if self.unheard => {}
                (ScriptItem::Client(body), _) => self.client(line, body, errors),
                (ScriptItem::Server(_), ScriptReach::Closed) => {
                    errors.push(script_error(
                        line,
                        "the server has closed this connection; `*: connected` begins the next",
                    ));
                }
                (ScriptItem::Server(_), ScriptReach::HalfClosed) => {
                    errors.push(script_error(line, "the server sends nothing more after `*: half-close`"));
                }
                (ScriptItem::Server(body), _) => self.server(body),
                (ScriptItem::Directive(direction), _) => self.directive(line, direction, errors),
            }
        }
        if let Some((line, _)) = self.times {
            errors.push(script_error(line, "`*: repeat` stands before an S: line; none follows"));
        }
        if let Some(block) = &self.block {
            errors.push(script_error(block.line, format!("{} has no `*: end`", block.kind.directive())));
        }
        match self.content_end.take() {
            Some((_, op)) if self.requested == RequestedInput::Content => self.end_in_content(op),
            Some((line, _)) => errors.push(script_error(
                line,
                "no content follows: it begins after a 354 or with BDAT, before which this directive stands",
            )),
            None => {}
        }
        self.finish();
    }

    /// Adds what a script without an explicit end does: it closes after a reply that announces that (RFC 5321
    /// §4.1.1.10, §3.8), else it waits for QUIT or for the client to close.
    fn finish(&mut self) {
        match (self.reach, self.deafness.take()) {
            (ScriptReach::Closed | ScriptReach::Unreachable, _) => return,
            (_, Some(waits)) => return self.ops.push(waits),
            _ => {}
        }
        if self.starttls {
            self.ops.push(ScriptOp::OptionalTls);
        }
        let last = self.ops.iter().rev().find_map(|op| match op {
            ScriptOp::Send { bytes, .. } => Some(bytes.starts_with(b"221") || bytes.starts_with(b"421")),
            ScriptOp::Expect(_) | ScriptOp::AwaitClose | ScriptOp::AnyOrder(_) | ScriptOp::Optional(_) => Some(false),
            _ => None,
        });
        match self.ops.last() {
            Some(ScriptOp::AwaitClose | ScriptOp::Ignore) => {}
            _ if self.reach == ScriptReach::HalfClosed => self.ops.push(ScriptOp::AwaitClose),
            _ if last == Some(true) => self.ops.push(ScriptOp::Close),
            _ => self.ops.push(if self.content_goes_on { ScriptOp::IgnoreUpToQuit } else { ScriptOp::AwaitQuit }),
        }
    }

    fn push(&mut self, op: ScriptOp) {
        match &mut self.block {
            Some(block) => block.push(op, self.requested),
            None => self.ops.push(op),
        }
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
        self.content_goes_on = false;
        self.starttls = body.end == LineEnd::CrLf && first.trim_ascii_end().eq_ignore_ascii_case(b"STARTTLS");
        if self.requested == RequestedInput::Content
            && let Some((_, op)) = self.content_end.take()
        {
            return self.end_in_content(op);
        }
        let (what, octets) = self.pattern(body);
        let whole_content = matches!(what, LinePattern::Content(_));
        if self.requested == RequestedInput::Content && !whole_content && self.matching != MatchMode::Exact {
            // The client never came to the dot: what it sends instead may have any number of lines.
            let lines = self.take_client_lines();
            // Unless the server answers before the dot, or ends the connection.
            let answers = self.next_server_line().is_some();
            if !answers && !self.ends_connection() {
                return self.push(ScriptOp::Ignore);
            }
            self.push(ScriptOp::Expect(ExpectedLine { line, what, octets }));
            // A dot that only some servers take for the end: they answer after it.
            if is_lone_dot(body) || lines.iter().any(|(_, body)| is_lone_dot(body)) {
                for (line, body) in lines {
                    let what = LinePattern::Any(body);
                    self.push(ScriptOp::Expect(ExpectedLine { line, what, octets: None }));
                }
            } else {
                self.content_goes_on = answers;
            }
            return;
        }
        let is_bdat = self.requested == RequestedInput::Command && bdat_octets(first).is_some();
        self.push(ScriptOp::Expect(ExpectedLine { line, what, octets }));
        if is_bdat && let Some((_, op)) = self.content_end.take() {
            return self.end_in_content(op);
        }
        if whole_content {
            self.requested = RequestedInput::Command;
        }
    }

    fn pattern(&mut self, body: &LineBody) -> (LinePattern, Option<u64>) {
        let first = first_piece(body);
        match self.matching {
            MatchMode::Exact => return (LinePattern::Exact(self.join_fragments(body)), None),
            _ if self.requested == RequestedInput::Content => return (self.content(body), None),
            _ => {}
        }
        let (whole, octets) = self.command(body);
        let pattern = match self.matching {
            MatchMode::Command if self.requested == RequestedInput::Command && bdat_octets(first).is_some() => {
                LinePattern::Bdat(whole)
            }
            MatchMode::Command if self.requested == RequestedInput::Command && is_hello(&whole) => {
                LinePattern::Verb(whole)
            }
            MatchMode::Command if self.requested == RequestedInput::Command => LinePattern::Command(whole),
            MatchMode::Command => LinePattern::Exact(whole),
            MatchMode::Verb if self.requested == RequestedInput::Command && !verb(first).is_empty() => {
                LinePattern::Verb(whole)
            }
            _ => LinePattern::Any(whole),
        };
        (pattern, octets)
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

    fn refusal_follows(&self) -> bool {
        matches!(self.items.get(self.at), Some((_, ScriptItem::Directive(Directive::RefuseTls { .. }))))
    }

    /// Whether the server is to end the connection.
    fn ends_connection(&self) -> bool {
        self.items.get(self.at..).unwrap_or_default().iter().any(|(_, item)| {
            matches!(item, ScriptItem::Directive(Directive::ClosedByServer | Directive::ResetByServer))
        })
    }

    fn take_client_lines(&mut self) -> Vec<(usize, LineBody)> {
        let rest = self.items.get(self.at..).unwrap_or_default();
        let lines: Vec<_> = rest
            .iter()
            .map_while(|(line, item)| match item {
                ScriptItem::Client(body) => Some((*line, body.clone())),
                _ => None,
            })
            .collect();
        self.at += lines.len();
        lines
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

    /// The command. After BDAT it skips the lines with its octets; it returns their number if there are fewer than it
    /// announces.
    fn command(&mut self, body: &LineBody) -> (LineBody, Option<u64>) {
        let whole = self.join_fragments(body);
        let Some(announced) = bdat_octets(first_piece(&whole)) else { return (whole, None) };
        let (lines, octets) = octet_lines(announced, self.items.get(self.at..).unwrap_or_default());
        self.at += lines;
        (whole, octets)
    }

    /// Content up to its dot; without a dot, each line by itself.
    fn content(&mut self, body: &LineBody) -> LinePattern {
        match content_lines(body, self.items.get(self.at..).unwrap_or_default()) {
            Some((lines, end)) => {
                self.at += lines;
                LinePattern::Content(end)
            }
            None => LinePattern::Any(body.clone()),
        }
    }

    fn server(&mut self, body: &LineBody) {
        let refused = self.starttls && reply_code(body) != Some(b"220");
        let times = self.times.take().map_or(1, |(_, times)| times);
        self.push(ScriptOp::Send { bytes: line_bytes(body), times, pace: self.pace });
        self.requested = requested_by(body);
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
                "this transcript was shortened here: record it whole (--full or --transcript), or put `*: match command` above",
            )),
            Directive::Elision => {}
            Directive::AnyOrder => self.begin_block(line, BlockKind::AnyOrder, errors),
            Directive::Optional => self.begin_block(line, BlockKind::Optional, errors),
            Directive::EndBlock => match self.block.take() {
                None => errors.push(script_error(line, "`*: end` without `*: any order` or `*: optional`")),
                Some(block) => match block.finish() {
                    Ok(op) => self.ops.push(op),
                    Err(why) => errors.push(script_error(line, why)),
                },
            },
            Directive::Wait(duration) => self.push(ScriptOp::Wait(*duration)),
            Directive::StartTls(flaw) => {
                self.starttls = false;
                self.push(ScriptOp::StartTls(*flaw));
            }
            Directive::TryTls => {
                self.starttls = false;
                self.push(ScriptOp::OptionalTls);
            }
            Directive::RefuseTls { reset } => {
                self.starttls = false;
                self.push(ScriptOp::AwaitHandshake);
                self.end(if *reset { ScriptOp::Reset } else { ScriptOp::Close });
            }
            Directive::TlsClosedByClient => self.push(ScriptOp::EndTls),
            Directive::OutsideTls(bytes) => self.push(ScriptOp::SendOutsideTls(bytes.clone())),
            Directive::ClosedByServer | Directive::ResetByServer | Directive::StallTls
            | Directive::HalfClose | Directive::StopReading | Directive::EndInContent { .. }
                if self.block.is_some() =>
            {
                let kind = self.block.as_ref().map_or("a block", |block| block.kind.directive());
                errors.push(script_error(line, format!("a connection cannot end inside {kind}")));
            }
            _ if self.reach == ScriptReach::Closed => {}
            Directive::EndInContent { bytes, reset } => {
                self.content_end = Some((line, ScriptOp::EndInContent { bytes: *bytes, reset: *reset }));
            }
            Directive::ClosedByServer => self.end(ScriptOp::Close),
            Directive::ResetByServer => self.end(ScriptOp::Reset),
            // With TLS 1.3 the client learns only after the handshake that the server refused it.
            Directive::ClosedByClient if self.refusal_follows() => {}
            Directive::ClosedByClient if self.content_goes_on => self.push(ScriptOp::Ignore),
            Directive::ClosedByClient => self.push(ScriptOp::AwaitClose),
            Directive::StallTls => self.deafen(ScriptOp::Ignore),
            Directive::HalfClose => {
                self.push(ScriptOp::HalfClose);
                self.reach = ScriptReach::HalfClosed;
            }
            Directive::StopReading => self.deafen(ScriptOp::StopReading),
        }
    }

    fn begin_block(&mut self, line: usize, kind: BlockKind, errors: &mut Vec<ScriptError>) {
        match &self.block {
            Some(outer) => {
                let (inner, outer) = (kind.directive(), outer.kind.directive());
                let inside = if inner == outer { "another one" } else { outer };
                errors.push(script_error(line, format!("{inner} inside {inside}")));
            }
            None => self.block = Some(Block::new(line, kind)),
        }
    }

    fn end(&mut self, op: ScriptOp) {
        if self.starttls {
            self.push(ScriptOp::OptionalTls);
            self.starttls = false;
        }
        self.push(op);
        self.reach = ScriptReach::Closed;
    }

    fn deafen(&mut self, waits: ScriptOp) {
        self.starttls = false;
        self.deafness = Some(waits);
        self.reach = ScriptReach::Deaf;
    }

    fn end_in_content(&mut self, op: ScriptOp) {
        self.push(op);
        self.reach = ScriptReach::Unreachable;
    }
}

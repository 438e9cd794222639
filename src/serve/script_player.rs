//! Runs the script of one connection: sends its `S:` lines, waits for its `C:` lines, and reports where the client
//! deviates.

use super::content_reader::{ContentReader, drop_up_to_quit};
use super::dialogue::{ClientEnd, Dialogue, ScriptMismatch, ServerAction, TlsHandshake};
use super::script::{ConnectionScript, ExpectedLine, LinePattern, Pace, ScriptOp, begins_with_tls};
use super::script_match::{
    MatchResult, describe_expected, describe_unfinished, first_line, match_group, match_input, match_line, quote_line,
};
use crate::smtp::content::ContentDecoder;
use crate::smtp::transaction::bdat_octets;
use std::collections::VecDeque;

/// The reply to a client that sent something else.
const MISMATCH: &[u8] = b"421 script mismatch\r\n";
/// The reply to QUIT after the script's last line.
const BYE: &[u8] = b"221 2.0.0 bye\r\n";
/// What a mismatch got if the client left.
const CLIENT_LEFT: &str = "the end of the connection";
/// How many bytes of a repeated line are written at once.
const BATCH: usize = 64 * 1024;

/// The dialogue of a scripted server with one client.
pub(super) struct ScriptPlayer {
    ops: VecDeque<ScriptOp>,
    input: Vec<u8>,
    end: Option<ClientEnd>,
    in_tls: bool,
    /// What is left of BDAT's octets, or of content.
    octets: u64,
    content: Option<ContentReader>,
    content_cut: Option<ContentCut>,
    /// The client got the reply to a mismatch.
    mismatch: Option<ScriptMismatch>,
}

/// The connection ends inside the content that is being received.
struct ContentCut {
    /// The bytes until then.
    left: u64,
    reset: bool,
    /// The octets that BDAT announced; `None` for content up to its dot.
    octets: Option<u64>,
    decoder: ContentDecoder,
}

impl ScriptPlayer {
    /// At the beginning of the script.
    pub(super) fn new(script: &ConnectionScript) -> Self {
        Self {
            ops: script.ops.iter().cloned().collect(),
            input: Vec::new(),
            end: None,
            in_tls: false,
            octets: 0,
            content: None,
            content_cut: None,
            mismatch: None,
        }
    }

    /// Consumes BDAT's octets or content. Returns whether they are complete.
    fn finish_unit(&mut self) -> bool {
        if let Some(content) = &mut self.content {
            if !content.consume(&mut self.input) {
                return false;
            }
            self.content = None;
        }
        let taken = usize::try_from(self.octets).unwrap_or(usize::MAX).min(self.input.len());
        self.input.drain(..taken);
        self.octets -= taken as u64;
        self.octets == 0
    }

    /// The action if input is expected: read, or report that it did not come.
    fn await_input(&mut self, expected: &str) -> ServerAction {
        if self.end.is_none() { ServerAction::Read } else { self.report_mismatch(expected) }
    }

    fn report_mismatch(&mut self, expected: &str) -> ServerAction {
        let (got, client_left) = match (first_line(&self.input), self.end) {
            (Some(line), _) => (quote_line(line), false),
            (None, Some(ClientEnd::Idle)) => ("nothing".to_owned(), false),
            (None, Some(ClientEnd::Stopped)) => ("nothing before the server was stopped".to_owned(), false),
            (None, _) => (CLIENT_LEFT.to_owned(), true),
        };
        self.reply_to_mismatch(format!("expected {expected}, got {got}"), client_left)
    }

    fn reply_to_mismatch(&mut self, text: String, client_left: bool) -> ServerAction {
        self.mismatch = Some(ScriptMismatch { text, client_left });
        ServerAction::Write { bytes: MISMATCH.to_vec(), pace: None }
    }

    /// The action for an optional handshake. `None`: continue unencrypted.
    fn optional_tls(&mut self) -> Option<ServerAction> {
        match (self.input.first(), self.end) {
            (None, None) => Some(ServerAction::Read),
            // The type of a handshake record (RFC 8446 §5.1).
            (Some(0x16), _) => Some(ServerAction::StartTls { may_fail: true, flaw: None }),
            _ => None,
        }
    }

    /// Consumes the content inside which the connection ends. The action, if it is not over.
    fn finish_content_cut(&mut self) -> Option<ServerAction> {
        let end = self.content_cut.as_mut()?;
        let most = usize::try_from(end.left.min(end.octets.unwrap_or(u64::MAX))).unwrap_or(usize::MAX);
        let input = self.input.get(..most).unwrap_or(&self.input);
        let (taken, ended) = match end.octets {
            Some(_) => (input.len(), false),
            None => end.decoder.push(input, &mut Vec::new()),
        };
        self.input.drain(..taken);
        end.left -= taken as u64;
        let octets_left = end.octets.as_mut().map(|octets| {
            *octets -= taken as u64;
            *octets
        });
        if end.left == 0 {
            return Some(if end.reset { ServerAction::Reset } else { ServerAction::Close });
        }
        let left = end.left;
        if ended || octets_left == Some(0) {
            return Some(self.reply_to_mismatch(format!("expected {left} more bytes of content, got its end"), false));
        }
        Some(self.await_input(&format!("{left} more bytes of content")))
    }

    /// Sends a reply's lines in one write, as far as nothing stands between them.
    fn send(&mut self, mut bytes: Vec<u8>, times: u32, pace: Option<Pace>) -> ServerAction {
        let batch = u32::try_from(BATCH / bytes.len().max(1)).unwrap_or(1).clamp(1, times.max(1));
        if batch < times {
            self.ops.push_front(ScriptOp::Send { bytes: bytes.clone(), times: times - batch, pace });
        }
        bytes = bytes.repeat(batch as usize);
        while pace.is_none() && bytes.ends_with(b"\n") {
            match self.ops.front() {
                Some(ScriptOp::Send { bytes: next, times: 1, pace: None }) if bytes.len() + next.len() <= BATCH => {
                    bytes.extend_from_slice(next);
                    self.ops.pop_front();
                }
                _ => break,
            }
        }
        ServerAction::Write { bytes, pace }
    }

    /// Compares the input with what is expected. The action, if there is one.
    fn expect(&mut self, expected: ExpectedLine) -> Option<ServerAction> {
        match match_input(&expected.what, &self.input) {
            MatchResult::Match(length) => {
                let announced = self.input.get(..length).and_then(bdat_octets);
                if let Some(ScriptOp::EndInContent { bytes, reset }) = self.ops.front() {
                    let (left, reset, octets) = (*bytes, *reset, announced);
                    self.content_cut = Some(ContentCut { left, reset, octets, decoder: ContentDecoder::default() });
                    self.ops.pop_front();
                } else if let LinePattern::Content(end) = expected.what {
                    self.content = Some(ContentReader::new(end));
                } else if !matches!(expected.what, LinePattern::Exact(_) | LinePattern::Command(_)) {
                    self.octets = expected.octets.or(announced).unwrap_or(0);
                }
                self.input.drain(..length);
                None
            }
            MatchResult::Incomplete if self.end.is_none() => {
                self.ops.push_front(ScriptOp::Expect(expected));
                Some(ServerAction::Read)
            }
            _ => Some(self.report_mismatch(&describe_expected(&expected))),
        }
    }

    fn any_order(&mut self, mut groups: Vec<Vec<ScriptOp>>) -> Option<ServerAction> {
        let found: Vec<MatchResult> = groups.iter().map(|group| match_group(group, &self.input)).collect();
        if let Some(at) = found.iter().position(|found| matches!(found, MatchResult::Match(_))) {
            let group = groups.remove(at);
            self.ops.push_front(ScriptOp::AnyOrder(groups));
            self.prepend(group);
            return None;
        }
        if self.end.is_none() && found.iter().any(|found| matches!(found, MatchResult::Incomplete)) {
            self.ops.push_front(ScriptOp::AnyOrder(groups));
            return Some(ServerAction::Read);
        }
        let expected: Vec<_> = groups
            .iter()
            .filter_map(|group| match group.first() {
                Some(ScriptOp::Expect(expected)) => Some(describe_expected(expected)),
                _ => None,
            })
            .collect();
        Some(self.report_mismatch(&expected.join(" or ")))
    }

    /// The groups before the one that the client sends are left out.
    fn optional(&mut self, mut groups: Vec<Vec<ScriptOp>>) -> Option<ServerAction> {
        while !groups.is_empty() {
            match match_group(&groups[0], &self.input) {
                MatchResult::Match(_) => {
                    let group = groups.remove(0);
                    self.ops.push_front(ScriptOp::Optional(groups));
                    self.prepend(group);
                    return None;
                }
                MatchResult::Incomplete if self.end.is_none() => {
                    self.ops.push_front(ScriptOp::Optional(groups));
                    return Some(ServerAction::Read);
                }
                MatchResult::Incomplete | MatchResult::Mismatch => groups.remove(0),
            };
        }
        None
    }

    fn prepend(&mut self, group: Vec<ScriptOp>) {
        for op in group.into_iter().rev() {
            self.ops.push_front(op);
        }
    }

    fn say_bye(&mut self) -> ServerAction {
        self.ops.push_front(ScriptOp::Close);
        ServerAction::Write { bytes: BYE.to_vec(), pace: None }
    }

    /// The client is to close; `quit`: it may also say QUIT.
    fn await_close(&mut self, quit: bool) -> Option<ServerAction> {
        if quit {
            let is_quit = |bytes: &[u8], _| bytes.trim_ascii().eq_ignore_ascii_case(b"QUIT");
            match match_line(&self.input, is_quit) {
                MatchResult::Match(length) => {
                    self.input.drain(..length);
                    return Some(self.say_bye());
                }
                MatchResult::Incomplete if self.end.is_none() => {
                    self.ops.push_front(ScriptOp::AwaitQuit);
                    return Some(ServerAction::Read);
                }
                _ => {}
            }
        }
        if !self.input.is_empty() {
            return Some(self.report_mismatch("the end of the connection"));
        }
        if self.end.is_none() {
            self.ops.push_front(ScriptOp::AwaitClose);
            return Some(ServerAction::Read);
        }
        None
    }

    /// Performs one operation. The action, if it needs one.
    fn step(&mut self, op: ScriptOp) -> Option<ServerAction> {
        match op {
            ScriptOp::Send { bytes, times, pace } => Some(self.send(bytes, times, pace)),
            ScriptOp::Expect(expected) => self.expect(expected),
            ScriptOp::AnyOrder(groups) if groups.is_empty() => None,
            ScriptOp::AnyOrder(groups) => self.any_order(groups),
            ScriptOp::Optional(groups) => self.optional(groups),
            ScriptOp::StartTls(_) | ScriptOp::OptionalTls if self.in_tls => None,
            // A client does well to refuse a bad certificate.
            ScriptOp::StartTls(flaw) => Some(ServerAction::StartTls { may_fail: flaw.is_some(), flaw }),
            ScriptOp::OptionalTls => {
                let action = self.optional_tls();
                if action == Some(ServerAction::Read) {
                    self.ops.push_front(ScriptOp::OptionalTls);
                }
                action
            }
            ScriptOp::AwaitHandshake if self.in_tls => None,
            ScriptOp::AwaitHandshake if self.input.is_empty() => {
                if self.end.is_none() {
                    self.ops.push_front(ScriptOp::AwaitHandshake);
                }
                Some(self.await_input("a TLS handshake"))
            }
            ScriptOp::AwaitHandshake => {
                self.input.clear();
                None
            }
            ScriptOp::EndTls if !self.input.is_empty() => Some(self.report_mismatch("the end of TLS")),
            ScriptOp::EndTls => self.in_tls.then_some(ServerAction::EndTls),
            ScriptOp::SendOutsideTls(bytes) => Some(ServerAction::WriteOutsideTls(bytes)),
            ScriptOp::EndInContent { bytes, reset } => {
                let decoder = ContentDecoder::default();
                self.content_cut = Some(ContentCut { left: bytes, reset, octets: None, decoder });
                None
            }
            ScriptOp::HalfClose => Some(ServerAction::HalfClose),
            ScriptOp::StopReading => Some(ServerAction::Hold),
            ScriptOp::Ignore => {
                self.input.clear();
                self.end.is_none().then(|| {
                    self.ops.push_front(ScriptOp::Ignore);
                    ServerAction::Read
                })
            }
            ScriptOp::IgnoreUpToQuit if drop_up_to_quit(&mut self.input) => Some(self.say_bye()),
            ScriptOp::IgnoreUpToQuit => self.end.is_none().then(|| {
                self.ops.push_front(ScriptOp::IgnoreUpToQuit);
                ServerAction::Read
            }),
            ScriptOp::Wait(duration) => Some(ServerAction::Wait(duration)),
            ScriptOp::Close | ScriptOp::Reset => {
                let reset = op == ScriptOp::Reset;
                self.ops.push_front(op);
                Some(if reset { ServerAction::Reset } else { ServerAction::Close })
            }
            ScriptOp::AwaitClose => self.await_close(false),
            ScriptOp::AwaitQuit => self.await_close(true),
        }
    }
}

impl Dialogue for ScriptPlayer {
    fn next_action(&mut self) -> ServerAction {
        if self.mismatch.is_some() {
            return ServerAction::Close;
        }
        loop {
            if let Some(action) = self.finish_content_cut() {
                return action;
            }
            if !self.finish_unit() {
                let what = if self.content.is_some() { "the content's end" } else { "the rest of BDAT's octets" };
                return self.await_input(what);
            }
            let Some(op) = self.ops.pop_front() else { return ServerAction::Close };
            if let Some(action) = self.step(op) {
                return action;
            }
        }
    }

    fn received(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    fn take_input(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.input)
    }

    fn begins_with_tls(&self) -> bool {
        begins_with_tls(&self.ops)
    }

    fn tls_started(&mut self, _: TlsHandshake) {
        self.in_tls = true;
    }

    fn tls_ended(&mut self) {
        self.in_tls = false;
        self.end = None;
    }

    fn client_ended(&mut self, how: ClientEnd) {
        self.end = Some(how);
    }

    /// A script that did not come to its end is one too. But a client need not read the last reply: one that
    /// stops reading an endless reply may be just what is tested.
    fn mismatch(&self) -> Option<ScriptMismatch> {
        if self.mismatch.is_some() {
            return self.mismatch.clone();
        }
        let waits = |op: &ScriptOp| {
            matches!(op, ScriptOp::Close | ScriptOp::Reset)
                || (describe_unfinished(op).is_some() && !matches!(op, ScriptOp::Send { .. }))
        };
        let left = self.ops.iter().any(waits).then(|| self.ops.iter().find_map(describe_unfinished)).flatten()?;
        Some(ScriptMismatch { text: format!("expected {left}, got {CLIENT_LEFT}"), client_left: true })
    }
}

#[cfg(test)]
mod tests;

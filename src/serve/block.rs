//! `*: any order` and `*: optional`: groups of the client's lines with the server's answers.

use super::script::ScriptOp;
use super::script_line::RequestedInput;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockKind {
    AnyOrder,
    Optional,
}

impl BlockKind {
    pub(super) fn directive(self) -> &'static str {
        match self {
            Self::AnyOrder => "`*: any order`",
            Self::Optional => "`*: optional`",
        }
    }
}

/// A block that has begun.
pub(super) struct Block {
    pub(super) kind: BlockKind,
    /// Where it begins.
    pub(super) line: usize,
    groups: Vec<Vec<ScriptOp>>,
    current: Vec<ScriptOp>,
}

impl Block {
    pub(super) fn new(line: usize, kind: BlockKind) -> Self {
        Self { kind, line, groups: Vec::new(), current: Vec::new() }
    }

    /// A group is C: lines with their S: lines; what a 334 or 354 requests belongs to the same group.
    pub(super) fn push(&mut self, op: ScriptOp, requested: RequestedInput) {
        let answered = self.current.iter().any(|op| matches!(op, ScriptOp::Send { .. }));
        if matches!(op, ScriptOp::Expect(_)) && answered && requested == RequestedInput::Command {
            self.groups.push(std::mem::take(&mut self.current));
        }
        self.current.push(op);
    }

    pub(super) fn finish(mut self) -> Result<ScriptOp, String> {
        if !self.current.is_empty() {
            self.groups.push(self.current);
        }
        if self.groups.iter().any(|group| !matches!(group.first(), Some(ScriptOp::Expect(_)))) {
            return Err(format!("each group of {} begins with a C: line", self.kind.directive()));
        }
        Ok(match self.kind {
            BlockKind::AnyOrder => ScriptOp::AnyOrder(self.groups),
            BlockKind::Optional => ScriptOp::Optional(self.groups),
        })
    }
}

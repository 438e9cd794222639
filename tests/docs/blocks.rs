//! What the pages show is parsed by mailrun's own parsers.
//!
//! The words after a fence say what the block is: `toml` is a session, `toml fragment` a part of one, `toml include` a file for
//! an `include` (its first line names it), `toml rules` a server's rules, `transcript` a transcript, `script` one for
//! `mailrun serve`. `sh` and `crontab` are commands, `output` is what they print: `tests/stories` runs those of five pages.

use crate::pages::{PAGES, page};
use crate::support::tool;
use mailrun::serve::{MatchMode, ReplyRules, Script};
use mailrun::session::{Diagnostics, Session, SourceError, SourceFile, Sources, load};
use mailrun::transcript;
use std::collections::BTreeMap;
use std::path::Path;

/// A fenced block.
pub struct Block {
    page: &'static str,
    /// The line of its fence, counted from 1.
    line: usize,
    /// The words after the fence.
    kind: String,
    pub text: String,
}

impl Block {
    pub fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }
}

pub fn blocks() -> Vec<Block> {
    let mut blocks = Vec::new();
    for name in PAGES {
        let mut open: Option<Block> = None;
        for (index, line) in page(name).lines().enumerate() {
            match (line.strip_prefix("```"), &mut open) {
                (Some(kind), None) => {
                    let kind = kind.trim().to_owned();
                    open = Some(Block { page: name, line: index + 1, kind, text: String::new() });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (None, Some(block)) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{name}: a block has no end");
    }
    blocks
}

pub fn of_kind<'b>(blocks: &'b [Block], kind: &str) -> Vec<&'b Block> {
    let found: Vec<_> = blocks.iter().filter(|block| block.kind == kind).collect();
    assert!(!found.is_empty(), "there is no block of kind `{kind}`");
    found
}

/// The included files that the pages show; nothing else can be read.
#[derive(Default)]
struct ShownFiles(BTreeMap<String, String>);

impl ShownFiles {
    fn of(blocks: &[Block]) -> Self {
        let name = |block: &Block| {
            let first = block.text.lines().next().unwrap_or_default();
            first.strip_prefix("# ").unwrap_or_else(|| panic!("{}: name the file", block.place())).to_owned()
        };
        Self(of_kind(blocks, "toml include").into_iter().map(|block| (name(block), block.text.clone())).collect())
    }
}

impl Sources for ShownFiles {
    fn open(&self, path: &Path) -> Result<SourceFile, SourceError> {
        let Some(text) = self.0.get(&path.display().to_string()) else {
            return Err(SourceError::Unreadable("the pages do not show it".to_owned()));
        };
        let bytes = text.clone().into_bytes();
        Ok(SourceFile { length: bytes.len() as u64, revision: 0, reader: Box::new(std::io::Cursor::new(bytes)) })
    }
}

fn read(text: &str, shown: &ShownFiles) -> Result<Session, Diagnostics> {
    load("block.toml", text, shown, &[])
}

#[test]
fn every_session_in_the_docs_can_be_parsed() {
    let blocks = blocks();
    let shown = ShownFiles::of(&blocks);
    for block in of_kind(&blocks, "toml") {
        if let Err(wrong) = read(&block.text, &shown) {
            panic!("{}\n{}", block.place(), wrong.render(false));
        }
    }
}

#[test]
fn every_fragment_in_the_docs_can_be_parsed_within_a_session() {
    let blocks = blocks();
    for block in of_kind(&blocks, "toml fragment") {
        let text = format!("{}\n[[step]]\nexpect = 220\n", block.text);
        // A fragment may use names that another part of the file defines.
        let overridden = ["password".to_owned()];
        if let Err(wrong) = load("block.toml", &text, &ShownFiles::default(), &overridden) {
            panic!("{}\n{}", block.place(), wrong.render(false));
        }
    }
}

#[test]
fn every_transcript_script_and_rule_in_the_docs_can_be_parsed() {
    let blocks = blocks();
    for block in of_kind(&blocks, "transcript") {
        if let Err(errors) = transcript::parse(&block.text) {
            panic!("{}: {errors:?}", block.place());
        }
    }
    for block in of_kind(&blocks, "script") {
        if let Err(errors) = Script::parse(&block.text, MatchMode::Command) {
            panic!("{}: {errors:?}", block.place());
        }
    }
    for block in of_kind(&blocks, "toml rules") {
        if let Err(errors) = ReplyRules::read("rules.toml", &block.text) {
            panic!("{}: {errors:?}", block.place());
        }
    }
}

#[test]
fn every_block_in_the_docs_is_of_a_known_kind() {
    // Commands are parsed below; their output is not.
    let known = [
        "",
        "sh",
        "output",
        "crontab",
        "ini",
        "yaml",
        "groovy",
        "toml",
        "toml fragment",
        "toml include",
        "toml rules",
        "transcript",
        "script",
    ];
    for block in blocks() {
        assert!(known.contains(&block.kind.as_str()), "{}: `{}`", block.place(), block.kind);
        let dialogue = block.text.lines().any(|line| line.starts_with("S: ") || line.starts_with("C: "));
        assert!(!(dialogue && block.kind.is_empty()), "{}: a transcript is marked as one", block.place());
    }
}

#[test]
fn every_command_in_the_docs_can_be_parsed_by_a_shell() {
    let blocks = blocks();
    for block in of_kind(&blocks, "sh") {
        let read = tool("bash").args(["-n", "-c", &block.text]).output().expect("bash starts");
        assert!(read.status.success(), "{}: {}", block.place(), String::from_utf8_lossy(&read.stderr));
    }
}

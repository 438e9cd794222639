//! Patterns of `attach`: `*`, `?`, `[…]` within a name, and `**` for folders at any depth.
//!
//! Only literal text of the session file is a pattern; a value is a name, whatever characters it has.

use super::template::RenderedText;
use super::{ContentPath, FolderEntry, SourceError, Sources};
use globset::{GlobBuilder, GlobMatcher};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::Path;

/// The most files that a pattern may match.
const MAX_MATCHES: usize = 10_000;

/// A part of a path between slashes.
#[derive(Debug)]
enum PatternPart {
    /// A name without wildcards.
    Name(String),
    /// Any folders, also none: `**`.
    AnyFolders,
    Names {
        matcher: GlobMatcher,
        /// Whether it begins with a dot, and so matches hidden files.
        finds_hidden: bool,
    },
}

/// A path with wildcards.
#[derive(Debug)]
pub struct FilePattern {
    parts: Vec<PatternPart>,
}

impl FilePattern {
    /// Finds the wildcards in the literal text of a rendered path. `None`: it has none, and is an ordinary path.
    ///
    /// # Errors
    /// A sentence, if a set of characters is invalid.
    pub fn parse(rendered: &RenderedText) -> Result<Option<Self>, String> {
        let (mut parts, mut part, mut at) = (Vec::new(), PartBuilder::default(), 0);
        let text = rendered.text();
        for value in rendered.values() {
            part.push_literal(text.get(at..value.start).unwrap_or_default(), &mut parts)?;
            for (index, name) in text.get(value.clone()).unwrap_or_default().split('/').enumerate() {
                if index > 0 {
                    parts.push(std::mem::take(&mut part).finish()?);
                }
                part.push_name(name);
            }
            at = value.end;
        }
        part.push_literal(text.get(at..).unwrap_or_default(), &mut parts)?;
        parts.push(part.finish()?);
        let has_wildcards = parts.iter().any(|part| !matches!(part, PatternPart::Name(_)));
        Ok(has_wildcards.then_some(Self { parts }))
    }

    /// The files that match, sorted by path. Hidden names (`.a`) match only a part that begins with a dot. `**` does not
    /// follow links to folders. `exact` is the same path without wildcards, which says what confines it.
    ///
    /// # Errors
    /// If a folder cannot be read, or there is no match or too many.
    pub fn matching_files(&self, exact: &ContentPath, sources: &dyn Sources) -> Result<Vec<ContentPath>, SourceError> {
        // Within these parts there are no values.
        let free = exact.confinement().map_or(self.parts.len(), |(_, rest)| {
            let confined = rest.as_os_str().as_encoded_bytes().iter().filter(|byte| **byte == b'/').count() + 1;
            self.parts.len().saturating_sub(confined)
        });
        let mut found =
            vec![exact.beginning(matches!(self.parts.first(), Some(PatternPart::Name(name)) if name.is_empty()))];
        let (mut has_searched, last) = (false, self.parts.len().saturating_sub(1));
        for (index, part) in self.parts.iter().enumerate() {
            let mut next = Vec::new();
            for path in found {
                match part {
                    PatternPart::Name(name) if name.is_empty() || name == "." => next.push(path),
                    PatternPart::Name(name) if !has_searched || name == ".." => {
                        next.push(path.join(OsStr::new(name), index < free));
                    }
                    PatternPart::AnyFolders => {
                        if index < last {
                            next.push(path.clone());
                        }
                        let mut folders = vec![path];
                        while let Some(folder) = folders.pop() {
                            for entry in
                                sources.list_folder(&folder)?.into_iter().filter(|entry| !is_hidden(&entry.name))
                            {
                                let inside = folder.join(&entry.name, index < free);
                                if entry.is_folder && !entry.is_link {
                                    folders.push(inside.clone());
                                }
                                if (entry.is_folder && !entry.is_link && index < last)
                                    || (!entry.is_folder && index == last)
                                {
                                    next.push(inside);
                                }
                                too_many(&next, exact)?;
                            }
                        }
                    }
                    part => {
                        let listed = sources.list_folder(&path)?.into_iter();
                        let matching = listed.filter(|entry| part.matches(entry) && entry.is_folder == (index < last));
                        next.extend(matching.map(|entry| path.join(&entry.name, index < free)));
                    }
                }
                too_many(&next, exact)?;
            }
            has_searched |= !matches!(part, PatternPart::Name(_));
            let mut seen = HashSet::new();
            next.retain(|path| seen.insert(path.path().to_owned()));
            found = next;
        }
        found.sort_by(|a, b| a.path().as_os_str().cmp(b.path().as_os_str()));
        if found.is_empty() {
            return Err(SourceError::Unreadable(format!("no file matches \"{exact}\"")));
        }
        Ok(found)
    }
}

impl PatternPart {
    fn matches(&self, entry: &FolderEntry) -> bool {
        match self {
            Self::Name(name) => entry.name == OsStr::new(name),
            Self::AnyFolders => false,
            Self::Names { matcher, finds_hidden } => {
                (*finds_hidden || !is_hidden(&entry.name)) && matcher.is_match(Path::new(&entry.name))
            }
        }
    }
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn too_many(found: &[ContentPath], pattern: &ContentPath) -> Result<(), SourceError> {
    match found.len() > MAX_MATCHES {
        true => Err(SourceError::Refused(format!("\"{pattern}\" matches more than {MAX_MATCHES} files"))),
        false => Ok(()),
    }
}

/// Collects a part.
#[derive(Default)]
struct PartBuilder {
    /// As it is written.
    text: String,
    glob: String,
    has_wildcards: bool,
    has_value: bool,
}

impl PartBuilder {
    /// Text in which nothing is a wildcard.
    fn push_name(&mut self, text: &str) {
        self.has_value |= !text.is_empty();
        self.push_escaped(text);
    }

    fn push_escaped(&mut self, text: &str) {
        self.text.push_str(text);
        for character in text.chars() {
            match character {
                '*' | '?' | '[' | ']' | '{' | '}' | '\\' => {
                    self.glob.push('[');
                    self.glob.push(character);
                    self.glob.push(']');
                }
                other => self.glob.push(other),
            }
        }
    }

    fn push_literal(&mut self, text: &str, parts: &mut Vec<PatternPart>) -> Result<(), String> {
        for (index, mut rest) in text.split('/').enumerate() {
            if index > 0 {
                parts.push(std::mem::take(self).finish()?);
            }
            while let Some(first) = rest.chars().next() {
                let length = match first {
                    '*' | '?' => 1,
                    // A set that is not closed is a bracket.
                    '[' => set_length(rest).unwrap_or(0),
                    _ => 0,
                };
                let (wildcard, after) = rest.split_at(length);
                if wildcard.is_empty() {
                    let (one, after) = rest.split_at(first.len_utf8());
                    self.push_escaped(one);
                    rest = after;
                } else {
                    self.text.push_str(wildcard);
                    self.glob.push_str(wildcard);
                    self.has_wildcards = true;
                    rest = after;
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<PatternPart, String> {
        if !self.has_wildcards {
            return Ok(PatternPart::Name(self.text));
        }
        if self.glob == "**" && !self.has_value {
            return Ok(PatternPart::AnyFolders);
        }
        // `a**b` in a name is `a*b`.
        let mut builder = GlobBuilder::new(&self.glob);
        builder.literal_separator(true).backslash_escape(false);
        match builder.build() {
            Ok(glob) => {
                Ok(PatternPart::Names { matcher: glob.compile_matcher(), finds_hidden: self.text.starts_with('.') })
            }
            Err(error) => Err(format!("\"{}\" is not a valid pattern: {}", self.text, error.kind())),
        }
    }
}

/// The length of the set at the beginning of `text` if it is closed. A `]` at its beginning is one of the characters.
fn set_length(text: &str) -> Option<usize> {
    let first = if text.get(1..).is_some_and(|set| set.starts_with(['!', '^'])) { 2 } else { 1 };
    let inside = text.get(first..)?;
    let skipped = if inside.starts_with(']') { 1 } else { 0 };
    Some(first + skipped + inside.get(skipped..)?.find(']')? + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::SourceFile;
    use proptest::prelude::*;

    /// A tree of files in memory; folders end with a slash, links to folders with `@`.
    struct Tree(&'static [&'static str]);

    impl Sources for Tree {
        fn open(&self, path: &Path) -> Result<SourceFile, SourceError> {
            Err(SourceError::Unreadable(format!("{}: no such file", path.display())))
        }

        fn list_folder(&self, folder: &ContentPath) -> Result<Vec<FolderEntry>, SourceError> {
            let prefix = match folder.path().display().to_string() {
                path if path.is_empty() || path.ends_with('/') => path,
                path => format!("{path}/"),
            };
            let mut entries: Vec<FolderEntry> = Vec::new();
            for path in self.0 {
                let Some(inside) = path.strip_prefix(&prefix) else { continue };
                let (name, is_folder) = match inside.split_once('/') {
                    Some((name, _)) => (name, true),
                    None => (inside, false),
                };
                let (name, is_link) = match name.strip_suffix('@') {
                    Some(name) => (name, true),
                    None => (name, false),
                };
                if !entries.iter().any(|entry| entry.name == name) {
                    entries.push(FolderEntry { name: name.into(), is_folder: is_folder || is_link, is_link });
                }
            }
            if entries.is_empty() { Err(SourceError::Unreadable("no such folder".into())) } else { Ok(entries) }
        }
    }

    const TREE: Tree = Tree(&[
        "out/b.pdf",
        "out/a.pdf",
        "out/c.txt",
        "out/.hidden.pdf",
        "out/sub/d.pdf",
        "out/sub/deep/e.pdf",
        "out/.git/f.pdf",
        "out/[1].pdf",
        "out/loop@",
        "out/{a,b}.pdf",
        "out/a*.pdf",
        "x/out.txt",
        "y/out.txt",
        "y/other.txt",
        "top.pdf",
    ]);

    /// Literal text and values in turn.
    fn rendered(pieces: &[&str]) -> RenderedText {
        let mut text = RenderedText::default();
        for (index, piece) in pieces.iter().enumerate() {
            if index % 2 == 0 { text.push_literal(piece) } else { text.push_value(piece) }.expect("no marks");
        }
        text
    }

    fn found(pieces: &[&str]) -> Option<Result<Vec<String>, String>> {
        let rendered = rendered(pieces);
        let pattern = FilePattern::parse(&rendered).transpose()?;
        let files = pattern.map_err(|why| why.to_string()).and_then(|pattern| {
            let exact = ContentPath::literal(rendered.text());
            let files = pattern.matching_files(&exact, &TREE).map_err(|error| format!("{error:?}"))?;
            Ok(files.iter().map(ToString::to_string).collect())
        });
        Some(files)
    }

    #[test]
    fn patterns_find_files_in_order() {
        /// Literal text and values in turn, what is found, why.
        type Row = (&'static [&'static str], &'static [&'static str], &'static str);
        let table: &[Row] = &[
            (
                &["out/*.pdf"],
                &["out/[1].pdf", "out/a*.pdf", "out/a.pdf", "out/b.pdf", "out/{a,b}.pdf"],
                "sorted, nothing hidden, no folder",
            ),
            (&["out/?.pdf"], &["out/a.pdf", "out/b.pdf"], "one character"),
            (&["out/[!b].*"], &["out/a.pdf", "out/c.txt"], "a negated set"),
            (&["out/[a-b].pdf"], &["out/a.pdf", "out/b.pdf"], "a range"),
            (&["out/[[]1].pdf"], &["out/[1].pdf"], "a set with a bracket"),
            (&["out/.*.pdf"], &["out/.hidden.pdf"], "hidden names if they are meant"),
            (&["**/d.pdf"], &["out/sub/d.pdf"], "any depth"),
            (
                &["out/**/*.pdf"],
                &[
                    "out/[1].pdf",
                    "out/a*.pdf",
                    "out/a.pdf",
                    "out/b.pdf",
                    "out/sub/d.pdf",
                    "out/sub/deep/e.pdf",
                    "out/{a,b}.pdf",
                ],
                "no folder, too",
            ),
            (&["out/sub/**"], &["out/sub/d.pdf", "out/sub/deep/e.pdf"], "all files below"),
            (&["out/**/**/e.pdf"], &["out/sub/deep/e.pdf"], "each once"),
            (&["*/out.txt"], &["x/out.txt", "y/out.txt"], "a wildcard for a folder"),
            (&["./out/b*"], &["out/b.pdf"], "dots"),
            (&["out/", "a*", "*.pdf"], &["out/a*.pdf"], "a star in a value is a character"),
            (&["out/", "[1]", "*"], &["out/[1].pdf"], "a set in a value is none"),
            (&["out/", "{a,b}", "*"], &["out/{a,b}.pdf"], "nor are alternatives"),
            (&["", "out/sub", "/*.pdf"], &["out/sub/d.pdf"], "a slash in a value"),
            (&["out/{a,b}*"], &["out/{a,b}.pdf"], "alternatives are not patterns"),
            (&["*", ".pdf"], &["top.pdf"], "a star before a value"),
        ];
        for (pieces, expected, why) in table {
            let expected = expected.iter().map(|path| (*path).to_owned()).collect();
            assert_eq!(found(pieces), Some(Ok(expected)), "{why}: {pieces:?}");
        }
        for (pieces, why) in [
            (&["out/[z-a].pdf"][..], "a range that ends before it begins"),
            (&["out/*.doc"], "no match"),
            (&["no/*"], "no folder"),
        ] {
            assert!(matches!(found(pieces), Some(Err(_))), "{why}");
        }
        for (pieces, why) in [
            (&["out/a.pdf"][..], "a name"),
            (&["out/[1.pdf"], "a set that is not closed"),
            (&["out/", "*", ""], "a value"),
        ] {
            assert_eq!(found(pieces), None, "{why}");
        }
    }

    proptest! {
        #[test]
        fn a_value_matches_itself_alone(value in r"[\[\]*?!a-c^{},\\-]{1,6}", other in "[a-c*\\[\\]-]{1,6}") {
            let pattern = FilePattern::parse(&rendered(&["*", &value])).expect("a valid pattern").expect("a pattern");
            let entry = |name: &str| FolderEntry { name: name.into(), is_folder: false, is_link: false };
            let longer = format!("x{value}");
            prop_assert!(pattern.parts[0].matches(&entry(&longer)));
            prop_assert_eq!(pattern.parts[0].matches(&entry(&other)), other.ends_with(&value));
        }

        #[test]
        fn no_text_makes_it_panic(text in r"[\[\]*?!a-c^{}/.-]{0,12}", value in r"[\[\]*?!a^/.]{0,4}") {
            let _ = FilePattern::parse(&rendered(&[&text, &value, &text]));
        }
    }
}

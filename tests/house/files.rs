//! The size of test files, and what ARCHITECTURE.md names.

use crate::source;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The most lines of a file with tests.
const MOST_LINES: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below a folder of the project, with their paths in it.
fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder can be listed") {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path.strip_prefix(root()).expect("it was found below the root").to_owned());
        }
    }
}

fn all_rust_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["src", "tests", "benches"] {
        rust_files(&root().join(folder), &mut found);
    }
    found
}

#[test]
fn no_test_file_is_too_long() {
    let is_test = |path: &PathBuf| {
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        parts[0] != "src" || parts.iter().any(|part| part.trim_end_matches(".rs").ends_with("tests"))
    };
    let tests: Vec<_> = all_rust_files().into_iter().filter(is_test).collect();
    assert!(tests.len() > 200, "test files are found: {}", tests.len());
    let lines = |path: &PathBuf| std::fs::read_to_string(root().join(path)).expect("UTF-8").lines().count();
    let long: Vec<_> =
        tests.iter().filter(|path| lines(path) > MOST_LINES).map(|path| path.display().to_string()).collect();
    assert!(long.is_empty(), "test files of more than {MOST_LINES} lines: {long:?}");
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn is_path(words: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    words.chars().all(allowed) && (words.contains('/') && words.len() > 1 || words.ends_with(".rs"))
}

/// The type in `Fact`, `Fact::LineSent`, `event::Fact` and `Fact::LineSent(…)`: a name with capital and small letters.
fn type_name(words: &str) -> Option<&str> {
    let mut parts = words.split("::");
    let name = parts.find(|part| part.starts_with(|c: char| c.is_ascii_uppercase()))?;
    (name.chars().all(|c| c.is_ascii_alphanumeric()) && name.contains(|c: char| c.is_ascii_lowercase())).then_some(name)
}

#[test]
fn what_architecture_names_exists() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("it is UTF-8");
    let files = all_rust_files();
    let names: BTreeSet<_> = files.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    let rooms: Vec<_> = source::project().iter().filter_map(|file| file.room()).collect();
    let exists = |path: &str| {
        let below_a_room = || rooms.iter().any(|room| root().join("src").join(room).join(path).exists());
        root().join(path).exists() || root().join("src").join(path).exists() || names.contains(path) || below_a_room()
    };
    let paths: Vec<_> = quoted(&text).filter(|words| is_path(words)).collect();
    assert!(paths.len() > 80, "paths are found: {}", paths.len());
    let missing: Vec<_> = paths.into_iter().filter(|path| !exists(path)).collect();
    assert!(missing.is_empty(), "there are no such files: {missing:?}");

    let definitions = source::project().iter().flat_map(|file| &file.definitions);
    let defined: BTreeSet<_> = definitions.map(|one| one.name.as_str()).collect();
    let types: Vec<_> = quoted(&text).filter_map(type_name).collect();
    assert!(types.len() > 30, "types are found: {}", types.len());
    let missing: Vec<_> = types.into_iter().filter(|name| !defined.contains(name)).collect();
    assert!(missing.is_empty(), "there are no such types: {missing:?}");
}

//! `docs/bugs.md`: a bug report, from paste to smallest file.

use crate::support::{StoryPage, project_path};
use std::collections::BTreeSet;

/// The first block of the page that begins so, without that beginning.
fn block(beginning: &str) -> String {
    let page = std::fs::read_to_string(project_path("docs/bugs.md")).expect("the page can be read");
    let (_, from) = page.split_once(&format!("```{beginning}\n")).unwrap_or_else(|| panic!("no block: {beginning}"));
    from.split_once("```").expect("the block has an end").0.to_owned()
}

#[test]
fn a_paste_becomes_the_smallest_file_that_shows_the_bug() {
    let page = StoryPage::open("docs/bugs.md");
    page.folder.write("paste.txt", block(""));
    page.folder.write("buggy.toml", block("toml rules"));
    for folder in ["sessions", "fixtures"] {
        std::os::unix::fs::symlink(project_path(folder), page.folder.path(folder)).expect("a link can be made");
    }
    page.run("mailrun import", 0);
    let imported = page.folder.read("bug.toml");
    assert!(imported.contains(&block("toml fragment")), "the page shows what is imported: {imported}");
    page.run("mailrun serve paste.txt -- mailrun run bug.toml", 0);
    page.run("mailrun serve buggy.toml -- mailrun run bug.toml", 0);
    page.run("sed ", 0);
    page.run("mailrun serve buggy.toml -- mailrun run bug.toml", 1);
    page.run("mailrun serve --sink box -- mailrun run bug.toml", 0);
    page.run("mailrun serve buggy.toml -- mailrun run --transcript", 1);
    page.run("mailrun serve bug.txt", 1);
    page.run("mailrun serve --sink box -- mailrun run --transcript", 0);
    page.run("mailrun diff", 1);
    page.run("mailrun serve buggy.toml -- mailrun reduce", 0);
    let small = page.folder.read("small.toml");
    let first = "[[step]]\nsend = \"RCPT TO:<bob@example.net>\"\nexpect = 250  # 2.1.5 ok";
    let left = format!("{first}\n{}", block(&format!("toml fragment\n{first}")));
    assert!(small.ends_with(&left) && !small.contains("RSET"), "the page shows what is left: {small}");
    page.run("mailrun export", 0);
    page.run("mailrun serve buggy.toml -- sh -c", 1);
    page.run("mailrun serve fixtures/bugs/", 1);
    page.assert_complete(&[]);
}

#[test]
fn the_page_lists_every_known_bug() {
    let page = std::fs::read_to_string(project_path("docs/bugs.md")).expect("the page can be read");
    let rows: BTreeSet<&str> =
        page.lines().filter(|line| line.starts_with("| `")).flat_map(|row| row.split('`').skip(1).step_by(2)).collect();
    for entry in std::fs::read_dir(project_path("sessions/bugs")).expect("the folder is there") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let Some(name) = name.strip_suffix(".toml").filter(|name| !name.starts_with('_')) else { continue };
        let listed = rows.contains(name) || (name.starts_with("smuggling-") && rows.contains("smuggling-…"));
        assert!(listed, "docs/bugs.md lacks {name}");
    }
}

//! Session files and their schema in taplo, which checks and completes TOML in editors.

use super::{installed, output, streams};
use crate::support::{Folder, Mailrun, project_path};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn check(folder: &Folder, options: &[&str], files: &[PathBuf]) -> Output {
    let mut command = Command::new(installed("node_modules/.bin/taplo"));
    command.current_dir(folder.root()).env("NO_COLOR", "1").arg("check").args(options);
    output(command.args(files))
}

/// A folder with the schema in it, under the name that the starters give it.
fn folder() -> (Folder, String) {
    let schema = Mailrun::new(["schema"]).run().exits(0).stdout;
    let folder = Folder::new().with("session.schema.json", schema);
    let option = format!("--schema=file://{}", folder.argument("session.schema.json"));
    (folder, option)
}

/// All session files below a folder.
fn sessions(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sessions(&path, found);
        } else if path.extension().is_some_and(|end| end == "toml") {
            found.push(path);
        }
    }
}

#[test]
#[ignore = "needs taplo: make test-schemas"]
fn starters_name_the_schema_that_checks_them() {
    let (folder, _) = folder();
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(project_path("src/cli/commands/starters")).expect("the folder is there") {
        let file = entry.expect("an entry").path();
        if file.extension().is_none_or(|end| end != "toml") {
            continue;
        }
        let kind = file.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let path = folder.path(&format!("{kind}.toml"));
        folder.mailrun(["new", &kind]).args([&path]).run().exits(0);
        let text = std::fs::read_to_string(&path).expect("the starter is text");
        let mistaken = folder.path(&format!("{kind}-mistaken.toml"));
        std::fs::write(&mistaken, text + "\n[[step]]\nsned = 'NOOP'\n").expect("it can be written");
        good.push(path);
        bad.push(mistaken);
    }
    assert!(good.len() >= 3, "{good:?}");
    let found = check(&folder, &[], &good);
    assert!(found.status.success(), "{}", streams(&found));
    // Each is refused with an unknown key: the schema was found and applied.
    all_refused(&check(&folder, &[], &bad), &bad);
}

/// Taplo prints a line for each file that it refuses.
fn all_refused(found: &Output, files: &[PathBuf]) {
    let said = streams(found);
    for file in files {
        let line = format!("path=\"{}\"", file.display());
        let refused = said.lines().any(|said| said.contains("schema validation failed") && said.contains(&line));
        assert!(refused, "{} is taken:\n{said}", file.display());
    }
}

#[test]
#[ignore = "needs taplo: make test-schemas"]
fn every_session_in_the_project_is_accepted() {
    let (folder, schema) = folder();
    let mut found = Vec::new();
    sessions(&project_path("sessions"), &mut found);
    assert!(found.len() > 30, "{found:?}");
    let checked = check(&folder, &[&schema], &found);
    assert!(checked.status.success(), "{}", streams(&checked));
}

#[test]
#[ignore = "needs taplo: make test-schemas"]
fn mistakes_are_refused() {
    let (folder, schema) = folder();
    let mistakes = [
        ("[[step]]\nsend = 'NOOP'\nexpct = 250", "a typo in a step"),
        ("servr = 'smtp://localhost'\nstep = [{ quit = true }]", "a typo at the top"),
        ("[tls]\nverfy = false\n[[step]]\nquit = true", "a typo in a table"),
        ("timeout = 5\nstep = [{ quit = true }]", "a number for a duration"),
        ("[[step]]\nstarttls = 'maybe'", "a word that is none of those there are"),
        ("[[step]]\nsend = 5\nexpect = 250", "a number for a line"),
        ("[[step]]\nsend = 'NOOP'\nexpect = { cod = 250 }", "a typo in an expectation"),
        ("[message]\nform = 'a@example.com'\nto = ['b@example.com']", "a typo in a message"),
        ("[rows]\nfile = 'x.csv'\nconnections = 'two'\n[[step]]\nquit = true", "a word for a number"),
    ];
    let mut files = Vec::new();
    for (text, why) in mistakes {
        let path = folder.path(&format!("{}.toml", why.replace(' ', "-")));
        std::fs::write(&path, format!("{text}\n")).expect("it can be written");
        let ours = folder.mailrun(["check", "--server", "smtp://localhost"]).args([&path]).run();
        assert_eq!(ours.status, 65, "{why}: {ours}");
        files.push(path);
    }
    all_refused(&check(&folder, &[&schema], &files), &files);
}

//! Files are validated with tools and schemas of others: session files and their JSON Schema with taplo, JUnit reports
//! with Jenkins' schema, signatures of `[dkim]` with dkimpy, the files for CI systems (`.ci/` and docs/ci.md) with those of GitHub and GitLab, ShellCheck and
//! hadolint, metrics and alert rules with promtool, exported command lines with swaks. act runs the action for GitHub, gitlab-ci-local the template for GitLab.
//!
//! These tests need what `tests/schemas/install.sh` installs, so a plain `cargo test` ignores them; `make test-schemas`
//! installs it and runs them.

#[path = "../support/mod.rs"]
mod support;

mod container;
mod dkim;
mod github;
mod gitlab;
mod jenkins;
mod junit;
mod mail_job;
mod prometheus;
mod scripts;
mod swaks;
mod taplo;
mod yaml;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file that `install.sh` installed.
fn installed(name: &str) -> PathBuf {
    let root = std::env::var_os("MAILRUN_TEST_SCHEMAS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/schemas"), PathBuf::from);
    let path = root.join(name);
    assert!(path.exists(), "{} is missing: run `make test-schemas`, which installs it", path.display());
    path
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|why| panic!("{command:?}: {why}"))
}

/// Both streams, for the message of an assertion.
fn streams(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A text file of the project.
fn project_text(name: &str) -> String {
    std::fs::read_to_string(support::project_path(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// The block of code below a heading of docs/ci.md.
fn block(heading: &str, language: &str) -> String {
    let page = project_text("docs/ci.md");
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("{heading} is missing"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let (_, block) =
        section.split_once(&format!("```{language}\n")).unwrap_or_else(|| panic!("{heading} has no block"));
    block.split("\n```").next().unwrap_or_default().to_owned() + "\n"
}

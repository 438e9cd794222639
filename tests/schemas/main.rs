//! Files are validated with tools and schemas of others: session files and their JSON Schema with taplo, JUnit reports
//! with Jenkins' schema, the workflows in docs/ci.md with those of GitHub and GitLab. The commands of the workflows are
//! run.
//!
//! These tests need what `tests/schemas/install.sh` installs, so a plain `cargo test` ignores them; `make test-schemas`
//! installs it and runs them.

#[path = "../support/mod.rs"]
mod support;

mod junit;
mod taplo;
mod workflows;

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

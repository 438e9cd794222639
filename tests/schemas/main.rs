//! What we write, held against what others read it by: session files and their JSON Schema by taplo, JUnit reports by
//! Jenkins' schema, the workflows in docs/ci.md by GitHub's and GitLab's; and the workflows' commands are run.
//!
//! They need what `tests/schemas/install.sh` brings, so they are ignored by a plain `cargo test`; `make test-schemas`
//! installs and runs them.

#[path = "../support/mod.rs"]
mod support;

mod junit;
mod taplo;
mod workflows;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Where `install.sh` put things.
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
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

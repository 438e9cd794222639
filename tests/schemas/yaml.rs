//! YAML: read with the library that the schema checker uses, and checked with schemas of others.

use super::{installed, output, streams};
use crate::support::Folder;
use serde_json::Value;
use std::process::Command;

/// What a YAML text says.
pub fn parse(text: &str) -> Value {
    let program =
        "import json, sys\nfrom ruamel.yaml import YAML\nprint(json.dumps(YAML(typ='safe').load(sys.argv[1])))";
    let answer = output(Command::new(installed("venv/bin/python")).args(["-c", program, text]));
    serde_json::from_slice(&answer.stdout).unwrap_or_else(|_| panic!("{}", streams(&answer)))
}

/// Checks a text with a schema that comes with check-jsonschema, and that the schema refuses the text with a typo.
pub fn assert_conforms(text: &str, schema: &str, word: &str, typo: &str) {
    let folder = Folder::new();
    let path = folder.path("file.yml");
    let check = |text: &str| {
        folder.write("file.yml", text);
        let mut command = Command::new(installed("venv/bin/check-jsonschema"));
        command.args(["--builtin-schema", schema]);
        output(
            command
                .args(if schema.ends_with("gitlab-ci") { &["--data-transform", "gitlab-ci"][..] } else { &[] })
                .arg(&path),
        )
    };
    let found = check(text);
    assert!(found.status.success(), "{}", streams(&found));
    assert!(text.contains(word), "{word} is not in\n{text}");
    let found = check(&text.replace(word, typo));
    assert!(!found.status.success(), "the schema accepts {typo}");
}

/// Checks a script with ShellCheck. CI systems run scripts with `set -e`.
pub fn assert_shell(script: &str, shell: &str) {
    let folder = Folder::new().with("script", format!("set -e\n{script}"));
    let mut command = Command::new(installed("venv/bin/shellcheck"));
    let found = output(command.args(["--norc", "--shell", shell]).arg(folder.path("script")));
    assert!(found.status.success(), "{}", streams(&found));
}

/// The text of a value that must have one.
pub fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} is not a text in {value}"))
}

/// The texts of a list.
pub fn texts(value: &Value) -> Vec<String> {
    let list = value.as_array().unwrap_or_else(|| panic!("{value} is not a list"));
    list.iter().map(|item| item.as_str().unwrap_or_else(|| panic!("{item} is not a text")).to_owned()).collect()
}

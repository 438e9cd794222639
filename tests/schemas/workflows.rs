//! The workflows in docs/ci.md are validated with the schemas of the systems that run them, and their commands are run
//! against a good server, so that a typo in an option, a session or an artifact is found.

use super::{installed, output, streams};
use crate::support::{EmbeddedServer, Folder, PROGRAM, project_path, tool};
use std::process::{Command, Output};

/// Rules of a mail server for one domain that does not relay.
const BEHAVES: &str = include_str!("../../fixtures/servers/one-domain.toml");

/// The block of code below a heading of docs/ci.md.
fn block(heading: &str, language: &str) -> String {
    let page = std::fs::read_to_string(project_path("docs/ci.md")).expect("the page is there");
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("{heading} is missing"));
    let section = section.split("\n## ").next().unwrap_or_default();
    let (_, block) =
        section.split_once(&format!("```{language}\n")).unwrap_or_else(|| panic!("{heading} has no block"));
    block.split("\n```").next().unwrap_or_default().to_owned() + "\n"
}

/// Evaluates a Python expression on a workflow; the YAML is parsed by the library that the schema checker uses.
fn asked(text: &str, expression: &str) -> Vec<String> {
    let program = format!(
        "import json, sys\nfrom ruamel.yaml import YAML\nflow = YAML(typ='safe').load(sys.argv[1])\nprint(json.dumps({expression}))"
    );
    let answer = output(Command::new(installed("venv/bin/python")).args(["-c", &program, text]));
    serde_json::from_slice(&answer.stdout).unwrap_or_else(|_| panic!("{}", streams(&answer)))
}

fn conforms(text: &str, schema: &str) {
    let folder = Folder::new();
    let path = folder.path("workflow.yaml");
    let check = |text: &str| {
        folder.write("workflow.yaml", text);
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
    let found = check(&text.replace("script:", "scirpt:").replace("runs-on:", "run-on:"));
    assert!(!found.status.success(), "the schema accepts a typo");
}

/// Runs each command of a workflow in a shell. Fakes replace cargo and docker and only check their arguments; the address
/// of the server is replaced by that of a server in this process.
fn run(commands: &[String], address: &str, kept: &[&str]) {
    let server = EmbeddedServer::sink_with(BEHAVES);
    let folder = Folder::new().with("ca.pem", &server.ca_pem);
    let path = |name: &str| folder.path(name);
    std::os::unix::fs::symlink(project_path("sessions"), path("sessions")).expect("a link can be made");
    std::fs::create_dir(path("bin")).expect("a folder can be made");
    let fake = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(path("bin").join(name), format!("#!/bin/sh\n{text}\n")).expect("a script can be written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path("bin").join(name), mode).expect("it is ours");
    };
    fake("cargo", "[ \"$*\" = 'install --path . --locked' ]");
    fake("docker", "case \"$*\" in 'run -d --name mail -p 2525:25 '*|'rm -f mail') ;; *) exit 64 ;; esac");
    fake("mailrun", &format!("exec '{}' \"$@\"", PROGRAM));
    let search = format!("{}:{}", path("bin").display(), std::env::var("PATH").unwrap_or_default());
    let mut ran = 0;
    for command in commands {
        let command = command.replace(address, &format!("localhost:{}", server.port));
        let mut shell = tool("bash");
        shell.current_dir(folder.root()).env("PATH", &search).env("NO_COLOR", "1").env_remove("GITHUB_ACTIONS");
        let ended: Output = output(shell.args(["-eo", "pipefail", "-c", &command]));
        if command.contains("mailrun test") {
            ran += 1;
            // The sink accepts unencrypted passwords, which the suite reports; everything else passes.
            assert_eq!(ended.status.code(), Some(1), "{command}\n{}", streams(&ended));
            let failed: Vec<String> = streams(&ended)
                .lines()
                .filter(|line| line.starts_with("FAILED") || line.starts_with("ERROR"))
                .map(str::to_owned)
                .collect();
            assert!(failed.len() == 1 && failed[0].contains("auth-in-clear"), "{}", streams(&ended));
        } else {
            assert!(ended.status.success(), "{command}\n{}", streams(&ended));
        }
    }
    assert_eq!(ran, 1, "the suite is run: {commands:?}");
    for name in kept {
        let size = std::fs::metadata(path(name)).map_or(0, |data| data.len());
        assert!(size > 1_000, "{name} is kept, and is not there: {commands:?}");
    }
}

#[test]
#[ignore = "needs check-jsonschema: make test-schemas"]
fn github_accepts_its_workflow_and_the_commands_work() {
    let text = block("GitHub Actions", "yaml");
    conforms(&text, "vendor.github-workflows");
    let commands = asked(&text, "[step['run'] for step in flow['jobs']['smoke']['steps'] if 'run' in step]");
    let kept = asked(
        &text,
        "[name for step in flow['jobs']['smoke']['steps'] if 'upload' in step.get('uses', '') for name in step['with']['path'].split()]",
    );
    run(&commands, "localhost:2525", &kept.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
#[ignore = "needs check-jsonschema: make test-schemas"]
fn gitlab_accepts_its_pipeline_and_the_commands_work() {
    let text = block("GitLab CI", "yaml");
    conforms(&text, "vendor.gitlab-ci");
    let commands = asked(&text, "flow['smoke']['script']");
    let kept = asked(&text, "flow['smoke']['artifacts']['paths'] + [flow['smoke']['artifacts']['reports']['junit']]");
    run(&commands, "mail:25", &kept.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Groovy has no schema: the commands are the quoted strings after `sh`.
#[test]
#[ignore = "needs check-jsonschema: make test-schemas"]
fn the_commands_for_jenkins_work() {
    let text = block("Jenkins", "groovy");
    assert_eq!(text.matches('{').count(), text.matches('}').count(), "{text}");
    let commands: Vec<String> = text
        .split("sh '")
        .skip(1)
        .map(|rest| match rest.strip_prefix("''") {
            // In Groovy a backslash at the end of a line joins it to the next one.
            Some(long) => long.split("'''").next().unwrap_or_default().replace("\\\n", ""),
            None => rest.split('\'').next().unwrap_or_default().to_owned(),
        })
        .collect();
    let kept: Vec<&str> = ["junit '", "archiveArtifacts '"]
        .iter()
        .filter_map(|word| text.split_once(word)?.1.split('\'').next())
        .collect();
    assert_eq!(kept.len(), 2, "{text}");
    run(&commands, "localhost:2525", &kept);
}

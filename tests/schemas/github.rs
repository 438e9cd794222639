//! The composite action and the workflow in docs/ci.md: GitHub's schemas accept them, and act runs them as GitHub does, but
//! without containers and with an `actions/cache` of these tests.

use super::mail_job::{MailJob, download_server, sha256};
use super::yaml::{assert_conforms, assert_shell, parse, text};
use super::{block, installed, output, project_text, streams};
use crate::support::{Folder, project_path, tool};
use serde_json::{Value, json};
use std::process::Output;

const ACTION: &str = ".ci/action/action.yml";

/// What `actions/cache/restore` does, with the folder `cache` of the test.
const RESTORE: &str = r#"
inputs: { path: { required: true }, key: { required: true } }
outputs: { cache-hit: { value: "${{ steps.look.outputs.cache-hit }}" } }
runs:
  using: composite
  steps:
    - id: look
      shell: bash
      env: { KEY: "${{ inputs.key }}", FOLDER: "${{ inputs.path }}" }
      run: if [ -d "$KEPT/cache/$KEY" ]; then cp -r "$KEPT/cache/$KEY" "$FOLDER"; echo cache-hit=true >> "$GITHUB_OUTPUT"; fi
"#;

/// What `actions/cache/save` does.
const SAVE: &str = r#"
inputs: { path: { required: true }, key: { required: true } }
runs:
  using: composite
  steps:
    - shell: bash
      env: { KEY: "${{ inputs.key }}", FOLDER: "${{ inputs.path }}" }
      run: mkdir -p "$KEPT/cache"; cp -r "$FOLDER" "$KEPT/cache/$KEY"
"#;

/// What `actions/upload-artifact` does, with the folder `artifacts` of the test.
const UPLOAD: &str = r#"
inputs: { path: { required: true }, name: { required: true } }
runs:
  using: composite
  steps:
    - shell: bash
      env: { NAME: "${{ inputs.name }}", FOLDER: "${{ inputs.path }}" }
      run: mkdir -p "$KEPT/artifacts"; cp -r "$FOLDER" "$KEPT/artifacts/$NAME"
"#;

struct WorkflowRun {
    /// The steps of the action that ran.
    steps: Vec<String>,
    /// The status of act, what the steps printed, and the commands for GitHub among that.
    ended: Output,
}

/// Runs the steps of a job. `example/mailrun` is this repository.
fn run_steps(job: &MailJob, steps: &[Value]) -> WorkflowRun {
    let workflow = json!({ "on": "push", "jobs": { "smoke": { "runs-on": "ubuntu-latest", "steps": steps } } });
    std::fs::create_dir_all(job.folder.path(".github/workflows")).expect("a folder can be made");
    job.folder.write(".github/workflows/mail.yml", workflow.to_string());
    let github = Folder::new();
    for (name, action) in [("cache/restore", RESTORE), ("cache/save", SAVE), ("upload-artifact", UPLOAD)] {
        std::fs::create_dir_all(github.path(name)).expect("a folder can be made");
        github.write(&format!("{name}/action.yml"), action);
    }
    std::fs::create_dir_all(github.path("mailrun/.ci")).expect("a folder can be made");
    for name in [".ci/action", "Cargo.toml", "Cargo.lock", "src", "sessions", "docs"] {
        let copied = output(tool("cp").arg("-r").arg(project_path(name)).arg(github.path("mailrun").join(name)));
        assert!(copied.status.success(), "{}", streams(&copied));
    }
    let script = "\"$ACT\" push --json --no-cache-server --env NO_COLOR=1 --env \"KEPT=$PWD\" --platform ubuntu-latest=-self-hosted \
        --local-repository \"example/mailrun@main=$GITHUB/mailrun\" --local-repository \"actions/cache@v4=$GITHUB/cache\" \
        --local-repository \"actions/upload-artifact@v4=$GITHUB/upload-artifact\"";
    let environment = [
        ("ACT".to_owned(), installed("venv/bin/act").display().to_string()),
        ("GITHUB".to_owned(), github.argument("")),
        ("HOME".to_owned(), github.argument("home")),
    ];
    let mut ended = job.run(script, &environment);
    let action = parse(&project_text(ACTION));
    let names: Vec<&str> =
        action["runs"]["steps"].as_array().expect("steps are a list").iter().map(|step| text(step, "name")).collect();
    let (mut ran, mut printed, mut commands) = (Vec::new(), String::new(), String::new());
    for line in String::from_utf8_lossy(&ended.stdout).lines() {
        let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
        let message = record["msg"].as_str().unwrap_or_default();
        if record["raw_output"] == true {
            printed += message;
        } else if let Some(at) = message.find("::") {
            commands += &format!("{}\n", &message[at..]);
        }
        if let Some(step) = message.strip_prefix("⭐ Run Main ").filter(|step| names.contains(step)) {
            ran.push(step.to_owned());
        }
    }
    ended.stdout = printed.into_bytes();
    ended.stderr.extend(commands.into_bytes());
    WorkflowRun { steps: ran, ended }
}

/// Runs the action with these inputs, which may replace the usual ones. Prints the files of the workspace and the action's output.
fn run_action(job: &MailJob, more: &[(&str, &str)]) -> WorkflowRun {
    let server = format!("smtp://localhost:{}", job.server.port);
    let mut with = json!({
        "sessions": "sessions/smoke/auth-in-clear.toml\nsessions/smoke/postmaster.toml\n",
        "server": server,
        "options": "--ca ca.pem --skip-tag slow\n--jobs 4 --var domain=localhost",
    });
    for (name, value) in more {
        with[*name] = json!(value);
    }
    let reports = with["reports"].as_str().unwrap_or("mailrun-reports").to_owned();
    run_steps(
        job,
        &[
            json!({ "uses": "actions/checkout@v4" }),
            json!({ "id": "mailrun", "uses": "example/mailrun/.ci/action@main", "with": with }),
            json!({ "if": "always()", "run": "ls -1; echo \"status: ${{ steps.mailrun.outputs.status }}\"" }),
            json!({ "if": "always()", "uses": "actions/upload-artifact@v4", "with": { "name": "reports", "path": reports } }),
        ],
    )
}

fn assert_status(ran: &WorkflowRun, status: &str) {
    let said = streams(&ran.ended);
    assert!(said.lines().any(|line| line.trim_end() == format!("status: {status}")), "{said}");
}

#[test]
#[ignore = "needs check-jsonschema: make test-schemas"]
fn github_accepts_the_action_and_no_input_becomes_a_command() {
    let action = project_text(ACTION);
    assert_conforms(&action, "vendor.github-actions", "using:", "usign:");
    for step in parse(&action)["runs"]["steps"].as_array().expect("steps are a list") {
        let Some(script) = step["run"].as_str() else { continue };
        assert!(!script.contains("${{"), "an input in a script could be a command: it goes through env\n{script}");
        assert_shell(script, "bash");
    }
}

#[test]
#[ignore = "needs act: make test-schemas"]
fn the_action_uses_the_program_that_it_is_given() {
    let job = MailJob::new();
    job.program("cargo", "echo 'cargo builds'");
    job.mailrun("given");
    let ran = run_action(&job, &[("binary", "bin/given")]);
    MailJob::assert_suite_ran(&ran.ended);
    assert_status(&ran, "1");
    job.assert_kept(&[
        "artifacts/reports/junit.xml",
        "artifacts/reports/mailrun.html",
        "artifacts/reports/transcripts.txt",
    ]);
    assert_eq!(ran.steps, ["Take the program that was given", "Test the server"]);
    let said = streams(&ran.ended);
    assert!(!said.contains("cargo builds"), "{said}");
    assert!(said.lines().any(|line| line.starts_with("::error file=")), "annotations are printed: {said}");
}

#[test]
#[ignore = "needs act: make test-schemas"]
fn a_program_from_a_url_needs_its_checksum() {
    let job = MailJob::new();
    let program = std::fs::read(job.mailrun("given")).expect("it was written");
    let url = download_server(program.clone());
    let run = |sum: &str| run_action(&job, &[("binary", &url), ("sha256", sum)]);
    MailJob::assert_suite_ran(&run(&sha256(&program)).ended);
    let ran = run("");
    assert!(streams(&ran.ended).contains("its checksum is missing"), "{}", streams(&ran.ended));
    assert_eq!(ran.steps, ["Take the program that was given"]);
    let ran = run(&sha256(b"something else"));
    assert!(streams(&ran.ended).contains("did NOT match"), "{}", streams(&ran.ended));
    assert_eq!(ran.steps, ["Take the program that was given"], "a program with another checksum is not run");
}

/// The suite fails both times, which must not keep the program from the cache.
#[test]
#[ignore = "needs act: make test-schemas"]
fn the_action_builds_mailrun_once() {
    let job = MailJob::new();
    job.cargo("install --path $GITHUB_ACTION_PATH/../.. --locked --root $RUNNER_TEMP/mailrun", "$RUNNER_TEMP/mailrun");
    for _ in 0..2 {
        let ran = run_action(&job, &[]);
        MailJob::assert_suite_ran(&ran.ended);
        assert_status(&ran, "1");
        assert_eq!(job.folder.read("cargo.log").lines().count(), 1, "the second run takes the program from the cache");
    }
    let keys: Vec<_> = std::fs::read_dir(job.folder.path("cache")).expect("it was saved").flatten().collect();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0].file_name().len(), "mailrun-".len() + 64, "the key has a checksum");
}

#[test]
#[ignore = "needs act: make test-schemas"]
fn inputs_with_characters_of_the_shell_stay_data() {
    let job = MailJob::new();
    job.mailrun("given");
    let sessions = "sessions/smoke/greeting.toml\n  \n$(touch made); touch made\n";
    let ran = run_action(&job, &[("binary", "bin/given"), ("sessions", sessions), ("reports", "a 'b\" $c")]);
    assert_status(&ran, "66");
    let said = streams(&ran.ended);
    assert!(said.contains("\nsessions\n") && !said.contains("\nmade\n"), "no file was made: {said}");
    job.assert_kept(&["artifacts/reports/junit.xml"]);
}

#[test]
#[ignore = "needs act: make test-schemas"]
fn github_accepts_the_documented_workflow_and_it_works() {
    let workflow = block("GitHub Actions", "yaml");
    assert_conforms(&workflow, "vendor.github-workflows", "runs-on:", "run-on:");
    let job = MailJob::new();
    job.cargo("install --path $GITHUB_ACTION_PATH/../.. --locked --root $RUNNER_TEMP/mailrun", "$RUNNER_TEMP/mailrun");
    let workflow = parse(&job.at_server(&workflow, "localhost:2525"));
    let ran = run_steps(&job, workflow["jobs"]["smoke"]["steps"].as_array().expect("steps are a list"));
    MailJob::assert_suite_ran(&ran.ended);
    job.assert_kept(&["artifacts/mailrun/junit.xml", "artifacts/mailrun/mailrun.html"]);
}

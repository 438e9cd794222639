//! The composite action and the workflow in docs/ci.md: GitHub's schemas accept them, and the action's steps work.

use super::mail_job::{MailJob, download_server, sha256};
use super::yaml::{assert_conforms, assert_shell, map, parse, text};
use super::{block, project_text, streams};
use crate::support::project_path;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Output;

const ACTION: &str = ".ci/action/action.yml";

/// One run of the action, as GitHub would do it: expressions are evaluated here, steps are run in a shell.
struct ActionRun {
    /// `inputs.server`, `steps.test.outputs.status`, …
    values: BTreeMap<String, String>,
    /// The names of the steps that ran.
    steps: Vec<String>,
    /// How the last step ended.
    ended: Output,
}

/// Runs the action. `cached` says whether the cache has its program.
fn run_action(job: &MailJob, inputs: &[(String, String)], cached: bool) -> ActionRun {
    let action = parse(&project_text(ACTION));
    let mut values = BTreeMap::new();
    for (name, input) in action["inputs"].as_object().expect("inputs are a map") {
        values.insert(format!("inputs.{name}"), input["default"].as_str().unwrap_or_default().to_owned());
    }
    for (name, value) in inputs {
        let known = values.insert(format!("inputs.{name}"), value.clone());
        assert!(known.is_some(), "there is no input {name}");
    }
    values.insert("github.action_path".into(), project_path(".ci/action").display().to_string());
    values.insert("runner.temp".into(), job.folder.argument("temp"));
    std::fs::create_dir_all(job.folder.path("temp")).expect("a folder can be made");
    let (mut steps, mut last) = (Vec::new(), None);
    for step in action["runs"]["steps"].as_array().expect("steps are a list") {
        if step.get("if").is_some_and(|condition| !holds(condition.as_str().expect("a text"), &values)) {
            continue;
        }
        let id = step["id"].as_str().unwrap_or_default();
        steps.push(text(step, "name").to_owned());
        if let Some(action) = step["uses"].as_str() {
            assert!(action.starts_with("actions/cache@"), "{action} is not known here");
            map(&step["with"]).iter().for_each(|(_, value)| assert!(!evaluated(value, &values).is_empty(), "{step}"));
            values.insert(format!("steps.{id}.outputs.cache-hit"), cached.to_string());
            continue;
        }
        assert_eq!(step["shell"], "bash", "{step}");
        let mut environment: Vec<_> =
            map(&step["env"]).into_iter().map(|(name, value)| (name, evaluated(&value, &values))).collect();
        job.folder.write("outputs", "");
        environment.push(("GITHUB_OUTPUT".into(), job.folder.argument("outputs")));
        environment.push(("GITHUB_ACTIONS".into(), "true".into()));
        let ended = job.run(text(step, "run"), &environment);
        for line in job.folder.read("outputs").lines() {
            let (name, value) = line.split_once('=').expect("an output has a name");
            values.insert(format!("steps.{id}.outputs.{name}"), value.to_owned());
        }
        let failed = !ended.status.success();
        last = Some(ended);
        if failed {
            break;
        }
    }
    ActionRun { values, steps, ended: last.expect("a step ran") }
}

/// A text with its `${{ }}` evaluated.
fn evaluated(text: &str, values: &BTreeMap<String, String>) -> String {
    let expression = regex::Regex::new(r"\$\{\{ *([a-z0-9_.-]+) *\}\}").expect("the pattern is valid");
    let value = |found: &regex::Captures| values.get(&found[1]).unwrap_or_else(|| panic!("{} is not known", &found[1]));
    let done = expression.replace_all(text, |found: &regex::Captures| value(found).clone()).into_owned();
    assert!(!done.contains("${{"), "{text} has an expression that is not known here");
    done
}

/// Evaluates comparisons joined by `&&`.
fn holds(condition: &str, values: &BTreeMap<String, String>) -> bool {
    condition.split(" && ").all(|part| {
        let words: Vec<_> = part.split(' ').collect();
        let [name, operator, literal] = words[..] else { panic!("`{part}` is not known here") };
        let equal = values.get(name).map_or("", String::as_str) == literal.trim_matches('\'');
        match operator {
            "==" => equal,
            "!=" => !equal,
            _ => panic!("`{operator}` is not known here"),
        }
    })
}

fn inputs(job: &MailJob, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let given = [
        ("sessions", "sessions/smoke/auth-in-clear.toml\nsessions/smoke/postmaster.toml\n"),
        ("server", &format!("smtp://localhost:{}", job.server.port)),
        ("options", "--ca ca.pem --skip-tag slow\n--jobs 4 --var domain=localhost"),
    ];
    given.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
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
#[ignore = "needs check-jsonschema: make test-schemas"]
fn the_action_uses_the_program_that_it_is_given() {
    let job = MailJob::new();
    job.program("cargo", "echo built >> built.log");
    job.mailrun("given");
    let ran = run_action(&job, &inputs(&job, &[("binary", "bin/given")]), false);
    MailJob::assert_suite_ran(&ran.ended);
    assert_eq!(ran.values["steps.test.outputs.status"], "1");
    job.assert_kept(&["mailrun-reports/junit.xml", "mailrun-reports/mailrun.html", "mailrun-reports/transcripts.txt"]);
    assert_eq!(ran.steps, ["Take the program that was given", "Test the server"]);
    assert!(!job.folder.path("built.log").exists(), "nothing is built");
    let said = streams(&ran.ended);
    assert!(said.lines().any(|line| line.starts_with("::error file=")), "annotations are printed: {said}");
}

#[test]
#[ignore = "needs check-jsonschema: make test-schemas"]
fn a_program_from_a_url_needs_its_checksum() {
    let job = MailJob::new();
    let program = std::fs::read(job.mailrun("given")).expect("it was written");
    let url = download_server(program.clone());
    let right = sha256(&program);
    let wrong = sha256(b"something else");
    let run = |sum: &str| run_action(&job, &inputs(&job, &[("binary", &url), ("sha256", sum)]), false);
    let ran = run(&right);
    MailJob::assert_suite_ran(&ran.ended);
    let ran = run("");
    assert!(streams(&ran.ended).contains("its checksum is missing"), "{}", streams(&ran.ended));
    assert_eq!(ran.steps, ["Take the program that was given"]);
    let ran = run(&wrong);
    assert!(streams(&ran.ended).contains("did NOT match"), "{}", streams(&ran.ended));
    assert_eq!(ran.steps, ["Take the program that was given"], "a program with another checksum is not run");
}

#[test]
#[ignore = "needs check-jsonschema: make test-schemas"]
fn the_action_builds_mailrun_once() {
    let job = MailJob::new();
    let (source, root) = (project_path(".ci/action/../.."), job.folder.argument("temp/mailrun"));
    job.cargo(&format!("install --path {} --locked --root {root}", source.display()), &root);
    let first = run_action(&job, &inputs(&job, &[]), false);
    MailJob::assert_suite_ran(&first.ended);
    assert_eq!(job.folder.read("cargo.log").lines().count(), 1);
    let second = run_action(&job, &inputs(&job, &[]), true);
    MailJob::assert_suite_ran(&second.ended);
    assert_eq!(job.folder.read("cargo.log").lines().count(), 1, "the program of the cache is used");
    let key = |run: &ActionRun| run.values["steps.source.outputs.key"].clone();
    assert_eq!(key(&first), key(&second));
    assert_eq!(key(&first).len(), "mailrun-".len() + 64, "{}", key(&first));
}

#[test]
#[ignore = "needs check-jsonschema: make test-schemas"]
fn inputs_with_characters_of_the_shell_stay_data() {
    let job = MailJob::new();
    job.mailrun("given");
    let sessions = "sessions/smoke/greeting.toml\n  \n$(touch made); touch made\n";
    let given = [("binary", "bin/given"), ("sessions", sessions), ("reports", "a b")];
    let ran = run_action(&job, &inputs(&job, &given), false);
    assert_eq!(ran.values["steps.test.outputs.status"], "66", "{}", streams(&ran.ended));
    assert!(!job.folder.path("made").exists());
    job.assert_kept(&["a b/junit.xml"]);
}

#[test]
#[ignore = "needs check-jsonschema: make test-schemas"]
fn github_accepts_the_documented_workflow_and_it_works() {
    let workflow = block("GitHub Actions", "yaml");
    assert_conforms(&workflow, "vendor.github-workflows", "runs-on:", "run-on:");
    let steps = parse(&workflow)["jobs"]["smoke"]["steps"].as_array().expect("steps are a list").clone();
    let uses = |step: &Value, what: &str| step["uses"].as_str().is_some_and(|uses| uses.contains(what));
    let action = steps.iter().find(|step| uses(step, "/.ci/action@")).expect("the workflow uses the action");
    let job = MailJob::new();
    let root = job.folder.argument("temp/mailrun");
    job.cargo(&format!("install --path {} --locked --root {root}", project_path(".ci/action/../..").display()), &root);
    let inputs: Vec<_> =
        map(&action["with"]).into_iter().map(|(name, value)| (name, job.at_server(&value, "localhost:2525"))).collect();
    let ran = run_action(&job, &inputs, false);
    MailJob::assert_suite_ran(&ran.ended);
    let upload = steps.iter().find(|step| uses(step, "upload-artifact")).expect("reports are kept");
    assert_eq!(upload["with"]["path"], "mailrun-reports");
    job.assert_kept(&["mailrun-reports/junit.xml", "mailrun-reports/mailrun.html"]);
}

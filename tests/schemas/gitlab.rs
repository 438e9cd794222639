//! The template for GitLab and the pipeline in docs/ci.md: GitLab's schema accepts them, and gitlab-ci-local runs them as a
//! runner of GitLab does, but without containers.

use super::mail_job::{MailJob, download_server, sha256};
use super::yaml::{assert_conforms, assert_shell, parse, texts};
use super::{block, installed, project_text, streams};
use crate::support::Folder;
use serde_json::{Value, json};
use std::process::Output;

const TEMPLATE: &str = ".ci/mailrun.gitlab-ci.yml";

/// Runs the job `smoke` of a pipeline. On its GitLab server, `example/mailrun` has the template.
fn run_pipeline(job: &MailJob, pipeline: &Value) -> Output {
    let server = Folder::new();
    std::fs::create_dir(server.path(".ci")).expect("a folder can be made");
    server.write(TEMPLATE, project_text(TEMPLATE));
    job.folder.write(".gitlab-ci.yml", pipeline.to_string());
    let script = "\
        commit() { git -C \"$1\" init -q -b main; git -C \"$1\" add --all; git -C \"$1\" commit -q --allow-empty -m test; }\n\
        commit \"$SERVER\"\n\
        commit .\n\
        git config remote.origin.url https://gitlab.example.com/example/tests.git\n\
        \"$GITLAB_CI_LOCAL\" --force-shell-executor --shell-isolation --no-artifacts-to-source smoke";
    let url = server.argument("");
    let git = [
        ("user.name", "Test"),
        ("user.email", "test@example.com"),
        (
            &format!("url.file://{}.insteadOf", url.trim_end_matches('/')),
            "https://gitlab.example.com:443/example/mailrun.git",
        ),
    ];
    let mut environment = vec![
        ("HOME".to_owned(), server.argument("home")),
        ("SERVER".to_owned(), url.clone()),
        ("GITLAB_CI_LOCAL".to_owned(), installed("node_modules/.bin/gitlab-ci-local").display().to_string()),
        ("GIT_CONFIG_COUNT".to_owned(), git.len().to_string()),
    ];
    for (index, (name, value)) in git.iter().enumerate() {
        environment.push((format!("GIT_CONFIG_KEY_{index}"), (*name).to_owned()));
        environment.push((format!("GIT_CONFIG_VALUE_{index}"), (*value).to_owned()));
    }
    let mut ended = job.run(script, &environment);
    // What the job printed without its name before each line.
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    ended.stdout = said
        .lines()
        .map(|line| line.strip_prefix("smoke > ").unwrap_or(line).to_owned() + "\n")
        .collect::<String>()
        .into();
    ended
}

/// Runs a job that extends the template.
fn run_template(job: &MailJob, more: &[(&str, &str)]) -> Output {
    let server = format!("smtp://localhost:{}", job.server.port);
    let mut variables = json!({
        "SESSIONS": "sessions/smoke/auth-*.toml",
        "MAILRUN_SERVER": server,
        "MAILRUN_CA": "ca.pem",
        "MAILRUN_SKIP_TAG": "slow",
        "MAILRUN_JOBS": "4",
    });
    for (name, value) in more {
        variables[*name] = json!(value);
    }
    let include = json!([{ "project": "example/mailrun", "file": TEMPLATE }]);
    run_pipeline(job, &json!({ "include": include, "smoke": { "extends": ".mailrun", "variables": variables } }))
}

/// The job wrote what the template says that GitLab keeps.
fn assert_artifacts(job: &MailJob) {
    let kept = &parse(&project_text(TEMPLATE))[".mailrun"]["artifacts"];
    let files = texts(&kept["paths"]);
    job.assert_kept(&files.iter().map(|name| format!(".gitlab-ci-local/artifacts/smoke/{name}")).collect::<Vec<_>>());
    // gitlab-ci-local leaves reports where the job wrote them.
    let report = kept["reports"]["junit"].as_str().expect("a name");
    job.assert_kept(&[format!(".gitlab-ci-local/builds/smoke/{report}")]);
}

#[test]
#[ignore = "needs check-jsonschema: make test-schemas"]
fn gitlab_accepts_the_template() {
    let template = project_text(TEMPLATE);
    // The schema looks less closely at jobs whose names begin with a dot.
    let job = template.replace("\n.mailrun:", "\nmailrun:");
    assert_conforms(&job, "vendor.gitlab-ci", "script:\n    - mailrun", "scirpt:\n    - mailrun");
    let job = &parse(&template)[".mailrun"];
    assert_shell(&[texts(&job["before_script"]), texts(&job["script"])].concat().join("\n"), "sh");
}

#[test]
#[ignore = "needs gitlab-ci-local: make test-schemas"]
fn the_template_takes_a_program_from_a_path_or_a_url() {
    let job = MailJob::new();
    let given = job.mailrun("given");
    MailJob::assert_suite_ran(&run_template(&job, &[("INSTALL_BINARY", "bin/given")]));
    assert_artifacts(&job);

    let program = std::fs::read(given).expect("it was written");
    let (url, sum) = (download_server(program.clone()), sha256(&program));
    let job = MailJob::new();
    let ended = run_template(&job, &[("INSTALL_BINARY", &url)]);
    assert!(ended.status.code() == Some(1) && streams(&ended).contains("set INSTALL_SHA256"), "{}", streams(&ended));
    let ended = run_template(&job, &[("INSTALL_BINARY", &url), ("INSTALL_SHA256", &sha256(b"something else"))]);
    assert!(ended.status.code() == Some(1) && !streams(&ended).contains("passed"), "{}", streams(&ended));
    MailJob::assert_suite_ran(&run_template(&job, &[("INSTALL_BINARY", &url), ("INSTALL_SHA256", &sum)]));
}

/// The suite fails, which must not keep the program from the cache.
#[test]
#[ignore = "needs gitlab-ci-local: make test-schemas"]
fn the_template_builds_a_program_and_caches_it() {
    let job = MailJob::new();
    let arguments = "install --git https://git.example.com/mailrun.git --locked --root .mailrun mailrun";
    job.cargo(arguments, ".mailrun");
    MailJob::assert_suite_ran(&run_template(&job, &[("INSTALL_SOURCE", "https://git.example.com/mailrun.git")]));
    job.program("cargo", &format!("[ \"$*\" = '{arguments}' ] && echo 'cargo has' .mailrun/bin/*"));
    let ended = run_template(&job, &[("INSTALL_SOURCE", "https://git.example.com/mailrun.git")]);
    MailJob::assert_suite_ran(&ended);
    assert!(streams(&ended).contains("cargo has .mailrun/bin/mailrun\n"), "{}", streams(&ended));
}

#[test]
#[ignore = "needs gitlab-ci-local: make test-schemas"]
fn the_template_takes_the_program_of_the_image_even_if_another_is_cached() {
    let job = MailJob::new();
    let ended = run_template(&job, &[]);
    assert!(ended.status.code() == Some(1) && streams(&ended).contains("there is no mailrun"), "{}", streams(&ended));
    job.program("another", "echo 'this is another program'");
    let ended = run_template(&job, &[("INSTALL_BINARY", "bin/another")]);
    assert!(ended.status.success() && streams(&ended).contains("another program"), "{}", streams(&ended));
    job.mailrun("mailrun");
    MailJob::assert_suite_ran(&run_template(&job, &[]));
}

#[test]
#[ignore = "needs gitlab-ci-local: make test-schemas"]
fn gitlab_accepts_the_documented_pipeline_and_it_works() {
    let text = block("GitLab CI", "yaml");
    assert_conforms(&text, "vendor.gitlab-ci", "variables:", "varaibles:");
    let job = MailJob::new();
    let mut pipeline = parse(&job.at_server(&text, "mail:25"));
    let smoke = pipeline["smoke"].as_object_mut().expect("a job");
    assert!(smoke.remove("services").is_some(), "the pipeline has a server");
    let source = smoke["variables"]["INSTALL_SOURCE"].as_str().expect("it says what to build").to_owned();
    job.cargo(&format!("install --git {source} --locked --root .mailrun mailrun"), ".mailrun");
    MailJob::assert_suite_ran(&run_pipeline(&job, &pipeline));
    assert_artifacts(&job);
}

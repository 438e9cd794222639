//! The template for GitLab and the pipeline in docs/ci.md: GitLab's schema accepts them, and their commands work.

use super::mail_job::{MailJob, download_server, sha256};
use super::yaml::{assert_conforms, assert_shell, map, parse, texts};
use super::{block, project_text, streams};
use serde_json::Value;
use std::process::Output;

const TEMPLATE: &str = ".ci/mailrun.gitlab-ci.yml";

/// The variables of the template, then those of a job that extends it.
fn variables(job: &[(String, String)]) -> Vec<(String, String)> {
    let mut all = map(&parse(&project_text(TEMPLATE))[".mailrun"]["variables"]);
    all.extend(job.iter().cloned());
    all
}

/// The commands of a job, which GitLab runs in one shell.
fn script(job: &Value) -> String {
    [texts(&job["before_script"]), texts(&job["script"])].concat().join("\n")
}

fn run_template(job: &MailJob, more: &[(&str, &str)]) -> Output {
    let server = format!("smtp://localhost:{}", job.server.port);
    let given = [
        ("SESSIONS", "sessions/smoke/auth-*.toml"),
        ("MAILRUN_SERVER", &server),
        ("MAILRUN_CA", "ca.pem"),
        ("MAILRUN_SKIP_TAG", "slow"),
        ("MAILRUN_JOBS", "4"),
    ];
    let given = given.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    job.run(&script(&parse(&project_text(TEMPLATE))[".mailrun"]), &variables(&given.collect::<Vec<_>>()))
}

#[test]
#[ignore = "needs check-jsonschema: make test-schemas"]
fn gitlab_accepts_the_template() {
    let template = project_text(TEMPLATE);
    // The schema looks less closely at jobs whose names begin with a dot.
    let job = template.replace("\n.mailrun:", "\nmailrun:");
    assert_conforms(&job, "vendor.gitlab-ci", "script:\n    - mailrun", "scirpt:\n    - mailrun");
    assert_shell(&script(&parse(&template)[".mailrun"]), "sh");
}

#[test]
#[ignore = "needs check-jsonschema: make test-schemas"]
fn the_template_takes_a_program_from_a_path_a_url_a_repository_or_the_image() {
    let job = MailJob::new();
    let given = job.mailrun("given");
    let ended = run_template(&job, &[("INSTALL_BINARY", "bin/given")]);
    MailJob::assert_suite_ran(&ended);
    job.assert_kept(&["junit.xml", "mailrun.html", "transcripts.txt"]);

    let program = std::fs::read(given).expect("it was written");
    let (url, sum) = (download_server(program.clone()), sha256(&program));
    let job = MailJob::new();
    let ended = run_template(&job, &[("INSTALL_BINARY", &url)]);
    assert!(ended.status.code() == Some(1) && streams(&ended).contains("set INSTALL_SHA256"), "{}", streams(&ended));
    let ended = run_template(&job, &[("INSTALL_BINARY", &url), ("INSTALL_SHA256", &sha256(b"something else"))]);
    assert!(ended.status.code() == Some(1) && !streams(&ended).contains("passed"), "{}", streams(&ended));
    MailJob::assert_suite_ran(&run_template(&job, &[("INSTALL_BINARY", &url), ("INSTALL_SHA256", &sum)]));

    let job = MailJob::new();
    job.cargo("install --git https://git.example.com/mailrun.git --locked --root .mailrun mailrun", ".mailrun");
    MailJob::assert_suite_ran(&run_template(&job, &[("INSTALL_SOURCE", "https://git.example.com/mailrun.git")]));

    let job = MailJob::new();
    job.mailrun("mailrun");
    MailJob::assert_suite_ran(&run_template(&job, &[]));
}

#[test]
#[ignore = "needs check-jsonschema: make test-schemas"]
fn gitlab_accepts_the_documented_pipeline_and_it_works() {
    let text = block("GitLab CI", "yaml");
    assert_conforms(&text, "vendor.gitlab-ci", "variables:", "varaibles:");
    let pipeline = parse(&text);
    let template = parse(&project_text(TEMPLATE));
    assert_eq!(pipeline["include"][0]["file"], TEMPLATE);
    assert_eq!(pipeline["smoke"]["extends"], ".mailrun");
    let job = MailJob::new();
    let given: Vec<_> = map(&pipeline["smoke"]["variables"])
        .into_iter()
        .map(|(name, value)| (name, job.at_server(&value, "mail:25")))
        .collect();
    let source = given.iter().find(|(name, _)| name == "INSTALL_SOURCE").expect("the pipeline says what to build");
    job.cargo(&format!("install --git {} --locked --root .mailrun mailrun", source.1), ".mailrun");
    assert!(pipeline["smoke"].get("script").is_none(), "the script is that of the template");
    MailJob::assert_suite_ran(&job.run(&script(&template[".mailrun"]), &variables(&given)));
    let kept = &template[".mailrun"]["artifacts"];
    job.assert_kept(&texts(&kept["paths"]));
    job.assert_kept(&[kept["reports"]["junit"].as_str().expect("a name")]);
}

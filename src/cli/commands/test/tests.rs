//! A bug in the program must not lose the results of other sessions.

use super::*;
use crate::cli::arguments::{Arguments, CliCommand};
use clap::Parser;
use std::path::Path;

fn run(folder: &Path, options: &[&str], begun: &(dyn Fn(usize) + Sync)) -> Status {
    let reports = ["junit", "tap", "json", "html"].map(|kind| format!("--{kind}={}", folder.join(kind).display()));
    let sessions = folder.join("sessions");
    let mut line = vec!["mailrun", "test", "--dry-run", "--quiet", "--server", "smtp://mail.example.com"];
    line.extend(options);
    line.extend(reports.iter().map(String::as_str));
    line.push(sessions.to_str().expect("a temporary folder has a name in UTF-8"));
    let parsed = Arguments::try_parse_from(line).expect("the line is valid");
    let CliCommand::Test(arguments) = &parsed.command else { panic!("it is `test`") };
    match test(arguments, &|long| format!("--{long}"), begun) {
        Ok(end) => end.status,
        Err(error) => panic!("{error:?}"),
    }
}

#[test]
fn a_panic_in_a_worker_ends_one_session_and_no_report() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::create_dir(folder.path().join("sessions")).expect("a folder can be made");
    for name in ["a", "b", "c", "d"] {
        let text = "step = [{ expect = 220 }, { quit = true }]";
        std::fs::write(folder.path().join(format!("sessions/{name}.toml")), text).expect("a session can be written");
    }
    for jobs in ["1", "3"] {
        let breaks = |number| {
            if number == 1 {
                std::panic::resume_unwind(Box::new("a bug"));
            }
        };
        let status = run(folder.path(), &["--jobs", jobs], &breaks);
        assert_eq!(status, Status::Software, "--jobs {jobs}");
        let read = |kind: &str| std::fs::read_to_string(folder.path().join(kind)).expect("the report is whole");
        let json: serde_json::Value = serde_json::from_str(&read("json")).expect("it is JSON");
        let sessions = json["sessions"].as_array().expect("a list");
        let verdicts: Vec<_> = sessions.iter().map(|session| &session["verdict"]).collect();
        assert_eq!(verdicts, ["passed", "error", "passed", "passed"], "--jobs {jobs}");
        assert_eq!((&json["status"], &sessions[1]["status"]), (&70.into(), &70.into()));
        let junit = quick_junit::Report::deserialize_from_str(&read("junit")).expect("it is JUnit");
        let errors: Vec<_> = junit.test_suites.iter().map(|suite| suite.errors).collect();
        assert_eq!(errors, [0, 1, 0, 0]);
        assert!(read("tap").lines().any(|line| line.starts_with("not ok 2 - ")));
        assert!(read("html").ends_with("</html>\n") && read("html").contains("ended by an internal error"));
    }
}

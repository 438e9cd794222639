//! JUnit reports are valid by the schema of Jenkins' xunit plugin.

use super::{installed, output, streams};
use crate::support::{Folder, tool};
use std::fmt::Write;

/// Runs sessions in a dry run and validates the report. Returns the report.
fn checked(folder: &Folder, status: i32, arguments: &[&str]) -> String {
    let run = folder.mailrun(["test", "--dry-run", "--server", "smtp://mail.example.com", "--sink", "box"]);
    run.args(["--junit", "junit.xml"]).args(arguments).run().exits(status);
    // The schema does not know the place of a case, which Jenkins ignores and GitLab shows.
    let place = regex::Regex::new(r#" file="[^"]*" line="[0-9]+""#).expect("the pattern is valid");
    let text = folder.read("junit.xml");
    folder.write("junit.xml", place.replace_all(&text, "").as_ref());
    let mut xmllint = tool("xmllint");
    xmllint.args(["--noout", "--nonet", "--schema"]).arg(installed("junit-10.xsd"));
    let found = output(xmllint.arg(folder.path("junit.xml")));
    assert!(found.status.success(), "{}\n{text}", streams(&found));
    text
}

#[test]
#[ignore = "needs Jenkins' schema: make test-schemas"]
fn jenkins_accepts_reports_of_every_outcome() {
    let folder = Folder::new();
    let greet = "[[step]]\nexpect = 220\n[[step]]\nehlo = 'client.example'\n";
    folder.write("passed.toml", format!("description = \"with a name\"\n{greet}[[step]]\nquit = true\n"));
    folder.write("failed.toml", format!("{greet}[[step]]\nsend = 'NOOP'\nexpect = 550\n[[step]]\nquit = true\n"));
    folder
        .write("asserts.toml", format!("{greet}[[step]]\nsend = 'NOOP'\nexpect = 250\nassert = ['1 > 2', '2 > 3']\n"));
    folder.write("error.toml", format!("{greet}[[step]]\nclose = 'write'\n[[step]]\nexpect = 250\n"));
    folder.write("skipped.toml", format!("requires = ['NOSUCH']\n{greet}[[step]]\nquit = true\n"));
    folder.write("xfail.toml", "xfail = 'issue <17> & \"more\"'\n[[step]]\nexpect = 554\n");
    folder.write("xpass.toml", "xfail = 'it is mended'\n[[step]]\nexpect = 220\n");
    folder.write("broken.toml", "[[step]]\nsned = 'x'\n");
    folder.write("nothing.toml", "[[step]]\nif = 'false'\nexpect = 220\n");
    // Characters that XML cannot represent or must escape, and the end of a CDATA section.
    folder.write("hostile \u{7}<&>.toml",
        format!(
            "{greet}[[step]]\nname = \"\\u0000\\u001b[31m ]]> <b> & \\uFFFE\"\nraw = \"NOOP \\u0000\\u0001\\u000b ]]> \\u0085 <&>\\r\\n\"\nexpect = 999\n"
        ),
    );
    let text = checked(&folder, 65, &["."]);
    let count = |what: &str| text.matches(what).count();
    assert_eq!(count("<testsuite "), 10);
    // Failures, errors and skipped sessions are distinguished.
    assert!(count("<failure ") >= 4 && count("<error ") == 2 && count("<skipped ") >= 3, "{text}");
}

#[test]
#[ignore = "needs Jenkins' schema: make test-schemas"]
fn jenkins_accepts_batches_repetitions_and_attempts() {
    let folder = Folder::new();
    let mut rows = "email\n".to_owned();
    (0..30).for_each(|number| writeln!(rows, "user{number}@example.com").expect("a String takes all"));
    folder.write("people.csv", &rows);
    folder.write("batch.toml",
        "open = [{ login = true }]\n[rows]\nfile = 'people.csv'\nkey = 'email'\nper_connection = 7\nconnections = 2\n\
         [[step]]\nsend = 'VRFY {{ row.email }}'\nexpect = ['252', '250']\nassert = [\"row.email != 'user3@example.com'\"]\n\
         [[close]]\nquit = true\n",
    );
    let text = checked(&folder, 1, &["batch.toml"]);
    assert_eq!(text.matches("<failure ").count(), 1, "{text}");
    assert_unique_names(&text);
    let text = checked(&folder, 1, &["--repeat", "2", "batch.toml"]);
    assert_eq!(text.matches("row user3@example.com, run ").count(), 2, "{text}");
    assert_unique_names(&text);
    folder.write(
        "plain.toml",
        "step = [{ expect = 220 }, { send = 'NOOP', expect = 250, repeat = 2 }, { quit = true }]\n",
    );
    let text = checked(&folder, 0, &["--repeat", "3", "plain.toml"]);
    assert_eq!(text.matches("<testcase ").count(), 9, "all repetitions of a step are one case");
    assert_unique_names(&text);
}

/// Jenkins treats two cases of the same name as one.
fn assert_unique_names(report: &str) {
    let mut names: Vec<&str> = report
        .split("<testcase name=\"")
        .skip(1)
        .map(|rest| rest.split_once("\" time=").map_or(rest, |(name, _)| name))
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "{report}");
}

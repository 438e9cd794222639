//! JUnit reports, and the schema that Jenkins' xunit plugin holds them against.

use super::{installed, mailrun, output, said};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

/// Runs sessions against a dry run's server, and holds the report against the schema. Gives the report.
fn checked(folder: &Path, status: i32, arguments: &[&str]) -> String {
    let report = folder.join("junit.xml");
    let mut command = mailrun();
    command.current_dir(folder).args(["test", "--dry-run", "--server", "smtp://mail.example.com", "--sink", "box"]);
    let ended = output(command.arg("--junit").arg(&report).args(arguments));
    assert_eq!(ended.status.code(), Some(status), "{}", said(&ended));
    let mut xmllint = Command::new("xmllint");
    xmllint.args(["--noout", "--nonet", "--schema"]).arg(installed("junit-10.xsd"));
    let found = output(xmllint.arg(&report));
    let text = std::fs::read_to_string(&report).expect("the report was written");
    assert!(found.status.success(), "{}\n{text}", said(&found));
    text
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a session can be written");
}

#[test]
#[ignore = "needs Jenkins' schema: make test-schemas"]
fn jenkins_takes_reports_of_every_end() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let folder = folder.path();
    let greet = "[[step]]\nexpect = 220\n[[step]]\nehlo = 'client.example'\n";
    write(folder, "passed.toml", &format!("description = \"with a name\"\n{greet}[[step]]\nquit = true\n"));
    write(folder, "failed.toml", &format!("{greet}[[step]]\nsend = 'NOOP'\nexpect = 550\n[[step]]\nquit = true\n"));
    write(
        folder,
        "asserts.toml",
        &format!("{greet}[[step]]\nsend = 'NOOP'\nexpect = 250\nassert = ['1 > 2', '2 > 3']\n"),
    );
    write(folder, "error.toml", &format!("{greet}[[step]]\nclose = 'write'\n[[step]]\nexpect = 250\n"));
    write(folder, "skipped.toml", &format!("requires = ['NOSUCH']\n{greet}[[step]]\nquit = true\n"));
    write(folder, "xfail.toml", "xfail = 'issue <17> & \"more\"'\n[[step]]\nexpect = 554\n");
    write(folder, "xpass.toml", "xfail = 'it is mended'\n[[step]]\nexpect = 220\n");
    write(folder, "broken.toml", "[[step]]\nsned = 'x'\n");
    write(folder, "nothing.toml", "[[step]]\nif = 'false'\nexpect = 220\n");
    // What XML cannot hold, what it would read otherwise, and what ends a CDATA section.
    write(
        folder,
        "hostile \u{7}<&>.toml",
        &format!(
            "{greet}[[step]]\nname = \"\\u0000\\u001b[31m ]]> <b> & \\uFFFE\"\nraw = \"NOOP \\u0000\\u0001\\u000b ]]> \\u0085 <&>\\r\\n\"\nexpect = 999\n"
        ),
    );
    let text = checked(folder, 65, &["."]);
    let count = |what: &str| text.matches(what).count();
    assert_eq!(count("<testsuite "), 10);
    // Each is told apart from the others.
    assert!(count("<failure ") >= 4 && count("<error ") == 2 && count("<skipped ") >= 3, "{text}");
}

#[test]
#[ignore = "needs Jenkins' schema: make test-schemas"]
fn jenkins_takes_batches_repetitions_and_tries() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let folder = folder.path();
    let mut rows = "email\n".to_owned();
    (0..30).for_each(|number| writeln!(rows, "user{number}@example.com").expect("a String takes all"));
    write(folder, "people.csv", &rows);
    write(
        folder,
        "batch.toml",
        "open = [{ login = true }]\n[rows]\nfile = 'people.csv'\nkey = 'email'\nper_connection = 7\nconnections = 2\n\
         [[step]]\nsend = 'VRFY {{ row.email }}'\nexpect = ['252', '250']\nassert = [\"row.email != 'user3@example.com'\"]\n\
         [[close]]\nquit = true\n",
    );
    let text = checked(folder, 1, &["batch.toml"]);
    assert_eq!(text.matches("<failure ").count(), 1, "{text}");
    names_differ(&text);
    let text = checked(folder, 1, &["--repeat", "2", "batch.toml"]);
    assert_eq!(text.matches("row user3@example.com, run ").count(), 2, "{text}");
    names_differ(&text);
    write(
        folder,
        "plain.toml",
        "step = [{ expect = 220 }, { send = 'NOOP', expect = 250, repeat = 2 }, { quit = true }]\n",
    );
    let text = checked(folder, 0, &["--repeat", "3", "plain.toml"]);
    assert_eq!(text.matches("<testcase ").count(), 12);
    names_differ(&text);
}

/// Two cases of one name are one for Jenkins.
fn names_differ(report: &str) {
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

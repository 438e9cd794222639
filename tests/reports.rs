//! `mailrun test` with all its reports at once, for the sessions in `tests/reports/`: the screen is compared with a golden
//! file, and each report is parsed.

mod support;

use serde_json::Value;
use support::{Finished, Folder, Mailrun, json_schema, project_path};

fn test(arguments: &[&str]) -> Finished {
    let command = Mailrun::new(["test", "--dry-run", "--server", "smtp://mail.example.com"]);
    command.args(arguments).in_folder(&project_path("tests")).run()
}

/// Times differ from run to run.
fn timeless(text: &str) -> String {
    let time = regex::Regex::new(r"(under )?\d+(\.\d+)? (ms|s)\b").expect("the pattern is valid");
    time.replace_all(text, "TIME").into_owned()
}

/// Compares the screen with a golden file, and checks that it fits 80 columns.
fn is_golden(name: &str, output: &Finished) {
    let golden = project_path("tests/reports").join(name);
    let screen = timeless(&output.stdout);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &screen).expect("the golden file can be written");
    }
    assert_eq!(screen, std::fs::read_to_string(&golden).expect("it is there"), "UPDATE_GOLDEN=1 rewrites it");
    let wide: Vec<_> = screen.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "80 columns hold it: {wide:#?}");
}

#[test]
fn skipped_sessions_and_all_steps_are_shown() {
    let files = ["reports/skipped.toml", "reports/expected.toml", "reports/relay.toml", "reports/passes.toml"];
    let output = test(&[&["--fail-fast", "--verbose"], &files[..]].concat());
    assert_eq!(output.status, 1, "{}", output.stderr);
    is_golden("screen-verbose.txt", &output);
    let quiet = test(&["--quiet", "reports/skipped.toml", "reports/expected.toml", "reports/passes.toml"]);
    assert_eq!((quiet.status, quiet.text().as_str()), (0, ""), "quiet is quiet");
}

#[test]
fn all_reports_agree() {
    let folder = Folder::new();
    let path = |name: &str| folder.argument(name);
    let (junit, tap, json, html) = (path("j.xml"), path("t.tap"), path("r.json"), path("r.html"));
    let reports = ["--junit", &junit, "--tap", &tap, "--json", &json, "--html", &html, "--jobs", "3", "reports"];
    let output = test(&reports);
    assert_eq!(output.status, 65, "{}", output.stderr);
    let read = |name: &str| std::fs::read_to_string(name).expect("the report was written");

    is_golden("screen.txt", &output);

    let report = quick_junit::Report::deserialize_from_str(&read(&junit)).expect("it is JUnit");
    let counts: Vec<_> = report.test_suites.iter().map(|s| (s.tests, s.failures, s.errors, s.skipped)).collect();
    assert_eq!(counts, [(1, 0, 1, 0), (1, 0, 0, 1), (3, 0, 0, 0), (3, 2, 0, 0), (3, 0, 0, 1)], "broken, expected, …");

    let tap = read(&tap);
    let points: Vec<_> = tap.lines().filter(|l| l.starts_with("ok ") || l.starts_with("not ok ")).collect();
    assert_eq!(tap.lines().take(2).collect::<Vec<_>>(), ["TAP version 13", "1..5"]);
    let expected = [
        "not ok 1 - reports/broken.toml",
        "not ok 2 - reports/expected.toml # TODO failed as expected: issue 17",
        "ok 3 - reports/passes.toml",
        "not ok 4 - reports/relay.toml",
        "ok 5 - reports/skipped.toml # SKIP the server does not offer NOSUCH",
    ];
    assert_eq!(points, expected);

    let report: Value = serde_json::from_str(&read(&json)).expect("it is JSON");
    let verdicts: Vec<_> = report["sessions"].as_array().expect("a list").iter().map(|s| &s["verdict"]).collect();
    assert_eq!(verdicts, ["error", "xfailed", "passed", "failed", "skipped"]);
    let schema = include_str!("../docs/report.schema.json");
    let schema: Value = serde_json::from_str(schema).expect("the schema is JSON");
    let wrong = json_schema::validate(&schema, &report);
    assert!(wrong.is_empty(), "{wrong:#?}");

    let page = read(&html);
    for outside in ["http:", "https:", "src=", "href=", "url(", "@import"] {
        assert!(!page.contains(outside), "the page asks for nothing: {outside}");
    }
    assert_eq!(page.matches("<details class=\"session\"").count(), 5);
    assert!(page.contains("<mark class=\"f\" tabindex=\"-1\">*: expected 250, got 503"), "the failed line is marked");
}

#[test]
fn parallel_runs_print_each_session_as_one_block_in_file_order() {
    let folder = Folder::new();
    for number in 0..20 {
        let greet =
            format!("step = [ {{ expect = 220 }}, {{ ehlo = \"client{number:02}.example\" }}, {{ quit = true }} ]");
        folder.write(&format!("s{number:02}.toml"), greet);
    }
    let run = folder.mailrun(["run", "--dry-run", "--server", "smtp://mail.example.com", "--jobs", "5"]);
    let output = run.args(["--transcript", "all.log", "."]).run().exits(0);
    let kept = folder.read("all.log");
    for text in [kept, output.stdout] {
        let blocks: Vec<_> = text.split("*: session ").skip(1).collect();
        assert_eq!(blocks.len(), 20);
        for (number, block) in blocks.into_iter().enumerate() {
            assert!(block.starts_with(&format!("./s{number:02}.toml\n")), "{block}");
            assert!(block.contains(&format!("C: EHLO client{number:02}.example\n")), "{block}");
            assert_eq!(block.matches("C: QUIT").count(), 1, "{block}");
        }
    }
}

#[test]
fn every_smoke_session_is_valid_and_documented() {
    let check = Mailrun::new(["check", "--server", "smtp://mail.example.com", "sessions/smoke"]);
    check.in_folder(&project_path(".")).run().exits(0);
    let page = std::fs::read_to_string(project_path("docs/ci.md")).expect("the page is there");
    for entry in std::fs::read_dir(project_path("sessions/smoke")).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        // Names with `_` are includes.
        if name.starts_with('_') {
            continue;
        }
        assert!(page.contains(&format!("`{name}`")), "docs/ci.md does not list {name}");
        let text = std::fs::read_to_string(&path).expect("a session is text");
        assert!(
            text.starts_with("# ") && !text.contains("\nserver ="),
            "{name}: a header, and --server for any server"
        );
    }
}

#[test]
fn repetitions_and_attempts_have_different_numbers() {
    let folder = Folder::new();
    let path = |name: &str| folder.argument(name);
    let (session, rows, json) = (path("s.toml"), path("r.toml"), path("r.json"));
    std::fs::write(
        &session,
        "step = [{ expect = 220 }, { send = 'NOOP', expect = '2xx', repeat = 2 }, { quit = true }]",
    )
    .expect("a session can be written");
    std::fs::write(path("r.csv"), "a\n1\n2\n").expect("rows can be written");
    std::fs::write(
        &rows,
        "open = [{ expect = 220 }]\nstep = [{ send = 'NOOP {{ row.a }}', expect = 250 }]\n[rows]\nfile = 'r.csv'",
    )
    .expect("a session can be written");
    let report = |arguments: &[&str]| {
        let output = test(&[&["--json", &json], arguments].concat());
        assert_eq!(output.status, 0, "{}", output.stdout);
        let report: Value =
            serde_json::from_str(&std::fs::read_to_string(&json).expect("it is there")).expect("it is JSON");
        let schema: Value = serde_json::from_str(include_str!("../docs/report.schema.json")).expect("it is JSON");
        let wrong = json_schema::validate(&schema, &report);
        assert!(wrong.is_empty(), "{wrong:#?}");
        report["sessions"][0]["steps"].as_array().expect("a list").clone()
    };
    let numbers = |steps: &[Value]| -> Vec<(u64, u64, u64)> {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        steps
            .iter()
            .map(|s| (number(&s["number"]), number(&s["repetition"]), number(&s["turn"]["repetition"])))
            .collect()
    };
    let expected = [(1, 1, 1), (2, 1, 1), (2, 2, 1), (3, 1, 1), (1, 2, 2), (2, 1, 2), (2, 2, 2), (3, 2, 2)];
    assert_eq!(
        numbers(&report(&["--repeat", "2", &session])),
        expected,
        "number, its own or the session's, the session's"
    );
    assert_eq!(
        numbers(&report(&[&session])),
        [(1, 0, 0), (2, 1, 0), (2, 2, 0), (3, 0, 0)],
        "a single run has no repetition"
    );
    let of_rows = report(&["--repeat", "2", &rows]);
    let of_rows: Vec<_> = of_rows.iter().filter(|step| step["number"] == 2).map(|step| &step["row"]).collect();
    assert_eq!(of_rows.len(), 4);
    let second = serde_json::json!({ "number": 1, "key": "1", "attempt": 1, "repetition": 2 });
    assert_eq!(*of_rows[2], second);
}

/// Every element and attribute is one of Jenkins' schema for JUnit.
#[test]
fn junit_reports_have_only_what_jenkins_accepts() {
    let folder = Folder::new();
    let target = folder.argument("j.xml");
    test(&["--junit", &target, "reports"]);
    let text = std::fs::read_to_string(target).expect("the report was written");
    let known = [
        ("testsuites", "name time tests failures disabled errors skipped"),
        ("testsuite", "name tests failures errors time disabled skipped timestamp hostname id package"),
        ("properties", ""),
        ("property", "name value"),
        ("testcase", "name assertions time classname status file line"),
        ("failure", "type message"),
        ("error", "type message"),
        ("skipped", "type message"),
        ("system-out", ""),
        ("system-err", ""),
    ];
    let tag = regex::Regex::new(r#"<([a-z-]+)((?: [a-z]+="[^"]*")*) ?/?>"#).expect("the pattern is valid");
    let attribute = regex::Regex::new(r#" ([a-z]+)="#).expect("the pattern is valid");
    let quoted = regex::Regex::new(r#""[^"]*""#).expect("the pattern is valid");
    let mut seen = 0;
    for found in tag.captures_iter(&text) {
        seen += 1;
        let (_, allowed) = known.iter().find(|(name, _)| *name == &found[1]).unwrap_or_else(|| panic!("{}", &found[0]));
        for name in attribute.captures_iter(&quoted.replace_all(&found[2], "")) {
            assert!(allowed.split(' ').any(|known| *known == name[1]), "{} has {}", &found[1], &name[1]);
        }
    }
    assert!(seen > 20);
}

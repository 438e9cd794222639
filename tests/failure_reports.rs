//! What `mailrun test` prints about a failure: everything that failed, what was retried, and a command that runs the
//! session again without showing a secret.

mod support;

use serde_json::Value;
use support::{ClosedPort, EmbeddedServer, Finished, Folder, Mailrun, PROGRAM, tool};

/// Runs `case.toml` against the script.
fn against(folder: &Folder, script: &str, options: &[&str]) -> Finished {
    let server = EmbeddedServer::script(script);
    let ran = folder.mailrun(["test", "--server", &server.url("smtp"), "case.toml"]).args(options).run();
    server.stop();
    ran
}

const FAILING: &str = r#"
step = [
    { expect = 220 },
    { send = "FOO", expect = { code = 250, enhanced = "2.x.x", text = 'queued', lines = 2 }, on_fail = "continue",
      assert = ["reply.text == 'x'", "reply.lines | length == 4", "reply.code == 550", "captured == ''"], capture = { captured = 'no' } },
    { send = "NOOP", expect = 250, capture = { a = 'zzz', b = 'yyy' }, assert = ["1 == 2", "a == ''"], on_fail = "continue" },
    { pipeline = [ { send = "NOOP", expect = 251 }, { send = "RSET", expect = 252, assert = ["1 == 3"] } ] },
]
"#;

const ANSWERS: &str = "*: connected\nS: 220 mx.example\nC: FOO\nS: 550 5.1.1 \\xff\\xfe no such user\nC: NOOP\nS: 250 2.0.0 fine\n\
                       C: NOOP\nC: RSET\nS: 250 2.0.0 fine\nS: 250 2.0.0 fine\nC: QUIT\nS: 221 bye\n";

#[test]
fn everything_that_failed_in_a_step_is_reported() {
    let folder = Folder::new();
    folder.write("case.toml", FAILING);
    let output =
        against(&folder, ANSWERS, &["--junit", "j.xml", "--tap", "t.tap", "--json", "r.json", "--html", "r.html"]);
    let screen = &output.stdout;
    assert_eq!(output.status, 1, "{screen}{}", output.stderr);
    let reported = [
        "= got: 550 5.1.1 \\xff\\xfe no such user",
        "= the code is 550, not 250",
        "= the enhanced code is 5.1.1, not 2.x.x",
        "= the text does not match 'queued'",
        "= it has 1 line, not 2",
        "assert failed: reply.text == 'x'",
        "assert failed: reply.lines | length == 4",
        "capture failed: a: ",
        "capture failed: b: ",
        "assert failed: 1 == 2",
        "expected 251, got 250",
        "expected 252, got 250",
        "assert failed: 1 == 3",
    ];
    for one in reported {
        assert!(screen.contains(one), "{one}:\n{screen}");
    }
    // Asserts that hold, and those that need a missing capture, are not reported.
    for one in ["assert failed: reply.code", "captured", "a == ''"] {
        assert!(
            !screen.contains(&format!("error: {one}")) && !screen.contains(&format!("assert failed: {one}")),
            "{one}"
        );
    }
    let captures = screen.lines().find(|line| line.contains("error: capture failed: a")).expect("it is reported");
    assert!(captures.starts_with("case.toml:6:"), "its place: {captures}");
    assert!(
        screen.contains("> *: expected ") && screen.contains(", got 550 (case.toml:4)"),
        "the remark stays: {screen}"
    );
    for report in ["j.xml", "t.tap", "r.json", "r.html"] {
        let report = folder.read(report);
        for one in ["capture failed: b", "expected 252, got 250", "1 == 3", "has 1 line, not 2"] {
            assert!(report.contains(one), "{one}:\n{report}");
        }
        assert!(!report.contains('\u{fffd}'), "bytes stay bytes: {report}");
    }
    let report: Value = serde_json::from_str(&folder.read("r.json")).expect("it is JSON");
    let also = &report["sessions"][0]["steps"][2]["failure"]["also"];
    assert_eq!(also.as_array().map(Vec::len), Some(2), "a capture and the asserts: {also}");
}

const GREYLISTED: &str = r#"
step = [
    { expect = 220 },
    { send = "RCPT TO:<b@example.com>", expect = 250 },
    { send = "QUIT", expect = 221 },
]
[retry]
times = 1
wait = "1ms"
"#;

#[test]
fn a_failed_attempt_stays_in_the_results_of_a_retry() {
    let folder = Folder::new();
    folder.write("case.toml", GREYLISTED);
    let attempt = |reply| {
        format!(
            "*: connected\nS: 220 mx.example\nC: RCPT TO:<b@example.com>\nS: {reply}\nC: QUIT\nS: 221 bye\n*: closed by the server\n"
        )
    };
    let script = attempt("451 4.7.1 greylisted") + &attempt("250 ok");
    let output = against(&folder, &script, &["--junit", "j.xml", "--tap", "t.tap"]);
    let screen = &output.stdout;
    assert_eq!(output.status, 0, "{screen}{}", output.stderr);
    let line = "  tried again: RCPT TO:<b@example.com>, try 1: expected 250, got 451\n";
    assert!(screen.contains(line), "{screen}");

    let report = quick_junit::Report::deserialize_from_str(&folder.read("j.xml")).expect("it is JUnit");
    assert_eq!((report.failures, report.errors), (0, 0), "what is covered makes no build red");
    let names: Vec<&str> = report.test_suites[0].test_cases.iter().map(|case| case.name.as_str()).collect();
    for name in ["2. RCPT TO:<b@example.com>, try 1", "3. QUIT, try 1", "2. RCPT TO:<b@example.com>, try 2"] {
        assert!(names.contains(&name), "{names:#?}");
    }
    assert!(folder.read("j.xml").contains("failed, and was tried again: expected 250, got 451"));
    let tap = folder.read("t.tap");
    assert!(tap.contains("not ok 2 - RCPT TO:<b@example.com>, try 1 # TODO tried again\n"), "{tap}");
    assert!(tap.contains("\nok 1 - case.toml\n"), "{tap}");
}

#[test]
fn a_secret_from_the_command_line_stays_hidden() {
    let folder = Folder::new();
    let steps = "[[step]]\nexpect = 220\n[[step]]\nehlo = true\n";
    let auth =
        "[[step]]\nauth = { mechanism = 'PLAIN', user = 'ann', password = '{{ token }}', allow_plaintext = true }\n";
    let fails = "[[step]]\nsend = 'NOOP'\nexpect = 599\n";
    folder.write("auth.toml", format!("vars = {{ token = '', mail = '' }}\n{steps}{auth}{fails}"));
    // It fails before the password is used.
    folder.write("early.toml", format!("vars = {{ token = '', mail = '' }}\n{steps}{fails}{auth}"));
    let secret = "vars = { mail = '' }\nsecrets = { pw = '{{ token }}' }\n";
    folder.write("secret.toml", format!("{secret}{steps}[[step]]\nsend = 'NOOP {{{{ pw }}}}'\nexpect = 599\n"));
    let dry = ["test", "--dry-run", "--server", "smtp://127.0.0.1", "--sink", "mail"];
    let given = ["--var", "token=CIsecretTOKEN", "--var", "mail=ann+CIsecretTOKEN"];
    for file in ["auth.toml", "early.toml", "secret.toml"] {
        let by_option = |run: Mailrun| run.args(given);
        let by_variable = |run: Mailrun| run.env("MAILRUN_VAR", "token=CIsecretTOKEN");
        for give in [&by_option as &dyn Fn(Mailrun) -> Mailrun, &by_variable] {
            let output = give(folder.mailrun(dry)).args([file]).run();
            let (out, errors) = (&output.stdout, &output.stderr);
            assert_eq!(output.status, 1, "{file}: {out}{errors}");
            assert!(!out.contains("CIsecretTOKEN") && !errors.contains("CIsecretTOKEN"), "{file}: {out}{errors}");
            assert!(out.contains("--var 'token=[secret]'"), "{file}: {out}");
            assert!(!errors.contains("is written in the file"), "{file}: {errors}");
        }
    }
    let output = folder.mailrun(dry).args(["--show-secrets", "--var", "token=CIsecretTOKEN", "auth.toml"]).run();
    assert!(output.stdout.contains("--var token=CIsecretTOKEN"), "it was asked for");
    let output = folder.mailrun(dry).args(["--var", "token=x", "--var", "pw=y", "secret.toml"]).run();
    assert_eq!(output.status, 65);
    assert!(output.stderr.contains("--var sets \"pw\", which is a secret"), "{}", output.stderr);
}

#[test]
fn the_command_to_run_one_session_works_with_any_file_name() {
    let folder = Folder::new();
    for name in ["-dash.toml", "new\nline.toml", "\u{1b}[2J.toml"] {
        folder.write(name, "step = [ { expect = 599 } ]\n");
        let dry = ["test", "--dry-run", "--server", "smtp://127.0.0.1", "--sink", "mail", "--retry", "1", "--", name];
        let output = folder.mailrun(dry).env("GITHUB_ACTIONS", "true").run();
        let screen = &output.stdout;
        let command = screen.lines().find_map(|line| line.trim().strip_prefix("mailrun run ")).expect("it is shown");
        assert!(command.contains("--retry 1"), "{command}");
        assert!(!screen.contains('\u{1b}'), "{screen:?}");
        assert!(screen.lines().any(|line| line.starts_with("::error file=")), "{screen}");
        let script = format!("{} run --sink mail {command}", PROGRAM);
        let again = tool("bash").args(["-c", &script]).current_dir(folder.root()).output().expect("bash starts");
        assert_eq!(again.status.code(), Some(1), "{script}: {}", String::from_utf8_lossy(&again.stderr));
    }
}

#[test]
fn a_run_without_sessions_replaces_the_reports_of_an_earlier_run() {
    let folder = Folder::new();
    folder.write("case.toml", "server = 'smtp://127.0.0.1'\ntags = ['a']\nstep = [ { expect = 220 } ]\n");
    for leaving in [["--tag", "none"], ["--filter", "none"]] {
        folder.write("j.xml", "of an earlier run");
        let output = folder.mailrun(["test", "case.toml", "--junit", "j.xml"]).args(leaving).run();
        assert_eq!(output.status, 66, "{}", output.stderr);
        let report = quick_junit::Report::deserialize_from_str(&folder.read("j.xml")).expect("it is JUnit");
        assert_eq!((report.tests, report.errors), (1, 1));
        assert!(output.stdout.contains("  no session is selected"), "{}", output.stdout);
    }
}

#[test]
fn xfail_does_not_cover_a_server_that_is_down() {
    let folder = Folder::new();
    let closed = ClosedPort::new();
    let url = closed.url("smtp");
    folder.write("case.toml", "xfail = 'issue 1'\nstep = [ { expect = 599 } ]\n");
    let down = folder.mailrun(["test", "--server", &url, "case.toml"]).run();
    assert_eq!(down.status, 69, "{}", down.stdout);
    assert!(down.stdout.starts_with("ERROR"), "{}", down.stdout);
    let up = folder.mailrun(["test", "--dry-run", "--server", &url, "--sink", "mail", "case.toml"]).run();
    assert_eq!(up.status, 0, "{}", up.stdout);
}

#[test]
fn an_invalid_file_is_explained_on_standard_output() {
    let folder = Folder::new();
    folder.write("case.toml", "server = 'smtp://127.0.0.1'\nstep = [ { expct = 220 } ]\n");
    let output = folder.mailrun(["test", "case.toml", "none*.toml"]).run();
    let screen = &output.stdout;
    assert!(screen.contains("ERROR    case.toml\n  case.toml:2:12: error: unknown key \"expct\""), "{screen}");
    assert!(screen.lines().any(|line| line.starts_with("  ") && line.contains("none*.toml")), "{screen}");
}

#[test]
fn events_begin_with_their_version_and_say_why_a_session_was_skipped() {
    let folder = Folder::new();
    folder.write("case.toml", "step = [ { expect = 220, if = '1 == 2' } ]\n");
    let dry = ["test", "--dry-run", "--server", "smtp://127.0.0.1", "--sink", "mail", "--json", "-", "case.toml"];
    let output = folder.mailrun(dry).run();
    assert_eq!(output.status, 0, "{}", output.stderr);
    let lines: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let first = lines.first().expect("there is a line");
    assert_eq!((&first["event"], &first["version"]), (&"run_started".into(), &1.into()));
    let finished = lines.iter().find(|line| line["event"] == "session_finished").expect("the session ended");
    assert_eq!(finished["skipped"], "the `if` of every step was false");
    assert_eq!(lines.last().expect("there is a line")["event"], "run_finished");
}

#[test]
fn no_file_name_makes_a_line_a_command_of_github_actions() {
    let folder = Folder::new();
    let server = "server = \"smtp://127.0.0.1:1\"\n";
    folder.write("::error::down.toml", format!("{server}step = [{{ expect = 220, name = \"::error::step\" }}]\n"));
    folder.write("::error::broken.toml", format!("{server}stepp = [{{ expect = 220 }}]\n"));
    folder.write(
        "::error::rows.toml",
        format!(
            "{server}[message]\nfrom = \"a@x.example\"\nto = [\"{{{{ row.to }}}}\"]\nsubject = \"s\"\ntext = \"t\"\n[rows]\nfile = \"::r.csv\"\nkey = \"to\"\n"
        ),
    );
    folder.write("::r.csv", "to,x\n::error::a\nb@x.example,1\n");
    let commands: [&[&str]; 4] = [&["run"], &["run", "--quiet"], &["test", "--verbose"], &["check"]];
    for command in commands {
        let files = ["./::error::down.toml", "::error::broken.toml", "::error::rows.toml"];
        let output = folder.mailrun(command).args(files).run();
        let said = output.text();
        assert_ne!(output.status, 0, "{said}");
        assert!(said.contains("broken.toml"), "{said}");
        assert!(!said.lines().any(|line| line.starts_with("::")), "{command:?}: {said}");
    }
}

#[test]
fn quiet_output_of_many_failed_sessions_is_cut_and_ends_with_the_summary() {
    let closed = ClosedPort::new();
    let url = closed.url("smtp");
    let mut folder = Folder::new();
    for number in 0..100 {
        folder = folder.with(&format!("case-{number}.toml"), "step = [{ expect = 220 }]\n");
    }
    let ran = folder.mailrun(["test", "--quiet", "--server", &url, "."]).run().exits(69);
    assert!(ran.text().len() <= 20_480, "{} bytes", ran.text().len());
    assert!(ran.stdout.contains("case-0.toml"), "{ran}");
    let (_, rest) = ran.stdout.split_once("… the rest is not shown").expect("it says that something is missing");
    assert!(rest.contains("100 sessions: 100 errors"), "{ran}");
}

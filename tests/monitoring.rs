//! What monitoring and CI systems read of `mailrun test`: the line of `--nagios`, metrics, the table for GitHub, TAP and JUnit.

mod support;

use std::os::unix::fs::PermissionsExt;
use support::{EmbeddedServer, Fault, FaultServer, Finished, Folder, Point, When, project_path, tool};

/// The session of docs/monitoring.md, with the name that the scripts know.
fn documented_session() -> String {
    let page = std::fs::read_to_string(project_path("docs/monitoring.md")).expect("the page is there");
    let block = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    format!("client_name = 'x'\n{}", block.expect("the page has a session"))
}

const REFUSED: &str = "*: connected\nS: 220 mx.example ready\nC: EHLO x\nS: 250 mx.example\nC: MAIL FROM:<>\nS: 250 ok\n\
                       C: RCPT TO:<postmaster@example.com>\nS: 550-5.7.1 denied | here\nS: 550 5.7.1 ::error:: `x`\nC: QUIT\nS: 221 bye\n";

fn test(folder: &Folder, server: &EmbeddedServer, options: &[&str]) -> Finished {
    folder.mailrun(["test", "--ca", &server.ca(), "--server", &server.url("smtp")]).args(options).run()
}

fn with_session() -> Folder {
    let folder = Folder::new();
    folder.write("mx.toml", documented_session());
    folder
}

#[test]
fn a_sound_server_is_ok_and_its_certificate_is_counted() {
    let (folder, server) = (with_session(), EmbeddedServer::sink());
    let output = test(&folder, &server, &["--nagios", "mx.toml"]).exits(0);
    assert!(output.stdout.starts_with("SMTP OK - 1 session passed | time="), "{output}");
    assert_eq!(output.stdout.lines().count(), 1, "{output}");
    let days = output.stdout.split(" cert_days=").nth(1).and_then(|rest| rest.split(";14;7;\n").next());
    let days: i64 = days.and_then(|days| days.parse().ok()).unwrap_or_else(|| panic!("{output}"));
    let limits = |warning: i64, critical: i64| {
        let (warning, critical) = (format!("--warning-days={warning}"), format!("--critical-days={critical}"));
        test(&folder, &server, &["--nagios", &warning, &critical, "mx.toml"])
    };
    assert!(limits(days + 1, 1).exits(1).stdout.starts_with("SMTP WARNING - a certificate ends in "));
    assert!(limits(days + 2, days + 1).exits(2).stdout.starts_with("SMTP CRITICAL - a certificate ends in "));
    limits(days, days).exits(0);
    server.stop();
}

#[test]
fn a_refusal_is_critical_and_its_text_ends_no_field() {
    let (folder, server) = (with_session(), EmbeddedServer::script(REFUSED));
    let output = test(&folder, &server, &["--nagios", "mx.toml"]).exits(2);
    let expected = "SMTP CRITICAL - 1 of 1 session failed: mx.toml:16: expected 2xx, got 550 5.7.1 denied / here";
    assert!(output.stdout.starts_with(expected), "{output}");
    assert_eq!(output.stdout.matches('|').count(), 1, "{output}");
    server.stop();
}

#[test]
fn what_says_nothing_of_the_server_is_unknown() {
    let folder = with_session();
    folder.write("broken.toml", "[[step]]\nexpect = 220\nsned = 'x'\n");
    folder
        .write("skipped.toml", "client_name = 'x'\nrequires = ['NOSUCH']\nstep = [{ login = true }, { quit = true }]");
    let server = EmbeddedServer::script("*: connected\nS: 220 x\nC: EHLO x\nS: 250 x\nC: QUIT\nS: 221 x\n");
    let table: [(&[&str], &str); 8] = [
        (&["--nagios", "broken.toml"], "SMTP UNKNOWN - 1 of 1 session failed: broken.toml:3:1: error: "),
        (&["--nagios", "skipped.toml"], "SMTP UNKNOWN - no session ran, 1 skipped | "),
        (&["--nagios", "missing.toml"], "SMTP UNKNOWN - "),
        (&["--nagios", "--filter", "x", "mx.toml"], "SMTP UNKNOWN - no session is selected: "),
        (&["--nagios"], "SMTP UNKNOWN - the following required arguments were not provided: <SESSION>..."),
        (&["--nagios", "--warning-days", "-1", "mx.toml"], "SMTP UNKNOWN - invalid value '-1' for '--warning-days"),
        (&["--nagios", "--no-such-option", "mx.toml"], "SMTP UNKNOWN - unexpected argument '--no-such-option'"),
        (&["--nagios", "--junit", "/nowhere/j.xml", "mx.toml"], "SMTP UNKNOWN - cannot create the report"),
    ];
    for (options, expected) in table {
        let output = test(&folder, &server, options).exits(3);
        assert!(output.stdout.starts_with(expected), "{options:?}: {output}");
        assert_eq!(output.stdout.lines().count(), 1, "{options:?}: {output}");
        assert_eq!(output.stderr, "", "Icinga reads standard error as if it were standard output: {options:?}");
    }
    let by_variable =
        |value: &str| folder.mailrun(["test", "--no-such-option", "mx.toml"]).env("MAILRUN_NAGIOS", value).run();
    let output = by_variable("1").exits(3);
    assert_eq!(output.stdout, "SMTP UNKNOWN - unexpected argument '--no-such-option' found\n");
    assert_eq!(by_variable("0").exits(64).stdout, "");
    for options in [
        &["--nagios", "--json", "-", "mx.toml"][..],
        &["--nagios", "--transcript", "-", "mx.toml"],
        &["--nagios", "--warning-days", "3", "mx.toml"],
        &["--warning-days", "3", "mx.toml"],
        &["--critical-days", "3", "mx.toml"],
    ] {
        test(&folder, &server, options).exits(64);
    }
    server.stop();
}

#[test]
fn a_limit_for_certificates_is_unknown_without_tls() {
    let (folder, server) = (Folder::new(), EmbeddedServer::script("*: connected\nS: 220 x\nC: QUIT\nS: 221 x\n"));
    folder.write("plain.toml", "step = [{ expect = 220 }, { quit = true }]");
    let output = test(&folder, &server, &["--nagios", "--warning-days", "20", "plain.toml"]).exits(3);
    assert!(
        output.stdout.starts_with("SMTP UNKNOWN - no server showed a certificate, 1 session passed | "),
        "{output}"
    );
    server.stop();
}

#[test]
fn metrics_are_written_after_failures_too() {
    let (folder, server) = (with_session(), EmbeddedServer::script(REFUSED));
    test(&folder, &server, &["--prometheus", "m.prom", "mx.toml"]).exits(1);
    let text = folder.read("m.prom");
    for expected in [
        "mailrun_session_success{session=\"mx\",file=\"mx.toml\"} 0",
        "mailrun_session_status{session=\"mx\"} 1",
        "mailrun_step_reply_code{session=\"mx\",step=\"sender\"} 250",
        "mailrun_step_reply_code{session=\"mx\",step=\"recipient\"} 550",
    ] {
        assert!(text.lines().any(|line| line == expected), "{expected}\n{text}");
    }
    let sample =
        regex::Regex::new(r#"^[a-z_]+(\{[a-z_]+="([^"\\]|\\.)*"(,[a-z_]+="([^"\\]|\\.)*")*\})? -?[0-9]+(\.[0-9]+)?$"#);
    let sample = sample.expect("the pattern is valid");
    let comment = regex::Regex::new("^# (HELP [a-z_]+ [^\n]+|TYPE [a-z_]+ gauge)$").expect("the pattern is valid");
    for line in text.lines() {
        assert!(sample.is_match(line) || comment.is_match(line), "{line}");
    }
    server.stop();
}

#[test]
fn github_gets_a_table_below_what_is_there_and_annotations_below_the_workspace() {
    let (folder, server) = (Folder::new(), EmbeddedServer::script(REFUSED));
    folder.write("summary.md", "# before");
    std::fs::create_dir(folder.path("ci")).expect("a folder can be made");
    std::fs::write(folder.path("ci/mx.toml"), documented_session()).expect("a session can be written");
    let run = folder.mailrun(["test", "--server", &server.url("smtp"), "mx.toml"]).in_folder(&folder.path("ci"));
    let run = run.env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", folder.path(""));
    let output = run.env("GITHUB_STEP_SUMMARY", folder.path("summary.md")).run().exits(1);
    let annotations: Vec<_> = output.stdout.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(annotations.len(), 1, "{output}");
    assert!(annotations[0].starts_with("::error file=ci/mx.toml,line=16,"), "{output}");
    let text = folder.read("summary.md");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[..3], ["# before", "### mailrun", ""], "{text}");
    assert_eq!(lines[3], "| session | result | steps | time | first failure |");
    assert!(lines[5].starts_with("| mx.toml | failed | ") && lines[5].contains("denied \\| here"), "{text}");
    server.stop();
}

#[test]
fn reports_without_content_follow_the_umask() {
    let (folder, server) = (Folder::new(), EmbeddedServer::sink());
    folder.write(
        "news.toml",
        "[message]\nfrom = 'a@example.com'\nto = 'b@example.com'\nsubject = 'hidden subject'\ntext = 'hidden text'\n",
    );
    let reports =
        ["--junit", "j.xml", "--tap", "t.tap", "--prometheus", "m.prom", "--json", "r.json", "--html", "r.html"];
    let run = folder.mailrun(["test", "--ca", &server.ca(), "--server", &server.url("smtp")]).args(reports);
    run.args(["--transcript", "t.log", "news.toml"])
        .through(["sh", "-c", "umask 027; exec \"$0\" \"$@\""])
        .run()
        .exits(0);
    let mode =
        |name: &str| std::fs::metadata(folder.path(name)).expect("the report is there").permissions().mode() & 0o777;
    for name in ["j.xml", "t.tap", "m.prom"] {
        assert_eq!(mode(name), 0o640, "{name}");
        assert!(!folder.read(name).contains("hidden"), "{name}: {}", folder.read(name));
    }
    assert!(folder.read("j.xml").contains("more lines of content"), "{}", folder.read("j.xml"));
    for name in ["r.json", "r.html", "t.log"] {
        assert_eq!(mode(name), 0o600, "{name}");
        assert!(folder.read(name).contains("hidden"), "{name}");
    }
    server.stop();
}

/// Ways to send content without `[message]`, each with MARKER in it. The server answers BDAT with 250 and content with 550.
const BY_HAND: [&str; 9] = [
    "[[step]]\nsend = 'DATA'\nexpect = 354\n[[step]]\nraw = \"Subject: MARKER\\r\\n\\r\\nMARKER\\r\\n.\\r\\n\"\nexpect = 250\n",
    "[[step]]\nsend = 'DATA'\nexpect = 354\n[[step]]\nraw = \"Sub\"\n[[step]]\nraw = \"ject: MARKER\\r\\n.\\r\\n\"\nexpect = 250\n",
    "[[step]]\nsend = 'DATA'\nexpect = 354\n[[step]]\nraw = { file = 'm.eml' }\nexpect = 'silence'\ntimeout = '20ms'\n",
    "[[step]]\nsend = 'DATA'\nexpect = 354\n[[step]]\nraw = \"MARKER x\\r\\n\"\nexpect = 250\ntimeout = '20ms'\n",
    "[[step]]\nraw = \"DATA\\r\\nSubject: MARKER\\r\\n.\\r\\n\"\nexpect = 354\n[[step]]\nexpect = 250\n",
    "[[step]]\nsend = 'DATA'\nexpect = 354\n[[step]]\nbody = \"Subject: MARKER\\n\\nMARKER\\n\"\nexpect = 250\n",
    "[[step]]\nbdat = \"Subject: MARKER\\r\\n\\r\\nMARKER\"\nlast = true\nexpect = 250\n",
    "[[step]]\npipeline = [{ send = 'DATA', expect = 354 }, { raw = \"MARKER x\\r\\n\", expect = 250 }]\ntimeout = '2s'\n",
    "[[step]]\npipeline = [{ bdat = 'MARKER' }, { bdat = \"MARKER\\r\\nMARKER\", last = true }]\n",
];

#[test]
fn content_that_a_session_sends_by_hand_is_in_no_report_that_others_may_read() {
    let refuses =
        || FaultServer::builder().offering(&["CHUNKING"]).fault(When::at(Point::ContentReply, Fault::Reply("550 no")));
    for steps in BY_HAND {
        let (folder, server) = (Folder::new(), refuses().start());
        folder.write("m.eml", "Subject: MARKER\r\n");
        folder.write(
            "s.toml",
            "open = [{ login = true }, { send = 'MAIL FROM:<a@x.example>', expect = 250 }, { send = 'RCPT TO:<b@x.example>', expect = 250 }]\n"
                .to_owned()
                + steps,
        );
        let run = folder.mailrun(["test", "--server", &server.url("smtp"), "s.toml"]).env("GITHUB_ACTIONS", "true");
        let run = run.args(["--junit", "j.xml", "--tap", "t.tap", "--prometheus", "m.prom", "--json", "r.json"]);
        let output = run.env("GITHUB_STEP_SUMMARY", folder.path("summary.md")).run();
        assert!([0, 1, 75, 76].contains(&output.status), "{steps}\n{output}");
        for name in ["j.xml", "t.tap", "m.prom", "summary.md"] {
            assert!(!folder.read(name).contains("MARKER"), "{name}\n{steps}\n{}", folder.read(name));
        }
        let annotations: String = output.stdout.lines().filter(|line| line.starts_with("::")).collect();
        assert!(!annotations.contains("MARKER"), "{steps}\n{annotations}");
        assert!(folder.read("j.xml").contains("more lines of content"), "{steps}\n{}", folder.read("j.xml"));
        assert!(folder.read("r.json").contains("MARKER"), "the JSON report has all: {steps}");
    }
}

#[test]
fn the_summary_of_a_job_may_go_to_a_pipe() {
    let (folder, server) = (with_session(), EmbeddedServer::script(REFUSED));
    let run = folder.mailrun(["test", "--server", &server.url("smtp"), "mx.toml"]);
    let output = run.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", "/dev/stdout").run().exits(1);
    assert!(output.stdout.contains("| session |") || output.stdout.contains("## "), "{output}");
    server.stop();
}

#[test]
fn perls_prove_reads_the_tap_report() {
    let (folder, server) = (with_session(), EmbeddedServer::script(REFUSED));
    folder.write("broken.toml", "[[step]]\nsned = 'x'\n\n[[step]]\nsend = 'it''s'\nexpct = 1\n");
    test(&folder, &server, &["--tap", "t.tap", "mx.toml", "broken.toml"]).exits(65);
    let prove = tool("prove").args(["-v", "--exec", "cat"]).arg(folder.path("t.tap")).output().expect("prove starts");
    let text = String::from_utf8_lossy(&prove.stdout).into_owned() + &String::from_utf8_lossy(&prove.stderr);
    assert!(text.contains("Failed 2/2 subtests") && !text.contains("Parse error"), "{text}\n{}", folder.read("t.tap"));
    server.stop();
}

#[test]
fn repetitions_are_one_case_with_its_line() {
    let script = "*: connected\nS: 220 x\nC: NOOP 1\nS: 250 x\nC: NOOP 2\nS: 550 no\nC: NOOP 3\nS: 550 never\nC: QUIT\nS: 221 x\n";
    let (folder, server) = (Folder::new(), EmbeddedServer::script(script));
    folder.write(
        "s.toml",
        "[[step]]\nexpect = 220\n[[step]]\nsend = 'NOOP {{ loop.index }}'\nexpect = 250\nrepeat = 3\non_fail = 'continue'\n[[step]]\nquit = true\n",
    );
    test(&folder, &server, &["--junit", "j.xml", "s.toml"]).exits(1);
    let report = quick_junit::Report::deserialize_from_str(&folder.read("j.xml")).expect("it is JUnit");
    let suite = &report.test_suites[0];
    assert_eq!((suite.tests, suite.failures), (3, 1), "{}", folder.read("j.xml"));
    let places: Vec<_> =
        suite.test_cases.iter().map(|case| (case.extra["file"].as_str(), case.extra["line"].as_str())).collect();
    assert_eq!(places, [("s.toml", "1"), ("s.toml", "3"), ("s.toml", "8")]);
    let text = folder.read("j.xml");
    assert!(text.contains("2 of 3 repetitions failed\nrepetition 2: expected 250, got 550\n"), "{text}");
    server.stop();
}

#[test]
fn skipped_sessions_fail_if_none_may_be_skipped() {
    let folder = Folder::new();
    folder
        .write("skipped.toml", "client_name = 'x'\nrequires = ['NOSUCH']\nstep = [{ login = true }, { quit = true }]");
    for command in ["test", "run"] {
        let server = EmbeddedServer::script("*: connected\nS: 220 x\nC: EHLO x\nS: 250 x\nC: QUIT\nS: 221 x\n");
        let run = |options: &[&str]| {
            folder.mailrun([command, "--server", &server.url("smtp"), "skipped.toml"]).args(options).run()
        };
        run(&[]).exits(0);
        let output = run(&["--no-skip"]).exits(1);
        assert!(output.text().contains("NOSUCH"), "{output}");
        server.stop();
    }
    let server = EmbeddedServer::script("*: connected\nS: 220 x\nC: EHLO x\nS: 250 x\nC: QUIT\nS: 221 x\n");
    let run = folder.mailrun(["test", "--no-skip", "--server", &server.url("smtp"), "skipped.toml"]);
    let output = run.env("GITHUB_ACTIONS", "true").run().exits(1);
    let why = "::error file=skipped.toml,line=1,title=mailrun::skipped, which --no-skip counts as failed: the server does not offer NOSUCH\n";
    assert!(output.stdout.contains(why), "{output}");
    server.stop();
}

#[test]
fn each_report_says_that_the_security_level_was_lowered() {
    let (folder, server) = (Folder::new(), EmbeddedServer::sink());
    folder.write(
        "old.toml",
        "step = [{ expect = 220 }, { ehlo = 't' }, { starttls = true, expect = 'handshake-failure' }]\n\
         [tls]\nverify = false\nmax_version = '1.1'\n",
    );
    let reports = ["--junit", "j.xml", "--tap", "t.tap", "--json", "r.json", "--html", "r.html"];
    let output = test(&folder, &server, &["old.toml"]);
    let lowered = "TLS security level lowered to 0";
    assert!(
        output.stdout.contains(", certificates were not verified: verify = false in [tls], TLS security"),
        "{output}"
    );
    test(&folder, &server, &["old.toml"].iter().chain(&reports).copied().collect::<Vec<_>>()).exits(0);
    for name in ["j.xml", "t.tap", "r.json", "r.html"] {
        assert!(folder.read(name).contains(lowered), "{name}: {}", folder.read(name));
    }
    server.stop();
}

#[test]
fn a_transcript_on_standard_output_is_whole_and_alone() {
    let (folder, server) = (Folder::new(), EmbeddedServer::sink());
    folder.write("mx.toml", documented_session());
    let text: String = (0..60).map(|line| format!("line {line}\n")).collect();
    folder.write(
        "news.toml",
        format!("[message]\nfrom = 'a@example.com'\nto = 'b@example.com'\nsubject = 's'\ntext = '''{text}'''\n"),
    );
    let run = |command: &str, options: &[&str]| {
        let run = folder.mailrun([command, "--ca", &server.ca(), "--server", &server.url("smtp"), "--transcript", "-"]);
        run.args(options).run()
    };
    let table: [(&str, &[&str]); 5] = [
        ("run", &["mx.toml", "news.toml"]),
        ("run", &["--quiet", "mx.toml", "news.toml"]),
        ("run", &["--jobs", "2", "mx.toml", "news.toml"]),
        ("test", &["mx.toml", "news.toml"]),
        ("test", &["--quiet", "--jobs", "2", "mx.toml", "news.toml"]),
    ];
    for (command, options) in table {
        let output = run(command, options).exits(0);
        let sessions: Vec<_> = output.stdout.lines().filter(|line| line.starts_with("*: session ")).collect();
        assert_eq!(sessions, ["*: session mx.toml", "*: session news.toml"], "{output}");
        assert_eq!(output.stdout.matches("*: connected to ").count(), 2, "nothing is written twice: {output}");
        assert!(output.stdout.contains("\nC: line 59\n") && !output.stdout.contains("more lines"), "{output}");
        mailrun::transcript::parse(&output.stdout).unwrap_or_else(|why| panic!("{why:?}: {output}"));
        assert!(!folder.has("-"), "no file has this name");
    }
    for command in ["run", "test"] {
        let output = run(command, &["--json", "-", "mx.toml"]).exits(64);
        assert!(output.stderr.contains("both write to standard output"), "{output}");
    }
    server.stop();
}

#[test]
fn sessions_that_no_skip_counts_have_their_reason_in_each_report() {
    let folder = Folder::new();
    folder
        .write("skipped.toml", "client_name = 'x'\nrequires = ['NOSUCH']\nstep = [{ login = true }, { quit = true }]");
    let server = EmbeddedServer::script("*: connected\nS: 220 x\nC: EHLO x\nS: 250 x\nC: QUIT\nS: 221 x\n");
    let reports = ["--junit", "j.xml", "--tap", "t.tap", "--json", "r.json", "--html", "r.html"];
    let run = folder.mailrun(["test", "--no-skip", "--server", &server.url("smtp"), "skipped.toml"]).args(reports);
    run.env("GITHUB_STEP_SUMMARY", folder.path("summary.md")).run().exits(1);
    for name in ["j.xml", "t.tap", "r.json", "r.html", "summary.md"] {
        let text = folder.read(name);
        assert!(text.contains("which --no-skip counts as failed: the server does not offer NOSUCH"), "{name}: {text}");
    }
    server.stop();
}

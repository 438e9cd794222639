//! `mailrun diff`: two servers, two transcripts, two JSON reports.

mod support;

use mailrun::serve::Config;
use support::{EmbeddedServer, Folder};

const SESSION: &str = "[[step]]\nexpect = 220\n\n[[step]]\nehlo = 'client.example'\n\n[[step]]\nsend = 'VRFY {{ who }}'\nexpect = 'any'\n\n\
                       [[step]]\nquit = true\n\n[vars]\nwho = 'ann'\n";

fn server(ehlo: &str, vrfy: &str) -> EmbeddedServer {
    let script = format!(
        "S: 220 mx.example ESMTP\nC: EHLO client.example\nS: 250-mx.example\nS: 250 {ehlo}\nC: VRFY ann\nS: {vrfy}\nC: QUIT\nS: 221 bye\n"
    );
    EmbeddedServer::start(Config::script(&script).expect("the script is valid"))
}

#[test]
fn two_servers_are_compared_by_codes_and_capabilities() {
    let folder = Folder::new().with("s.toml", SESSION);
    let (a, b) = (server("SIZE 1000", "252 2.0.0 maybe"), server("PIPELINING", "550 5.1.1 unknown"));
    let ran = folder.mailrun(["diff", "s.toml", "--server", &a.url("smtp"), "--server", &b.url("smtp")]).run();
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    let expected = format!(
        "A: {}\nB: {}\n\nEHLO client.example (s.toml:4): capabilities\n  A: SIZE 1000\n  B: PIPELINING\n\n\
         VRFY ann (s.toml:7)\n  A: 252 2.0.0 maybe\n  B: 550 5.1.1 unknown\n\n2 differences\n",
        a.url("smtp"),
        b.url("smtp")
    );
    assert_eq!(ran.stdout, expected);
    assert_eq!((a.stop(), b.stop()), (vec![], vec![]));
}

#[test]
fn servers_that_differ_in_words_alone_are_alike_without_text() {
    for (arguments, status) in [(&[][..], 0), (&["--text"][..], 1)] {
        let folder = Folder::new().with("s.toml", SESSION);
        let (a, b) = (server("SIZE 1000", "252 2.0.0 maybe"), server("SIZE 1000", "252 2.0.0 perhaps"));
        let ran = folder
            .mailrun(["diff", "s.toml", "--server", &a.url("smtp"), "--server", &b.url("smtp")])
            .args(arguments)
            .run();
        assert_eq!(ran.status, status, "{}{}", ran.stdout, ran.stderr);
        assert!(
            ran.stdout.ends_with(if status == 0 { "\nalike: 4 replies\n" } else { "\n1 difference\n" }),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn a_run_that_stops_on_one_side_is_a_difference_and_says_why() {
    let session = SESSION.replace("expect = 'any'", "expect = 252");
    let folder = Folder::new().with("s.toml", &session);
    let (a, b) = (server("SIZE 1000", "252 ok"), server("SIZE 1000", "550 no"));
    let ran = folder.mailrun(["diff", "s.toml", "--server", &a.url("smtp"), "--server", &b.url("smtp")]).run();
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("\nA ended: passed\nB ended: expected 252, got 550 (s.toml:9)\n"), "{}", ran.stdout);
}

#[test]
fn transcripts_and_reports_of_runs_are_compared() {
    let folder = Folder::new().with("s.toml", SESSION);
    for (name, vrfy) in [("a", "252 ok"), ("b", "252 fine"), ("c", "550 no")] {
        let server = server("SIZE 1000", vrfy);
        let (log, report) = (format!("{name}.txt"), format!("{name}.json"));
        let ran = folder
            .mailrun(["run", "s.toml", "--server", &server.url("smtp"), "--transcript", &log, "--json", &report])
            .run();
        assert_eq!(ran.status, 0, "{}", ran.stderr);
    }
    let table = [
        (&["a.txt", "b.txt"][..], 0, "words"),
        (&["--text", "a.txt", "b.txt"], 1, "words that count"),
        (&["a.txt", "c.txt"], 1, "codes"),
        (&["a.json", "b.json"], 0, "reports"),
        (&["a.json", "c.json"], 1, "reports with other codes"),
        (&["a.txt", "a.json"], 0, "a transcript and the report of the same run"),
    ];
    for (arguments, status, why) in table {
        let ran = folder.mailrun(["diff"]).args(arguments).run();
        assert_eq!(ran.status, status, "{why}: {}{}", ran.stdout, ran.stderr);
    }
    let ran = folder.mailrun(["diff", "a.txt", "c.txt"]).run();
    assert!(ran.stdout.contains("\nVRFY ann (a.txt:6, c.txt:6)\n  A: 252 ok\n  B: 550 no\n"), "{}", ran.stdout);
    let piped = folder.mailrun(["diff", "-", "c.txt"]).stdin(folder.read("a.txt")).run();
    assert_eq!(piped.status, 1, "{}{}", piped.stdout, piped.stderr);
}

#[test]
fn what_cannot_be_compared_has_its_status() {
    let rows = "server = 'smtp://127.0.0.1'\n[rows]\nfile = 'p.csv'\n[[step]]\nsend = 'NOOP'\nexpect = 250\n";
    let folder = Folder::new()
        .with("s.toml", SESSION)
        .with("a.txt", "S: 220 x\n")
        .with("letter.txt", "Dear all\n")
        .with("rows.toml", rows);
    let table = [
        (&["a.txt"][..], 64, "one file and no server", "one file"),
        (&["a.txt", "--server", "smtp://127.0.0.1:1"], 64, "one file and one server", "one server"),
        (
            &["a.txt", "a.txt", "--server", "smtp://127.0.0.1:1"],
            64,
            "--server is for one session",
            "files and a server",
        ),
        (&["-", "-"], 64, "standard input can be only one", "standard input twice"),
        (&["a.txt", "none.txt"], 66, "none.txt", "a missing file"),
        (&["a.txt", "letter.txt"], 65, "letter.txt:1:1: ", "no transcript"),
        (&["a.txt", "s.toml"], 65, "s.toml:1:1: ", "a session as a transcript"),
        (
            &["s.toml", "--server", "smtp://127.0.0.1:1", "--server", "smtp://127.0.0.1:1"],
            69,
            "A (smtp://127.0.0.1:1): cannot connect to 127.0.0.1:1",
            "no server",
        ),
        (
            &["s.toml", "--var", "whom=x", "--server", "smtp://127.0.0.1:1", "--server", "smtp://127.0.0.1:1"],
            65,
            "did you mean \"who\"?",
            "a mistyped variable",
        ),
        (
            &["rows.toml", "--server", "smtp://127.0.0.1:1", "--server", "smtp://127.0.0.1:1"],
            65,
            "rows.toml:2:1: diff cannot run a session with [rows]",
            "a batch",
        ),
    ];
    for (arguments, status, expected, why) in table {
        let ran = folder.mailrun(["diff"]).args(arguments).run();
        assert_eq!(ran.status, status, "{why}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(expected), "{why}: {}", ran.stderr);
    }
}

#[test]
fn servers_that_both_fail_say_why() {
    let folder = Folder::new().with("s.toml", SESSION);
    let servers = |line: &str| {
        let script = format!("S: {line}\n");
        [EmbeddedServer::script(&script), EmbeddedServer::script(&script)]
    };
    let [a, b] = servers("no code");
    let ran =
        folder.mailrun(["diff", "s.toml", "--server", &a.url("smtp"), "--server", &b.url("smtp")]).run().exits(76);
    assert!(ran.stderr.contains("neither server gave a reply that can be compared: "), "{ran}");
    let [a, b] = servers("554 go away");
    let ran = folder.mailrun(["diff", "s.toml", "--server", &a.url("smtp"), "--server", &b.url("smtp")]).run().exits(0);
    assert!(ran.stdout.contains("both ended: expected 220, got 554"), "{ran}");
}

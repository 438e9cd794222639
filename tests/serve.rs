//! `mailrun serve` as people use it who test clients: its options, its log, and the README's own transcript.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use support::{Folder, LONG, Mailrun, PROGRAM, Running, Signal, project_path, wait_for};

const SCRIPT: &str = "S: 220 mx.example\nC: EHLO client.example\nS: 250 mx.example\nC: DATA\nS: 354 go\nC: Subject: recorded\nC: .\nS: 250 kept\nC: QUIT\nS: 221 bye\n";

/// The block of the README with this language, the first that has `text` in it.
fn readme_block(language: &str, text: &str) -> String {
    let readme = std::fs::read_to_string(project_path("README.md")).expect("there is a README");
    let blocks = readme.split("```").skip(1).step_by(2);
    let of_kind = blocks.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'));
    of_kind.filter(|block| block.contains(text)).map(str::to_owned).next().expect("the README has this block")
}

/// Serves one client that says these lines, and gives the server's replies and its output.
fn serve(folder: &Folder, options: &[&str], says: &[&str]) -> (Vec<String>, support::Finished) {
    let server = folder.mailrun(["serve", "--listen", "127.0.0.1:0", "--connections", "1"]).args(options).start();
    let replies = talk(listening_port(&server), says);
    (replies, server.wait())
}

/// The port that a server prints when it listens.
fn listening_port(server: &Running) -> u16 {
    wait_for("the address of the server", || {
        let printed = server.printed();
        let (_, rest) = printed.split_once("127.0.0.1:")?;
        rest.split_once(|c: char| !c.is_ascii_digit())?.0.parse().ok()
    })
}

/// Sends each line after a whole reply, and gives the first lines of the replies.
fn talk(port: u16, says: &[&str]) -> Vec<String> {
    let socket = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    socket.set_read_timeout(Some(LONG)).expect("a limit");
    let mut stream = BufReader::new(socket);
    let mut replies = Vec::new();
    let mut hear = |stream: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        let read = stream.read_line(&mut line).unwrap_or(0);
        replies.extend((read > 0).then(|| line.trim_end().to_owned()));
        read > 0
    };
    if hear(&mut stream) {
        for line in says {
            stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("the server reads");
            if !hear(&mut stream) {
                break;
            }
        }
    }
    replies
}

fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"))).collect()
}

#[test]
fn the_transcript_of_the_readme_replays_the_session_of_the_readme() {
    let session = readme_block("toml", "VRFY postmaster");
    let transcript = readme_block("transcript", "VRFY postmaster");
    let folder = Folder::new().with("vrfy.toml", &session).with("transcript.txt", &transcript);
    let run = ["serve", "transcript.txt", "--", PROGRAM, "run", "vrfy.toml"];
    let played = Mailrun::new(run).in_folder(&folder.path(".")).run().exits(0);
    let last = "C: VRFY postmaster\nS: 252 2.0.0 postmaster\nC: QUIT\nS: 221 2.0.0 bye\n*: closed by the server\n";
    assert!(played.stdout.ends_with(last), "{played}");
    assert_eq!(played.stderr, "", "both came to their end");
}

#[test]
fn lines_are_compared_as_match_says() {
    let folder = Folder::new().with("s.txt", SCRIPT);
    let other = ["EHLO other.example", "DATA", "Subject: other\r\n.", "QUIT"];
    let all: &[&str] = &["220 mx.example", "250 mx.example", "354 go", "250 kept", "221 bye"];
    for (mode, says, heard, status, why) in [
        (None, &other[..], all, 0, "by default neither EHLO's name nor content is compared"),
        (Some("command"), &other[..], all, 0, "the same by name"),
        (Some("exact"), &other[..], &["220 mx.example", "421 script mismatch"][..], 1, "every line"),
        (Some("verb"), &other[..], all, 0, "the first word"),
        (Some("verb"), &["HELO x"][..], &["220 mx.example", "421 script mismatch"][..], 1, "another one"),
        (Some("any"), &["WHAT", "EVER", "x\r\n.", "BYE"][..], all, 0, "nothing"),
    ] {
        let options: Vec<&str> = mode.map_or(vec!["s.txt"], |mode| vec!["--match", mode, "s.txt"]);
        let (replies, ended) = serve(&folder, &options, says);
        assert_eq!(replies, heard, "{why}: {ended}");
        ended.exits(status);
    }
}

#[test]
fn a_mismatch_is_printed_and_is_in_the_log() {
    let folder = Folder::new().with("s.txt", SCRIPT);
    let (_, ended) = serve(&folder, &["s.txt", "--transcript", "log.txt", "--hex", "--timestamps"], &["HELO x"]);
    assert_eq!(ended.stderr, "*: expected \"EHLO\", got \"HELO x\"\n");
    assert!(ended.stdout.starts_with("listening on 127.0.0.1:"), "{ended}");
    let path = folder.path("log.txt");
    let mode = std::fs::metadata(&path).expect("a log").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "others cannot read what clients send");
    let log = std::fs::read_to_string(path).expect("a log");
    for part in [" *: connected from 127.0.0.1:", " C: HELO x\n", " *: 0000  48 45 4c 4f ", " S: 421 script mismatch\n"]
    {
        assert!(log.contains(part), "{part} in {log}");
    }
    assert!(log.ends_with(" *: expected \"EHLO\", got \"HELO x\"\n"), "{log}");
    assert!(log.lines().all(|line| line.as_bytes()[..8].iter().all(|b| b" .0123456789".contains(b))), "{log}");
}

#[test]
fn a_transcript_on_standard_output_follows_the_address() {
    let folder = Folder::new().with("s.txt", SCRIPT);
    let (_, ended) = serve(&folder, &["s.txt", "--transcript", "-"], &["EHLO a", "QUIT"]);
    let mut lines = ended.stdout.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with("listening on ")), "{ended}");
    assert!(lines.next().is_some_and(|line| line.starts_with("*: connected from ")), "{ended}");
    assert_eq!(lines.next(), Some("S: 220 mx.example"));
    assert_eq!(lines.last(), Some("*: expected \"DATA\", got \"QUIT\""));
    assert_eq!(ended.stderr, "", "it is said once");
}

#[test]
fn events_are_json_lines_and_nothing_else_is_printed() {
    let folder = Folder::new().with("s.txt", SCRIPT);
    let (_, ended) = serve(&folder, &["s.txt", "--json", "-"], &["EHLO a", "QUIT"]);
    let events = json_lines(&ended.stdout);
    assert_eq!(events[0]["event"], "listening");
    assert!(events[0]["address"].as_str().is_some_and(|address| address.starts_with("127.0.0.1:")), "{ended}");
    let names: Vec<&str> = events.iter().filter_map(|event| event["event"].as_str()).collect();
    let expected =
        "listening connected line_sent line_received line_sent line_received line_sent closed_by_server mismatch";
    assert_eq!(names.join(" "), expected);
    assert_eq!((&events[3]["line"], &events[3]["mark"]), (&"EHLO a".into(), &"C".into()));
    assert_eq!(ended.stderr, "*: expected \"DATA\", got \"QUIT\"\n");
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let folder = Folder::new().with("s.txt", SCRIPT).with("r.toml", "[[on]]\nverb = 'NOOP'\nreply = '250 x'\n");
    for (arguments, status, part) in [
        (&["s.txt", "--json", "events.json"][..], 64, "[possible values: -]"),
        (&["s.txt", "--json", "-", "--transcript", "-"][..], 64, "both write to standard output"),
        (&["s.txt", "--hex"][..], 64, "add --transcript FILE"),
        (&["--sink", "box", "--match", "any"][..], 64, "--match applies to a script"),
        (&["r.toml", "--match", "any"][..], 64, "--match applies to a script"),
        (&["s.txt", "--match", "words"][..], 64, "command, exact, verb, any"),
        (&["s.txt", "--transcript", "s.txt"][..], 73, "would overwrite"),
        (&["s.txt", "--transcript", "no/such/folder"][..], 73, "cannot create the transcript"),
    ] {
        let refused =
            Mailrun::new(["serve", "--listen", "127.0.0.1:0"]).args(arguments).in_folder(&folder.path(".")).run();
        assert!(refused.text().contains(part), "{arguments:?}: {refused}");
        refused.exits(status);
    }
}

#[test]
fn a_script_that_begins_with_tls_chooses_the_certificate_of_a_server_with_tls_from_the_first_byte() {
    let rest = "S: 220 x\nC: QUIT\nS: 221 x\n";
    for (direction, words) in [
        ("*: TLS started\n", "S: 220 x\n"),
        ("", "S: 220 x\n"),
        ("*: TLS with expired\n", "certificate not trusted: expired on "),
        ("*: TLS with future\n", "certificate not trusted: not yet valid until "),
        ("*: wait 1ms\n*: TLS with wrong-name\n", "certificate not trusted: names wrong-name.example"),
        ("*: TLS with unknown-issuer\n", "certificate not trusted: issuer unknown"),
        ("*: TLS with self-signed\n", "certificate not trusted: self-signed"),
        ("*: stall TLS\n", "waited 300ms for the TLS handshake"),
    ] {
        for options in [&["--tls"][..], &[]] {
            if options.is_empty() && direction.is_empty() {
                continue;
            }
            let (rest, limit) = if direction.contains("stall") { ("", "300ms") } else { (rest, "30s") };
            let session = format!("connect_timeout = '{limit}'\nstep = [{{ expect = 220 }}, {{ quit = true }}]\n");
            let folder =
                Folder::new().with("s.txt", format!("*: connected\n{direction}{rest}")).with("c.toml", &session);
            let serve = folder.mailrun(["serve", "s.txt", "--write-ca", "ca.pem"]).args(options);
            let ended = serve.args(["--", PROGRAM, "run", "--ca", "ca.pem", "c.toml"]).run();
            assert!(ended.text().contains(words), "{direction}{options:?}: {ended}");
        }
    }
}

#[test]
fn the_log_of_a_server_that_a_signal_ends_is_whole() {
    let folder = Folder::new().with("s.txt", SCRIPT);
    let server = folder.mailrun(["serve", "s.txt", "--listen", "127.0.0.1:0", "--transcript", "log.txt"]).start();
    let mut socket = TcpStream::connect(("127.0.0.1", listening_port(&server))).expect("the server listens");
    let mut greeting = [0; 16];
    socket.read_exact(&mut greeting).expect("a greeting");
    server.signal(Signal::TERM);
    let _ = server.wait().exits(143);
    let log = std::fs::read_to_string(folder.path("log.txt")).expect("the log has its name");
    assert!(log.contains("S: 220 mx.example\n"), "{log}");
}

#[test]
fn a_log_that_cannot_be_played_is_an_error_at_its_line() {
    let log = "=== Connected to 127.0.0.1.\n<-  220 x\n -> EHLO me\n<-  250 AUTH SCRAM-SHA-256\n -> AUTH SCRAM-SHA-256 biws\n\
               <-  334 cj1y\n -> Yz1iaXdz\n<-  235 ok\n -> QUIT\n<-  221 x\n";
    let folder = Folder::new().with("log.txt", log);
    let ended = folder.mailrun(["serve", "log.txt", "--listen", "127.0.0.1:0"]).run().exits(65);
    assert!(ended.stderr.contains("log.txt:5: the log cannot be played: "), "{ended}");
    assert_eq!(ended.stderr.lines().count(), 2, "one error and its help: {ended}");
}

#[test]
fn what_run_recorded_from_a_script_is_such_a_script_again() {
    let table = [
        (
            "octets of a pipelined BDAT that do not end in CRLF",
            "S: 220 x\nC: BDAT 3\nC: abc\\c\nC: BDAT 2 LAST\nC: de\\c\nS: 250 1\nS: 250 2\nC: QUIT\nS: 221 x\n",
            r#"{ pipeline = [{ bdat = "abc", expect = 250 }, { bdat = "de", last = true, expect = 250 }] }, { quit = true }"#,
        ),
        (
            "a dot after a bare LF, which is content",
            "S: 220 x\nC: DATA\nS: 354 x\nC: a\\n\nC: .\nC: RSET\nC: .\nS: 250 x\nC: QUIT\nS: 221 x\n",
            r#"{ send = "DATA", expect = 354 }, { raw = "a\n.\r\nRSET\r\n.\r\n", expect = 250 }, { quit = true }"#,
        ),
        (
            "the same if the server takes it for the end",
            "S: 220 x\nC: DATA\nS: 354 x\nC: a\\n\nC: .\\n\nC: RSET\\n\nS: 250 x\nS: 250 x\nC: QUIT\nS: 221 x\n",
            r#"{ send = "DATA", expect = 354 }, { raw = "a\n.\nRSET\n", expect = 250 }, { expect = 250 }, { quit = true }"#,
        ),
        (
            "a handshake that the server refuses",
            "S: 220 x\nC: STARTTLS\nS: 220 x\n*: TLS handshake failed: the server closed the connection in the handshake\n",
            r#"{ starttls = true, expect = "handshake-failure" }"#,
        ),
        (
            "a PROXY header without a line end",
            "C:\nC:\nC: \\x00\nC: QUIT\\n\nC:  \\x00\\x00\\x00\\c\nS: 220 x\nC: QUIT\nS: 221 x\n",
            r#"{ quit = true }"#,
        ),
        (
            "bytes outside TLS with a backslash and a space at the end",
            "S: 220 x\nC: STARTTLS\nS: 220 x\n*: TLS started\nC: NOOP\n*: outside TLS: 421 \\\\x41 \\x5bsecret]\\x20\n*: closed by the server\n",
            r#"{ starttls = true }, { send = "NOOP", expect = "close" }"#,
        ),
    ];
    for (why, script, steps) in table {
        let first =
            if why.contains("PROXY") { "{ proxy = { local = true } }, { expect = 220 }" } else { "{ expect = 220 }" };
        let session = format!("step = [{first}, {steps}]\n[tls]\nverify = false\n");
        let folder = Folder::new().with("script.txt", script).with("c.toml", &session);
        let run = ["--", PROGRAM, "run", "--transcript", "recorded.txt", "c.toml"];
        let first = folder.mailrun(["serve", "script.txt"]).args(run).run();
        let lines = |text: &str| -> Vec<String> {
            let kept = |line: &&str| !line.starts_with("*: connected") && !line.starts_with("*: closed by");
            text.lines().filter(kept).map(str::to_owned).collect()
        };
        let shown = lines(&std::fs::read_to_string(folder.path("recorded.txt")).expect("a transcript"));
        for mode in ["command", "exact", "verb", "any"] {
            let serve = folder.mailrun(["serve", "recorded.txt", "--match", mode]);
            let again = serve.args(["--", PROGRAM, "run", "c.toml"]).run();
            assert_eq!(again.status_and_text().0, first.status_and_text().0, "{why}, {mode}: {first}\n{again}");
            assert_eq!(lines(&again.stdout), shown, "{why}, {mode}: {again}");
        }
    }
}

#[test]
fn the_server_ends_after_a_client_that_says_something_else() {
    let folder = Folder::new().with("s.txt", SCRIPT);
    let server = folder.mailrun(["serve", "s.txt", "--listen", "127.0.0.1:0"]).start();
    let port = listening_port(&server);
    // A client that leaves at once, as one that looks whether the port is open, does not end it.
    assert_eq!(talk(port, &[]), ["220 mx.example"]);
    assert_eq!(talk(port, &["EHLO a", "NOOP"]), ["220 mx.example", "250 mx.example", "421 script mismatch"]);
    let ended = server.wait().exits(1);
    assert!(ended.stderr.ends_with("*: expected \"DATA\", got \"NOOP\"\n"), "{ended}");
}

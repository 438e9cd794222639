//! Scripts over sockets.

use super::*;

#[test]
fn the_server_may_end_after_its_connections() {
    let server =
        start(Config { connections: Some(2), ..Config::script("S: 220 x\nC: QUIT\nS: 221 x\n").expect("a script") });
    let server = server.expect("it starts");
    connect(&server).hears("220 x").say("QUIT").hears("221 x").hears_the_end();
    connect(&server).hears("220 x").say("HELO x").hears("421 script mismatch").hears_the_end();
    let summary = server.wait();
    assert_eq!(summary.problems(), ["connection 2: expected \"QUIT\", got \"HELO x\""]);
}

const STARTTLS: &str = "*: connected to 127.0.0.1:25
S: 220 x
C: EHLO a
S: 250-x
S: 250 STARTTLS
C: STARTTLS
S: 220 go
*: TLS started: TLSv1.3, CN=localhost, verified
C: NOOP
S: 250 inside
C: QUIT
S: 221 bye
*: closed by the server
*: connected to 127.0.0.1:25
S: 554 no
*: reset by the server
";

#[test]
fn a_script_plays_over_sockets_at_every_chunk_size() {
    for pieces in (1..=16).map(Some).chain([None]) {
        let config = Config { pieces, ..Config::script(STARTTLS).expect("a script") };
        let server = start(config).expect("it starts");
        let mut client = connect(&server);
        client.hears("220 x").say("EHLO a").hears("250-x").say("STARTTLS").hears("220 go");
        let mut client = client.start_tls(&server);
        client.send(b"NO").send(b"OP\r\nQUIT\r\n").hears("250 inside").hears("221 bye").hears_the_end();
        let mut client = connect(&server);
        // The reset may take the line with it.
        let mut all = Vec::new();
        let reset = client.stream.read_to_end(&mut all).expect_err("a reset");
        assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
        passed(&server.stop(LONG));
    }
}

#[test]
fn a_script_that_nobody_came_for_is_a_problem() {
    let server = start(Config::script(STARTTLS).expect("a script")).expect("it starts");
    assert_eq!(server.stop(LONG).problems(), ["the scripts of 2 connections were not played: nobody connected"]);
}

#[test]
fn a_mismatch_is_logged_when_it_happens() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = {
        let lines = lines.clone();
        Arc::new(move |line: &str| lines.lock().expect("no thread panicked").push(line.to_owned()))
    };
    let config = Config { log: Some(log), ..Config::script("S: 220 x\nC: QUIT\nS: 221 x\n").expect("a script") };
    let server = start(config).expect("it starts");
    connect(&server).hears("220 x").say("NOOP").hears("421 script mismatch").hears_the_end();
    assert!(!server.stop(LONG).passed());
    assert_eq!(*lines.lock().expect("no thread panicked"), ["*: expected \"QUIT\", got \"NOOP\""]);
}

#[test]
fn a_paced_line_comes_in_pieces() {
    let server =
        start(Config::script("*: chunk 1 every 5ms\nS: 220 abc\n*: closed by the server\n").expect("a script"));
    let server = server.expect("it starts");
    let mut client = connect(&server);
    let mut byte = [0; 64];
    let read = client.stream.get_mut().read(&mut byte).expect("a piece");
    assert!(read < 9, "the line came in one piece");
    client.hears(&"220 abc"[read..]).hears_the_end();
    passed(&server.stop(LONG));
}

#[test]
fn a_command_finds_the_server_in_its_environment() {
    let run = |script: &str| {
        let server = start(Config::script("S: 220 x\nC: QUIT\nS: 221 x\n").expect("a script")).expect("it starts");
        let command = ["sh", "-c", script].map(Into::into);
        run_with_command(server, &command, |_| {}).expect("sh is there")
    };
    let (status, summary) = run("test \"${MAILRUN_SERVER#smtp://127.0.0.1:}\" != \"$MAILRUN_SERVER\"");
    assert!(status.success());
    assert!(!summary.passed(), "the script was not played");
    let (status, _) = run("exit 3");
    assert_eq!(status.code(), Some(3));
    let server = start(Config::sink(tempfile::tempdir().expect("a folder").path())).expect("it starts");
    assert!(run_with_command(server, &["/nonexistent/command".into()], |_| {}).is_err());
}

#[test]
fn the_url_says_what_the_client_is_to_speak() {
    for (script, tls, scheme) in [
        ("S: 220 x\nC: EHLO a\nS: 250 x\n", false, "smtp"),
        ("S: 220 x\nC: EHLO a\nS: 250 x\n", true, "smtps"),
        ("*: connected\n*: TLS started: TLSv1.3\nS: 220 x\nC: EHLO a\n", false, "smtps"),
        ("S: 220 x\nC: STARTTLS\nS: 220 go\n*: TLS started\nC: EHLO a\n", false, "smtp"),
        ("S: 220 x\nC: LHLO a\nS: 250 x\n", false, "lmtp"),
    ] {
        let server = start(Config { tls, ..Config::script(script).expect(script) }).expect("it starts");
        assert_eq!(server.url, format!("{scheme}://{}", server.address), "{script}");
    }
}

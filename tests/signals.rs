//! Ctrl-C and SIGTERM: a run ends soon, whatever it waits for, with its exit status and its transcript.

mod support;

use rustix::process::Pid;
use socket2::{Domain, Socket, Type};
use std::net::SocketAddr;
use std::time::Duration;
use support::{Folder, ManualServer, Running, ServerConnection, Signal, wait_for, wait_until};

/// Starts `mailrun run` with a session, whose standard output goes to the file `out`.
fn start(folder: &Folder, session: &str, options: &[&str]) -> Running {
    start_command("run", folder, session, options)
}

fn start_command(command: &str, folder: &Folder, session: &str, options: &[&str]) -> Running {
    folder.write("s.toml", session);
    let run = folder.mailrun([command, "--connect-timeout", "600s", "--transcript", "t.log"]);
    run.args(options).args(["s.toml"]).stdout_to(&folder.path("out")).start()
}

/// Waits until SIGINT, the second bit of those that are caught, has a handler.
fn wait_for_signal_handler(run: &Running) {
    wait_until("the handler of signals", || signal_mask(run, "SigCgt:").is_some_and(|caught| caught & 0b10 != 0));
}

/// Waits until no signal is pending.
fn wait_for_signals_taken(run: &Running) {
    wait_until("the handling of a signal", || signal_mask(run, "ShdPnd:") == Some(0));
}

/// One of the masks of signals in /proc.
fn signal_mask(run: &Running, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", run.id())).ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix(name))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

fn session(port: u16, rest: &str) -> String {
    format!("server = \"smtp://127.0.0.1:{port}\"\n{rest}\n[[step]]\nsend = \"NOOP\"\nexpect = 250\n")
}

#[test]
fn a_signal_ends_connecting() {
    // The queue of the listener is full: the next connection is not answered.
    let full = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port is free");
    full.listen(0).expect("it listens");
    let address = full.local_addr().expect("it is bound");
    let waiting: Vec<Socket> = (0..3)
        .map(|_| {
            let one = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
            one.set_nonblocking(true).expect("it can be");
            let _ = one.connect(&address);
            one
        })
        .collect();
    let folder = Folder::new();
    let port = address.as_socket().expect("it is TCP").port();
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let run = start(&folder, &session(port, ""), &[]);
        wait_for_signal_handler(&run);
        run.signal(signal);
        let ran = run.wait();
        assert_eq!(ran.status, status, "{ran}");
    }
    drop(waiting);
}

#[test]
fn a_signal_ends_a_handshake_and_the_transcript_is_kept() {
    let server = ManualServer::start();
    let folder = Folder::new();
    let text =
        session(server.port, "").replace("[[step]]", "[[step]]\nexpect = 220\n[[step]]\nstarttls = true\n[[step]]");
    let run = start(&folder, &text, &[]);
    let mut client = server.accept();
    client.send("220 x\r\n");
    client.read_through("STARTTLS\r\n");
    client.send("220 go\r\n");
    // The first byte of the handshake has arrived: mailrun waits for the answer.
    client.read_exactly(1);
    run.signal(Signal::INT);
    let ran = run.wait();
    assert_eq!(ran.status, 130, "{ran}");
    let transcript = folder.read("t.log");
    assert!(transcript.contains("C: STARTTLS\nS: 220 go\n"), "{transcript}");
    assert!(transcript.contains("SIGINT"), "{transcript}");
}

#[test]
fn a_signal_ends_the_command_that_a_variable_runs() {
    let folder = Folder::new();
    let command = "[vars]\nx = { command = [\"sh\", \"-c\", \"echo $$ > pid; exec sleep 1000\"] }";
    let run = start(&folder, &session(1, command), &["--allow-commands"]);
    let pid = wait_for("the pid", || std::fs::read_to_string(folder.path("pid")).ok()?.trim().parse::<i32>().ok());
    run.signal(Signal::INT);
    let ran = run.wait();
    assert_eq!(ran.status, 130, "{ran}");
    let gone = rustix::process::test_kill_process(Pid::from_raw(pid).expect("a process has an id"));
    assert!(gone.is_err(), "the command outlived its run");
}

/// The dialogue of a message whose dot the server does not answer.
const UNANSWERED: &str = "C: DATA\nS: 354 go\nC: Subject: x\nC:\nC: hello\nC: .\n";

/// A session that sends one message.
const MESSAGE: &str = "[[step]]\nexpect = 220\n[[step]]\nsend = \"DATA\"\nexpect = 354\n\
    [[step]]\nbody = \"Subject: x\\n\\nhello\\n\"\nexpect = 250\n";

/// Reads the content of a message up to its dot and does not answer it.
fn read_content(server: &ManualServer) -> ServerConnection {
    let mut client = server.accept();
    client.send("220 x\r\n");
    client.read_through("DATA\r\n");
    client.send("354 go\r\n");
    client.read_through("\r\n.\r\n");
    client
}

#[test]
fn a_second_signal_leaves_the_transcript_of_the_message_in_flight() {
    // The command, its options, the earlier content of the transcript, and the file that has the new one.
    let table = [
        ("run", &[][..], None, "t.log", "no earlier transcript"),
        ("run", &[], Some("older"), "t.log.interrupted", "an older transcript is not replaced by an incomplete one"),
        ("run", &["--quiet"], None, "t.log", "a failure is shown"),
        ("run", &["--jobs", "2", "also.toml"], None, "t.log", "sessions run in parallel"),
        ("run", &["--repeat", "2"], None, "t.log", "a batch buffers its lines"),
        ("test", &[], None, "t.log", "a test"),
    ];
    for (command, options, older, file, why) in table {
        let server = ManualServer::start();
        let port = server.port;
        let folder = Folder::new();
        let path = |name: &str| folder.path(name);
        // A second session that does nothing.
        folder.write("also.toml", "server = \"smtp://127.0.0.1:1\"\n");
        if let Some(older) = older {
            folder.write("t.log", older);
        }
        let text = format!("server = \"smtp://127.0.0.1:{port}\"\n{MESSAGE}");
        let run = start_command(command, &folder, &text, &[options, &["--junit", "j.xml"]].concat());
        let _stream = read_content(&server);
        if command == "run" && options.is_empty() {
            // The dialogue so far can be read while the run waits.
            let shown = || std::fs::read_to_string(path("out")).ok().filter(|out| out.contains(UNANSWERED));
            wait_for("the dialogue in a file", shown);
        }
        run.signal(Signal::INT);
        // Two pending signals of a kind arrive as one.
        wait_for_signals_taken(&run);
        // What comes within 50 ms is the same event.
        std::thread::sleep(Duration::from_millis(200));
        run.signal(Signal::INT);
        let ran = run.wait();
        assert_eq!(ran.status, 130, "{why}: {ran}");
        assert!(ran.stderr.contains("the outcome of the message in flight is unknown"), "{why}: {ran}");
        let transcript = std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{why}: {error}: {ran}"));
        assert!(transcript.ends_with(&format!("{UNANSWERED}*: interrupted by SIGINT\n")), "{why}: {transcript}");
        let shown = folder.read("out");
        assert_eq!(shown.contains(UNANSWERED), command == "run", "{why}: {shown}");
        assert!(!path("j.xml").exists(), "{why}: a report is complete or missing");
        if let Some(older) = older {
            assert_eq!(folder.read("t.log"), older, "{why}");
            assert!(ran.stderr.contains(file), "{why}: {ran}");
        }
        let hidden = folder.names().into_iter().filter(|name| name.starts_with('.'));
        assert_eq!(hidden.count(), 0, "{why}: no temporary file is left");
    }
}

#[test]
fn a_killed_run_has_printed_the_dialogue_so_far() {
    let server = ManualServer::start();
    let port = server.port;
    let folder = Folder::new();
    let text = format!("server = \"smtp://127.0.0.1:{port}\"\n{MESSAGE}");
    // A batch buffers its lines only while the server answers.
    let run = start(&folder, &text, &["--repeat", "2"]);
    let _stream = read_content(&server);
    let out = folder.path("out");
    wait_until("the dialogue in a file", || std::fs::read_to_string(&out).is_ok_and(|out| out.contains(UNANSWERED)));
    run.kill();
    assert!(std::fs::read_to_string(&out).expect("it is there").contains(UNANSWERED));
}

#[test]
fn a_server_that_loses_its_terminal_names_its_transcript() {
    for (signal, status) in [(Signal::HUP, 129), (Signal::TERM, 143), (Signal::INT, 130)] {
        let folder = Folder::new();
        let serve = folder.mailrun(["serve", "--sink", "box", "--listen", "127.0.0.1:0", "--transcript", "t.log"]);
        let run = serve.stdout_to(&folder.path("out")).start();
        wait_until("the server", || folder.read("out").starts_with("listening on "));
        wait_for_signal_handler(&run);
        run.signal(signal);
        run.wait().exits(status);
        assert!(!folder.names().iter().any(|name| name.ends_with(".part")), "{status}: {:?}", folder.names());
    }
}

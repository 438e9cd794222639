//! Ctrl-C and SIGTERM: whatever the program waits for, it ends soon, with its status and its transcript.

use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longer than any limit that shall end a run here, and shorter than the waits that a signal shall cut short.
const LONG: Duration = Duration::from_secs(60);

/// Waits for what comes in its time.
fn until<T>(mut look: impl FnMut() -> Option<T>, what: &str) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < LONG, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

struct Running {
    child: Child,
}

impl Running {
    fn start(folder: &Path, session: &str, options: &[&str]) -> Self {
        Self::command("run", folder, session, options)
    }

    fn command(command: &str, folder: &Path, session: &str, options: &[&str]) -> Self {
        std::fs::write(folder.join("s.toml"), session).expect("the session can be written");
        let out = std::fs::File::create(folder.join("out")).expect("the output can be written");
        let child = Command::new(env!("CARGO_BIN_EXE_mailrun"))
            .args([command, "--connect-timeout", "600s", "--transcript", "t.log"])
            .args(options)
            .arg("s.toml")
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::piped())
            .spawn()
            .expect("mailrun starts");
        Self { child }
    }

    /// Waits until it handles signals: SIGINT is the second bit of those that are caught.
    fn handles_signals(&self) {
        until(|| (self.signals("SigCgt:")? & 0b10 != 0).then_some(()), "the handler of signals");
    }

    /// Waits until no signal waits for it any more.
    fn took_signals(&self) {
        until(|| (self.signals("ShdPnd:")? == 0).then_some(()), "the handling of a signal");
    }

    /// The mask of signals that the system calls so.
    fn signals(&self, name: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let mask = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        kill_process(pid, signal).expect("it runs");
    }

    fn ends(&mut self) -> (ExitStatus, String) {
        let status = until(|| self.child.try_wait().expect("it is our child"), "the end");
        let mut errors = String::new();
        let _ = self.child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut errors));
        (status, errors)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn session(port: u16, rest: &str) -> String {
    format!("server = \"smtp://127.0.0.1:{port}\"\n{rest}\n[[step]]\nsend = \"NOOP\"\nexpect = 250\n")
}

#[test]
fn connecting_ends() {
    // The only places in the queue are taken: one more connection is not answered.
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
    let folder = tempfile::tempdir().expect("a temporary folder");
    let port = address.as_socket().expect("it is TCP").port();
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut run = Running::start(folder.path(), &session(port, ""), &[]);
        run.handles_signals();
        run.signal(signal);
        let (ended, errors) = run.ends();
        assert_eq!(ended.code(), Some(status), "{errors}");
    }
    drop(waiting);
}

#[test]
fn a_handshake_ends_and_its_transcript_stands() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = session(port, "").replace("[[step]]", "[[step]]\nexpect = 220\n[[step]]\nstarttls = true\n[[step]]");
    let mut run = Running::start(folder.path(), &text, &[]);
    listener.set_nonblocking(true).expect("it can be");
    let (stream, _) = until(|| listener.accept().ok(), "the connection");
    stream.set_nonblocking(false).expect("it can be");
    stream.set_read_timeout(Some(LONG)).expect("it can have one");
    (&stream).write_all(b"220 x\r\n").expect("it reads");
    let mut lines = BufReader::new(&stream);
    let mut line = String::new();
    while line.trim_end() != "STARTTLS" {
        line.clear();
        assert!(lines.read_line(&mut line).expect("it writes") > 0, "no STARTTLS came");
    }
    (&stream).write_all(b"220 go\r\n").expect("it reads");
    // The first byte of its handshake: now it waits for the answer.
    lines.read_exact(&mut [0]).expect("it writes");
    run.signal(Signal::INT);
    let (ended, errors) = run.ends();
    assert_eq!(ended.code(), Some(130), "{errors}");
    let transcript = std::fs::read_to_string(folder.path().join("t.log")).expect("it stands");
    assert!(transcript.contains("C: STARTTLS\nS: 220 go\n"), "{transcript}");
    assert!(transcript.contains("SIGINT"), "{transcript}");
}

#[test]
fn a_command_ends_with_the_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let command = "[vars]\nx = { command = [\"sh\", \"-c\", \"echo $$ > pid; exec sleep 1000\"] }";
    let mut run = Running::start(folder.path(), &session(1, command), &["--allow-commands"]);
    let pid = until(|| std::fs::read_to_string(folder.path().join("pid")).ok()?.trim().parse::<i32>().ok(), "the pid");
    run.signal(Signal::INT);
    let (ended, errors) = run.ends();
    assert_eq!(ended.code(), Some(130), "{errors}");
    let gone = rustix::process::test_kill_process(Pid::from_raw(pid).expect("a process has an id"));
    assert!(gone.is_err(), "the command outlived its run");
}

/// The whole dialogue of a message whose server does not answer its dot.
const UNANSWERED: &str = "C: DATA\nS: 354 go\nC: Subject: x\nC:\nC: hello\nC: .\n";

/// A session that hands over one message.
const MESSAGE: &str = "[[step]]\nexpect = 220\n[[step]]\nsend = \"DATA\"\nexpect = 354\n\
    [[step]]\nbody = \"Subject: x\\n\\nhello\\n\"\nexpect = 250\n";

/// Takes the content of a message up to its dot, and says nothing then.
fn takes_content(listener: &TcpListener) -> std::net::TcpStream {
    listener.set_nonblocking(true).expect("it can be");
    let (stream, _) = until(|| listener.accept().ok(), "the connection");
    stream.set_nonblocking(false).expect("it can be");
    stream.set_read_timeout(Some(LONG)).expect("it can have one");
    (&stream).write_all(b"220 x\r\n").expect("it reads");
    for line in BufReader::new(&stream).lines() {
        match line.expect("it writes").as_str() {
            "DATA" => (&stream).write_all(b"354 go\r\n").expect("it reads"),
            "." => break,
            _ => {}
        }
    }
    stream
}

#[test]
fn a_second_signal_leaves_the_transcript_of_the_message_in_flight() {
    // The command, its options, what stood there before, and where the transcript is then.
    let table = [
        ("run", &[][..], None, "t.log", "nothing stood there"),
        ("run", &[], Some("older"), "t.log.interrupted", "an older one is not replaced by half a new one"),
        ("run", &["--quiet"], None, "t.log", "what failed is shown"),
        ("run", &["--jobs", "2", "also.toml"], None, "t.log", "sessions wait for their turn"),
        ("run", &["--repeat", "2"], None, "t.log", "lines of a batch are gathered"),
        ("test", &[], None, "t.log", "nor does a test wait for its end"),
    ];
    for (command, options, older, file, why) in table {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        // Another session has nothing to do.
        std::fs::write(path("also.toml"), "server = \"smtp://127.0.0.1:1\"\n").expect("it can be written");
        if let Some(older) = older {
            std::fs::write(path("t.log"), older).expect("it can be written");
        }
        let text = format!("server = \"smtp://127.0.0.1:{port}\"\n{MESSAGE}");
        let mut run = Running::command(command, folder.path(), &text, &[options, &["--junit", "j.xml"]].concat());
        let _stream = takes_content(&listener);
        if command == "run" && options.is_empty() {
            // Nobody has to wait for the end to see where it hangs.
            let shown = || std::fs::read_to_string(path("out")).ok().filter(|out| out.contains(UNANSWERED));
            until(shown, "the dialogue in a file");
        }
        run.signal(Signal::INT);
        // Two of a kind that wait arrive as one.
        run.took_signals();
        run.signal(Signal::INT);
        let (ended, errors) = run.ends();
        assert_eq!(ended.code(), Some(130), "{why}: {errors}");
        assert!(errors.contains("the outcome of the message in flight is unknown"), "{why}: {errors}");
        let transcript = std::fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{why}: {error}: {errors}"));
        assert!(transcript.ends_with(&format!("{UNANSWERED}*: interrupted by SIGINT\n")), "{why}: {transcript}");
        let shown = std::fs::read_to_string(path("out")).expect("it is there");
        assert_eq!(shown.contains(UNANSWERED), command == "run", "{why}: {shown}");
        assert!(!path("j.xml").exists(), "{why}: a report is whole or not there");
        if let Some(older) = older {
            assert_eq!(std::fs::read_to_string(path("t.log")).expect("it stands"), older, "{why}");
            assert!(errors.contains(file), "{why}: {errors}");
        }
        let hidden = std::fs::read_dir(folder.path()).expect("it is there").flatten();
        let hidden = hidden.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"."));
        assert_eq!(hidden.count(), 0, "{why}: nothing is left without its name");
    }
}

#[test]
fn what_waits_is_written_before_the_program_is_killed() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = format!("server = \"smtp://127.0.0.1:{port}\"\n{MESSAGE}");
    // Of a batch, too, whose lines are gathered as long as somebody answers.
    let mut run = Running::start(folder.path(), &text, &["--repeat", "2"]);
    let _stream = takes_content(&listener);
    let out = folder.path().join("out");
    until(|| std::fs::read_to_string(&out).ok().filter(|out| out.contains(UNANSWERED)), "the dialogue in a file");
    run.child.kill().expect("it runs");
    run.ends();
    assert!(std::fs::read_to_string(&out).expect("it is there").contains(UNANSWERED));
}

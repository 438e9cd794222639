//! The program under test.

use super::LONG;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The path of the program that cargo built for this test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_mailrun");

/// A run of mailrun that has not started. The environment of the test does not change what it does: no `MAILRUN_*`
/// variable is passed on, its input is empty, and it is killed if it takes longer than two
/// minutes or the [`limit`](Self::limit).
#[must_use]
pub struct Mailrun {
    arguments: Vec<OsString>,
    program: PathBuf,
    /// A program that starts mailrun, with its arguments.
    wrapper: Vec<OsString>,
    folder: Option<PathBuf>,
    environment: Vec<(OsString, OsString)>,
    stdin: Vec<u8>,
    stdout: Option<File>,
    limit: Duration,
}

impl Mailrun {
    pub fn new<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        let empty = Self {
            arguments: Vec::new(),
            program: PathBuf::from(PROGRAM),
            wrapper: Vec::new(),
            folder: None,
            environment: Vec::new(),
            stdin: Vec::new(),
            stdout: None,
            limit: 2 * LONG,
        };
        empty.args(arguments)
    }

    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    pub fn in_folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }

    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdin = bytes.as_ref().to_owned();
        self
    }

    /// Standard output goes to this file, and is empty in the result.
    pub fn stdout_to(mut self, file: &Path) -> Self {
        self.stdout = Some(File::create(file).expect("the file for standard output can be created"));
        self
    }

    /// Another program starts it: `strace -f mailrun …`.
    pub fn through<A: AsRef<OsStr>>(mut self, wrapper: impl IntoIterator<Item = A>) -> Self {
        self.wrapper = wrapper.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        self
    }

    /// A copy of the program.
    pub fn program(mut self, copy: &Path) -> Self {
        self.program = copy.to_owned();
        self
    }

    /// How long it may take before it is killed.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Finished {
        self.start().wait()
    }

    /// Starts it with the bytes given as its input.
    pub fn start(self) -> Running {
        let (running, mut stdin) = self.start_with_input();
        // mailrun need not read its input.
        let _ = stdin.write_all(&running.stdin);
        running
    }

    /// Starts it with an input that stays open until it is dropped.
    pub fn start_with_input(self) -> (Running, ChildStdin) {
        use_default_signals();
        let program = self.program.into_os_string();
        let mut words = self.wrapper.iter().chain([&program]).chain(&self.arguments);
        let mut command = Command::new(words.next().expect("mailrun at least"));
        command.args(words).stdin(Stdio::piped()).stderr(Stdio::piped());
        command.stdout(self.stdout.map_or_else(Stdio::piped, Stdio::from));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MAILRUN_") {
                command.env_remove(name);
            }
        }
        for name in ["GITHUB_ACTIONS", "SMTP_PASSWORD", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command.env("NO_COLOR", "1").envs(self.environment);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        let shown = format!("{command:?}");
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
        let stdin = child.stdin.take().expect("it is piped");
        let stdout = child.stdout.take().map(Collector::start);
        let stderr = child.stderr.take().map(Collector::start);
        (Running { child, shown, stdin: self.stdin, stdout, stderr, limit: self.limit }, stdin)
    }
}

/// Lets programs that a test starts handle SIGHUP as usual, also if the tests run under `nohup`: a program inherits that a
/// signal is ignored, but not that it is handled.
pub fn use_default_signals() {
    static HANDLED: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| {
        let flag = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::clone(&flag)).expect("SIGHUP can be handled");
        flag
    });
    LazyLock::force(&HANDLED);
}

/// A run that has not ended yet. It is killed when it is dropped.
pub struct Running {
    child: Child,
    shown: String,
    stdin: Vec<u8>,
    stdout: Option<Collector>,
    stderr: Option<Collector>,
    limit: Duration,
}

impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        kill_process(pid, signal).expect("it runs");
    }

    /// What it has written to standard output so far.
    pub fn printed(&self) -> String {
        self.stdout.as_ref().expect("standard output is read").text()
    }

    /// Waits until standard output has these words.
    pub fn wait_until_printed(&self, words: &str) {
        super::wait_until(words, || self.printed().contains(words));
    }

    /// Kills it, as `kill -9` does, and waits for its end.
    pub fn kill(mut self) -> Finished {
        self.child.kill().expect("it can be killed");
        self.wait()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is a child of the test").is_some()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Finished {
        let started = Instant::now();
        let mut pause = Duration::from_micros(200);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is a child of the test") {
                break status;
            }
            if started.elapsed() > self.limit {
                let _ = self.child.kill();
                let _ = self.child.wait();
                let so_far = self.finished(None);
                panic!("{} did not end in {:?}:\n{so_far}", self.shown, self.limit);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        };
        self.finished(Some(status))
    }

    fn finished(&mut self, status: Option<ExitStatus>) -> Finished {
        let text = |collector: Option<Collector>| collector.map(Collector::finish).unwrap_or_default();
        let code = |status: ExitStatus| status.code().or(status.signal().map(|signal| -signal));
        Finished {
            status: status.and_then(code).unwrap_or(i32::MIN),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a stream in a thread, so that the program never waits for the test.
struct Collector {
    bytes: Arc<Mutex<Vec<u8>>>,
    ended: Receiver<()>,
}

impl Collector {
    fn start(mut stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = channel();
        let shared = bytes.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 1 << 16];
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..count]);
            }
            // The test may be over.
            let _ = end.send(());
        });
        Self { bytes, ended }
    }

    fn finish(self) -> String {
        // A process that mailrun started may still hold the stream.
        let _ = self.ended.recv_timeout(Duration::from_secs(5));
        self.text()
    }

    /// What was read so far.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

/// The result of a run. Its `Display` is everything that was printed, for the message of an assertion.
#[derive(Debug)]
pub struct Finished {
    /// The exit status; minus the signal's number if a signal ended it.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// Asserts the exit status.
    #[track_caller]
    pub fn exits(self, status: i32) -> Self {
        assert_eq!(self.status, status, "\n{self}");
        self
    }

    /// Both streams, one after the other.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The exit status with both streams, for tables of both.
    pub fn status_and_text(&self) -> (i32, String) {
        (self.status, self.text())
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.stdout, self.stderr)
    }
}

//! What all tests of batches stand on: a server that records whom it accepted mail for, and a folder with a session, its
//! rows and its ledger.

use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Where a connection ends, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Accepts,
    /// Ends before the greeting.
    ClosesBeforeGreeting,
    /// Ends where the command of that verb came.
    ClosesAt(&'static str),
    /// Ends behind 354, before the content is there.
    ClosesAfter354,
    /// Ends with the first line of content.
    ClosesInContent,
    /// Takes the content and ends without a word.
    AcceptsSilently,
    /// Ends behind the reply to the content.
    ClosesAfterFirst,
    /// Says 421 in place of a greeting.
    GreetsWith421,
    /// 451 to RCPT.
    DefersRecipients,
    /// Says nothing to that command, and tells when it came.
    StallsAt(&'static str),
}

/// A server; it is there until the test is over.
pub struct Server {
    pub port: u16,
    accepted: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start() -> Self {
        Self::behaving(&[Behaviour::Accepts])
    }

    /// What it does with one connection after another; the last word stays.
    pub fn behaving(does: &[Behaviour]) -> Self {
        Self::listen(does.to_vec(), false, None)
    }

    /// The same with RST in place of FIN.
    pub fn resetting(does: &[Behaviour]) -> Self {
        Self::listen(does.to_vec(), true, None)
    }

    /// A server that tells when content is complete, and replies once it is told to.
    pub fn replying_on_demand() -> (Self, Receiver<()>, Sender<()>) {
        let ((tell, told), (go, gone)) = (channel(), channel());
        let waits = Rendezvous { tell, gone: Mutex::new(gone) };
        (Self::listen(vec![Behaviour::Accepts], false, Some(Arc::new(waits))), told, go)
    }

    /// A server that tells when that command came, and never answers it.
    pub fn stalling_at(verb: &'static str) -> (Self, Receiver<()>) {
        let ((tell, told), (_, gone)) = (channel(), channel());
        let waits = Rendezvous { tell, gone: Mutex::new(gone) };
        (Self::listen(vec![Behaviour::StallsAt(verb)], false, Some(Arc::new(waits))), told)
    }

    fn listen(does: Vec<Behaviour>, resets: bool, waits: Option<Arc<Rendezvous>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let accepted = Arc::new(Mutex::new(Vec::new()));
        let record = accepted.clone();
        std::thread::spawn(move || {
            let last = does.last().copied().unwrap_or(Behaviour::Accepts);
            let each = does.into_iter().chain(std::iter::repeat(last));
            for (stream, does) in listener.incoming().flatten().zip(each) {
                let (record, waits) = (record.clone(), waits.clone());
                std::thread::spawn(move || {
                    // A client that is killed ends its connection, whatever was being said.
                    let _ = serve(&stream, &record, does, waits.as_deref());
                    if resets {
                        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                    }
                });
            }
        });
        Self { port, accepted }
    }

    /// The RCPT commands of what was accepted.
    pub fn accepted(&self) -> MutexGuard<'_, Vec<String>> {
        self.accepted.lock().expect("no one panics with it")
    }

    /// How many mails were accepted, none for anybody twice.
    pub fn accepted_once(&self) -> usize {
        let accepted = self.accepted();
        let once: HashSet<_> = accepted.iter().collect();
        assert_eq!(once.len(), accepted.len(), "sent twice: {accepted:?}");
        once.len()
    }
}

struct Rendezvous {
    tell: Sender<()>,
    gone: Mutex<Receiver<()>>,
}

fn serve(
    mut stream: &TcpStream,
    record: &Mutex<Vec<String>>,
    does: Behaviour,
    waits: Option<&Rendezvous>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut recipient = String::new();
    match does {
        Behaviour::ClosesBeforeGreeting => return Ok(()),
        Behaviour::GreetsWith421 => return stream.write_all(b"421 4.3.2 busy\r\n"),
        _ => stream.write_all(b"220 ready\r\n")?,
    }
    while let Some(line) = lines.next() {
        let line = line?;
        let verb = line.split([' ', ':']).next().unwrap_or_default();
        if matches!(does, Behaviour::ClosesAt(last) if last == verb) {
            return Ok(());
        }
        if matches!(does, Behaviour::StallsAt(last) if last == verb) {
            let _ = waits.map(|waits| waits.tell.send(()));
            // Until the client goes away.
            return lines.next().map_or(Ok(()), |line| line.map(drop));
        }
        let reply: &[u8] = match verb {
            "EHLO" => b"250-server\r\n250 PIPELINING\r\n",
            "DATA" if recipient.is_empty() => b"554 for nobody\r\n",
            "DATA" => {
                stream.write_all(b"354 go\r\n")?;
                if does == Behaviour::ClosesAfter354 {
                    return Ok(());
                }
                loop {
                    match lines.next() {
                        Some(Ok(line)) if line == "." => break,
                        Some(Ok(_)) if does == Behaviour::ClosesInContent => return Ok(()),
                        Some(Ok(_)) => {}
                        _ => return Ok(()),
                    }
                }
                record.lock().expect("no one panics with it").push(std::mem::take(&mut recipient));
                if does == Behaviour::AcceptsSilently {
                    return Ok(());
                }
                if let Some(waits) = waits {
                    let _ = waits.tell.send(());
                    let _ = waits.gone.lock().expect("no one panics with it").recv();
                }
                b"250 2.0.0 queued as Q42\r\n"
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n"),
            "RCPT" if does == Behaviour::DefersRecipients => b"451 later\r\n",
            "NOOP" => b"450 not now\r\n",
            "RCPT" => {
                recipient = line;
                b"250 ok\r\n"
            }
            _ => b"250 ok\r\n",
        };
        stream.write_all(reply)?;
        if does == Behaviour::ClosesAfterFirst && reply.ends_with(b"Q42\r\n") {
            return Ok(());
        }
    }
    Ok(())
}

/// A folder with a session `c.toml`, its rows `p.csv` and its ledger `l.db`.
pub struct BatchFixture {
    folder: tempfile::TempDir,
}

impl BatchFixture {
    /// A folder with nothing in it.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub fn new(rows: usize) -> Self {
        let batch = Self::empty();
        let list: String = (0..rows).map(|number| format!("u{number}@x.example\n")).collect();
        batch.write("c.toml", SESSION);
        batch.write("p.csv", format!("email\n{list}"));
        batch
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).expect("the folder can be written");
    }

    /// `mailrun run` with the ledger.
    pub fn command(&self, port: u16) -> Command {
        let mut command = self.without_ledger(port);
        command.args(["--ledger", "l.db"]);
        command
    }

    pub fn without_ledger(&self, port: u16) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
        command
            .args(["run", "--quiet", "--server", &format!("smtp://127.0.0.1:{port}"), "c.toml"])
            .current_dir(self.folder.path())
            .env_remove("MAILRUN_LEDGER")
            .stdin(Stdio::null());
        command
    }

    /// A run that is not waited for, and not listened to.
    pub fn start(&self, port: u16, options: &[&str]) -> Child {
        let mut command = self.command(port);
        command.args(options).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("mailrun starts")
    }

    pub fn run(&self, port: u16, options: &[&str]) -> CommandResult {
        CommandResult::of(self.command(port).args(options))
    }

    /// `mailrun ledger l.db …`.
    pub fn ledger(&self, options: &[&str]) -> CommandResult {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
        CommandResult::of(
            command.args(["ledger", "l.db"]).args(options).current_dir(self.folder.path()).stdin(Stdio::null()),
        )
    }

    /// How many rows are in that state.
    pub fn count(&self, state: &str) -> usize {
        let ran = self.ledger(&[]);
        assert_eq!(ran.status, 0, "{}", ran.errors);
        let line = ran.output.lines().find_map(|line| line.strip_prefix(state)?.strip_prefix(' '));
        line.map_or(0, |line| line.trim().replace(',', "").parse().expect("a number"))
    }

    /// The same where there may be no ledger yet.
    pub fn count_or_none(&self, state: &str) -> usize {
        if self.path("l.db").metadata().is_ok_and(|file| file.len() > 0) { self.count(state) } else { 0 }
    }

    /// The locks of runs that stand beside the ledger.
    pub fn locks(&self) -> usize {
        let entries = std::fs::read_dir(self.folder.path()).expect("the folder is there");
        entries.flatten().filter(|entry| entry.file_name().to_string_lossy().contains("-run-")).count()
    }
}

pub const SESSION: &str = "client_name = \"t\"\n[message]\nfrom = \"a@x.example\"\nto = [\"{{ row.email }}\"]\n\
                           subject = \"s\"\ntext = \"t\"\n[rows]\nfile = \"p.csv\"\nkey = \"email\"\n";

/// What a command left behind.
#[derive(Debug)]
pub struct CommandResult {
    pub status: i32,
    pub output: String,
    pub errors: String,
}

impl CommandResult {
    pub fn of(command: &mut Command) -> Self {
        Self::from(command.output().expect("mailrun starts"))
    }
}

impl From<Output> for CommandResult {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().expect("no signal ended it"),
            output: String::from_utf8(output.stdout).expect("it is text"),
            errors: String::from_utf8(output.stderr).expect("it is text"),
        }
    }
}

/// Sends a signal to a process that was started here.
pub fn signal(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
    kill_process(pid, signal).expect("it runs");
}

pub fn kill(child: &mut Child) {
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
}

/// Rendezvous for what comes in its time.
pub fn wait_until(mut look: impl FnMut() -> bool) {
    let started = Instant::now();
    while !look() {
        assert!(started.elapsed() < Duration::from_secs(60), "it did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

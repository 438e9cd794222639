//! Kills a batch at seeded moments and starts it again: every row is accepted once, but for those that the ledger calls
//! unknown, and none twice. Two processes share one ledger; a resend, a signal and a full disk lose nothing either.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Whom a server took mail for.
type Accepted = Arc<Mutex<Vec<String>>>;

/// What a server does with complete content, connection by connection; the last one stays.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Accepts,
    /// Closes behind 354, before the content is there.
    Leaves,
    /// Takes the content and closes without a word.
    Swallows,
    /// 451 to RCPT.
    Defers,
}

/// A server of that kind, with what it took.
fn server_that(does: &'static [Does]) -> (u16, Accepted) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let record = accepted.clone();
    std::thread::spawn(move || {
        let last = does.last().copied().unwrap_or(Does::Accepts);
        let each = does.iter().copied().chain(std::iter::repeat(last));
        for (stream, does) in listener.incoming().flatten().zip(each) {
            drop(serve(&stream, &record, does, None));
        }
    });
    (port, accepted)
}

/// A server that records whom it accepted mail for, tells it, and replies once it is told to.
fn slow_server() -> (u16, Accepted, Receiver<()>, Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let record = accepted.clone();
    let ((tell, told), (go, gone)) = (channel(), channel());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            drop(serve(&stream, &record, Does::Accepts, Some((&tell, &gone))));
        }
    });
    (port, accepted, told, go)
}

/// A server that records whom it accepted mail for.
fn server() -> (u16, Accepted) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let record = accepted.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let record = record.clone();
            // A client that is killed ends its connection, whatever was being said.
            std::thread::spawn(move || drop(serve(&stream, &record, Does::Accepts, None)));
        }
    });
    (port, accepted)
}

fn serve(
    mut stream: &TcpStream,
    record: &Mutex<Vec<String>>,
    does: Does,
    slowly: Option<(&Sender<()>, &Receiver<()>)>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut recipient = String::new();
    stream.write_all(b"220 ready\r\n")?;
    while let Some(line) = lines.next() {
        let line = line?;
        let reply: &[u8] = match line.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => b"250-server\r\n250 PIPELINING\r\n",
            "DATA" if recipient.is_empty() => b"554 for nobody\r\n",
            "DATA" => {
                stream.write_all(b"354 go\r\n")?;
                if does == Does::Leaves {
                    return Ok(());
                }
                loop {
                    match lines.next() {
                        Some(Ok(line)) if line == "." => break,
                        Some(Ok(_)) => {}
                        _ => return Ok(()),
                    }
                }
                record.lock().expect("no one panics with it").push(recipient.clone());
                if does == Does::Swallows {
                    return Ok(());
                }
                if let Some((tell, gone)) = slowly {
                    let _ = tell.send(());
                    let _ = gone.recv();
                }
                b"250 queued\r\n"
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n"),
            "RCPT" if does == Does::Defers => b"451 later\r\n",
            "NOOP" => b"450 not now\r\n",
            "RCPT" => {
                recipient = line;
                b"250 ok\r\n"
            }
            _ => b"250 ok\r\n",
        };
        stream.write_all(reply)?;
    }
    Ok(())
}

fn batch(folder: &Path, rows: usize) {
    let session = "client_name = \"t\"\n[message]\nfrom = \"a@x.example\"\nto = [\"{{ row.email }}\"]\nsubject = \"s\"\n\
                   text = \"t\"\n[rows]\nfile = \"p.csv\"\nkey = \"email\"\n";
    let list: String = (0..rows).map(|number| format!("u{number}@x.example\n")).collect();
    std::fs::write(folder.join("c.toml"), session).expect("the folder can be written");
    std::fs::write(folder.join("p.csv"), format!("email\n{list}")).expect("the folder can be written");
}

fn start(folder: &Path, port: u16, jobs: u64) -> Child {
    command(folder, port, jobs).spawn().expect("mailrun starts")
}

fn run(folder: &Path, port: u16, more: &[&str]) -> Option<i32> {
    command(folder, port, 1).args(more).status().expect("mailrun starts").code()
}

/// What `mailrun ledger` prints.
fn ledger(folder: &Path, more: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
    let output = command.arg("ledger").arg(folder.join("l.db")).args(more).output().expect("mailrun starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("it is text")
}

/// The number of rows in a state.
fn count(folder: &Path, state: &str) -> usize {
    let text = ledger(folder, &[]);
    let line = text.lines().find_map(|line| line.trim().strip_prefix(state));
    line.map_or(0, |line| line.trim().parse().expect("a number"))
}

fn command(folder: &Path, port: u16, jobs: u64) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
    command
        .args(["run", "--quiet", "--server", &format!("smtp://127.0.0.1:{port}"), "--jobs", &jobs.to_string()])
        .arg("--ledger")
        .arg(folder.join("l.db"))
        .arg(folder.join("c.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Kills so many runs over a batch each, then lets one come to its end.
fn survive(moments: u64, rows: usize) {
    for seed in 0..moments {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (port, accepted) = server();
        batch(folder.path(), rows);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut child = start(folder.path(), port, 1 + seed % 4);
        // The moment itself is what is tested: there is no event to wait for.
        std::thread::sleep(Duration::from_millis(20 + random.u64(0..400)));
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        let status = start(folder.path(), port, 2).wait().expect("it ends").code();
        let accepted = accepted.lock().expect("no one panics with it");
        let once: HashSet<_> = accepted.iter().collect();
        assert_eq!(once.len(), accepted.len(), "seed {seed}: sent twice");
        match status {
            Some(0) => assert_eq!(once.len(), rows, "seed {seed}: lost"),
            status => assert_eq!(status, Some(74), "seed {seed}: only what is unknown is left"),
        }
    }
}

#[test]
fn a_killed_batch_sends_nothing_twice() {
    survive(5, 20);
}

#[test]
#[ignore = "make soak"]
fn a_killed_batch_sends_nothing_twice_at_two_hundred_moments() {
    survive(200, 500);
}

#[test]
fn two_runs_share_a_ledger() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (port, accepted) = server();
    batch(folder.path(), 300);
    let runs = [start(folder.path(), port, 2), start(folder.path(), port, 2)];
    for mut run in runs {
        assert_eq!(run.wait().expect("it ends").code(), Some(0));
    }
    let accepted = accepted.lock().expect("no one panics with it");
    assert_eq!((accepted.len(), accepted.iter().collect::<HashSet<_>>().len()), (300, 300));
}

#[test]
fn a_batch_killed_at_each_message_sends_nothing_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    batch(folder.path(), 20);
    let mut all = Vec::new();
    for _ in 0..20 {
        let (port, accepted, told, _go) = slow_server();
        let mut child = start(folder.path(), port, 1);
        told.recv().expect("a message is sent");
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        all.extend(accepted.lock().expect("no one panics with it").iter().cloned());
    }
    assert_eq!((all.len(), all.iter().collect::<HashSet<_>>().len()), (20, 20));
    assert_eq!(count(folder.path(), "unknown"), 20);
    let (port, accepted) = server();
    assert_eq!(run(folder.path(), port, &[]), Some(74));
    assert!(accepted.lock().expect("no one panics with it").is_empty(), "nothing is sent unasked");
}

#[test]
fn a_resend_that_fails_leaves_what_is_unknown_unknown() {
    for fails in [&[Does::Swallows, Does::Leaves, Does::Accepts], &[Does::Swallows, Does::Defers, Does::Accepts]] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        batch(folder.path(), 1);
        let (port, accepted) = server_that(fails);
        assert_eq!(run(folder.path(), port, &[]), Some(74));
        assert_eq!(run(folder.path(), port, &["--resend-unknown"]), Some(74));
        assert_eq!(count(folder.path(), "unknown"), 1);
        assert_eq!(run(folder.path(), port, &[]), Some(74), "it is left alone");
        assert_eq!(accepted.lock().expect("no one panics with it").len(), 1);
        assert_eq!(run(folder.path(), port, &["--resend-unknown"]), Some(0));
        assert_eq!(count(folder.path(), "sent"), 1);
    }
}

#[test]
fn content_in_a_session_s_own_words_is_recorded_as_well() {
    let ends = [
        "{ send = \"DATA\", expect = 354 }, { raw = \"x\\r\\n\" }, { send = \".\", expect = 250 }",
        "{ send = \"DATA\", expect = 354 }, { raw = \"x\\r\\n.\\r\\n\", expect = 250 }",
        "{ send = \"DATA\", expect = 354 }, { body = \"x\", expect = 250 }",
        "{ pipeline = [{ send = \"DATA\", expect = 354 }, { body = \"x\", expect = 250 }] }",
    ];
    let begin = "open = [{ expect = 220 }, { ehlo = \"t\" }]\nclose = [{ quit = true }]\nstep = [\
                 { send = \"MAIL FROM:<a@x.example>\", expect = 250 }, { send = \"RCPT TO:<b@x.example>\", expect = 250 }";
    for (end, more, state) in
        ends.iter().flat_map(|end| [(end, "", "unknown"), (end, ", { send = \"NOOP\", expect = 250 }", "sent")])
    {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("c.toml"), format!("{begin}, {end}{more}]\n")).expect("it can be written");
        let does: &[Does] = if more.is_empty() { &[Does::Swallows] } else { &[Does::Accepts] };
        let (port, accepted) = server_that(does);
        assert_ne!(run(folder.path(), port, &[]), Some(0));
        assert_eq!(count(folder.path(), state), 1, "{end}{more}");
        run(folder.path(), port, &["--retry", "1"]);
        assert_eq!(accepted.lock().expect("no one panics with it").len(), 1, "{end}{more}");
    }
}

#[test]
fn signals_let_the_message_in_flight_end() {
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        batch(folder.path(), 5);
        let (port, accepted, told, go) = slow_server();
        let mut child = start(folder.path(), port, 1);
        told.recv().expect("a message is sent");
        let kill = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(kill.expect("kill is there").success());
        go.send(()).expect("the server waits");
        drop(go);
        assert_eq!(child.wait().expect("it ends").code(), Some(code));
        assert_eq!(count(folder.path(), "unknown"), 0);
        assert_eq!(count(folder.path(), "sent"), accepted.lock().expect("no one panics with it").len());
        assert_eq!(run(folder.path(), port, &[]), Some(0));
        let accepted = accepted.lock().expect("no one panics with it");
        assert_eq!((accepted.len(), accepted.iter().collect::<HashSet<_>>().len()), (5, 5));
    }
}

#[test]
fn shards_are_disjoint_and_complete_and_merge() {
    let (port, accepted) = server();
    let folders: Vec<_> = (0..3).map(|_| tempfile::tempdir().expect("a temporary folder")).collect();
    for (index, folder) in folders.iter().enumerate() {
        batch(folder.path(), 60);
        assert_eq!(run(folder.path(), port, &["--shard", &format!("{}/3", index + 1)]), Some(0));
    }
    let others: Vec<_> = folders[1..].iter().map(|folder| folder.path().join("l.db")).collect();
    let others: Vec<_> = others.iter().map(|path| path.to_str().expect("it is text")).collect();
    ledger(folders[0].path(), &[&["merge"], &others[..]].concat());
    assert_eq!(count(folders[0].path(), "sent"), 60);
    assert_eq!(run(folders[0].path(), port, &[]), Some(0));
    let accepted = accepted.lock().expect("no one panics with it");
    assert_eq!((accepted.len(), accepted.iter().collect::<HashSet<_>>().len()), (60, 60));
}

#[test]
fn a_full_disk_ends_no_content() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    batch(folder.path(), 300);
    let (port, accepted) = server();
    let whole = command(folder.path(), port, 1);
    let mut limited = Command::new("sh");
    // A file's greatest size stands for the disk's end.
    limited.args(["-c", "ulimit -f 120; exec \"$0\" \"$@\""]).arg(whole.get_program()).args(whole.get_args());
    let status = limited.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("a shell is there");
    assert_eq!(status.code(), Some(73));
    let status = run(folder.path(), port, &[]);
    let accepted = accepted.lock().expect("no one panics with it");
    assert_eq!(accepted.len(), accepted.iter().collect::<HashSet<_>>().len(), "none twice");
    let unknown = count(folder.path(), "unknown");
    assert_eq!(status, Some(if unknown > 0 { 74 } else { 0 }));
    assert_eq!(count(folder.path(), "sent") + unknown, 300);
}

//! Kills a batch at seeded moments and starts it again: every row is accepted once, but for those that the ledger calls
//! unknown, and none twice. Two processes share one ledger.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A server that records whom it accepted mail for.
fn server() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let record = accepted.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let record = record.clone();
            // A client that is killed ends its connection, whatever was being said.
            std::thread::spawn(move || drop(serve(&stream, &record)));
        }
    });
    (port, accepted)
}

fn serve(mut stream: &TcpStream, record: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut recipient = String::new();
    stream.write_all(b"220 ready\r\n")?;
    while let Some(line) = lines.next() {
        let line = line?;
        let reply: &[u8] = match line.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => b"250-server\r\n250 PIPELINING\r\n",
            "DATA" => {
                stream.write_all(b"354 go\r\n")?;
                loop {
                    match lines.next() {
                        Some(Ok(line)) if line == "." => break,
                        Some(Ok(_)) => {}
                        _ => return Ok(()),
                    }
                }
                record.lock().expect("no one panics with it").push(recipient.clone());
                b"250 queued\r\n"
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n"),
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
    Command::new(env!("CARGO_BIN_EXE_mailrun"))
        .args(["run", "--quiet", "--server", &format!("smtp://127.0.0.1:{port}"), "--jobs", &jobs.to_string()])
        .arg("--ledger")
        .arg(folder.join("l.db"))
        .arg(folder.join("c.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mailrun starts")
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

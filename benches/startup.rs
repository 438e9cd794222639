//! How long the whole program takes to send one plain message, and how much memory: `make bench`.
//!
//! The server is a thread of the benchmark. Memory is read while mailrun waits for the reply to QUIT: the peak, and its own
//! memory without the pages of its file. Nothing is asserted: the figures are for a person to read.

mod support;

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use support::Memory;

const RUNS: usize = 200;
const SESSION: &str = r#"
client_name = "client.example"
[message]
from = "a@example.com"
to = ["b@example.com"]
subject = "start-up"
text = "hello\n"
"#;

fn main() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let session = folder.path().join("startup.toml");
    std::fs::write(&session, SESSION)?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("smtp://{}", listener.local_addr()?);
    let (children, memories) = serve(listener);

    let mut times = Vec::with_capacity(RUNS);
    let mut memory = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let begun = Instant::now();
        let mut child = Command::new(support::program())
            .args(["run", "--server", &url])
            .arg(&session)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let _ = children.send(child.id());
        let status = child.wait()?;
        times.push(begun.elapsed());
        if !status.success() {
            return Err(io::Error::other(format!("a run ended with {status}")));
        }
        memory.extend(memories.recv_timeout(Duration::from_secs(10)).ok().flatten());
    }
    times.sort();
    memory.sort();
    println!("one plain message, whole process, {RUNS} runs:");
    println!("  wall   median {:.2} ms, fastest {:.2} ms", milliseconds(&times, RUNS / 2), milliseconds(&times, 0));
    match memory.last() {
        Some(Memory { peak, own }) => {
            println!("  memory peak {:.1} MB, {:.1} MB its own", *peak as f64 / 1024.0, *own as f64 / 1024.0);
        }
        None => println!("  memory unknown"),
    }
    Ok(())
}

fn milliseconds(times: &[Duration], index: usize) -> f64 {
    times.get(index).map_or(0.0, Duration::as_secs_f64) * 1000.0
}

/// Accepts everything. Receives the process id of each run and sends its memory.
fn serve(listener: TcpListener) -> (Sender<u32>, Receiver<Option<Memory>>) {
    let (children, ids) = channel();
    let (tell, memories) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream, &ids, &tell);
        }
    });
    (children, memories)
}

fn answer(stream: TcpStream, ids: &Receiver<u32>, tell: &Sender<Option<Memory>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut out = stream;
    out.write_all(b"220 mx.example ESMTP\r\n")?;
    let mut content = false;
    while let Some(line) = lines.next().transpose()? {
        let reply: &[u8] = match line.as_str() {
            "." => {
                content = false;
                b"250 2.0.0 queued\r\n"
            }
            _ if content => continue,
            "DATA" => {
                content = true;
                b"354 go ahead\r\n"
            }
            "QUIT" => {
                let _ = tell.send(ids.recv().ok().and_then(support::memory));
                out.write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            _ => b"250 ok\r\n",
        };
        out.write_all(reply)?;
    }
    Ok(())
}

//! Rows per second with and without a ledger, over 1, 10 and 50 connections; memory for a thousand rows and for a million;
//! for comparison smtp-source, if Postfix is installed: `make bench`.
//!
//! The server has a thread for each connection and accepts everything. Processor time and memory of mailrun are read when
//! it sends QUIT. "Its own" memory is without the pages of its file. Nothing is asserted: the figures are for a person to
//! read. `cargo bench --bench batch -- memory` measures only memory.

mod support;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

/// What was measured of the running program.
#[derive(Default)]
struct Measured {
    process: AtomicU32,
    /// In kB.
    peak: AtomicU64,
    own: AtomicU64,
    /// In microseconds.
    time: AtomicU64,
}

struct BatchBench {
    folder: tempfile::TempDir,
    port: u16,
    seen: Arc<Measured>,
}

fn main() -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    let seen = Arc::new(Measured::default());
    let record = seen.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let record = record.clone();
            std::thread::spawn(move || drop(answer(stream, &record)));
        }
    });
    let bench = BatchBench { folder: tempfile::tempdir()?, port, seen };
    if !std::env::args().any(|argument| argument == "memory") {
        bench.speed()?;
    }
    bench.memory()
}

/// What is sent, and how.
#[derive(Clone, Copy)]
struct Batch {
    rows: u64,
    connections: u32,
    in_flight: u32,
    ledger: bool,
    json: bool,
    /// Whether it runs with `--quiet`.
    quiet: bool,
}

impl Default for Batch {
    fn default() -> Self {
        Self { rows: 20_000, connections: 1, in_flight: 1, ledger: false, json: false, quiet: true }
    }
}

impl BatchBench {
    fn speed(&self) -> io::Result<()> {
        println!("batches of small messages over loopback, whole process:");
        let plain = Batch::default();
        for connections in [1, 10, 50] {
            self.run(&format!("{connections:>2} connections"), Batch { connections, ..plain })?;
        }
        self.run(" 1 connection, 8 in flight", Batch { in_flight: 8, ..plain })?;
        let kept = Batch { rows: 2_000, ledger: true, ..plain };
        for connections in [1, 10, 50] {
            self.run(&format!("{connections:>2} connections, ledger"), Batch { connections, ..kept })?;
        }
        self.run(" 1 connection, 8 in flight, ledger", Batch { in_flight: 8, ..kept })?;
        self.smtp_source(20_000)
    }

    fn memory(&self) -> io::Result<()> {
        println!("memory of few rows and of many:");
        let plain = Batch::default();
        for (name, many, batch) in [
            ("CSV", 1_000_000, plain),
            ("CSV, transcript to a pipe", 100_000, Batch { quiet: false, ..plain }),
            ("JSON Lines", 100_000, Batch { json: true, ..plain }),
            ("ledger", 100_000, Batch { ledger: true, ..plain }),
        ] {
            let few = self.run(&format!("{name}, 1000 rows"), Batch { rows: 1_000, ..batch })?;
            let all = self.run(&format!("{name}, {many} rows"), Batch { rows: many, ..batch })?;
            println!("    {:.2} times the memory", all as f64 / few.max(1) as f64);
        }
        Ok(())
    }

    /// Runs a batch; returns its peak memory in kB.
    fn run(&self, name: &str, batch: Batch) -> io::Result<u64> {
        let Batch { rows, connections, in_flight, ledger, json, quiet } = batch;
        let at = |name: &str| self.folder.path().join(name);
        let client = if in_flight > 1 { "chunking" } else { "t" };
        let file = if json { "rows.jsonl" } else { "rows.csv" };
        let session = format!(
            "client_name = '{client}'\n[message]\nfrom = 'a@x.example'\nto = '{{{{ row.email }}}}'\nsubject = 's'\n\
             text = 'hello {{{{ row.email }}}}'\n[rows]\nfile = '{file}'\nkey = 'email'\nper_connection = 1000000\n\
             connections = {connections}\nin_flight = {in_flight}\n"
        );
        std::fs::write(at("batch.toml"), session)?;
        let mut list = io::BufWriter::new(std::fs::File::create(at(file))?);
        if json {
            (0..rows).try_for_each(|row| writeln!(list, "{{\"email\":\"user{row}@x.example\"}}"))?;
        } else {
            writeln!(list, "email")?;
            (0..rows).try_for_each(|row| writeln!(list, "user{row}@x.example"))?;
        }
        list.into_inner()?.sync_all()?;
        let mut command = Command::new(support::program());
        command.args(["run", "--server", &format!("smtp://127.0.0.1:{}", self.port)]);
        if quiet {
            command.arg("--quiet");
        }
        if ledger {
            for file in ["ledger.db", "ledger.db-wal", "ledger.db-shm"] {
                let _ = std::fs::remove_file(at(file));
            }
            command.arg("--ledger").arg(at("ledger.db"));
        }
        command.arg(at("batch.toml"));
        self.measure(name, rows, &mut command)
    }

    /// The same with Postfix's load generator over one kept connection.
    fn smtp_source(&self, messages: u64) -> io::Result<()> {
        let program = Path::new("/usr/sbin/smtp-source");
        if program.exists() {
            let mut command = Command::new(program);
            command.args(["-d", "-s", "1", "-l", "200", "-m", &messages.to_string(), "-f", "a@x.example"]);
            command.args(["-t", "b@x.example", &format!("127.0.0.1:{}", self.port)]);
            self.measure(" smtp-source, 1 connection", messages, &mut command)?;
        }
        Ok(())
    }

    fn measure(&self, name: &str, rows: u64, command: &mut Command) -> io::Result<u64> {
        for number in [&self.seen.peak, &self.seen.own, &self.seen.time] {
            number.store(0, Ordering::Relaxed);
        }
        let begun = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        self.seen.process.store(child.id(), Ordering::Relaxed);
        let status = child.wait()?;
        let seconds = begun.elapsed().as_secs_f64();
        if !status.success() {
            return Err(io::Error::other(format!("{name} ended with {status}")));
        }
        let [peak, own, time] =
            [&self.seen.peak, &self.seen.own, &self.seen.time].map(|number| number.load(Ordering::Relaxed));
        println!(
            "  {name:<36} {:>8.0} messages/s, {:>5.1} µs of processor time each, {:>5.1} MB, {:.1} its own",
            rows as f64 / seconds,
            time as f64 / rows as f64,
            peak as f64 / 1024.0,
            own as f64 / 1024.0
        );
        Ok(peak)
    }
}

impl Measured {
    /// Reads what the system says of the program, if it does.
    fn read_proc(&self) -> Option<()> {
        let process = self.process.load(Ordering::Relaxed);
        let memory = support::memory(process)?;
        self.peak.fetch_max(memory.peak, Ordering::Relaxed);
        self.own.fetch_max(memory.own, Ordering::Relaxed);
        let time = support::processor_time(process)?.as_micros();
        self.time.fetch_max(u64::try_from(time).unwrap_or(u64::MAX), Ordering::Relaxed);
        Some(())
    }
}

/// Accepts everything. Replies are sent together when all commands that came are processed (RFC 2920 §3.2).
fn answer(stream: TcpStream, seen: &Measured) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::with_capacity(256 * 1024, stream.try_clone()?);
    let (mut output, mut line, mut replies, mut content) = (stream, Vec::new(), b"220 mx ESMTP\r\n".to_vec(), false);
    loop {
        if input.buffer().is_empty() {
            output.write_all(&replies)?;
            replies.clear();
        }
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let verb = line.get(..4).unwrap_or(&line);
        let reply: &[u8] = match verb {
            _ if content && line != b".\r\n" => continue,
            _ if content => {
                content = false;
                b"250 2.0.0 queued\r\n"
            }
            b"DATA" => {
                content = true;
                b"354 go ahead\r\n"
            }
            // Only if the client name asks for it, so that the other batches use DATA as smtp-source does.
            b"EHLO" if !line.ends_with(b"chunking\r\n") => b"250-mx\r\n250-PIPELINING\r\n250 SIZE\r\n",
            b"EHLO" => b"250-mx\r\n250-PIPELINING\r\n250-SIZE\r\n250 CHUNKING\r\n",
            b"BDAT" => {
                let words = String::from_utf8_lossy(&line).into_owned();
                let octets = words.split_whitespace().nth(1).and_then(|octets| octets.parse().ok());
                io::copy(&mut input.by_ref().take(octets.unwrap_or(0)), &mut io::sink())?;
                b"250 2.0.0 queued\r\n"
            }
            b"QUIT" => {
                seen.read_proc();
                replies.extend_from_slice(b"221 bye\r\n");
                return output.write_all(&replies);
            }
            _ => b"250 ok\r\n",
        };
        replies.extend_from_slice(reply);
    }
}

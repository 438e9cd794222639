//! How long the program takes to send a mail with 1 GB attached, and how much memory: `make bench`.
//!
//! The file is sparse, so that no disk is measured, and the server is a thread that discards what it reads. The peak is
//! read at the end of the content, before the reply. Nothing is asserted: the figures are for a person to read.

mod support;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Instant;
use support::Memory;

const LENGTH: u64 = 1 << 30;
const SESSION: &str = r#"
client_name = "client.example"
[message]
from = "a@example.com"
to = ["b@example.com"]
text = "see"
attach = ["big"]
"#;

fn main() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("big.toml"), SESSION)?;
    std::fs::File::create(folder.path().join("big"))?.set_len(LENGTH)?;
    println!("one message with 1 GB attached, whole process:");
    for (transfer, extensions) in [("DATA", ""), ("BDAT", "250-PIPELINING\r\n250-CHUNKING\r\n")] {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let url = format!("smtp://{}", listener.local_addr()?);
        let begun = Instant::now();
        let mut child = Command::new(support::program())
            .args(["run", "--quiet", "--server", &url, "big.toml"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()?;
        let (stream, _) = listener.accept()?;
        let (octets, memory) = take(stream, extensions, child.id())?;
        let status = child.wait()?;
        if !status.success() {
            return Err(io::Error::other(format!("the run ended with {status}")));
        }
        let seconds = begun.elapsed().as_secs_f64();
        let (size, speed) = (octets as f64 / 1e6, octets as f64 / 1e6 / seconds);
        let memory = memory.map_or("unknown".to_owned(), |memory| format!("{:.1} MB", memory.peak as f64 / 1024.0));
        println!("  {transfer}   {seconds:.2} s for {size:.0} MB of content, {speed:.0} MB/s; memory peak {memory}");
    }
    Ok(())
}

/// Accepts a mail. Returns the octets of its content and the client's memory.
fn take(stream: TcpStream, extensions: &str, client: u32) -> io::Result<(u64, Option<Memory>)> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(1 << 18, stream);
    let (mut line, mut octets, mut memory) = (String::new(), 0, None);
    out.write_all(b"220 mx.example ESMTP\r\n")?;
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok((octets, memory));
        }
        let mut words = line.split_ascii_whitespace();
        let reply = match words.next().unwrap_or_default() {
            "EHLO" => format!("250-mx.example\r\n{extensions}250 SIZE\r\n"),
            "DATA" => {
                out.write_all(b"354 go ahead\r\n")?;
                octets = to_dot(&mut reader)?;
                memory = support::memory(client);
                "250 2.0.0 queued\r\n".to_owned()
            }
            "BDAT" => {
                let size = words.next().and_then(|size| size.parse().ok()).unwrap_or_default();
                octets += io::copy(&mut reader.by_ref().take(size), &mut io::sink())?;
                memory = support::memory(client);
                "250 2.0.0 taken\r\n".to_owned()
            }
            "QUIT" => "221 bye\r\n".to_owned(),
            _ => "250 ok\r\n".to_owned(),
        };
        out.write_all(reply.as_bytes())?;
    }
}

/// Reads content up to its dot. Nothing is pipelined after it, so the dot is at the end of what was read.
fn to_dot(reader: &mut BufReader<TcpStream>) -> io::Result<u64> {
    const DOT: &[u8] = b"\r\n.\r\n";
    let (mut count, mut end) = (0, Vec::new());
    loop {
        let block = reader.fill_buf()?;
        let length = block.len();
        end.extend_from_slice(&block[length.saturating_sub(DOT.len())..]);
        end.drain(..end.len().saturating_sub(DOT.len()));
        reader.consume(length);
        count += length as u64;
        if end == DOT || length == 0 {
            return Ok(count.saturating_sub(b".\r\n".len() as u64));
        }
    }
}

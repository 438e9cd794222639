//! How long `mailrun test` takes for 50 and for 500 sessions, and how much memory, with one job and with eight: `make bench`.
//!
//! The server is the sink inside mailrun, in the process of the benchmark. Nothing is asserted: the figures are for a person
//! to read. Memory may grow with the number of sessions only by what reports keep of each.

mod support;

use mailrun::serve::{self, Behaviour, Config, SinkOptions};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Greeting, EHLO, a message, QUIT, as a smoke test has them.
const SESSION: &str = r#"
client_name = "client.example"
[tls]
starttls = "never"
[[step]]
login = true
[[step]]
send = "VRFY postmaster"
expect = [250, 252]
assert = ["reply.elapsed < 5", "'PIPELINING' in ehlo.capabilities"]
[[step]]
message = { from = "a@example.com", to = ["b@example.com"], subject = "suite", text = "hello\n" }
[[step]]
quit = true
"#;

fn main() -> io::Result<()> {
    let server = serve::start(Config::new(Behaviour::Sink(SinkOptions::default()))).map_err(io::Error::other)?;
    let url = format!("smtp://{}", server.address);
    let folder = tempfile::tempdir()?;
    for count in [50, 500] {
        let sessions = folder.path().join(count.to_string());
        std::fs::create_dir(&sessions)?;
        for number in 0..count {
            std::fs::write(sessions.join(format!("s{number:03}.toml")), SESSION)?;
        }
    }
    println!("mailrun test, the embedded server, best of 5:");
    println!("  sessions  jobs  reports  seconds  ms a session  memory peak");
    for reports in [false, true] {
        for jobs in [1, 8] {
            for count in [50, 500] {
                let (seconds, peak) = best(folder.path(), &url, count, jobs, reports)?;
                println!(
                    "  {count:8}  {jobs:4}  {:7}  {seconds:7.2}  {:12.2}  {:8.1} MB",
                    if reports { "four" } else { "none" },
                    seconds * 1000.0 / f64::from(count),
                    peak as f64 / 1024.0
                );
            }
        }
    }
    Ok(())
}

/// The fastest run's seconds, and the most memory that one held, in kB.
fn best(folder: &Path, url: &str, count: u32, jobs: u32, reports: bool) -> io::Result<(f64, u64)> {
    let (mut seconds, mut peak) = (f64::INFINITY, 0);
    for _ in 0..5 {
        let mut command = Command::new(support::program());
        command.current_dir(folder).args(["test", "--server", url, "--jobs", &jobs.to_string(), &count.to_string()]);
        if reports {
            command.args(["--junit", "r.xml", "--tap", "r.tap", "--json", "r.json", "--html", "r.html"]);
        }
        let begun = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // The peak never falls, so the last figure is the highest.
        let status = loop {
            peak = peak.max(support::memory(child.id()).unwrap_or_default().peak);
            if let Some(status) = child.try_wait()? {
                break status;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        seconds = seconds.min(begun.elapsed().as_secs_f64());
        if !status.success() {
            return Err(io::Error::other(format!("a run ended with {status}")));
        }
    }
    Ok((seconds, peak))
}

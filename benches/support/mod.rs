//! What the benchmarks share: which program is measured, and what the system says of its process.

// Each benchmark uses a part of it.
#![allow(dead_code)]

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::ffi::OsString;
use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The program to measure: `MAILRUN_BENCH_BINARY`, to compare with another build, or the one that cargo built.
pub fn program() -> OsString {
    std::env::var_os("MAILRUN_BENCH_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_mailrun").into())
}

/// What a finished process took.
#[derive(Clone, Copy)]
pub struct Usage {
    /// From its start to its end.
    pub wall: Duration,
    /// User and system time, of all its threads; in steps of 10 ms.
    pub processor: Duration,
}

/// Runs a command to its end, without input or output.
pub fn run(command: &mut Command) -> io::Result<Usage> {
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
    // It has ended, and /proc keeps what it took until it is waited for.
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
    let wall = begun.elapsed();
    let processor = processor_time(child.id()).unwrap_or_default();
    let status = child.wait()?;
    if status.success() {
        Ok(Usage { wall, processor })
    } else {
        Err(io::Error::other(format!("{command:?}: {status}")))
    }
}

/// The user and system time of a process so far.
pub fn processor_time(process: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // After the name, which may hold anything, come the state and ten numbers.
    let mut numbers = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    Some(Duration::from_millis((user + system) * 10))
}

/// Memory of a process, in kB.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory {
    /// The most that it held so far.
    pub peak: u64,
    /// What it holds now without the pages of files.
    pub own: u64,
}

/// The memory of a process that runs, if the system says it.
pub fn memory(process: u32) -> Option<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let number = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches("kB").trim().parse().ok()
    };
    Some(Memory { peak: number("VmHWM:")?, own: number("RssAnon:")? })
}

//! Runs `{ command = […] }`: without a shell, with empty standard input, and with limits on time and output.

use super::error_text::io_error_text;
use super::interrupt::{CHECK_INTERVAL, InterruptCheck};
use super::limited::SMALL_FILE_LIMIT;
use crate::transcript::SafeText;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long a command may take.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// How often a command that closed its output is checked for its end.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// The standard output of a command that succeeded, or why it failed.
pub fn run_command(
    argv: &[String],
    folder: &Path,
    timeout: Duration,
    interrupted: &InterruptCheck,
) -> Result<Vec<u8>, String> {
    let deadline = Instant::now() + timeout;
    let Some((name, arguments)) = argv.split_first() else {
        return Err("a command must have a name".to_owned());
    };
    let failed = |what: String| format!("the command \"{}\" {what}", SafeText::new(name));
    // A name with a slash is a path relative to the session file, like any other path. Other names are looked up in PATH.
    let mut command = if name.contains('/') { Command::new(folder.join(name)) } else { Command::new(name) };
    command.args(arguments).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().map_err(|error| failed(format!("cannot be run: {}", io_error_text(&error))))?;
    let mut child = ChildGuard(child);

    let output = read_in_background(child.0.stdout.take(), SMALL_FILE_LIMIT as usize);
    let complaint = read_in_background(child.0.stderr.take(), SMALL_FILE_LIMIT as usize);
    let late = || match interrupted() {
        true => failed("was interrupted".to_owned()),
        false => failed(format!("took more than {} s", timeout.as_secs_f64())),
    };
    // Whichever comes first: the end of the output, the deadline or a signal.
    let output = receive(&output, deadline, interrupted).ok_or_else(late)?;
    if output.len() > SMALL_FILE_LIMIT as usize {
        return Err(failed("wrote more than 1 MiB".to_owned()));
    }
    let status = child.wait(deadline, interrupted).ok_or_else(late)?;
    if status.success() {
        return Ok(output);
    }
    let complaint = complaint.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
    Err(failed(exit_text(status, &complaint)))
}

/// `None` at the deadline and at a signal.
fn receive(output: &Receiver<Vec<u8>>, deadline: Instant, interrupted: &InterruptCheck) -> Option<Vec<u8>> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match output.recv_timeout(left.min(CHECK_INTERVAL)) {
            Ok(output) => return Some(output),
            Err(RecvTimeoutError::Timeout) if left > CHECK_INTERVAL && !interrupted() => {}
            Err(_) => return None,
        }
    }
}

fn exit_text(status: ExitStatus, complaint: &[u8]) -> String {
    use std::os::unix::process::ExitStatusExt;
    let ended = match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "failed".to_owned(),
    };
    let last = complaint.split(|&byte| byte == b'\n').rfind(|line| !line.trim_ascii().is_empty());
    match last {
        Some(line) => format!("{ended}: {}", SafeText::new(&line.trim_ascii()[..line.trim_ascii().len().min(500)])),
        None => ended,
    }
}

/// Reads to the end on another thread, so that neither output can block the other. Keeps up to `limit` + 1 bytes.
fn read_in_background(reader: Option<impl Read + Send + 'static>, limit: usize) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let Some(mut reader) = reader else { return };
        // A read error counts as the end. It is no error either if the receiver is gone.
        let _ = reader.by_ref().take(limit as u64 + 1).read_to_end(&mut bytes);
        let _ = sender.send(bytes);
        // The rest is discarded, so that the command does not block on a full pipe.
        let _ = io::copy(&mut reader, &mut io::sink());
    });
    receiver
}

/// A child process that is killed when this is dropped.
struct ChildGuard(Child);

impl ChildGuard {
    /// `None` at the deadline and at a signal.
    fn wait(&mut self, deadline: Instant, interrupted: &InterruptCheck) -> Option<ExitStatus> {
        loop {
            if let Ok(Some(status)) = self.0.try_wait() {
                return Some(status);
            }
            if Instant::now() >= deadline || interrupted() {
                return None;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

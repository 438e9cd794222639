//! Whether a signal asked the program to end.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use rustix::io::Errno;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Returns true once a signal asked the program to end. Commands and prompts are given up then.
pub type InterruptCheck = Arc<dyn Fn() -> bool + Send + Sync>;

/// How often waits check for a signal.
pub const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// Waits until there is something to read, or the end of input. Returns false if a signal came first.
pub fn wait_until_readable(source: impl AsFd, interrupted: &InterruptCheck) -> io::Result<bool> {
    let interval = Timespec { tv_sec: 0, tv_nsec: CHECK_INTERVAL.subsec_nanos().into() };
    loop {
        match poll(&mut [PollFd::new(&source, PollFlags::IN)], Some(&interval)) {
            Ok(0) | Err(Errno::INTR) if interrupted() => return Ok(false),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

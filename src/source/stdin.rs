//! Standard input whose next row may be long in coming: a signal ends the wait.

use super::InterruptCheck;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Read};

/// How long a wait goes on without a look at the signals.
const INTERRUPT_CHECK_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Standard input, read without a buffer of its own. It is at its end once the run was interrupted.
pub struct InterruptibleStdin {
    pub interrupted: InterruptCheck,
}

impl Read for InterruptibleStdin {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let input = io::stdin();
        loop {
            match poll(&mut [PollFd::new(&input, PollFlags::IN)], Some(&INTERRUPT_CHECK_INTERVAL)) {
                Ok(0) | Err(rustix::io::Errno::INTR) if (self.interrupted)() => return Ok(0),
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(rustix::io::read(&input, bytes)?),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

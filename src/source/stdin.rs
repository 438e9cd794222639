//! Standard input whose next row may be long in coming: a signal ends the wait.

use super::interrupt::{InterruptCheck, wait_until_readable};
use std::io::{self, Read};

/// Standard input, read without a buffer of its own. It is at its end once the run was interrupted.
pub struct InterruptibleStdin {
    pub interrupted: InterruptCheck,
}

impl Read for InterruptibleStdin {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let input = io::stdin();
        match wait_until_readable(&input, &self.interrupted)? {
            true => Ok(rustix::io::read(&input, bytes)?),
            false => Ok(0),
        }
    }
}

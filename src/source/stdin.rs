//! Standard input that ends when a signal comes.

use super::interrupt::{InterruptCheck, wait_until_readable};
use std::io::{self, Read};

/// Standard input without a buffer. After a signal it reads as ended.
pub struct InterruptibleStdin {
    /// Whether a signal came.
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

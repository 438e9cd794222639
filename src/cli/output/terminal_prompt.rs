//! Prompts on the terminal.

use super::console::print_line;
use std::io::{self, IsTerminal, Write};

/// Prints a prompt if standard input is a terminal, then reads with `read`. `hidden` turns the echo off meanwhile.
pub fn ask<T>(what: &str, hidden: bool, read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let input = io::stdin();
    if !input.is_terminal() {
        return read();
    }
    let _ = write!(io::stderr(), "{what}: ");
    let _ = io::stderr().flush();
    if !hidden {
        return read();
    }
    let _silence = EchoOff::new();
    let answer = read();
    print_line("");
    answer
}

/// Turns the terminal's echo off until it is dropped.
struct EchoOff(Option<rustix::termios::Termios>);

impl EchoOff {
    fn new() -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut silent = before.clone();
            silent.local_modes.remove(LocalModes::ECHO);
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &silent);
        }
        Self(before)
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Flush, before);
        }
    }
}

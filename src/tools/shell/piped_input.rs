//! Input from a pipe.

use super::interpreter::Shell;
use super::shell_input::ShellInput;
use super::typed_dialogue::AfterLine;
use std::io::{self, BufRead};

/// The lines of a pipe. What a command asks for is the next one.
struct PipedInput<R: BufRead>(R);

impl<R: BufRead> PipedInput<R> {
    /// The next line without its end; `None` at the end of the input.
    fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        if self.0.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        Ok(Some(text.strip_suffix(b"\r").unwrap_or(text).to_vec()))
    }
}

impl<R: BufRead> ShellInput for PipedInput<R> {
    fn ask(&mut self, _: &str, _: bool) -> io::Result<Option<String>> {
        let Some(line) = self.next_line()? else { return Ok(None) };
        String::from_utf8(line).map(Some).map_err(|_| io::Error::other("the answer is not UTF-8"))
    }
}

/// Reads lines from a pipe, in lockstep with the replies. Gives whether all of them could be sent.
pub fn run_piped(shell: &mut Shell<'_>, input: impl BufRead) -> io::Result<bool> {
    let mut input = PipedInput(input);
    while let Some(line) = input.next_line()? {
        let after = match str::from_utf8(&line) {
            Ok(line) => shell.line(line, &mut input),
            Err(_) => shell.line_of_bytes(&line),
        };
        if after == AfterLine::Disconnected {
            return Ok(false);
        }
    }
    Ok(true)
}

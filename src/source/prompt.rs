//! Asks for a value on the terminal, without showing what is typed.

use super::SourceError;
use crate::transcript::Shown;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, Read, Write};

/// The most bytes that an answer may have.
const LONGEST: usize = 64 << 10;

pub fn ask(text: &str) -> Result<String, SourceError> {
    let refused = |what: &str| SourceError::Refused(format!("\"{}\" cannot be asked for: {what}", Shown::new(text)));
    // The terminal itself, since standard input and output may be files and pipes.
    let mut terminal = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(|_| refused("there is no terminal; give it as a variable, or in a default"))?;
    let silent = Silent::begin(&terminal).map_err(|error| refused(&error.to_string()))?;
    let asked = write!(terminal, "{} ", Shown::new(text.trim_end())).and_then(|()| terminal.flush());
    let answer = asked.and_then(|()| read_answer(&mut (&terminal)));
    let _ = terminal.write_all(b"\n");
    drop(silent);
    match answer {
        Ok(Some(answer)) => String::from_utf8(answer).map_err(|_| refused("the answer is not UTF-8")),
        Ok(None) => Err(refused("no answer was given")),
        Err(error) => Err(refused(&error.to_string())),
    }
}

/// Reads a line typed at a terminal that does nothing by itself; `None` where it was given up.
fn read_answer(keys: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut answer = Vec::new();
    let mut key = [0];
    loop {
        match keys.read(&mut key) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(None),
            Err(error) => return Err(error),
        }
        match key[0] {
            b'\r' | b'\n' => return Ok(Some(answer)),
            // Ctrl-C, Ctrl-\, and Ctrl-D where nothing was typed.
            0x03 | 0x1c => return Ok(None),
            0x04 if answer.is_empty() => return Ok(None),
            0x04 => return Ok(Some(answer)),
            // Backspace takes a whole character away.
            0x08 | 0x7f => while answer.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            // Ctrl-U
            0x15 => answer.clear(),
            _ if answer.len() >= LONGEST => return Err(io::Error::other("the answer is too long")),
            byte => answer.push(byte),
        }
    }
}

/// While it lives, the terminal shows nothing and gives each key at once. Signals are keys too, so that no Ctrl-C can
/// leave a terminal behind that shows nothing.
struct Silent {
    terminal: File,
    before: Termios,
}

impl Silent {
    fn begin(terminal: &File) -> io::Result<Self> {
        let terminal = terminal.try_clone()?;
        let before = tcgetattr(&terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN);
        silent.special_codes[SpecialCodeIndex::VMIN] = 1;
        silent.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&terminal, OptionalActions::Flush, &silent)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::read_answer;

    #[test]
    fn keys_become_an_answer() {
        let table = [
            ("pass\r", Some("pass"), "Enter"),
            ("pass\n", Some("pass"), "a line feed"),
            ("\r", Some(""), "an empty answer is one"),
            ("pasX\x7fs\r", Some("pass"), "backspace"),
            ("p\u{e4}\x7fa\r", Some("pa"), "backspace takes all bytes of a character"),
            ("\x7fno\x15yes\r", Some("yes"), "Ctrl-U"),
            ("pas\x03s\r", None, "Ctrl-C gives up"),
            ("", None, "the terminal is gone"),
        ];
        for (keys, expected, why) in table {
            let answer = read_answer(&mut keys.as_bytes()).expect("reading from memory works");
            assert_eq!(answer.as_deref(), expected.map(str::as_bytes), "{why}");
        }
    }

    #[test]
    fn an_endless_answer_is_an_error() {
        assert!(read_answer(&mut std::io::repeat(b'x')).is_err());
    }
}

//! Prompts for a value on the terminal, without echo.

use super::interrupt::{InterruptCheck, wait_until_readable};
use crate::session::SourceError;
use crate::transcript::SafeText;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, Read, Write};

/// The longest answer in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Prompts with `text`. `default` is what the prompt shows of the default value. Returns `None` if the default is to be used:
/// there is no terminal, or the answer is empty.
pub fn prompt(text: &str, default: Option<&str>, interrupted: &InterruptCheck) -> Result<Option<String>, SourceError> {
    let refused = |what: &str| SourceError::Refused(format!("cannot prompt for \"{}\": {what}", SafeText::new(text)));
    // The terminal itself, because standard input and output may be files or pipes.
    let mut terminal = match File::options().read(true).write(true).open("/dev/tty") {
        Ok(terminal) => terminal,
        Err(_) if default.is_some() => return Ok(None),
        Err(_) => return Err(refused("there is no terminal; give the value as a variable, or add a default")),
    };
    let hint = default.map_or(String::new(), |default| format!("[{}] ", SafeText::new(default)));
    let shown = format!("{} {hint}", SafeText::new(text.trim_end()));
    match ask_silently(&mut terminal, &shown, interrupted) {
        Ok(PromptAnswer::Given(answer)) if answer.is_empty() && default.is_some() => Ok(None),
        Ok(PromptAnswer::Given(answer)) => {
            String::from_utf8(answer).map(Some).map_err(|_| refused("the answer is not UTF-8"))
        }
        Ok(PromptAnswer::None) => Err(refused("no answer was given")),
        Ok(PromptAnswer::Interrupted) => {
            // The key would have sent this signal if the terminal were not in raw mode.
            if !interrupted() {
                let _ = signal_hook::low_level::raise(signal_hook::consts::SIGINT);
            }
            Err(refused("interrupted"))
        }
        Err(error) => Err(refused(&error.to_string())),
    }
}

fn ask_silently(terminal: &mut File, shown: &str, interrupted: &InterruptCheck) -> io::Result<PromptAnswer> {
    let _silent = SilentTerminal::begin(terminal)?;
    terminal.write_all(shown.as_bytes())?;
    let answer = read_answer(&mut KeyReader { terminal, interrupted });
    let _ = terminal.write_all(b"\n");
    answer
}

/// What came of a prompt.
#[derive(Debug, PartialEq, Eq)]
enum PromptAnswer {
    /// Without the end of the line.
    Given(Vec<u8>),
    /// With Ctrl-D, or the end of the terminal.
    None,
    /// With Ctrl-C, which is read as a key, or by a signal.
    Interrupted,
}

/// Reads keys. A signal shows as an error of the kind `Interrupted`.
struct KeyReader<'a> {
    terminal: &'a File,
    interrupted: &'a InterruptCheck,
}

impl Read for KeyReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if (self.interrupted)() || !wait_until_readable(self.terminal, self.interrupted)? {
            return Err(io::ErrorKind::Interrupted.into());
        }
        self.terminal.read(buffer)
    }
}

/// Reads a line from a terminal in raw mode.
fn read_answer(keys: &mut impl Read) -> io::Result<PromptAnswer> {
    let mut answer = Vec::new();
    let mut key = [0];
    loop {
        match keys.read(&mut key) {
            Ok(0) => return Ok(PromptAnswer::None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(PromptAnswer::Interrupted),
            Err(error) => return Err(error),
        }
        match key[0] {
            b'\r' | b'\n' => return Ok(PromptAnswer::Given(answer)),
            // Ctrl-C and Ctrl-\
            0x03 | 0x1c => return Ok(PromptAnswer::Interrupted),
            // Ctrl-D
            0x04 if answer.is_empty() => return Ok(PromptAnswer::None),
            0x04 => return Ok(PromptAnswer::Given(answer)),
            // Backspace removes a whole character.
            0x08 | 0x7f => while answer.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            // Ctrl-U
            0x15 => answer.clear(),
            _ if answer.len() >= MAX_ANSWER_BYTES => return Err(io::Error::other("the answer is too long")),
            byte => answer.push(byte),
        }
    }
}

/// Until it is dropped, the terminal does not echo and delivers each key at once. Ctrl-C is a key too, so that it cannot
/// leave the terminal without echo.
struct SilentTerminal {
    terminal: File,
    before: Termios,
}

impl SilentTerminal {
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

impl Drop for SilentTerminal {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::{PromptAnswer, read_answer};

    #[test]
    fn keys_become_an_answer() {
        let given = |text: &str| PromptAnswer::Given(text.as_bytes().to_vec());
        let table = [
            ("pass\r", given("pass"), "Enter"),
            ("pass\n", given("pass"), "a line feed"),
            ("\r", given(""), "an empty answer is one"),
            ("pasX\x7fs\r", given("pass"), "backspace"),
            ("p\u{e4}\x7fa\r", given("pa"), "backspace takes all bytes of a character"),
            ("\x7fno\x15yes\r", given("yes"), "Ctrl-U"),
            ("pas\x03s\r", PromptAnswer::Interrupted, "Ctrl-C ends the run"),
            ("\x04", PromptAnswer::None, "Ctrl-D gives up"),
            ("", PromptAnswer::None, "the terminal is gone"),
        ];
        for (keys, expected, why) in table {
            let answer = read_answer(&mut keys.as_bytes()).expect("reading from memory works");
            assert_eq!(answer, expected, "{why}");
        }
    }

    #[test]
    fn an_endless_answer_is_an_error() {
        assert!(read_answer(&mut std::io::repeat(b'x')).is_err());
    }
}

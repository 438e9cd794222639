//! The mode of the terminal between two prompts of the line editor: keys that are typed ahead are kept, and are not shown, since
//! they may answer a 334.

use rustix::termios::{InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use std::io;

/// Ctrl-D
const END_KEY: u8 = 0x04;

/// Keeps the terminal quiet. When it is dropped, the terminal is as it was before.
pub struct QuietTerminal {
    before: Termios,
    quiet: Termios,
    waiting: Termios,
}

impl QuietTerminal {
    /// # Errors
    /// If standard input is no terminal.
    pub fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
        // The line editor gets the keys as they are typed.
        quiet.input_modes.remove(InputModes::ICRNL);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        let mut waiting = quiet.clone();
        waiting.local_modes.insert(LocalModes::ISIG);
        waiting.special_codes[SpecialCodeIndex::VQUIT] = END_KEY;
        let terminal = Self { before, quiet, waiting };
        terminal.for_editor();
        Ok(terminal)
    }

    /// The line editor is to read: all keys are its own.
    pub fn for_editor(&self) {
        set(&self.quiet);
    }

    /// A command of the shell works: Ctrl-C sends SIGINT, and Ctrl-D SIGQUIT.
    pub fn for_command(&self) {
        set(&self.waiting);
    }
}

/// Keys in the queue are kept. A terminal that is gone needs no mode.
fn set(mode: &Termios) {
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, mode);
}

impl Drop for QuietTerminal {
    fn drop(&mut self) {
        set(&self.before);
    }
}

//! mailrun in a terminal: keys go in, and what the screen shows comes out. `script` of util-linux makes the terminal.

use super::{LONG, PROGRAM, tool};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What the line editor writes once for each line that it reads: it enables bracketed pastes.
const PROMPT: &str = "\x1b[?2004h";
/// And at the end of the line.
const PROMPT_ENDS: &str = "\x1b[?2004l";

/// A terminal with mailrun in it.
pub struct Terminal {
    script: Child,
    keys: Option<ChildStdin>,
    screen: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Starts mailrun in a folder, which is also its home.
    pub fn start(folder: &Path, arguments: &str) -> Self {
        let command = format!("stty rows 24 cols 100; exec {PROGRAM} {arguments}");
        let mut script = tool("script")
            .args(["-qec", &command, "/dev/null"])
            .current_dir(folder)
            .env("TERM", "xterm")
            .env("HOME", folder)
            .env_remove("XDG_STATE_HOME")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script starts");
        let keys = script.stdin.take().expect("it is piped");
        let mut output = script.stdout.take().expect("it is piped");
        let screen = Arc::new(Mutex::new(Vec::new()));
        let shared = screen.clone();
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut piece) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&piece[..count]);
            }
        });
        Self { script, keys: Some(keys), screen, reader: Some(reader) }
    }

    /// Presses keys. A line ends with `\r`.
    pub fn press(&mut self, keys: &str) {
        let terminal = self.keys.as_mut().expect("it runs");
        terminal.write_all(keys.as_bytes()).and_then(|()| terminal.flush()).expect("the terminal takes keys");
    }

    /// All that was shown so far.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// Presses keys when the line editor reads a line.
    #[track_caller]
    pub fn press_in_editor(&mut self, keys: &str) {
        let started = Instant::now();
        while self.shown().rfind(PROMPT) <= self.shown().rfind(PROMPT_ENDS) {
            assert!(started.elapsed() < LONG, "there is no prompt: {}", self.shown());
            std::thread::sleep(Duration::from_millis(5));
        }
        self.press(keys);
    }

    /// Presses keys, and waits until the screen shows these words once more.
    #[track_caller]
    pub fn press_until(&mut self, keys: &str, words: &str) {
        let before = self.shown().matches(words).count();
        self.press(keys);
        self.wait_for(words, before + 1);
    }

    /// Presses keys, and waits for the next prompt of the line editor.
    #[track_caller]
    pub fn press_until_prompt(&mut self, keys: &str) {
        self.press_until(keys, PROMPT);
    }

    /// Types a line, and waits until the line editor has it.
    #[track_caller]
    pub fn press_line(&mut self, line: &str) {
        self.press_until(&format!("{line}\r"), PROMPT_ENDS);
    }

    /// Waits for the first prompt of the line editor.
    #[track_caller]
    pub fn wait_for_prompt(&self) {
        self.wait_for(PROMPT, 1);
    }

    /// Waits until the screen has shown this for the `times`th time.
    #[track_caller]
    pub fn wait_for(&self, words: &str, times: usize) {
        let started = Instant::now();
        while self.shown().matches(words).count() < times {
            assert!(started.elapsed() < LONG, "{words} did not come: {}", self.shown());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end; returns the exit status and all that was shown.
    pub fn wait(mut self) -> (i32, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.script.try_wait().expect("it is a child of the test") {
                break status.code().expect("no signal ends it");
            }
            assert!(started.elapsed() < LONG, "it did not end: {}", self.shown());
            std::thread::sleep(Duration::from_millis(5));
        };
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the screen is read");
        }
        (status, self.shown())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Both fail if it has ended. Without its terminal mailrun ends, too.
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

//! What stands on the screen of `mailrun shell`. tmux is the terminal.

use crate::support::{Folder, LONG, ManualServer, PROGRAM, tool};
use std::process::Command;
use std::time::{Duration, Instant};

/// A tmux server of its own, with one window of 60 columns and 14 lines.
struct Screen<'a>(&'a Folder);

impl<'a> Screen<'a> {
    fn start(folder: &'a Folder, arguments: &str) -> Self {
        let screen = Self(folder);
        let home = format!("HOME={}", folder.root().display());
        let size = ["-x", "60", "-y", "14"];
        let start = ["-f", "/dev/null", "new-session", "-d", "-e", &home, "-e", "XDG_STATE_HOME="];
        screen.tmux(&[&start[..], &size, &[&format!("exec {PROGRAM} {arguments}; :")]].concat());
        screen
    }

    fn command(&self) -> Command {
        let mut tmux = tool("tmux");
        tmux.arg("-S").arg(self.0.path("tmux.sock")).env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        tmux
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().expect("tmux starts");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// The lines on the screen, without empty ones at the end.
    fn lines(&self) -> Vec<String> {
        let shown = self.tmux(&["capture-pane", "-p"]);
        shown.trim_end().lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Waits until the screen shows exactly these lines.
    #[track_caller]
    fn wait_for(&self, expected: &[&str]) {
        let started = Instant::now();
        while self.lines() != expected {
            assert!(started.elapsed() < LONG, "{:#?} is shown, {expected:#?} is expected", self.lines());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        // It has ended already if the program has.
        let _ = self.command().arg("kill-server").output();
    }
}

#[test]
fn the_screen_stays_in_order_while_lines_are_typed_wrapped_hidden_and_interrupted() {
    let (server, folder) = (ManualServer::start(), Folder::new());
    let screen = Screen::start(&folder, &format!("shell {}", server.url("smtp")));
    let mut connection = server.accept();
    connection.send("220 mx\r\n");
    let connected = format!("*: connected to 127.0.0.1:{}", server.url("smtp").rsplit(':').next().expect("a port"));
    let start = [connected.as_str(), "S: 220 mx"];
    let shows = |more: &[&str]| screen.wait_for(&[&start[..], more].concat());
    shows(&[">"]);
    // A reply that nobody asked for stands above the line that is being typed.
    screen.press(&["NOOP tw"]);
    shows(&["> NOOP tw"]);
    connection.send("250 unasked\r\n");
    shows(&["S: 250 unasked", "> NOOP tw"]);
    screen.press(&["ice", "Enter"]);
    assert_eq!(connection.read_line().as_deref(), Some("NOOP twice"));
    connection.send("250-one\r\n250 two\r\n");
    let before = ["S: 250 unasked", "> NOOP twice", "C: NOOP twice", "S: 250-one", "S: 250 two"];
    let shows = |more: &[&str]| screen.wait_for(&[&start[..], &before, more].concat());
    shows(&[">"]);
    // A line that is longer than the screen is wide, then abandoned with Ctrl-C.
    let long = "x".repeat(70);
    screen.press(&[&long]);
    shows(&[&format!("> {}", &long[..58]), &long[58..]]);
    screen.press(&["C-u"]);
    shows(&[">"]);
    screen.press(&["AUTH PLAIN AGEAc2VjcmV0"]);
    shows(&["> AUTH PLAIN ************"]);
    screen.press(&["Enter"]);
    assert_eq!(connection.read_line().as_deref(), Some("AUTH PLAIN AGEAc2VjcmV0"));
    connection.send("535 no\r\n");
    shows(&["> AUTH PLAIN ************", "C: AUTH PLAIN [secret]", "S: 535 no", ">"]);
    screen.press(&["C-d"]);
    assert_eq!(connection.read_line(), None, "the end of input ends the connection");
}

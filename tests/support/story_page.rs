//! Pages of `docs/` that tell a story: their commands are run as they are written, and what they show as output is compared with
//! what was printed.

use super::{Finished, Folder, Mailrun, PROGRAM, project_path};
use std::cell::{Cell, RefCell};
use std::path::PathBuf;

/// A command of a page.
struct PageCommand {
    line: usize,
    text: String,
    /// The first line of its block.
    block: usize,
    ran: Cell<bool>,
}

/// A page, and the folder in which its reader works.
pub struct StoryPage {
    name: &'static str,
    commands: Vec<PageCommand>,
    /// The lines that the page shows as output.
    shown: Vec<(usize, String)>,
    /// The reader's home.
    pub folder: Folder,
    /// The folder below it in which the reader works.
    place: RefCell<PathBuf>,
    /// The first session that the page shows.
    session: Option<String>,
    /// Programs that the page uses besides mailrun.
    programs: Folder,
    environment: RefCell<Vec<(&'static str, String)>>,
    printed: RefCell<String>,
}

impl StoryPage {
    /// Reads the page `name` of `docs/`.
    ///
    /// In blocks of the kind `sh` each line is a command, except in scripts, which begin with `#!`. The lines of a `crontab` and
    /// `ExecStart` of an `ini` are unescaped as cron and systemd do. Blocks of the kind `output` show what the commands print.
    pub fn open(name: &'static str) -> Self {
        let text = std::fs::read_to_string(project_path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let programs = Folder::new();
        std::os::unix::fs::symlink(PROGRAM, programs.path("mailrun")).expect("a link can be made");
        let mut page = Self {
            name,
            commands: Vec::new(),
            shown: Vec::new(),
            folder: Folder::new(),
            place: RefCell::default(),
            session: None,
            programs,
            environment: RefCell::default(),
            printed: RefCell::default(),
        };
        let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        while let Some((start, line)) = lines.next() {
            if let Some(kind) = line.strip_prefix("```") {
                let block: Vec<_> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
                page.read_block(kind, start + 1, &block);
            }
        }
        page
    }

    fn read_block(&mut self, kind: &str, start: usize, block: &[(usize, &str)]) {
        let mut add = |line, text: String| {
            self.commands.push(PageCommand { line, text, block: start, ran: Cell::new(false) });
        };
        match kind {
            "sh" if block.first().is_some_and(|(_, line)| line.starts_with("#!")) => {
                add(start, block.iter().fold(String::new(), |text, (_, line)| text + line + "\n"));
            }
            "sh" => {
                for (line, text) in block.iter().filter(|(_, text)| !text.is_empty() && !text.starts_with('#')) {
                    add(*line, (*text).to_owned());
                }
            }
            "crontab" => {
                for (line, text) in block.iter().filter(|(_, text)| !text.starts_with('#')) {
                    let command = text.splitn(6, ' ').nth(5).expect("five fields come before the command");
                    add(*line, command.trim().replace("\\%", "%"));
                }
            }
            "ini" => {
                for (line, text) in block {
                    if let Some(command) = text.strip_prefix("ExecStart=") {
                        add(*line, command.replace("$$", "$").replace("%%", "%").replace("/usr/local/bin/", ""));
                    }
                }
            }
            "toml" if self.session.is_none() => {
                self.session = Some(block.iter().fold(String::new(), |text, (_, line)| text + line + "\n"));
            }
            "output" => self.shown.extend(block.iter().map(|(line, text)| (*line, (*text).to_owned()))),
            _ => {}
        }
    }

    /// Sets a variable for all commands.
    pub fn set(&self, name: &'static str, value: impl Into<String>) {
        self.environment.borrow_mut().push((name, value.into()));
    }

    /// A shell script in place of a program that the page uses.
    pub fn program(&self, name: &str, script: &str) {
        make_executable(&self.programs.path(name), script);
    }

    /// A shell script below the reader's home.
    pub fn script(&self, name: &str, script: &str) {
        make_executable(&self.folder.path(name), script);
    }

    /// The next command that begins so, as it is run in the folder.
    pub fn command(&self, beginning: &str) -> Mailrun {
        self.changed_command(beginning, |text| text)
    }

    /// The same after a change, for a value that the reader has to fill in.
    pub fn changed_command(&self, beginning: &str, change: impl FnOnce(String) -> String) -> Mailrun {
        let command = self.take(|command| command.text.starts_with(beginning), beginning);
        self.shell(&change(command.text.clone()))
    }

    /// The whole block that begins so, run by one shell.
    pub fn block(&self, beginning: &str) -> Mailrun {
        let block = self.take(|command| command.text.starts_with(beginning), beginning).block;
        let all: Vec<_> = self.commands.iter().filter(|command| command.block == block).collect();
        all.iter().for_each(|command| command.ran.set(true));
        self.shell(&all.iter().fold(String::new(), |text, command| text + &command.text + "\n"))
    }

    /// Any command, such as one that mailrun printed, run by a shell in the folder.
    pub fn shell(&self, text: &str) -> Mailrun {
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.programs.root().display());
        let home = self.folder.root().display().to_string();
        let place = self.folder.root().join(&*self.place.borrow());
        let mut run = Mailrun::new([""; 0]).through(["sh", "-c", text]).in_folder(&place);
        run = run.env("PATH", path).env("HOME", home);
        for (name, value) in self.environment.borrow().iter() {
            run = run.env(name, value);
        }
        run
    }

    fn take(&self, matches: impl Fn(&PageCommand) -> bool, wanted: &str) -> &PageCommand {
        let found = self.commands.iter().find(|command| matches(command) && !command.ran.get());
        let command = found.unwrap_or_else(|| panic!("{} has no other command `{wanted}…`", self.name));
        command.ran.set(true);
        command
    }

    /// Runs the next command that begins so, and asserts its exit status.
    #[track_caller]
    pub fn run(&self, beginning: &str, status: i32) -> Finished {
        self.keep(self.command(beginning).run().exits(status))
    }

    /// Keeps what was printed, to be compared with the output that the page shows.
    pub fn keep(&self, ran: Finished) -> Finished {
        self.printed.borrow_mut().push_str(&ran.text());
        ran
    }

    /// Asserts that each command of the page was run, except those that begin with one of these words, and that what it shows as
    /// output was printed, whatever the numbers.
    #[track_caller]
    pub fn assert_complete(&self, not_run: &[&str]) {
        let is_left = |command: &&PageCommand| !command.ran.get();
        let exempt = |command: &PageCommand| not_run.iter().any(|word| command.text.starts_with(word));
        let left: Vec<_> = self.commands.iter().filter(is_left).filter(|command| !exempt(command)).collect();
        let left: String = left.iter().map(|left| format!("\n{}:{}: {}", self.name, left.line, left.text)).collect();
        assert!(left.is_empty(), "no test runs these commands:{left}");
        let printed: Vec<_> = self.printed.borrow().lines().map(without_numbers).collect();
        for (line, text) in &self.shown {
            let is_printed = printed.contains(&without_numbers(text));
            assert!(is_printed, "{}:{line}: not printed: {text}\nprinted:\n{}", self.name, self.printed.borrow());
        }
    }

    /// The commands that follow are run in this folder below the reader's home.
    pub fn enter(&self, name: &str) {
        *self.place.borrow_mut() = PathBuf::from(name);
    }

    /// The first session that the page shows.
    pub fn session(&self) -> &str {
        self.session.as_deref().expect("the page shows a session")
    }
}

fn make_executable(path: &std::path::Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).expect("a script can be written");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("its mode can be set");
}

/// The line with each number replaced by 0.
fn without_numbers(line: &str) -> String {
    let mut text = String::new();
    for (index, part) in line.split(|c: char| c.is_ascii_digit() || c == ',').enumerate() {
        if index > 0 && !text.ends_with('0') {
            text.push('0');
        }
        text.push_str(part);
    }
    text
}

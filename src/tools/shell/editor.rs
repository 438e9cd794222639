//! The prompt in a terminal: history, completion, secrets without echo, and what the server says while a line is typed.

use super::completion::completions;
use super::interpreter::Shell;
use super::link::ShellLink;
use super::shell_input::ShellInput;
use super::terminal_mode::QuietTerminal;
use super::typed_dialogue::AfterLine;
use super::typed_line::masked_line;
use crate::smtp::capabilities::Capabilities;
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{ColorMode, CompletionType, Config, Context, Editor, ExternalPrinter, Helper};
use signal_hook::consts::{SIGINT, SIGQUIT};
use signal_hook::flag;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

/// How often the connection is looked at while a line is typed.
const POLL: Duration = Duration::from_millis(50);

/// What the editor knows of the dialogue.
#[derive(Default)]
struct LineHelper {
    offered: Capabilities,
    kind: LineKind,
    /// What was sent since the last end of a line.
    open_line: Vec<u8>,
}

/// What is typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LineKind {
    #[default]
    Command,
    /// A command, or what was meant to answer AUTH.
    AfterAuth,
    /// Content, or what a command asks for.
    Text,
    /// An answer to a 334, or a password.
    Secret,
}

impl Completer for LineHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        if !matches!(self.kind, LineKind::Command | LineKind::AfterAuth) {
            return Ok((at, Vec::new()));
        }
        let (start, words) = completions(line.get(..at).unwrap_or_default(), &self.offered);
        Ok((start, words.into_iter().map(|word| Pair { display: word.clone(), replacement: word }).collect()))
    }
}

impl LineHelper {
    /// The line with stars for secrets; `None` if it has none.
    fn masked(&self, line: &str) -> Option<String> {
        match self.kind {
            LineKind::Command => masked_line(line, &self.open_line, false),
            LineKind::AfterAuth => masked_line(line, &self.open_line, true),
            LineKind::Text => None,
            LineKind::Secret => Some("*".repeat(line.chars().count())),
        }
    }
}

impl Highlighter for LineHelper {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        self.masked(line).map_or(Cow::Borrowed(line), Cow::Owned)
    }

    /// Whether the line is drawn as a whole: else the editor shows a key as it is.
    fn highlight_char(&self, line: &str, _: usize, _: CmdKind) -> bool {
        // After AUTH the stars go when the line becomes a command.
        self.kind == LineKind::AfterAuth || self.masked(line).is_some()
    }
}

impl Hinter for LineHelper {
    type Hint = String;
}
impl Validator for LineHelper {}
impl Helper for LineHelper {}

/// What came of a prompt.
enum TypedLine {
    Line(String),
    /// Ctrl-C
    Abandoned,
    /// Ctrl-D
    End,
}

/// The terminal with its editor.
struct Terminal {
    editor: Editor<LineHelper, FileHistory>,
    /// Prints above the line that is typed. `None`: standard output is no terminal.
    printer: Option<Sender<String>>,
    /// The rest of a paste of several lines: a command that asks takes the next one.
    pasted: VecDeque<String>,
    mode: QuietTerminal,
}

impl Terminal {
    fn new() -> Result<Self, ReadlineError> {
        // Secrets are hidden by the way lines are drawn, so that is done with NO_COLOR too.
        let config = Config::builder()
            .auto_add_history(false)
            .color_mode(ColorMode::Forced)
            .completion_type(CompletionType::List)
            .build();
        let mut editor: Editor<LineHelper, FileHistory> = Editor::with_config(config)?;
        editor.set_helper(Some(LineHelper::default()));
        let printer = editor.create_external_printer().ok().map(|mut above| {
            // In a thread of its own, because printing waits for the editor to take the text.
            let (texts, received) = channel::<String>();
            thread::spawn(move || received.into_iter().try_for_each(|text| above.print(text)));
            texts
        });
        Ok(Self { editor, printer, pasted: VecDeque::new(), mode: QuietTerminal::begin()? })
    }

    /// Reads the next line, as stars if it answers a 334. What the server says meanwhile is shown above it.
    fn read(&mut self, shell: &mut Shell<'_>) -> Result<TypedLine, ReadlineError> {
        if let Some(line) = self.pasted.pop_front() {
            return Ok(TypedLine::Line(line));
        }
        let state = shell.state();
        let kind = match (state.awaits_secret(), state.is_in_content()) {
            (true, _) => LineKind::Secret,
            (false, true) => LineKind::Text,
            (false, false) if state.is_after_auth() => LineKind::AfterAuth,
            (false, false) => LineKind::Command,
        };
        if let Some(helper) = self.editor.helper_mut() {
            helper.offered.clone_from(shell.link().capabilities());
            helper.open_line = shell.link().open_line().to_vec();
        }
        let (prompt, typing) = (shell.prompt(), AtomicBool::new(true));
        let printer = self.printer.clone();
        thread::scope(|scope| {
            let watcher = printer.as_ref().map(|printer| {
                let (link, typing) = (shell.link(), &typing);
                scope.spawn(move || watch(link, typing, printer))
            });
            let read = self.edit(prompt, kind);
            typing.store(false, Ordering::Relaxed);
            if let Some(watcher) = watcher {
                watcher.thread().unpark();
            }
            read
        })
    }

    /// Reads a line. A paste may have more of them, which are kept for later.
    fn edit(&mut self, prompt: &str, kind: LineKind) -> Result<TypedLine, ReadlineError> {
        if let Some(helper) = self.editor.helper_mut() {
            helper.kind = kind;
        }
        let typed = match self.editor.readline(prompt) {
            Ok(typed) => typed,
            Err(ReadlineError::Interrupted) => return Ok(TypedLine::Abandoned),
            Err(ReadlineError::Eof) => return Ok(TypedLine::End),
            Err(error) => return Err(error),
        };
        let mut lines = typed.split('\n').map(str::to_owned);
        let first = lines.next().unwrap_or_default();
        self.pasted.extend(lines);
        Ok(TypedLine::Line(first))
    }
}

/// Passes on what the server says while a line is typed.
fn watch(link: &mut ShellLink, typing: &AtomicBool, printer: &Sender<String>) {
    while typing.load(Ordering::Relaxed) {
        let text = link.take_unasked();
        if !text.is_empty() && printer.send(text).is_err() {
            return;
        }
        thread::park_timeout(POLL);
    }
}

impl ShellInput for Terminal {
    fn ask(&mut self, what: &str, hidden: bool) -> io::Result<Option<String>> {
        if let Some(line) = self.pasted.pop_front() {
            return Ok(Some(line));
        }
        let kind = if hidden { LineKind::Secret } else { LineKind::Text };
        self.mode.for_editor();
        let typed = self.edit(&format!("{what}: "), kind).map_err(io::Error::other);
        self.mode.for_command();
        Ok(match typed? {
            TypedLine::Line(line) => Some(line),
            TypedLine::Abandoned | TypedLine::End => None,
        })
    }
}

/// Reads lines at the prompt until Ctrl-D. `history` is a file that only its owner can read; secrets never come into it.
/// Ctrl-C sets `interrupted`, which ends the wait for a reply. Ctrl-D does the same, and ends the shell.
pub fn run_in_terminal(
    shell: &mut Shell<'_>,
    history: Option<&Path>,
    interrupted: &Arc<AtomicBool>,
) -> Result<(), ReadlineError> {
    let (ended, abandoned) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    for (signal, set) in [(SIGINT, interrupted), (SIGINT, &abandoned), (SIGQUIT, interrupted), (SIGQUIT, &ended)] {
        flag::register(signal, set.clone())?;
    }
    let mut terminal = Terminal::new()?;
    if let Some(path) = history {
        // The first time there is none.
        let _ = terminal.editor.load_history(path);
    }
    while !ended.load(Ordering::Relaxed) {
        interrupted.store(false, Ordering::Relaxed);
        shell.link().show_unasked();
        match terminal.read(shell)? {
            TypedLine::Line(line) => {
                if shell.keeps(&line) && !line.trim().is_empty() {
                    terminal.editor.add_history_entry(&line)?;
                }
                terminal.mode.for_command();
                // Without a connection the prompt stays: :connect goes on.
                if shell.line(&line, &mut terminal) == AfterLine::Disconnected {
                    shell.abandon_content();
                }
                terminal.mode.for_editor();
                // The rest of a paste goes with the line.
                if abandoned.swap(false, Ordering::Relaxed) {
                    terminal.pasted.clear();
                }
            }
            TypedLine::Abandoned => {}
            TypedLine::End => break,
        }
    }
    if let Some(path) = history {
        // A history that cannot be kept is no failure.
        let _ = terminal.editor.save_history(path);
    }
    Ok(())
}

//! The prompt in a terminal: history, completion, secrets without echo, and what the server says while a line is typed.

use super::completion::completions;
use super::link::ShellLink;
use super::shell_input::ShellInput;
use super::typed_dialogue::{AfterLine, Shell};
use super::typed_line::masked_line;
use crate::smtp::capabilities::Capabilities;
use crate::source::{PromptAnswer, read_hidden};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{ColorMode, CompletionType, Config, Context, Editor, ExternalPrinter, Helper};
use signal_hook::consts::SIGINT;
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
    /// The line is content, not a command.
    is_content: bool,
}

impl Completer for LineHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        if self.is_content {
            return Ok((at, Vec::new()));
        }
        let (start, words) = completions(line.get(..at).unwrap_or_default(), &self.offered);
        Ok((start, words.into_iter().map(|word| Pair { display: word.clone(), replacement: word }).collect()))
    }
}

impl Highlighter for LineHelper {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        let masked = if self.is_content { None } else { masked_line(line) };
        masked.map_or(Cow::Borrowed(line), Cow::Owned)
    }

    /// Whether the line is drawn as a whole: else the editor shows a key as it is.
    fn highlight_char(&self, line: &str, _: usize, _: CmdKind) -> bool {
        !self.is_content && masked_line(line).is_some()
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
    interrupted: Arc<AtomicBool>,
}

impl Terminal {
    fn new(interrupted: Arc<AtomicBool>) -> Result<Self, ReadlineError> {
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
        Ok(Self { editor, printer, pasted: VecDeque::new(), interrupted })
    }

    /// Reads the next line, hidden if it answers a 334. What the server says meanwhile is shown above it.
    fn read(&mut self, shell: &mut Shell<'_>) -> Result<TypedLine, ReadlineError> {
        if shell.awaits_secret() {
            return Ok(self.read_hidden(shell.prompt())?);
        }
        if let Some(helper) = self.editor.helper_mut() {
            helper.offered.clone_from(shell.link().capabilities());
            helper.is_content = shell.is_in_content();
        }
        let (prompt, typing) = (shell.prompt(), AtomicBool::new(true));
        let read = thread::scope(|scope| {
            let watcher = self.printer.as_ref().map(|printer| {
                let (link, typing) = (shell.link(), &typing);
                scope.spawn(move || watch(link, typing, printer))
            });
            let read = self.editor.readline(prompt);
            typing.store(false, Ordering::Relaxed);
            if let Some(watcher) = watcher {
                watcher.thread().unpark();
            }
            read
        });
        typed_line(read)
    }

    fn read_hidden(&self, prompt: &str) -> io::Result<TypedLine> {
        let interrupted = self.interrupted.clone();
        let answer = read_hidden(prompt, &(Arc::new(move || interrupted.load(Ordering::Relaxed)) as _))?;
        Ok(match answer {
            PromptAnswer::Given(line) => {
                TypedLine::Line(String::from_utf8(line).map_err(|_| io::Error::other("the answer is not UTF-8"))?)
            }
            PromptAnswer::None => TypedLine::End,
            PromptAnswer::Interrupted => TypedLine::Abandoned,
        })
    }
}

fn typed_line(read: Result<String, ReadlineError>) -> Result<TypedLine, ReadlineError> {
    match read {
        Ok(line) => Ok(TypedLine::Line(line)),
        Err(ReadlineError::Interrupted) => Ok(TypedLine::Abandoned),
        Err(ReadlineError::Eof) => Ok(TypedLine::End),
        Err(error) => Err(error),
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
        let prompt = format!("{what}: ");
        let typed = match hidden {
            true => self.read_hidden(&prompt)?,
            false => typed_line(self.editor.readline(&prompt)).map_err(io::Error::other)?,
        };
        Ok(match typed {
            TypedLine::Line(line) => Some(line),
            TypedLine::Abandoned | TypedLine::End => None,
        })
    }
}

/// Reads lines at the prompt until Ctrl-D. `history` is a file that only its owner can read; secrets never come into it.
/// Ctrl-C sets `interrupted`, which ends the wait for a reply.
pub fn run_in_terminal(
    shell: &mut Shell<'_>,
    history: Option<&Path>,
    interrupted: &Arc<AtomicBool>,
) -> Result<(), ReadlineError> {
    flag::register(SIGINT, interrupted.clone())?;
    let mut terminal = Terminal::new(interrupted.clone())?;
    if let Some(path) = history {
        // The first time there is none.
        let _ = terminal.editor.load_history(path);
    }
    loop {
        interrupted.store(false, Ordering::Relaxed);
        shell.link().show_unasked();
        match terminal.read(shell)? {
            // A paste has several lines.
            TypedLine::Line(typed) => {
                terminal.pasted = typed.split('\n').map(str::to_owned).collect();
                while let Some(line) = terminal.pasted.pop_front() {
                    let line = line.as_str();
                    if shell.keeps(line) && !line.trim().is_empty() {
                        terminal.editor.add_history_entry(line)?;
                    }
                    // Without a connection the prompt stays: :connect goes on.
                    if shell.line(line, &mut terminal) == AfterLine::Disconnected {
                        shell.abandon_content();
                    }
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

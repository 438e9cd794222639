//! The prompt in a terminal: history, completion, and what the server says while a line is typed.

use super::typed_dialogue::{AfterLine, COMMANDS, Shell};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, Helper};
use std::path::Path;

const VERBS: [&str; 16] = [
    "EHLO ",
    "HELO ",
    "LHLO ",
    "MAIL FROM:<",
    "RCPT TO:<",
    "DATA",
    "BDAT ",
    "RSET",
    "NOOP",
    "QUIT",
    "VRFY ",
    "EXPN ",
    "HELP",
    "AUTH ",
    "STARTTLS",
    "XCLIENT ",
];

struct VerbCompleter;

impl Completer for VerbCompleter {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let typed = line.get(..at).unwrap_or_default().to_ascii_uppercase();
        let words = VERBS.iter().chain(&COMMANDS);
        let fitting = words.filter(|word| word.to_ascii_uppercase().starts_with(&typed));
        Ok((0, fitting.map(|word| Pair { display: (*word).to_owned(), replacement: (*word).to_owned() }).collect()))
    }
}

impl Hinter for VerbCompleter {
    type Hint = String;
}
impl Highlighter for VerbCompleter {}
impl Validator for VerbCompleter {}
impl Helper for VerbCompleter {}

/// Reads lines at the prompt until Ctrl-D. `history` is a file that only its owner can read; secrets never come into it.
pub fn run_in_terminal(shell: &mut Shell<'_>, history: Option<&Path>) -> Result<(), ReadlineError> {
    let config = rustyline::Config::builder().auto_add_history(false).build();
    let mut editor: Editor<VerbCompleter, FileHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(VerbCompleter));
    if let Some(path) = history {
        // The first time there is none.
        let _ = editor.load_history(path);
    }
    loop {
        shell.link().show_unasked();
        match editor.readline(shell.prompt()) {
            Ok(line) => {
                if shell.keeps(&line) && !line.trim().is_empty() {
                    editor.add_history_entry(&line)?;
                }
                // Without a connection the prompt stays: :connect goes on.
                if shell.line(&line) == AfterLine::Disconnected {
                    shell.abandon_content();
                }
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error),
        }
    }
    if let Some(path) = history {
        // A history that cannot be kept is no failure.
        let _ = editor.save_history(path);
    }
    Ok(())
}

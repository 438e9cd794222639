//! `mailrun shell`: SMTP typed at a prompt, or read from a pipe in lockstep with the replies.

mod colon_commands;
mod completion;
mod dialogue_state;
mod editor;
mod error_words;
mod interpreter;
mod link;
mod link_state;
mod login;
mod lost_files;
mod piped_input;
mod recording;
mod screen_log;
mod shell_input;
mod terminal_mode;
mod typed_dialogue;
mod typed_line;
mod unasked_replies;

pub use editor::run_in_terminal;
pub use interpreter::Shell;
pub use link::{LinkConnector, LinkOptions, ShellLink};
pub use piped_input::run_piped;

//! `mailrun shell`: SMTP typed at a prompt, or read from a pipe in lockstep with the replies.

mod editor;
mod link;
mod recording;
mod typed_dialogue;

pub use editor::run_in_terminal;
pub use link::{LinkOptions, ShellLink};
pub use typed_dialogue::{Shell, run_piped};

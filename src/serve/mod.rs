//! Servers inside the program: a scripted one that runs the `S:` side of a transcript, and a sink that accepts and stores
//! mail.
//!
//! [`start`] opens a listener and returns at once; [`RunningServer::wait`] or [`RunningServer::stop`] return what happened.

mod client_connection;
mod command;
mod compile;
mod config;
mod dialogue;
mod directive;
mod listener;
mod maildrop;
mod proxy;
mod rules;
mod script;
mod script_parser;
mod script_player;
mod server;
mod sink;
mod summary;
mod tls;

#[cfg(test)]
mod tests;

pub use command::run_with_command;
pub use config::{Behaviour, Config, Listen, Log, SinkOptions};
pub use rules::ReplyRules;
pub use script::{ConnectionScript, Script, ScriptError};
pub use server::{RunningServer, start};
pub use summary::{ConnectionResult, Summary};

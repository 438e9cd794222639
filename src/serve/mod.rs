//! Servers inside the program: a scripted one that runs the `S:` side of a transcript, and a sink that accepts and stores
//! mail.
//!
//! [`start`] opens a listener and returns at once; [`RunningServer::wait`] or [`RunningServer::stop`] return what happened.

mod block;
mod client_connection;
mod command;
mod compile;
mod config;
mod connection_log;
mod content_reader;
mod conversation;
mod dialogue;
mod directive;
mod listener;
mod log;
mod maildrop;
mod proxy;
mod remark;
mod rules;
mod script;
mod script_content;
mod script_line;
mod script_match;
mod script_parser;
mod script_player;
mod server;
mod shared;
mod sink;
mod summary;
mod tls;

#[cfg(test)]
mod tests;

pub use command::run_with_command;
pub use config::{Behaviour, Config, Listen, Log, SinkOptions};
pub use connection_log::ServerObservers;
pub use log::{ServerEvent, ServerJson, ServerObserver, ServerTranscript, ServerTranscriptOptions};
pub use rules::ReplyRules;
pub use script::{ConnectionScript, MatchMode, Script, ScriptError};
pub use server::{RunningServer, start};
pub use summary::{ConnectionResult, Summary};

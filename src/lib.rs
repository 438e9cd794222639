//! mailrun plays scripted SMTP dialogues: a session file becomes a list of steps, an executor plays
//! the steps over a stream, and everything that happens is one stream of events.
//!
//! The surface is small on purpose: [`session::load`] reads a session, [`exec::run`] plays it over a
//! [`exec::Network`], and an [`event::Observer`] hears what happens. ARCHITECTURE.md shows the house.

pub mod batch;
pub mod cli;
pub mod event;
pub mod exec;
pub mod message;
pub mod net;
pub mod output;
pub mod report;
pub mod serve;
pub mod session;
pub mod smtp;
pub mod source;
pub mod transcript;

//! mailrun runs scripted SMTP dialogues. A session file becomes a list of steps, an executor runs the steps over a stream,
//! and everything that happens is one stream of events.
//!
//! A program that uses the library needs three things: [`session::load`] reads a session, [`exec::run`] runs it over an
//! [`exec::Network`], and an [`event::Observer`] receives the events. ARCHITECTURE.md describes the modules.

pub mod batch;
pub mod cli;
pub mod event;
pub mod exec;
pub mod message;
pub mod net;
pub mod output;
pub mod prepare;
pub mod report;
pub mod serve;
pub mod session;
pub mod smtp;
pub mod source;
pub mod tools;
pub mod transcript;

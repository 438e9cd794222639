//! `mailrun probe`: what a server says, offers and accepts, and what is remarkable about it.
//!
//! A probe is a few small sessions, run one after the other by the executor (`prober`). An observer keeps what each
//! connection said (`connection`). The rest is pure: the report, its warnings, the screen, JSON, and a saved session.

mod connection;
mod json;
mod prober;
mod report;
mod saved_session;
mod screen;
mod script;
mod warnings;

pub use json::probe_json;
pub use prober::{ProbeOptions, run_probe};
pub use report::{ProbeReport, ProbeWarning};
pub use saved_session::{SavedSessionOptions, saved_session};
pub use screen::probe_screen;

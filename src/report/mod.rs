//! Reports: observers that turn a run's events into something to read, and the files they are written to.
//!
//! Each hears the same events and matches them exhaustively: a new fact stops the build in every report.

pub mod annotation;
pub mod atomic_file;
mod connection_map;
mod deferred;
pub mod diagnosis;
mod duration;
mod event_docs;
mod exit_flush;
mod fan_out;
pub mod html;
mod in_flight;
pub mod json;
pub mod json_events;
pub mod junit;
pub mod record;
pub mod suite_text;
pub mod tap;
pub mod transcript;

pub use atomic_file::{AtomicFile, OrphanedTranscript};
pub use connection_map::ConnectionMap;
pub use deferred::DeferredTranscript;
pub use diagnosis::DiagnosisWriter;
pub use exit_flush::{FlushOnExit, LiveTranscript, OutputKind, SharedWriter, flush_all, flush_for_signal};
pub use fan_out::FanOut;
pub use in_flight::{InFlightCounter, is_dot, messages_in_flight};
pub use json_events::JsonEventWriter;
pub use record::Recorder;
pub use transcript::{TranscriptOptions, TranscriptWriter};

//! Reports: observers that turn a run's events into text. They know formats; files, the terminal and signals are in `output`.
//!
//! All observe the same events and match them exhaustively, so that a new fact does not compile until every report handles it.

pub mod annotation;
mod connection_map;
pub mod diagnosis;
mod duration;
mod event_docs;
mod fan_out;
pub mod html;
mod in_flight;
pub mod json;
pub mod json_events;
pub mod junit;
pub mod nagios;
pub mod prometheus;
pub mod record;
pub mod step_summary;
pub mod suite_text;
pub mod tap;
pub mod transcript;

pub use connection_map::ConnectionMap;
pub use diagnosis::DiagnosisWriter;
pub use fan_out::FanOut;
pub use in_flight::{InFlightCounter, messages_in_flight};
pub use json_events::JsonEventWriter;
pub use record::Recorder;
pub use transcript::{TranscriptOptions, TranscriptWriter};

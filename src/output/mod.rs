//! How output reaches files and the terminal: files that take their names when they are complete, transcripts that are written
//! as they happen or kept for a failure, and the flushing of both when the program waits or is ended by a signal.
//!
//! What is written is made in [`crate::report`].

mod atomic_file;
mod deferred_transcript;
mod flush;
mod live_transcript;

pub use atomic_file::{AtomicFile, FileMode, OrphanedTranscript};
pub use deferred_transcript::DeferredTranscript;
pub use flush::{FlushOnExit, OutputKind, SharedWriter, flush_all, flush_for_signal};
pub use live_transcript::LiveTranscript;

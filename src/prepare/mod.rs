//! Everything that happens before a connection is needed: values get their values, files are opened, messages are made.
//!
//! It knows no connection. What a server offers is given to it as capabilities, and a message of the next row is prepared
//! from a clone of the row's context.

mod aging;
mod clock;
mod context;
mod error;
mod file_preflight;
mod message;
mod options;
pub mod preflight;
mod row_preflight;
mod shared;
mod tls;
mod values;

pub use aging::AgingSecrets;
pub use clock::{Clock, Interrupt};
pub use context::{Row, RowContext, RunContext};
pub use error::signal_status;
pub use file_preflight::FilePreflight;
pub use message::{
    BLOCK, CommandKind, ContentSource, EnvelopeCommand, MessageContext, MessageJob, PartReader, ServerTraits,
    prepare_job,
};
pub use options::{ConnectOptions, LocalHost, RunOptions, ServerTarget, TlsTrust};
pub use row_preflight::RowPreflight;
pub use shared::{ChunkingState, SharedByMessages};
pub use tls::{CheckTlsInput, TlsInput, TlsLimits, TlsOptions};
pub use values::{PreparedValues, Renderer, ValueReader, one_line, outside_failure, prepare};

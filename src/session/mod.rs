//! The session file: its model, reading with places, validation, expectations, templates, and the
//! short form's expansion. Pure: files are asked for through [`Sources`].

mod diagnostic;
mod duration;
mod expect;
mod expression;
mod facts;
mod given;
mod model;
mod part;
mod read;
mod records;
mod rendered_files;
mod row;
mod schema;
mod scope;
mod secret_names;
mod server;
mod show;
mod snippet;
mod sources;
mod template;
mod walk;

pub use diagnostic::{Diagnostic, Diagnostics, Place, Severity, SourceMap, Span};
pub use duration::parse_duration;
pub use expect::{CodePattern, EnhancedPattern, Expect, ReplyPattern};
pub use expression::{Evaluation, Expression};
pub use facts::{EhloFacts, PeerFacts, ReplyFacts, SessionFacts, TlsFacts};
pub use model::*;
pub use part::{Part, PartError};
pub(crate) use read::nearest;
pub use read::{Key, Keys, Kind, TABLES, load, parse_rate};
pub use records::{RecordCutter, RecordFault};
pub use row::RowValue;
pub use schema::schema;
pub use scope::{Outside, Scope, Value, fresh_letters};
pub use server::{Address, Scheme, Server};
pub use show::{ShowOptions, show};
pub use sources::{SourceError, SourceFile, Sources};
pub use template::{Mistaken, RenderError, Template, Templates};

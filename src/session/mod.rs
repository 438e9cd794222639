//! The session file: its model, reading with places, validation, expectations, templates, and the
//! short form's expansion. Pure: files are asked for through [`Sources`].

mod closest_name;
mod diagnostic;
mod duration;
mod expect;
mod expression;
mod facts;
mod file_templates;
mod model;
mod overrides;
mod read;
mod records;
mod row;
mod schema;
mod scope;
mod secret_names;
mod server;
mod show;
mod snippet;
mod sources;
mod step_range;
mod steps;
mod template;
mod visitor;

pub(crate) use closest_name::closest_name;
pub use diagnostic::{Diagnostic, Diagnostics, Place, Severity, SourceMap, Span};
pub use duration::parse_duration;
pub use expect::{CodePattern, EnhancedPattern, Expectation, ReplyPattern};
pub use expression::{Evaluation, Expression};
pub use facts::{EhloFacts, PeerFacts, ReplyFacts, SessionFacts, TlsFacts};
pub use model::*;
pub use read::{KeySpec, KeyType, TABLES, TableSpec, load, parse_rate};
pub use records::{RecordError, RecordSplitter};
pub use row::RowValue;
pub use schema::schema;
pub use scope::{HostEnvironment, Scope, Value, unseeded_letters};
pub use server::{Scheme, Server, ServerAddress};
pub use show::{ShowOptions, show};
pub use sources::{SourceError, SourceFile, Sources};
pub use step_range::{StepRange, StepRangeError};
pub use steps::{AllSteps, all_steps};
pub use template::{CompileErrors, RenderError, Template, Templates};
pub use visitor::*;

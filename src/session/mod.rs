//! The session file: its model, how it is read and validated, expectations and templates. Pure: files are read
//! through [`Sources`].

mod action_info;
mod address_source;
mod address_template;
mod content_path;
mod csv_format;
mod csv_records;
#[cfg(test)]
pub(crate) mod csv_samples;
mod data_files;
mod data_names;
mod decoded_reader;
mod diagnostic;
mod dkim_section;
mod duration;
mod encoding;
mod expect;
mod expression;
mod facts;
mod file_pattern;
mod file_templates;
mod following_message;
mod foreign_text;
mod message_numbering;
mod message_templates;
mod model;
mod overrides;
mod read;
mod retry;
mod row;
mod row_key;
mod row_transcoder;
mod schema;
mod scope;
mod secret_names;
mod server;
mod show;
mod snippet;
mod source_path;
mod sources;
mod step_options;
mod step_range;
mod steps;
mod suggestions;
mod template;
mod tls_details;
mod tls_settings;
mod visitor;

pub use address_source::AddressSource;
pub use address_template::{
    AddressTemplateError, is_one_value, mailbox_from_string, mailbox_from_table, mailboxes_from_list,
};
pub use content_path::{ContentPath, confinement_error};
pub use csv_format::{
    CsvOptions, FormatHints, MAX_BEGINNING, RowFormat, detect_format, parse_delimiter, utf16_suggestion,
};
pub use csv_records::{CsvRecord, MAX_RECORD_BYTES, RecordError, RecordReader};
pub use data_files::{csv_columns, csv_table, json_value};
pub use decoded_reader::{DecodedReader, MeasuredText, measure_text};
pub use diagnostic::{Diagnostic, Diagnostics, Place, Severity, SourceMap, Span};
pub use duration::parse_duration;
pub use encoding::{
    DecodeError, DecodeMode, Encoding, InvalidBytes, TextDecoder, TextDecoding, decode_text, encoding_for_label,
};
pub use expect::{CodePattern, EnhancedPattern, Expectation, ReplyPattern};
pub use expression::{Evaluation, Expression};
pub use facts::{EhloFacts, PeerFacts, ReplyFacts, SessionFacts, TlsFacts, days_until};
pub use file_pattern::FilePattern;
pub use following_message::{FollowingMessage, captures_name, max_in_flight};
pub use message_numbering::{
    MessageNumbering, count_messages, count_messages_of, has_always, ledger_recipient, message_id_of,
};
pub use model::*;
pub use read::{KeySpec, KeyType, TABLES, TableSpec, describe_value, load, parse_rate};
pub use retry::{RetrySettings, StepRetry};
pub use row::RowValue;
pub use row_key::{ExclusionList, KeyCase, SeenKeys, comparison_key, is_decorated_address, mailbox_key};
pub use row_transcoder::RowTranscoder;
pub use schema::schema;
pub use scope::{DATE_HELP, HostEnvironment, Scope, Value, date_field, unseeded_letters};
pub use server::{Scheme, Server, ServerAddress};
pub use show::{ShowOptions, as_template, show, toml_string, toml_text};
pub use source_path::SourcePath;
pub use sources::{FolderEntry, SourceError, SourceFile, Sources};
pub use step_options::{CloseMode, HelloVerb, ProxySettings, StarttlsMode};
pub use step_range::{StepRange, StepRangeError};
pub use steps::{AllSteps, all_steps};
pub(crate) use suggestions::closest_name;
pub use template::html::push_escaped_html;
pub use template::{ColumnUse, CompileErrors, DataShape, DataShapes, RenderError, RenderedText, Template, Templates};
pub use tls_settings::{StarttlsPolicy, TlsSettings, TlsVersion};
pub use visitor::{
    FilePurpose, Visitor, walk_action, walk_auth, walk_expectation, walk_message, walk_rows, walk_session, walk_step,
    walk_step_after_with, walk_text_source, walk_tls, walk_variable,
};

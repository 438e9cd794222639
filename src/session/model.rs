//! What a session file says, after reading and validation.

use super::{
    AddressSource, CloseMode, CsvOptions, Diagnostic, Encoding, Expectation, Expression, HelloVerb, KeyCase,
    ProxySettings, RetrySettings, SourceMap, SourcePath, Span, StarttlsMode, StepRetry, Template, Templates,
    TlsSettings, Value,
};
use regex::Regex;
use std::time::Duration;

/// A session: the content of its file and its includes.
pub struct Session {
    /// The file's name without its folder.
    pub name: String,
    pub source_map: SourceMap,
    pub templates: Templates,
    /// Warnings about the file, such as a literal secret.
    pub warnings: Vec<Diagnostic>,
    pub description: Option<Template>,
    /// A URL, parsed after rendering. If it is `None`, `--server` must be given.
    pub server: Option<Template>,
    /// The servers of connections that have their own, by name.
    pub named_servers: Vec<(String, Template)>,
    pub client_name: Option<Template>,
    pub timeout: Option<Duration>,
    pub connect_timeout: Duration,
    /// The local address to bind.
    pub local_address: Option<std::net::IpAddr>,
    pub tags: Vec<String>,
    pub requires: Vec<String>,
    pub xfail: Option<String>,
    /// In file order.
    pub vars: Vec<Variable>,
    pub secrets: Vec<Variable>,
    /// Values of `--var` that were converted to the type in `[vars]`.
    pub(super) overrides: Vec<(String, Value)>,
    /// Whether the file has `[tls]`.
    pub has_tls: bool,
    pub tls: TlsSettings,
    pub auth: Option<AuthSettings>,
    pub message: Option<Message>,
    pub dkim: Option<DkimSection>,
    pub rows: Option<RowsSettings>,
    pub retry: Option<RetrySettings>,
    /// Includes the steps that `[message]` implies; their `implied` is true.
    pub open: Vec<Step>,
    pub steps: Vec<Step>,
    pub close: Vec<Step>,
}

/// `[rows]`.
#[derive(Clone, Debug)]
pub struct RowsSettings {
    pub span: Span,
    pub file: SourcePath,
    pub format: CsvOptions,
    /// The column that names a row, and its place in the file.
    pub key: Option<(String, Span)>,
    /// The path of the ledger, and its place in the file.
    pub ledger: Option<(String, Span)>,
    pub key_case: KeyCase,
    /// Files of rows to skip.
    pub exclude: Vec<Exclusion>,
    pub connections: u32,
    pub per_connection: u32,
    pub in_flight: u32,
    /// Rows per second.
    pub rate: Option<f64>,
}

/// A table of `[rows] exclude`.
#[derive(Clone, Debug)]
pub struct Exclusion {
    pub file: SourcePath,
    pub format: CsvOptions,
    /// The column with the keys, and its place in the session file.
    pub key: (String, Span),
}

/// A name of `[vars]` or `[secrets]`.
#[derive(Clone, Debug)]
pub struct Variable {
    pub name: String,
    pub span: Span,
    pub source: ValueSource,
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub enum ValueSource {
    /// A string: a template over the names above it. A string of `[secrets]` without `{{` is a literal.
    Template(Template),
    Literal(Value),
    Env {
        name: String,
        default: Option<Value>,
    },
    /// Without one final line end. `template`: the content is rendered.
    File {
        path: SourcePath,
        template: bool,
        charset: Option<&'static Encoding>,
        default: Option<Value>,
    },
    /// `refresh`: how old the value may be when a new connection is opened.
    Command {
        argv: Vec<String>,
        refresh: Option<Duration>,
        default: Option<Value>,
    },
    /// `login`, `password` or `account` of the session's host.
    Netrc {
        field: String,
        default: Option<Value>,
    },
    Prompt {
        text: String,
        default: Option<Value>,
    },
    /// A list of tables, one per row, with the header's names as keys.
    Csv {
        path: SourcePath,
        format: CsvOptions,
        default: Option<Value>,
    },
    Json {
        path: SourcePath,
        default: Option<Value>,
    },
}

impl ValueSource {
    /// The value to use if the source has none.
    pub fn default_value(&self) -> Option<&Value> {
        match self {
            Self::Template(_) | Self::Literal(_) => None,
            Self::Env { default, .. }
            | Self::File { default, .. }
            | Self::Command { default, .. }
            | Self::Netrc { default, .. }
            | Self::Prompt { default, .. }
            | Self::Csv { default, .. }
            | Self::Json { default, .. } => default.as_ref(),
        }
    }
}

/// `[auth]`, or an `auth` step's table.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    pub span: Span,
    /// If it is `None`, the strongest that both sides have is used.
    pub mechanism: Option<crate::smtp::sasl::Mechanism>,
    pub user: Option<Template>,
    pub password: Option<Template>,
    pub token: Option<Template>,
    pub authzid: Option<Template>,
    pub initial_response: bool,
    pub allow_plaintext: bool,
}

/// `[dkim]`.
#[derive(Clone, Debug)]
pub struct DkimSection {
    pub span: Span,
    pub domain: Template,
    pub selector: Template,
    /// The private key in PEM: a secret whose name is `key`.
    pub key: Variable,
    /// The header fields to sign, if they are not the default ones.
    pub headers: Option<Vec<String>>,
}

/// `[message]`, or a `message` step's table.
#[derive(Clone, Debug)]
pub struct Message {
    pub span: Span,
    /// The author. With `eml` it is optional and, like `to`, `cc` and `bcc`, sets the envelope.
    pub from: Option<AddressSource>,
    pub to: Vec<AddressSource>,
    pub cc: Vec<AddressSource>,
    pub bcc: Vec<AddressSource>,
    pub reply_to: Vec<AddressSource>,
    pub subject: Option<Template>,
    pub date: Option<Template>,
    pub message_id: Option<Template>,
    pub headers: Vec<(String, Template)>,
    pub text: Option<TextSource>,
    /// Never without `text`. Values in it are HTML-escaped.
    pub html: Option<TextSource>,
    pub attachments: Vec<AttachedFile>,
    /// A complete message, instead of the fields that make one.
    pub eml: Option<SourcePath>,
    pub envelope_from: Option<AddressSource>,
    pub envelope_to: Option<Vec<AddressSource>>,
    /// ESMTP parameters for MAIL and RCPT, sent as they are.
    pub mail_params: Option<Template>,
    pub rcpt_params: Option<Template>,
    /// Whether PIPELINING is used if it is offered.
    pub pipelining: bool,
    /// Whether CHUNKING is used if it is offered.
    pub chunking: bool,
    /// Whether a reply per recipient is asked for if PRDR is offered.
    pub prdr: bool,
    pub on_refused: RefusalPolicy,
}

/// An entry of `attach`.
#[derive(Clone, Debug)]
pub struct AttachedFile {
    pub path: SourcePath,
    /// Whether the path can be a pattern: it is given alone, not in a table.
    pub can_be_pattern: bool,
    /// Its name for the recipient. The default is the file's name.
    pub name: Option<Template>,
    pub media_type: Option<Template>,
    /// The Content-ID that HTML refers to.
    pub inline: Option<Template>,
}

impl Message {
    /// `text` and `html`, if they are set.
    pub fn contents(&self) -> impl Iterator<Item = &TextSource> {
        self.text.iter().chain(&self.html)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalPolicy {
    Abort,
    Skip,
}

/// Text in the session file, or the content of another file.
#[derive(Clone, Debug)]
pub enum TextSource {
    Text(Template),
    /// `template`: the content is rendered.
    File {
        path: SourcePath,
        template: bool,
        charset: Option<&'static Encoding>,
    },
}

/// The bytes of `raw` and `bdat`.
#[derive(Clone, Debug)]
pub enum RawBytes {
    Text(Template),
    /// From `hex` or `base64`.
    Bytes(Vec<u8>),
    File(SourcePath),
    /// One after the other, in one write.
    Parts(Vec<RawBytes>),
}

/// A step: an action and its modifiers.
#[derive(Clone, Debug)]
pub struct Step {
    /// The first line of its table: `[[step]]`, or the inline table.
    pub span: Span,
    /// Whether `[message]` implies it. `span` is then that of `[message]`.
    pub implied: bool,
    /// Outside of `--from-step` and `--to-step`: it is skipped.
    pub deselected: bool,
    pub action: Action,
    /// `None` if the action has none, and for `raw` without `expect`.
    pub expect: Option<Expectation>,
    pub name: Option<Template>,
    pub asserts: Vec<Expression>,
    pub captures: Vec<Capture>,
    pub timeout: Option<Duration>,
    pub delay: Option<Duration>,
    pub condition: Option<Expression>,
    /// How often it runs. If it is `None`, it runs once, and `loop` is undefined.
    pub repeat: Option<u32>,
    pub retry: Option<StepRetry>,
    pub on_fail: FailurePolicy,
    pub chunk: Option<Chunk>,
    pub always: bool,
    pub with: Vec<Variable>,
    /// The connection's name. `None` is `main`, or the group's connection.
    pub on: Option<String>,
    /// The server of that connection, if it is not the session's.
    pub server: Option<Template>,
}

#[derive(Clone, Debug)]
pub enum Action {
    /// Sends nothing and waits for a reply.
    Wait,
    Send(Template),
    Raw(RawBytes),
    Hello {
        verb: HelloVerb,
        name: Option<Template>,
    },
    Starttls {
        policy: StarttlsMode,
        inject_check: bool,
    },
    Tls,
    Auth(AuthSettings),
    Login,
    /// For `message = true` a copy of the session's `[message]`.
    Message(Box<Message>),
    Body {
        content: TextSource,
        dot_stuffing: bool,
    },
    /// Each member sends something and has its own `expect`.
    Pipeline(Vec<Step>),
    /// `steps`, and the steps of an `include`.
    Steps(Vec<Step>),
    Quit,
    Sleep(Duration),
    Close(CloseMode),
    /// `close = "tls"`: the connection goes on in plain text.
    EndTls,
    Connect,
    /// One BDAT command with its octets.
    Bdat {
        octets: RawBytes,
        last: bool,
    },
    Proxy(ProxySettings),
    /// Attribute names in upper case, and their values before xtext encoding.
    Xclient(Vec<(String, Template)>),
}

#[derive(Clone, Debug)]
pub struct Capture {
    pub name: String,
    pub pattern: Regex,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    Stop,
    Continue,
    Quit,
}

/// Writes in pieces of `size` bytes, with a pause of `every` between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub size: usize,
    pub every: Duration,
}

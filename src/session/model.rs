//! What a session file says, after reading and validation.

use super::{Diagnostic, Expectation, Expression, SourceMap, Span, Template, Templates, Value};
use regex::Regex;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One session: everything that its file and its includes say.
pub struct Session {
    /// The file's name without its folder.
    pub name: String,
    pub source_map: SourceMap,
    pub templates: Templates,
    /// Warnings of the reading, such as a literal secret.
    pub warnings: Vec<Diagnostic>,
    pub description: Option<Template>,
    /// A URL; parsed when rendered. `None`: `--server` must give it.
    pub server: Option<Template>,
    pub client_name: Option<Template>,
    pub timeout: Option<Duration>,
    pub connect_timeout: Duration,
    /// The local address to bind.
    pub local_address: Option<std::net::IpAddr>,
    pub tags: Vec<String>,
    pub requires: Vec<String>,
    pub xfail: Option<String>,
    /// In the order of the file.
    pub vars: Vec<Variable>,
    pub secrets: Vec<Variable>,
    /// What the command line gives, where it is of the kind that `[vars]` says.
    pub(super) overrides: Vec<(String, Value)>,
    /// Whether a `[tls]` table stands in the file.
    pub has_tls: bool,
    pub tls: TlsSettings,
    pub auth: Option<AuthSettings>,
    pub message: Option<Message>,
    pub rows: Option<RowsSettings>,
    pub retry: Option<RetrySettings>,
    /// `[message]`'s implied parts stand here already, spelled out as steps whose `implied` is true.
    pub open: Vec<Step>,
    pub steps: Vec<Step>,
    pub close: Vec<Step>,
}

/// `[rows]`.
#[derive(Clone, Debug)]
pub struct RowsSettings {
    pub span: Span,
    pub file: SourcePath,
    /// The column that names a row, and where the file says so.
    pub key: Option<(String, Span)>,
    pub connections: u32,
    pub per_connection: u32,
    pub in_flight: u32,
    /// Rows a second.
    pub rate: Option<f64>,
}

/// `[retry]`, or `--retry N`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetrySettings {
    pub times: u32,
    pub wait: Duration,
    pub backoff: f64,
    pub max_wait: Option<Duration>,
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
    /// As it stands; a string is a template over the names above it. One of `[secrets]` without `{{` is a literal.
    Template(Template),
    Literal(Value),
    Env {
        name: String,
        default: Option<Value>,
    },
    /// One final line end is dropped. `template`: what the file holds is a template too.
    File {
        path: SourcePath,
        template: bool,
        default: Option<Value>,
    },
    Command {
        argv: Vec<String>,
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
    /// A list of tables, one for each row, by the names of the header row.
    Csv {
        path: SourcePath,
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

/// A file that a session names: relative to the session file's folder (an include's paths are rebased to it), or
/// absolute. A template where the file wrote one.
#[derive(Clone, Debug)]
pub struct SourcePath {
    /// What the file wrote.
    pub template: Template,
    /// The folder it is relative to, itself relative to the session file's: empty but in includes.
    pub base: PathBuf,
    pub span: Span,
}

/// `[tls]`.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    pub ca: Option<SourcePath>,
    pub system_roots: bool,
    pub verify: bool,
    pub server_name: Option<Template>,
    pub min_version: Option<TlsVersion>,
    pub max_version: Option<TlsVersion>,
    pub client_cert: Option<SourcePath>,
    pub client_key: Option<SourcePath>,
    pub alpn: Vec<String>,
    /// For the implied steps; `None`: as the address says.
    pub starttls: Option<StarttlsPolicy>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StarttlsPolicy {
    Required,
    Opportunistic,
    Never,
}

/// `[auth]`, or an `auth` step's table.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    pub span: Span,
    /// `None`: the strongest that both sides have.
    pub mechanism: Option<crate::smtp::sasl::Mechanism>,
    pub user: Option<Template>,
    pub password: Option<Template>,
    pub token: Option<Template>,
    pub authzid: Option<Template>,
    pub initial_response: bool,
    pub allow_plaintext: bool,
}

/// `[message]`, or a `message` step's table.
#[derive(Clone, Debug)]
pub struct Message {
    pub span: Span,
    /// Header addresses as written; each is a template. Beside `eml`, which may stand without it, the envelope's.
    pub from: Option<Template>,
    pub to: Vec<Template>,
    pub cc: Vec<Template>,
    pub bcc: Vec<Template>,
    pub reply_to: Vec<Template>,
    pub subject: Option<Template>,
    pub date: Option<Template>,
    pub message_id: Option<Template>,
    pub headers: Vec<(String, Template)>,
    pub text: Option<TextSource>,
    /// Never without `text`. Values that come into it are HTML-escaped.
    pub html: Option<TextSource>,
    pub attachments: Vec<AttachedFile>,
    /// A mail that is ready, in place of all that makes one.
    pub eml: Option<SourcePath>,
    pub envelope_from: Option<Template>,
    pub envelope_to: Option<Vec<Template>>,
    /// ESMTP parameters for MAIL and RCPT, as they stand.
    pub mail_params: Option<Template>,
    pub rcpt_params: Option<Template>,
    /// Whether PIPELINING is used where it is offered.
    pub pipelining: bool,
    /// Whether CHUNKING is used where it is offered.
    pub chunking: bool,
    /// Whether a reply per recipient is asked for where PRDR is offered.
    pub prdr: bool,
    pub on_refused: RefusalPolicy,
}

/// A file of `attach`.
#[derive(Clone, Debug)]
pub struct AttachedFile {
    pub path: SourcePath,
    /// Its name for the recipient; that of the file by default.
    pub name: Option<Template>,
    pub media_type: Option<Template>,
    /// The Content-ID by which HTML shows it.
    pub inline: Option<Template>,
}

impl Message {
    /// `text` and `html`, where they stand.
    pub fn contents(&self) -> impl Iterator<Item = &TextSource> {
        self.text.iter().chain(&self.html)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalPolicy {
    Abort,
    Skip,
}

/// Text in the file, or a file's content.
#[derive(Clone, Debug)]
pub enum TextSource {
    Text(Template),
    /// `template`: its content is a template too.
    File {
        path: SourcePath,
        template: bool,
    },
}

/// Bytes for `raw`.
#[derive(Clone, Debug)]
pub enum RawBytes {
    Text(Template),
    /// Of `hex` and `base64`.
    Bytes(Vec<u8>),
    File(SourcePath),
}

/// One step: an action and what goes with it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its table's first line: `[[step]]`, or the inline table.
    pub span: Span,
    /// Whether `[message]` implied it; `span` is then `[message]`'s.
    pub implied: bool,
    /// Not in the part of the session that is asked for: it is skipped.
    pub deselected: bool,
    pub action: Action,
    /// `None` where the action has none, and for `raw` without one.
    pub expect: Option<Expectation>,
    pub name: Option<Template>,
    pub asserts: Vec<Expression>,
    pub captures: Vec<Capture>,
    pub timeout: Option<Duration>,
    pub delay: Option<Duration>,
    pub condition: Option<Expression>,
    /// How often; `None`: once, and `loop` is not known.
    pub repeat: Option<u32>,
    pub retry: Option<StepRetry>,
    pub on_fail: FailurePolicy,
    pub chunk: Option<Chunk>,
    pub always: bool,
    pub with: Vec<Variable>,
    /// The connection's name; `None` is `main`, or the group's.
    pub on: Option<String>,
}

#[derive(Clone, Debug)]
pub enum Action {
    /// Sends nothing, waits for a reply.
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
    /// `message = true` is the session's `[message]`, copied here.
    Message(Box<Message>),
    Body {
        content: TextSource,
        dot_stuffing: bool,
    },
    /// Each sends something and has its own `expect`.
    Pipeline(Vec<Step>),
    /// `steps`, and what an `include` became.
    Steps(Vec<Step>),
    Quit,
    Sleep(Duration),
    Close(CloseMode),
    Connect,
    Proxy {
        version: u8,
        source: SocketAddr,
        destination: SocketAddr,
    },
    /// Attribute names in upper case, and their values before xtext.
    Xclient(Vec<(String, Template)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloVerb {
    Ehlo,
    Helo,
    Lhlo,
}

/// The `starttls` step's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StarttlsMode {
    /// `true`: whether or not it was offered.
    Always,
    Required,
    Opportunistic,
}

/// How a connection is ended by the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseMode {
    /// FIN; inside TLS a close_notify first.
    Fin,
    /// RST.
    Reset,
    /// The sending half only.
    Write,
}

#[derive(Clone, Debug)]
pub struct Capture {
    pub name: String,
    pub pattern: Regex,
    pub span: Span,
}

/// `retry = { times = 3, wait = "60s", on = "4xx" }` of a step.
#[derive(Clone, Debug)]
pub struct StepRetry {
    pub times: u32,
    pub wait: Duration,
    pub on: Expectation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailurePolicy {
    Stop,
    Continue,
    Quit,
}

/// Writes in pieces of `size` bytes, `every` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub size: usize,
    pub every: Duration,
}

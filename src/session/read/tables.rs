//! Every key of a session file, with its type and its meaning.
//!
//! Suggestions, "must be …" messages, the JSON Schema and the documentation come from these tables. A key that is not
//! here cannot be read, since [`super::table_fields::TableFields`] looks it up.

use super::dkim_keys::DKIM;
use super::key_spec::{COUNT, DELIMITER, KeyType, LABEL, PATH, TableSpec, key};
use super::octet_tables::RAW_FORM;
pub use super::octet_tables::{BDAT, RAW};
pub use super::row_tables::{EXCLUSION, ROWS};

const CONTENT: KeyType = KeyType::Either(&[KeyType::Template, KeyType::Table(&CONTENT_FILE)]);
const ADDRESS: KeyType = KeyType::Either(&[KeyType::Template, KeyType::Table(&MAILBOX)]);
const ADDRESSES: KeyType = KeyType::Either(&[KeyType::Template, KeyType::Table(&MAILBOX), KeyType::List(&ADDRESS)]);
/// Seconds since 1970 may be a number.
const DATE: KeyType = KeyType::Either(&[KeyType::Template, KeyType::Integer { min: 0, max: i64::MAX }]);
const ATTACH: KeyType = KeyType::Either(&[KeyType::Template, KeyType::Table(&ATTACHMENT)]);
const ATTACHMENTS: KeyType = KeyType::Either(&[KeyType::List(&ATTACH), KeyType::Template, KeyType::Table(&ATTACHMENT)]);
const NAME_OR_TRUE: KeyType = KeyType::Either(&[KeyType::True, KeyType::Template]);

pub static SESSION: TableSpec = TableSpec {
    title: "a session file",
    keys: &[
        key("description", KeyType::Template, "a line for people and reports"),
        key("server", KeyType::Template, "the server's URL: smtp://host[:port], smtps://, lmtp://, smtp+unix:///path"),
        key(
            "client_name",
            KeyType::Template,
            "the name in EHLO, HELO, LHLO; by default the host name if it is a domain with a dot, else the connection's address",
        ),
        key("timeout", KeyType::Duration, "the deadline for each step; RFC 5321 4.5.3.2's per command by default"),
        key(
            "connect_timeout",
            KeyType::Duration,
            "the deadline for connecting and for a TLS handshake; 30s by default",
        ),
        key("source", KeyType::Plain("an IP address in a string"), "the local address to bind"),
        key("tags", KeyType::List(&KeyType::Plain("a word in a string")), "words to select sessions by"),
        key(
            "requires",
            KeyType::List(&KeyType::Plain("a capability in a string")),
            "capabilities that the session needs; without them it is skipped",
        ),
        key("xfail", KeyType::Plain("the reason in a string"), "the session is expected to fail, and why"),
        key("vars", KeyType::Map(&KeyType::Value), "names for templates and their values"),
        key("secrets", KeyType::Map(&KeyType::Value), "names for templates whose values are hidden"),
        key("tls", KeyType::Table(&TLS), "how TLS is done"),
        key("auth", KeyType::Table(&AUTH), "who logs in, and how"),
        key(
            "message",
            KeyType::Table(&MESSAGE),
            "a message to send; implies the sections that the file does not write",
        ),
        key("dkim", KeyType::Table(&DKIM), "how messages are signed (RFC 6376)"),
        key("rows", KeyType::Table(&ROWS), "a table of rows: the steps run once for each"),
        key("retry", KeyType::Table(&RETRY), "what happens after a temporary failure"),
        key("open", KeyType::Steps, "steps at the beginning of each connection"),
        key("step", KeyType::Steps, "the steps"),
        key("close", KeyType::Steps, "steps at the end of each connection"),
    ],
};

pub static INCLUDE: TableSpec = TableSpec {
    title: "an included file",
    keys: &[
        key("vars", KeyType::Map(&KeyType::Value), "names for the templates of its steps; `with` overrides them"),
        key("step", KeyType::Steps, "its steps"),
    ],
};

pub static TLS: TableSpec = TableSpec {
    title: "[tls]",
    keys: &[
        key("ca", PATH, "a PEM file of certificates to trust in addition to the system's"),
        key("system_roots", KeyType::Boolean, "false trusts `ca` only; true by default"),
        key("verify", KeyType::Boolean, "whether the certificate is verified; true by default"),
        key("server_name", KeyType::Template, "the name that the certificate must have; the URL's host by default"),
        key("min_version", TLS_VERSION, "the oldest version; \"1.2\" by default"),
        key("max_version", TLS_VERSION, "the newest version"),
        key("ciphers", KeyType::Plain("OpenSSL's cipher list in a string"), "the ciphers for TLS 1.2 and below"),
        key("security_level", KeyType::Integer { min: 0, max: 5 }, "OpenSSL's security level"),
        key("client_cert", PATH, "a PEM file with the client's certificate"),
        key("client_key", PATH, "a PEM file with its key"),
        key("alpn", KeyType::List(&KeyType::Plain("a protocol's name in a string")), "protocols offered (RFC 7301)"),
        key(
            "starttls",
            KeyType::Word(&["required", "opportunistic", "never"]),
            "for the implied steps; required by default, opportunistic on loopback addresses and UNIX sockets",
        ),
    ],
};

const TLS_VERSION: KeyType = KeyType::Word(&["1.0", "1.1", "1.2", "1.3"]);

pub static AUTH: TableSpec = TableSpec {
    title: "[auth]",
    keys: &[
        key(
            "mechanism",
            KeyType::Plain("a mechanism's name in a string"),
            "the SASL mechanism; the strongest by default",
        ),
        key("user", KeyType::Template, "who logs in"),
        key("password", KeyType::Template, "the password: always a secret"),
        key("token", KeyType::Template, "the token for OAUTHBEARER and XOAUTH2: always a secret"),
        key("authzid", KeyType::Template, "the user to act for"),
        key(
            "initial_response",
            KeyType::Boolean,
            "false sends AUTH without a response and answers the 334; true by default",
        ),
        key("allow_plaintext", KeyType::Boolean, "true allows readable credentials unencrypted; false by default"),
    ],
};

pub static MESSAGE: TableSpec = TableSpec {
    title: "[message]",
    keys: &[
        key("from", ADDRESS, "the author's address"),
        key("to", ADDRESSES, "the recipients' addresses"),
        key("cc", ADDRESSES, "the addresses of recipients of a copy"),
        key("bcc", ADDRESSES, "the addresses of recipients whom the headers do not show"),
        key("reply_to", ADDRESSES, "where answers go"),
        key("subject", KeyType::Template, "the subject"),
        key("date", DATE, "the Date header; now by default"),
        key("message_id", KeyType::Template, "the Message-ID header; made by default"),
        key("headers", KeyType::Map(&KeyType::Template), "more headers"),
        key("text", CONTENT, "the text"),
        key("html", CONTENT, "the text in HTML"),
        key("attach", ATTACHMENTS, "files to attach"),
        key("eml", PATH, "a file with a complete message"),
        key("envelope_from", ADDRESS, "the address in MAIL instead of `from`"),
        key("envelope_to", ADDRESSES, "the addresses in RCPT instead of `to`, `cc` and `bcc`"),
        key("params", KeyType::Table(&PARAMS), "ESMTP parameters for MAIL and RCPT"),
        key("pipelining", KeyType::Boolean, "false does not use PIPELINING; true by default"),
        key("chunking", KeyType::Boolean, "false does not use CHUNKING; true by default"),
        key("prdr", KeyType::Boolean, "true asks for PRDR's reply per recipient; false by default"),
        key(
            "on_refused",
            KeyType::Word(&["abort", "skip"]),
            "what a refused recipient does: stop the message for all (the default), or send it to the others",
        ),
    ],
};

pub static MAILBOX: TableSpec = TableSpec {
    title: "an address",
    keys: &[
        key("name", KeyType::Template, "the person's name; it may have any character"),
        key("address", KeyType::Template, "the address: local@domain"),
    ],
};

pub static ATTACHMENT: TableSpec = TableSpec {
    title: "an attachment",
    keys: &[
        key("file", PATH, "the file"),
        key("name", KeyType::Template, "its name for the recipient"),
        key("type", KeyType::Template, "its media type"),
        key("inline", KeyType::Template, "its Content-ID, for parts of HTML"),
    ],
};

pub static PARAMS: TableSpec = TableSpec {
    title: "\"params\"",
    keys: &[
        key("mail", KeyType::Template, "what follows MAIL FROM:<…>"),
        key("rcpt", KeyType::Template, "what follows RCPT TO:<…>"),
    ],
};

pub static RETRY: TableSpec = TableSpec {
    title: "[retry]",
    keys: &[
        key("times", COUNT, "the largest number of retries"),
        key("wait", KeyType::Duration, "the first pause"),
        key("backoff", KeyType::Plain("a number of at least 1"), "the factor from one pause to the next"),
        key("max_wait", KeyType::Duration, "the longest pause"),
    ],
};

/// The keys of a step that are actions. The others are modifiers.
pub const ACTIONS: [&str; 21] = [
    "send", "raw", "ehlo", "helo", "lhlo", "starttls", "tls", "auth", "login", "message", "body", "bdat", "pipeline",
    "steps", "quit", "sleep", "close", "connect", "proxy", "xclient", "include",
];

pub static STEP: TableSpec = TableSpec {
    title: "a step",
    keys: &[
        key("send", KeyType::Template, "a line; CRLF is added"),
        key(
            "raw",
            KeyType::Either(&[RAW_FORM, KeyType::List(&RAW_FORM)]),
            "exactly these bytes; a list is sent in one write",
        ),
        key("ehlo", NAME_OR_TRUE, "EHLO, with this name"),
        key("helo", NAME_OR_TRUE, "HELO, with this name"),
        key("lhlo", NAME_OR_TRUE, "LHLO, with this name"),
        key(
            "starttls",
            KeyType::Either(&[KeyType::True, KeyType::Word(&["required", "opportunistic"])]),
            "STARTTLS and the handshake",
        ),
        key("tls", KeyType::True, "the TLS handshake alone"),
        key("auth", KeyType::Either(&[KeyType::True, KeyType::Table(&AUTH)]), "the SASL exchange; true uses [auth]"),
        key("login", KeyType::True, "all that [message] implies as [[open]]"),
        key(
            "message",
            KeyType::Either(&[KeyType::True, KeyType::Table(&MESSAGE)]),
            "a mail transaction; true sends [message]",
        ),
        key(
            "body",
            KeyType::Either(&[KeyType::Template, KeyType::Table(&BODY_FILE)]),
            "content after a 354, with its final dot",
        ),
        key(
            "bdat",
            KeyType::Either(&[KeyType::Template, KeyType::Table(&BDAT)]),
            "one BDAT command with these octets, which are counted",
        ),
        key("pipeline", KeyType::Steps, "steps that are sent in one write"),
        key("steps", KeyType::Steps, "steps as one"),
        key("quit", KeyType::True, "QUIT, then waits for the server to close"),
        key("sleep", KeyType::Duration, "waits this long"),
        key(
            "close",
            KeyType::Either(&[KeyType::True, KeyType::Word(&["reset", "write", "tls"])]),
            "ends the connection, or TLS",
        ),
        key("connect", KeyType::True, "opens a new connection after one that ended"),
        key("proxy", KeyType::Table(&PROXY), "a PROXY protocol header"),
        key("xclient", KeyType::Table(&XCLIENT), "Postfix's XCLIENT"),
        key("include", KeyType::Plain("a path in a string"), "the steps of another file"),
        key("inject_check", KeyType::Boolean, "with `starttls`: false allows unencrypted bytes after its reply"),
        key("dot_stuffing", KeyType::Boolean, "with `body`: false sends lines as they are"),
        key("last", KeyType::Boolean, "with `bdat`: true adds LAST; false by default"),
        key("name", KeyType::Template, "shown in results instead of the action"),
        key("expect", KeyType::Expect, "the reply that passes"),
        key("assert", KeyType::List(&KeyType::Expression), "expressions that must be true"),
        key("capture", KeyType::Map(&KeyType::Regex), "regular expressions over the reply's text that set variables"),
        key("timeout", KeyType::Duration, "the deadline for its reply"),
        key("delay", KeyType::Duration, "a pause before it"),
        key("if", KeyType::Expression, "false skips it"),
        key("repeat", COUNT, "how many times it runs"),
        key("retry", KeyType::Table(&STEP_RETRY), "sends it again if the reply matches"),
        key("on_fail", KeyType::Word(&["stop", "continue", "quit"]), "what its failure does; stop by default"),
        key("chunk", KeyType::Table(&CHUNK), "writes the bytes in pieces"),
        key("always", KeyType::Boolean, "true runs it even after a failure, for cleanup"),
        key("with", KeyType::Map(&KeyType::Value), "variables for this step alone"),
        key("on", KeyType::Plain("a connection's name in a string"), "uses another connection, of this name"),
        key("server", KeyType::Template, "with `on`: the server of that connection; the session's by default"),
    ],
};

pub static CONTENT_FILE: TableSpec = TableSpec {
    title: "content",
    keys: &[
        key("file", PATH, "the file with the content"),
        key("template", KeyType::Boolean, "true renders the file; false by default"),
        key("charset", LABEL, "the file's encoding; UTF-8 by default"),
    ],
};

pub static BODY_FILE: TableSpec = TableSpec {
    title: "\"body\"",
    keys: &[
        key("file", PATH, "the file with the content"),
        key("template", KeyType::Boolean, "true renders the file; false by default"),
    ],
};

pub static PROXY: TableSpec = TableSpec {
    title: "\"proxy\"",
    keys: &[
        key("version", KeyType::Integer { min: 1, max: 2 }, "1 is text, 2 is binary; 2 by default, 1 with `unknown`"),
        key("source", KeyType::Plain("an address such as \"192.0.2.1:4000\""), "the client's address and port"),
        key("destination", KeyType::Plain("an address such as \"192.0.2.2:25\""), "the server's address and port"),
        key("local", KeyType::Boolean, "true sends LOCAL, without addresses; version 2 only"),
        key("unknown", KeyType::Boolean, "true sends UNKNOWN, without addresses; version 1 only"),
    ],
};

pub static XCLIENT: TableSpec = TableSpec {
    title: "\"xclient\"",
    keys: &[
        key("name", KeyType::Template, "the client's host name"),
        key("addr", KeyType::Template, "the client's address"),
        key("port", PORT, "the client's port"),
        key("proto", KeyType::Template, "SMTP or ESMTP"),
        key("helo", KeyType::Template, "the client's name in EHLO or HELO"),
        key("login", KeyType::Template, "the user who is logged in"),
        key("destaddr", KeyType::Template, "the server's address"),
        key("destport", PORT, "the server's port"),
    ],
};

const PORT: KeyType = KeyType::Either(&[KeyType::Template, KeyType::Integer { min: 0, max: 65535 }]);

pub static STEP_RETRY: TableSpec = TableSpec {
    title: "\"retry\"",
    keys: &[
        key("times", COUNT, "the largest number of retries"),
        key("wait", KeyType::Duration, "the pause before each; none by default"),
        key("on", KeyType::Expect, "the replies after which it is sent again; \"4xx\" by default"),
    ],
};

pub static CHUNK: TableSpec = TableSpec {
    title: "\"chunk\"",
    keys: &[
        key("size", COUNT, "bytes per piece"),
        key("every", KeyType::Duration, "the pause between pieces; none by default"),
    ],
};

pub static EXPECT: TableSpec = TableSpec {
    title: "\"expect\"",
    keys: &[
        key("code", CODES, "the code, or a list of codes"),
        key("enhanced", KeyType::Plain("an enhanced code such as \"2.1.5\" or \"2.x.x\""), "the enhanced code"),
        key("text", KeyType::Regex, "a regular expression over the lines, joined by \\n"),
        key("lines", COUNT, "the number of lines"),
    ],
};

const CODE: KeyType = KeyType::Plain("a code such as 250, \"25x\" or \"2xx\"");
const CODES: KeyType = KeyType::Either(&[CODE, KeyType::List(&CODE)]);

pub static SOURCE: TableSpec = TableSpec {
    title: "a source",
    keys: &[
        key("env", KeyType::Plain("the name of an environment variable in a string"), "an environment variable"),
        key("file", PATH, "the content of a file without one final line end"),
        key("template", KeyType::Boolean, "with `file`: true renders it; false by default"),
        key(
            "command",
            KeyType::List(&KeyType::Plain("an argument in a string")),
            "the output of a program; needs --allow-commands",
        ),
        key(
            "refresh",
            KeyType::Duration,
            "with `command` in [secrets]: the age at which a new connection runs it again; never by default",
        ),
        key("netrc", KeyType::Word(&["login", "password", "account"]), "the entry of ~/.netrc for the session's host"),
        key("prompt", KeyType::Plain("the question in a string"), "asks on the terminal"),
        key("csv", PATH, "the rows of a CSV file"),
        key("delimiter", DELIMITER, "with `csv`: what separates the fields; detected by default"),
        key("encoding", LABEL, "with `csv`: the file's encoding; UTF-8 by default"),
        key("charset", LABEL, "with `file`: the file's encoding; UTF-8 by default"),
        key("json", PATH, "the content of a JSON file"),
        key("default", KeyType::Plain("a string, a number or a boolean"), "the value if the source has none"),
    ],
};

/// All tables, for the documentation and the schema.
pub static TABLES: [&TableSpec; 23] = [
    &SESSION,
    &INCLUDE,
    &TLS,
    &AUTH,
    &MESSAGE,
    &DKIM,
    &MAILBOX,
    &ATTACHMENT,
    &PARAMS,
    &ROWS,
    &EXCLUSION,
    &RETRY,
    &STEP,
    &RAW,
    &CONTENT_FILE,
    &BODY_FILE,
    &BDAT,
    &PROXY,
    &XCLIENT,
    &STEP_RETRY,
    &CHUNK,
    &EXPECT,
    &SOURCE,
];

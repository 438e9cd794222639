//! Every key that a session file may have, with what it takes and what it means.
//!
//! Unknown-key suggestions, "must be …" messages and the documentation come from these tables and from nowhere else; a
//! key that is not here cannot be read, since [`super::table_fields::TableFields`] looks it up.

use super::key_spec::{KeySpec, KeyType, TableSpec};

const fn key(name: &'static str, kind: KeyType, doc: &'static str) -> KeySpec {
    KeySpec { name, kind, doc }
}

const PATH: KeyType = KeyType::Template;
const COUNT: KeyType = KeyType::Integer { min: 1, max: u32::MAX as i64 };
const TEMPLATES: KeyType = KeyType::List(&KeyType::Template);
const CONTENT: KeyType = KeyType::Either(&[KeyType::Template, KeyType::Table(&CONTENT_FILE)]);
const ADDRESSES: KeyType = KeyType::Either(&[KeyType::Template, TEMPLATES]);
const ATTACH: KeyType = KeyType::Either(&[KeyType::Template, KeyType::Table(&ATTACHMENT)]);
const ATTACHMENTS: KeyType = KeyType::Either(&[KeyType::List(&ATTACH), KeyType::Template, KeyType::Table(&ATTACHMENT)]);
const NAME_OR_TRUE: KeyType = KeyType::Either(&[KeyType::True, KeyType::Template]);

pub static SESSION: TableSpec = TableSpec {
    title: "a session file",
    keys: &[
        key("description", KeyType::Template, "a line for people and reports"),
        key("server", KeyType::Template, "the server's URL: smtp://host[:port], smtps://, lmtp://, smtp+unix:///path"),
        key("client_name", KeyType::Template, "the name in EHLO, HELO, LHLO; the machine's host name by default"),
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
            "capabilities without which it is skipped",
        ),
        key("xfail", KeyType::Plain("the reason in a string"), "the session is expected to fail, and why"),
        key("vars", KeyType::Map(&KeyType::Value), "names for templates and their values"),
        key("secrets", KeyType::Map(&KeyType::Value), "names for templates whose values are hidden"),
        key("tls", KeyType::Table(&TLS), "how TLS is done"),
        key("auth", KeyType::Table(&AUTH), "who logs in, and how"),
        key("message", KeyType::Table(&MESSAGE), "a message to send; implies the steps that are not written"),
        key("rows", KeyType::Table(&ROWS), "a table of rows: the steps run once for each"),
        key("retry", KeyType::Table(&RETRY), "what is done after a temporary failure"),
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
        key("ca", PATH, "a PEM file of certificates to trust besides the system's"),
        key("system_roots", KeyType::Boolean, "false trusts `ca` alone; true by default"),
        key("verify", KeyType::Boolean, "whether the certificate is verified; true by default"),
        key("server_name", KeyType::Template, "the name that the certificate must have; the URL's host by default"),
        key("min_version", TLS_VERSION, "the oldest version that is spoken"),
        key("max_version", TLS_VERSION, "the newest version that is spoken"),
        key("client_cert", PATH, "a PEM file with the client's certificate"),
        key("client_key", PATH, "a PEM file with its key"),
        key("alpn", KeyType::List(&KeyType::Plain("a protocol's name in a string")), "protocols offered (RFC 7301)"),
        key(
            "starttls",
            KeyType::Word(&["required", "opportunistic", "never"]),
            "for the implied steps; required but for loopback addresses and UNIX sockets",
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
        key("authzid", KeyType::Template, "on whose behalf"),
        key("initial_response", KeyType::Boolean, "false sends AUTH alone and answers the 334; true by default"),
        key("allow_plaintext", KeyType::Boolean, "true lets readable credentials go unencrypted; false by default"),
    ],
};

pub static MESSAGE: TableSpec = TableSpec {
    title: "[message]",
    keys: &[
        key("from", KeyType::Template, "the author's address"),
        key("to", ADDRESSES, "the recipients' addresses"),
        key("cc", ADDRESSES, "the addresses of those who get a copy"),
        key("bcc", ADDRESSES, "the addresses of those whom the headers do not show"),
        key("reply_to", ADDRESSES, "where answers go"),
        key("subject", KeyType::Template, "the subject"),
        key("date", KeyType::Template, "the Date header; now by default"),
        key("message_id", KeyType::Template, "the Message-ID header; made by default"),
        key("headers", KeyType::Map(&KeyType::Template), "more headers"),
        key("text", CONTENT, "the text"),
        key("html", CONTENT, "the text in HTML"),
        key("attach", ATTACHMENTS, "files to attach"),
        key("eml", PATH, "a file with a message that is ready"),
        key("envelope_from", KeyType::Template, "the address in MAIL in place of `from`"),
        key("envelope_to", ADDRESSES, "the addresses in RCPT in place of `to`, `cc` and `bcc`"),
        key("params", KeyType::Table(&PARAMS), "ESMTP parameters for MAIL and RCPT"),
        key("pipelining", KeyType::Boolean, "false does not use PIPELINING; true by default"),
        key("chunking", KeyType::Boolean, "false does not use CHUNKING; true by default"),
        key("prdr", KeyType::Boolean, "true asks for PRDR's reply per recipient; false by default"),
        key(
            "on_refused",
            KeyType::Word(&["abort", "skip"]),
            "what a refused recipient does: stop the message for all (the default), or go on with the others",
        ),
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
        key("mail", KeyType::Template, "what stands behind MAIL FROM:<…>"),
        key("rcpt", KeyType::Template, "what stands behind RCPT TO:<…>"),
    ],
};

pub static ROWS: TableSpec = TableSpec {
    title: "[rows]",
    keys: &[
        key("file", PATH, "CSV with a header row, TSV or JSON Lines; - for standard input"),
        key("key", KeyType::Plain("a column's name in a string"), "the column that names a row"),
        key("connections", COUNT, "connections in parallel; 1 by default"),
        key("per_connection", COUNT, "rows before a fresh connection"),
        key("in_flight", COUNT, "messages sent and not yet answered, per connection; 1 by default"),
        key("rate", KeyType::Plain("a rate such as \"10/s\""), "rows a second"),
    ],
};

pub static RETRY: TableSpec = TableSpec {
    title: "[retry]",
    keys: &[
        key("times", COUNT, "how often at most"),
        key("wait", KeyType::Duration, "before the first time"),
        key("backoff", KeyType::Plain("a number from 1 on"), "by how much the wait grows"),
        key("max_wait", KeyType::Duration, "the longest wait"),
    ],
};

/// The keys of a step that say what it does; the others say how.
pub const ACTIONS: [&str; 20] = [
    "send", "raw", "ehlo", "helo", "lhlo", "starttls", "tls", "auth", "login", "message", "body", "pipeline", "steps",
    "quit", "sleep", "close", "connect", "proxy", "xclient", "include",
];

pub static STEP: TableSpec = TableSpec {
    title: "a step",
    keys: &[
        key("send", KeyType::Template, "a line; CRLF is added"),
        key("raw", KeyType::Either(&[KeyType::Template, KeyType::Table(&RAW)]), "exactly these bytes"),
        key("ehlo", NAME_OR_TRUE, "EHLO, with this name"),
        key("helo", NAME_OR_TRUE, "HELO, with this name"),
        key("lhlo", NAME_OR_TRUE, "LHLO, with this name"),
        key(
            "starttls",
            KeyType::Either(&[KeyType::True, KeyType::Word(&["required", "opportunistic"])]),
            "STARTTLS and the handshake",
        ),
        key("tls", KeyType::True, "the handshake alone"),
        key(
            "auth",
            KeyType::Either(&[KeyType::True, KeyType::Table(&AUTH)]),
            "the SASL exchange, with [auth] where true",
        ),
        key("login", KeyType::True, "all that [message] implies as [[open]]"),
        key(
            "message",
            KeyType::Either(&[KeyType::True, KeyType::Table(&MESSAGE)]),
            "a mail transaction, [message]'s where true",
        ),
        key("body", CONTENT, "content behind a 354, with its final dot"),
        key("pipeline", KeyType::Steps, "steps that are sent in one write"),
        key("steps", KeyType::Steps, "steps as one"),
        key("quit", KeyType::True, "QUIT, then waits for the server to close"),
        key("sleep", KeyType::Duration, "nothing, for so long"),
        key("close", KeyType::Either(&[KeyType::True, KeyType::Word(&["reset", "write"])]), "ends the connection"),
        key("connect", KeyType::True, "a new connection in place of one that ended"),
        key("proxy", KeyType::Table(&PROXY), "a PROXY protocol header"),
        key("xclient", KeyType::Table(&XCLIENT), "Postfix's XCLIENT"),
        key("include", KeyType::Plain("a path in a string"), "the steps of another file"),
        key("inject_check", KeyType::Boolean, "beside `starttls`: false allows bytes in the clear behind its reply"),
        key("dot_stuffing", KeyType::Boolean, "beside `body`: false sends lines as they are"),
        key("name", KeyType::Template, "shown in results in place of the action"),
        key("expect", KeyType::Expect, "the reply that passes"),
        key("assert", KeyType::List(&KeyType::Expression), "expressions that must be true"),
        key("capture", KeyType::Map(&KeyType::Regex), "regular expressions over the reply's text that set variables"),
        key("timeout", KeyType::Duration, "the deadline for its reply"),
        key("delay", KeyType::Duration, "a pause before it"),
        key("if", KeyType::Expression, "false skips it"),
        key("repeat", COUNT, "how many times it runs"),
        key("retry", KeyType::Table(&STEP_RETRY), "sends it again while the reply matches"),
        key("on_fail", KeyType::Word(&["stop", "continue", "quit"]), "what its failure does; stop by default"),
        key("chunk", KeyType::Table(&CHUNK), "writes the bytes in pieces"),
        key("always", KeyType::Boolean, "true runs it even after a failure"),
        key("with", KeyType::Map(&KeyType::Value), "variables for this step alone"),
        key("on", KeyType::Plain("a connection's name in a string"), "another connection, of this name"),
    ],
};

pub static RAW: TableSpec = TableSpec {
    title: "\"raw\"",
    keys: &[
        key("hex", KeyType::Plain("hexadecimal digits in a string"), "the bytes in hexadecimal"),
        key("base64", KeyType::Plain("base64 in a string"), "the bytes in base64"),
        key("file", PATH, "a file with the bytes"),
    ],
};

pub static CONTENT_FILE: TableSpec = TableSpec {
    title: "content",
    keys: &[
        key("file", PATH, "the file with it"),
        key("template", KeyType::Boolean, "true renders what the file holds; false by default"),
    ],
};

pub static PROXY: TableSpec = TableSpec {
    title: "\"proxy\"",
    keys: &[
        key("version", KeyType::Integer { min: 1, max: 2 }, "1 is text, 2 is binary"),
        key("source", KeyType::Plain("an address such as \"192.0.2.1:4000\""), "the client's address and port"),
        key("destination", KeyType::Plain("an address such as \"192.0.2.2:25\""), "the server's address and port"),
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
        key("login", KeyType::Template, "who is logged in"),
        key("destaddr", KeyType::Template, "the server's address"),
        key("destport", PORT, "the server's port"),
    ],
};

const PORT: KeyType = KeyType::Either(&[KeyType::Template, KeyType::Integer { min: 0, max: 65535 }]);

pub static STEP_RETRY: TableSpec = TableSpec {
    title: "\"retry\"",
    keys: &[
        key("times", COUNT, "how often at most"),
        key("wait", KeyType::Duration, "before each time; nothing by default"),
        key("on", KeyType::Expect, "the replies after which it is sent again; \"4xx\" by default"),
    ],
};

pub static CHUNK: TableSpec = TableSpec {
    title: "\"chunk\"",
    keys: &[
        key("size", COUNT, "bytes in a piece"),
        key("every", KeyType::Duration, "the pause between pieces; none by default"),
    ],
};

pub static EXPECT: TableSpec = TableSpec {
    title: "\"expect\"",
    keys: &[
        key("code", CODES, "the code, or some of them"),
        key("enhanced", KeyType::Plain("an enhanced code such as \"2.1.5\" or \"2.x.x\""), "the enhanced code"),
        key("text", KeyType::Regex, "a regular expression over the lines joined by \\n"),
        key("lines", COUNT, "how many lines it has"),
    ],
};

const CODE: KeyType = KeyType::Plain("a code such as 250, \"25x\" or \"2xx\"");
const CODES: KeyType = KeyType::Either(&[CODE, KeyType::List(&CODE)]);

pub static SOURCE: TableSpec = TableSpec {
    title: "a source",
    keys: &[
        key("env", KeyType::Plain("the name of an environment variable in a string"), "an environment variable"),
        key("file", PATH, "what a file holds, less one final line end"),
        key("template", KeyType::Boolean, "beside `file`: true renders what it holds; false by default"),
        key(
            "command",
            KeyType::List(&KeyType::Plain("an argument in a string")),
            "what a program writes; it runs only with --allow-commands",
        ),
        key("netrc", KeyType::Word(&["login", "password", "account"]), "what ~/.netrc has for the session's host"),
        key("prompt", KeyType::Plain("the question in a string"), "asks on the terminal"),
        key("csv", PATH, "the rows of a CSV file"),
        key("json", PATH, "what a JSON file holds"),
        key("default", KeyType::Plain("a string, a number or a boolean"), "the value where the source has none"),
    ],
};

/// All tables, for documentation and a schema.
pub static TABLES: [&TableSpec; 18] = [
    &SESSION,
    &INCLUDE,
    &TLS,
    &AUTH,
    &MESSAGE,
    &ATTACHMENT,
    &PARAMS,
    &ROWS,
    &RETRY,
    &STEP,
    &RAW,
    &CONTENT_FILE,
    &PROXY,
    &XCLIENT,
    &STEP_RETRY,
    &CHUNK,
    &EXPECT,
    &SOURCE,
];

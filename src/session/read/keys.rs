//! Every key that a session file may have, with what it takes and what it means.
//!
//! Unknown-key suggestions, "must be …" messages and the documentation come from these tables and from nowhere else; a
//! key that is not here cannot be read, since [`super::fields::Fields`] looks it up.

use super::kind::{Key, Keys, Kind};

const fn key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, doc }
}

const PATH: Kind = Kind::Template;
const COUNT: Kind = Kind::Integer { least: 1, most: u32::MAX as i64 };
const TEMPLATES: Kind = Kind::List(&Kind::Template);
const CONTENT: Kind = Kind::Either(&[Kind::Template, Kind::Table(&CONTENT_FILE)]);
const ADDRESSES: Kind = Kind::Either(&[Kind::Template, TEMPLATES]);
const ATTACH: Kind = Kind::Either(&[Kind::Template, Kind::Table(&ATTACHMENT)]);
const ATTACHMENTS: Kind = Kind::Either(&[Kind::List(&ATTACH), Kind::Template, Kind::Table(&ATTACHMENT)]);
const NAME_OR_TRUE: Kind = Kind::Either(&[Kind::True, Kind::Template]);

pub static SESSION: Keys = Keys {
    table: "a session file",
    keys: &[
        key("description", Kind::Template, "a line for people and reports"),
        key("server", Kind::Template, "the server's URL: smtp://host[:port], smtps://, lmtp://, smtp+unix:///path"),
        key("client_name", Kind::Template, "the name in EHLO, HELO, LHLO; the machine's host name by default"),
        key("timeout", Kind::Duration, "the deadline for each step; RFC 5321 4.5.3.2's per command by default"),
        key("connect_timeout", Kind::Duration, "the deadline for connecting and for a TLS handshake; 30s by default"),
        key("source", Kind::Plain("an IP address in a string"), "the local address to bind"),
        key("tags", Kind::List(&Kind::Plain("a word in a string")), "words to select sessions by"),
        key(
            "requires",
            Kind::List(&Kind::Plain("a capability in a string")),
            "capabilities without which it is skipped",
        ),
        key("xfail", Kind::Plain("the reason in a string"), "the session is expected to fail, and why"),
        key("vars", Kind::Map(&Kind::Value), "names for templates and their values"),
        key("secrets", Kind::Map(&Kind::Value), "names for templates whose values are hidden"),
        key("tls", Kind::Table(&TLS), "how TLS is done"),
        key("auth", Kind::Table(&AUTH), "who logs in, and how"),
        key("message", Kind::Table(&MESSAGE), "a message to send; implies the steps that are not written"),
        key("rows", Kind::Table(&ROWS), "a table of rows: the steps run once for each"),
        key("retry", Kind::Table(&RETRY), "what is done after a temporary failure"),
        key("open", Kind::Steps, "steps at the beginning of each connection"),
        key("step", Kind::Steps, "the steps"),
        key("close", Kind::Steps, "steps at the end of each connection"),
    ],
};

pub static INCLUDE: Keys = Keys {
    table: "an included file",
    keys: &[
        key("vars", Kind::Map(&Kind::Value), "names for the templates of its steps; `with` overrides them"),
        key("step", Kind::Steps, "its steps"),
    ],
};

pub static TLS: Keys = Keys {
    table: "[tls]",
    keys: &[
        key("ca", PATH, "a PEM file of certificates to trust besides the system's"),
        key("system_roots", Kind::Boolean, "false trusts `ca` alone; true by default"),
        key("verify", Kind::Boolean, "whether the certificate is verified; true by default"),
        key("server_name", Kind::Template, "the name that the certificate must have; the URL's host by default"),
        key("min_version", TLS_VERSION, "the oldest version that is spoken"),
        key("max_version", TLS_VERSION, "the newest version that is spoken"),
        key("client_cert", PATH, "a PEM file with the client's certificate"),
        key("client_key", PATH, "a PEM file with its key"),
        key("alpn", Kind::List(&Kind::Plain("a protocol's name in a string")), "protocols offered (RFC 7301)"),
        key(
            "starttls",
            Kind::Word(&["required", "opportunistic", "never"]),
            "for the implied steps; required but for loopback addresses and UNIX sockets",
        ),
    ],
};

const TLS_VERSION: Kind = Kind::Word(&["1.0", "1.1", "1.2", "1.3"]);

pub static AUTH: Keys = Keys {
    table: "[auth]",
    keys: &[
        key("mechanism", Kind::Plain("a mechanism's name in a string"), "the SASL mechanism; the strongest by default"),
        key("user", Kind::Template, "who logs in"),
        key("password", Kind::Template, "the password: always a secret"),
        key("token", Kind::Template, "the token for OAUTHBEARER and XOAUTH2: always a secret"),
        key("authzid", Kind::Template, "on whose behalf"),
        key("initial_response", Kind::Boolean, "false sends AUTH alone and answers the 334; true by default"),
        key("allow_plaintext", Kind::Boolean, "true lets readable credentials go unencrypted; false by default"),
    ],
};

pub static MESSAGE: Keys = Keys {
    table: "[message]",
    keys: &[
        key("from", Kind::Template, "the author's address"),
        key("to", ADDRESSES, "the recipients' addresses"),
        key("cc", ADDRESSES, "the addresses of those who get a copy"),
        key("bcc", ADDRESSES, "the addresses of those whom the headers do not show"),
        key("reply_to", ADDRESSES, "where answers go"),
        key("subject", Kind::Template, "the subject"),
        key("date", Kind::Template, "the Date header; now by default"),
        key("message_id", Kind::Template, "the Message-ID header; made by default"),
        key("headers", Kind::Map(&Kind::Template), "more headers"),
        key("text", CONTENT, "the text"),
        key("html", CONTENT, "the text in HTML"),
        key("attach", ATTACHMENTS, "files to attach"),
        key("eml", PATH, "a file with a message that is ready"),
        key("envelope_from", Kind::Template, "the address in MAIL in place of `from`"),
        key("envelope_to", ADDRESSES, "the addresses in RCPT in place of `to`, `cc` and `bcc`"),
        key("params", Kind::Table(&PARAMS), "ESMTP parameters for MAIL and RCPT"),
        key("pipelining", Kind::Boolean, "false does not use PIPELINING; true by default"),
        key("chunking", Kind::Boolean, "false does not use CHUNKING; true by default"),
        key("prdr", Kind::Boolean, "true asks for PRDR's reply per recipient; false by default"),
        key(
            "on_refused",
            Kind::Word(&["abort", "skip"]),
            "what a refused recipient does: stop the message for all (the default), or go on with the others",
        ),
    ],
};

pub static ATTACHMENT: Keys = Keys {
    table: "an attachment",
    keys: &[
        key("file", PATH, "the file"),
        key("name", Kind::Template, "its name for the recipient"),
        key("type", Kind::Template, "its media type"),
        key("inline", Kind::Template, "its Content-ID, for parts of HTML"),
    ],
};

pub static PARAMS: Keys = Keys {
    table: "\"params\"",
    keys: &[
        key("mail", Kind::Template, "what stands behind MAIL FROM:<…>"),
        key("rcpt", Kind::Template, "what stands behind RCPT TO:<…>"),
    ],
};

pub static ROWS: Keys = Keys {
    table: "[rows]",
    keys: &[
        key("file", PATH, "CSV with a header row, TSV or JSON Lines; - for standard input"),
        key("key", Kind::Plain("a column's name in a string"), "the column that names a row"),
        key("connections", COUNT, "connections in parallel; 1 by default"),
        key("per_connection", COUNT, "rows before a fresh connection"),
        key("in_flight", COUNT, "messages sent and not yet answered, per connection; 1 by default"),
        key("rate", Kind::Plain("a rate such as \"10/s\""), "rows a second"),
    ],
};

pub static RETRY: Keys = Keys {
    table: "[retry]",
    keys: &[
        key("times", COUNT, "how often at most"),
        key("wait", Kind::Duration, "before the first time"),
        key("backoff", Kind::Plain("a number from 1 on"), "by how much the wait grows"),
        key("max_wait", Kind::Duration, "the longest wait"),
    ],
};

/// The keys of a step that say what it does; the others say how.
pub const ACTIONS: [&str; 20] = [
    "send", "raw", "ehlo", "helo", "lhlo", "starttls", "tls", "auth", "login", "message", "body", "pipeline", "steps",
    "quit", "sleep", "close", "connect", "proxy", "xclient", "include",
];

pub static STEP: Keys = Keys {
    table: "a step",
    keys: &[
        key("send", Kind::Template, "a line; CRLF is added"),
        key("raw", Kind::Either(&[Kind::Template, Kind::Table(&RAW)]), "exactly these bytes"),
        key("ehlo", NAME_OR_TRUE, "EHLO, with this name"),
        key("helo", NAME_OR_TRUE, "HELO, with this name"),
        key("lhlo", NAME_OR_TRUE, "LHLO, with this name"),
        key(
            "starttls",
            Kind::Either(&[Kind::True, Kind::Word(&["required", "opportunistic"])]),
            "STARTTLS and the handshake",
        ),
        key("tls", Kind::True, "the handshake alone"),
        key("auth", Kind::Either(&[Kind::True, Kind::Table(&AUTH)]), "the SASL exchange, with [auth] where true"),
        key("login", Kind::True, "all that [message] implies as [[open]]"),
        key(
            "message",
            Kind::Either(&[Kind::True, Kind::Table(&MESSAGE)]),
            "a mail transaction, [message]'s where true",
        ),
        key("body", CONTENT, "content behind a 354, with its final dot"),
        key("pipeline", Kind::Steps, "steps that are sent in one write"),
        key("steps", Kind::Steps, "steps as one"),
        key("quit", Kind::True, "QUIT, then waits for the server to close"),
        key("sleep", Kind::Duration, "nothing, for so long"),
        key("close", Kind::Either(&[Kind::True, Kind::Word(&["reset", "write"])]), "ends the connection"),
        key("connect", Kind::True, "a new connection in place of one that ended"),
        key("proxy", Kind::Table(&PROXY), "a PROXY protocol header"),
        key("xclient", Kind::Table(&XCLIENT), "Postfix's XCLIENT"),
        key("include", Kind::Plain("a path in a string"), "the steps of another file"),
        key("inject_check", Kind::Boolean, "beside `starttls`: false allows bytes in the clear behind its reply"),
        key("dot_stuffing", Kind::Boolean, "beside `body`: false sends lines as they are"),
        key("name", Kind::Template, "shown in results in place of the action"),
        key("expect", Kind::Expect, "the reply that passes"),
        key("assert", Kind::List(&Kind::Expression), "expressions that must be true"),
        key("capture", Kind::Map(&Kind::Regex), "regular expressions over the reply's text that set variables"),
        key("timeout", Kind::Duration, "the deadline for its reply"),
        key("delay", Kind::Duration, "a pause before it"),
        key("if", Kind::Expression, "false skips it"),
        key("repeat", COUNT, "how many times it runs"),
        key("retry", Kind::Table(&STEP_RETRY), "sends it again while the reply matches"),
        key("on_fail", Kind::Word(&["stop", "continue", "quit"]), "what its failure does; stop by default"),
        key("chunk", Kind::Table(&CHUNK), "writes the bytes in pieces"),
        key("always", Kind::Boolean, "true runs it even after a failure"),
        key("with", Kind::Map(&Kind::Value), "variables for this step alone"),
        key("on", Kind::Plain("a connection's name in a string"), "another connection, of this name"),
    ],
};

pub static RAW: Keys = Keys {
    table: "\"raw\"",
    keys: &[
        key("hex", Kind::Plain("hexadecimal digits in a string"), "the bytes in hexadecimal"),
        key("base64", Kind::Plain("base64 in a string"), "the bytes in base64"),
        key("file", PATH, "a file with the bytes"),
    ],
};

pub static CONTENT_FILE: Keys = Keys {
    table: "content",
    keys: &[
        key("file", PATH, "the file with it"),
        key("template", Kind::Boolean, "true renders what the file holds; false by default"),
    ],
};

pub static PROXY: Keys = Keys {
    table: "\"proxy\"",
    keys: &[
        key("version", Kind::Integer { least: 1, most: 2 }, "1 is text, 2 is binary"),
        key("source", Kind::Plain("an address such as \"192.0.2.1:4000\""), "the client's address and port"),
        key("destination", Kind::Plain("an address such as \"192.0.2.2:25\""), "the server's address and port"),
    ],
};

pub static XCLIENT: Keys = Keys {
    table: "\"xclient\"",
    keys: &[
        key("name", Kind::Template, "the client's host name"),
        key("addr", Kind::Template, "the client's address"),
        key("port", PORT, "the client's port"),
        key("proto", Kind::Template, "SMTP or ESMTP"),
        key("helo", Kind::Template, "the client's name in EHLO or HELO"),
        key("login", Kind::Template, "who is logged in"),
        key("destaddr", Kind::Template, "the server's address"),
        key("destport", PORT, "the server's port"),
    ],
};

const PORT: Kind = Kind::Either(&[Kind::Template, Kind::Integer { least: 0, most: 65535 }]);

pub static STEP_RETRY: Keys = Keys {
    table: "\"retry\"",
    keys: &[
        key("times", COUNT, "how often at most"),
        key("wait", Kind::Duration, "before each time; nothing by default"),
        key("on", Kind::Expect, "the replies after which it is sent again; \"4xx\" by default"),
    ],
};

pub static CHUNK: Keys = Keys {
    table: "\"chunk\"",
    keys: &[
        key("size", COUNT, "bytes in a piece"),
        key("every", Kind::Duration, "the pause between pieces; none by default"),
    ],
};

pub static EXPECT: Keys = Keys {
    table: "\"expect\"",
    keys: &[
        key("code", CODES, "the code, or some of them"),
        key("enhanced", Kind::Plain("an enhanced code such as \"2.1.5\" or \"2.x.x\""), "the enhanced code"),
        key("text", Kind::Regex, "a regular expression over the lines joined by \\n"),
        key("lines", COUNT, "how many lines it has"),
    ],
};

const CODE: Kind = Kind::Plain("a code such as 250, \"25x\" or \"2xx\"");
const CODES: Kind = Kind::Either(&[CODE, Kind::List(&CODE)]);

pub static SOURCE: Keys = Keys {
    table: "a source",
    keys: &[
        key("env", Kind::Plain("the name of an environment variable in a string"), "an environment variable"),
        key("file", PATH, "what a file holds, less one final line end"),
        key("template", Kind::Boolean, "beside `file`: true renders what it holds; false by default"),
        key(
            "command",
            Kind::List(&Kind::Plain("an argument in a string")),
            "what a program writes; it runs only with --allow-commands",
        ),
        key("netrc", Kind::Word(&["login", "password", "account"]), "what ~/.netrc has for the session's host"),
        key("prompt", Kind::Plain("the question in a string"), "asks on the terminal"),
        key("csv", PATH, "the rows of a CSV file"),
        key("json", PATH, "what a JSON file holds"),
        key("default", Kind::Plain("a string, a number or a boolean"), "the value where the source has none"),
    ],
};

/// All tables, for documentation and a schema.
pub static TABLES: [&Keys; 18] = [
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

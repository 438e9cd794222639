//! The servers of the cases: rules for the sink, and scripts.

/// Rules that make the sink a mail server with known users.
pub const BEHAVES: &str = r#"
[[on]]
verb = "RCPT"
argument = 'example\.net|192\.0\.2\.1|no-such-user'
reply = "550 5.1.1 not here"
"#;

pub const LMTP: &str = r#"
[[on]]
verb = "EHLO"
reply = "500 5.5.1 LHLO, please"
[[on]]
verb = "RCPT"
argument = 'no-such-user'
reply = "550 5.1.1 not here"
"#;

pub const RELAYS_NOTHING: &str = "[[on]]\nverb = 'RCPT'\nargument = 'smoke-relay'\nreply = '550 5.7.1 no relaying'";

pub const RELAYS_NOTHING_IN_TLS: &str = "[[on]]\nverb = 'MAIL'\nnth = 1\nreply = '530 5.7.0 Must issue a STARTTLS command first'\n[[on]]\nverb = 'RCPT'\nargument = 'smoke-relay'\nreply = '550 5.7.1 no relaying'";

/// Offers neither AUTH nor STARTTLS.
pub const NO_AUTH: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250 localhost\nC: NOOP\nS: 250 ok\nC: AUTH\nS: 502 5.5.1 what?\nC: AUTH\nS: 502 5.5.1 what?\nC: QUIT\nS: 221 bye\n";

/// Refuses a client that sends before the greeting.
pub const REFUSED: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: QUIT\nS: 221 bye\n*: connected\n*: match verb\nC: EHLO\nS: 554 5.5.1 you spoke first\n*: closed by the server\n";

pub const DROPPED: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: QUIT\nS: 221 bye\n*: connected\n*: match verb\nC: EHLO\n*: closed by the server\n";

/// Reads a line feed, a dot and a line feed as the end of the content, and obeys what follows.
pub const SMUGGLED: &str = "*: connected\n*: match any\nS: 220 localhost ESMTP\nC: EHLO\nS: 250 localhost\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go ahead\nC: content\nC: .\nS: 250 queued\nS: 250 sender ok\nS: 250 reset\nC: QUIT\nS: 221 bye\n";

/// The same, with a delay: late replies count too.
pub const SMUGGLED_SLOWLY: &str = "*: connected\n*: match any\nS: 220 localhost ESMTP\nC: EHLO\nS: 250 localhost\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go ahead\nC: content\nC: .\nS: 250 queued\n*: wait 1200ms\nS: 250 sender ok\nS: 250 reset\nC: QUIT\nS: 221 bye\n";

/// Reads the NOOP as the beginning of the handshake, and closes.
pub const TAKEN_FOR_TLS: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go ahead\nC: NOOP\n*: closed by the server\n";

pub const ANSWERED_IN_CLEAR: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go ahead\nC: NOOP\nS: 250 ok\nC: QUIT\nS: 221 bye\n";

pub const INJECTED: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go ahead\nC: NOOP\n*: TLS started\nS: 250 ok\nC: QUIT\nS: 221 bye\n";

pub const INJECTED_SLOWLY: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go ahead\nC: NOOP\n*: TLS started\n*: wait 3s\nS: 250 ok\nC: QUIT\nS: 221 bye\n";

pub const INJECTED_IN_CLEAR: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 STARTTLS\nC: STARTTLS\nC: NOOP\nS: 220 go ahead\nS: 250 ok\nC: QUIT\nS: 221 bye\n";

/// Requires TLS, and then relays for everybody.
pub const RELAYS_IN_TLS: &str =
    "[[on]]\nverb = 'MAIL'\nnth = 1\nreply = '530 5.7.0 Must issue a STARTTLS command first'";

/// Refuses the password, and treats the client as authenticated.
pub const LETS_IN: &str = "[[on]]\nverb = 'AUTH'\nnth = 1\nreply = '535 5.7.8 wrong'\n[[on]]\nverb = 'AUTH'\nnth = 2\nreply = '535 5.7.8 wrong'\n[[on]]\nverb = 'RCPT'\nnth = 1\nreply = '550 5.7.1 no relaying'";

/// Offers AUTH unencrypted, checks the password, and has no TLS.
pub const AUTH_AND_NO_TLS: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 AUTH PLAIN LOGIN\nC: NOOP\nS: 250 ok\nC: AUTH\nS: 535 5.7.8 wrong\nC: AUTH\nS: 538 5.7.11 encrypt\nC: QUIT\nS: 221 bye\n";

pub const AUTH_OFFERED: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 AUTH PLAIN\nC: NOOP\nS: 250 ok\nC: AUTH\nS: 538 5.7.11 encrypt\nC: AUTH\nS: 538 5.7.11 encrypt\nC: QUIT\nS: 221 bye\n";

pub const AUTH_LOOKED_AT: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250 localhost\nC: NOOP\nS: 250 ok\nC: AUTH\nS: 535 5.7.8 wrong\nC: AUTH\nS: 535 5.7.8 wrong\nC: QUIT\nS: 221 bye\n";

/// One reply for two recipients.
pub const ONE_REPLY: &str = "*: connected\n*: match verb\nS: 220 localhost LMTP\nC: EHLO\nS: 500 LHLO, please\nC: LHLO\nS: 250-localhost\nS: 250-PIPELINING\nS: 250 ENHANCEDSTATUSCODES\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 550 who?\nC: DATA\nS: 503 to whom?\nC: RCPT\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nC: content\nC: .\nS: 250 ok\nC: QUIT\nS: 221 bye\n";

/// One reply too many after the pipelined group.
pub const ONE_MORE: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 PIPELINING\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: RSET\nS: 250 ok\nC: RCPT\nS: 503 no\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 501 no\nC: DATA\nS: 503 no\n*: wait 1200ms\nS: 500 what?\nC: QUIT\nS: 221 bye\n";

/// Reads the rest of a long command as another command.
pub const TAIL: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250 localhost\nC: NOOP\nS: 250 ok\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nC: content\nC: .\nS: 250 ok\nC: NOOP\nS: 500 too long\n*: wait 1200ms\nS: 500 what?\nC: QUIT\nS: 221 bye\n";

/// Accepts bytes that are not UTF-8.
pub const ANY_BYTES: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250-8BITMIME\nS: 250 SMTPUTF8\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: RSET\nS: 250 ok\nC: MAIL\nS: 250 ok\nC: QUIT\nS: 221 bye\n";

/// Offers STARTTLS inside TLS.
pub const TWICE: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go ahead\n*: TLS started\nC: EHLO\nS: 250-localhost\nS: 250 STARTTLS\nC: NOOP\nS: 250 ok\nC: QUIT\nS: 221 bye\n";

/// Closes the connection if a command is too long.
pub const CUT_OFF: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250 localhost\nC: NOOP\nS: 250 ok\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nC: content\nC: .\nS: 250 ok\nC: NOOP\n*: closed by the server\n";

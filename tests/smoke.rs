//! Every session of `sessions/smoke/` against a server that behaves, where it passes, and against one that does not, where it
//! fails with status 1. The servers are the embedded ones: a sink with rules, or a script.

use mailrun::net::certificate::ServerCertificate;
use mailrun::serve::{self, Behaviour, Config, Rules, SinkOptions};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What the sink lacks to be a mail server with users.
const BEHAVES: &str = r#"
[[on]]
verb = "RCPT"
argument = 'example\.net|192\.0\.2\.1|no-such-user'
reply = "550 5.1.1 not here"
"#;

/// What it lacks besides to pass all of the suite but `auth-in-clear`.
const SOUND: &str = r#"
[[on]]
verb = "RCPT"
argument = 'smoke-relay'
reply = "550 5.7.1 no relaying"
[[on]]
verb = "RCPT"
nth = 150
reply = "452 4.5.3 too many"
[[on]]
verb = "MAIL"
argument = 'BODY=SMOKE'
reply = "501 5.5.4 no"
[[on]]
verb = "MAIL"
argument = 'SIZE=1073741825'
reply = "552 5.3.4 too large"
[[on]]
verb = "EHLO"
argument = 'early\.smoke'
reply = "550 5.5.1 you spoke first"
close = true
"#;

const LMTP: &str = r#"
[[on]]
verb = "EHLO"
reply = "500 5.5.1 LHLO, please"
[[on]]
verb = "RCPT"
argument = 'no-such-user'
reply = "550 5.1.1 not here"
"#;

enum Answers {
    /// A sink with these rules.
    Rules(&'static str),
    /// A script for each connection.
    Script(&'static str),
}
use Answers::{Rules as R, Script as S};

struct Case {
    session: &'static str,
    server: Answers,
    /// Options behind `mailrun test`.
    options: &'static [&'static str],
    why: &'static str,
}

const fn case(session: &'static str, server: Answers, options: &'static [&'static str], why: &'static str) -> Case {
    Case { session, server, options, why }
}

const USER: &[&str] = &["--var", "user=smoke"];
const GREYLISTING: &[&str] = &["--var", "greylisting=true"];
const NONE: &[&str] = &[];

const GOOD: &[Case] = &[
    case(
        "8bitmime",
        R("[[on]]\nverb = 'MAIL'\nargument = 'BODY=SMOKE'\nreply = '501 5.5.4 no'"),
        NONE,
        "it is offered",
    ),
    case(
        "auth",
        R(
            "[[on]]\nverb = 'AUTH'\nnth = 1\nreply = '535 5.7.8 wrong'\n[[on]]\nverb = 'AUTH'\nnth = 2\nreply = '535 5.7.8 wrong'",
        ),
        USER,
        "two wrong passwords, then the right one; it relays for this client anyway",
    ),
    case(
        "auth",
        R(
            "[[on]]\nverb = 'AUTH'\nnth = 1\nreply = '535 5.7.8 wrong'\n[[on]]\nverb = 'AUTH'\nnth = 2\nreply = '535 5.7.8 wrong'\n[[on]]\nverb = 'RCPT'\nreply = '550 5.7.1 no relaying'",
        ),
        USER,
        "the same, and no stranger is let through",
    ),
    case(
        "auth",
        R(
            "[[on]]\nverb = 'AUTH'\nnth = 1\nreply = '535 5.7.8 wrong'\n[[on]]\nverb = 'AUTH'\nnth = 2\nreply = '535 5.7.8 wrong'\n[[on]]\nverb = 'MAIL'\nreply = '530 5.7.0 log in first'",
        ),
        USER,
        "no stranger comes as far as RCPT",
    ),
    case(
        "auth-in-clear",
        S(
            "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250-STARTTLS\nS: 250 SIZE\nC: NOOP\nS: 250 ok\nC: AUTH\nS: 538 5.7.11 encrypt\nC: AUTH\nS: 538 5.7.11 encrypt\nC: QUIT\nS: 221 bye\n",
        ),
        NONE,
        "AUTH waits for TLS",
    ),
    case("auth-in-clear", S(NO_AUTH), NONE, "there is no AUTH, and no TLS"),
    case("capabilities", R(""), NONE, "all is offered"),
    case("chunking", R(""), NONE, "BDAT is counted"),
    case("dsn", R(""), NONE, "the parameters are understood"),
    case("early-talk", S(REFUSED), NONE, "refused in place of a greeting"),
    case("early-talk", S(DROPPED), NONE, "dropped without a word"),
    case(
        "early-talk",
        R("[[on]]\nverb = 'EHLO'\nreply = '550 5.5.1 you spoke first'\nclose = true"),
        NONE,
        "as postscreen does",
    ),
    case("greeting", R(""), NONE, "one name"),
    case("greylisting", R("[[on]]\nverb = 'RCPT'\nnth = 1\nreply = '450 4.7.1 later'"), GREYLISTING, "later is now"),
    case("greylisting", R(""), NONE, "there is none"),
    case("lmtp", R(LMTP), NONE, "a reply each"),
    case("long-lines", R(""), NONE, "refused as one line"),
    case("open-relay", R(RELAYS_NOTHING), NONE, "every trick is refused"),
    case("open-relay", R(RELAYS_NOTHING_IN_TLS), NONE, "every trick is refused inside TLS, which comes first"),
    case(
        "open-relay",
        R("[[on]]\nverb = 'MAIL'\nreply = '530 5.7.0 log in first'"),
        NONE,
        "nobody comes as far as RCPT",
    ),
    case("pipelining", R(""), NONE, "a reply each, in order"),
    case("postmaster", R(BEHAVES), NONE, "he is there"),
    case("size", R("[[on]]\nverb = 'MAIL'\nargument = 'SIZE=1073741825'\nreply = '552 5.3.4 too large'"), NONE, "kept"),
    case("smtputf8", R(""), NONE, "a local part in Cyrillic"),
    case("smuggling", R(""), NONE, "CRLF . CRLF and nothing else"),
    case("starttls", R(""), NONE, "a fresh certificate"),
    case("starttls-injection", R(""), NONE, "what was said before TLS is forgotten"),
    case("starttls-injection", S(TAKEN_FOR_TLS), NONE, "the command is taken for a broken handshake"),
    case(
        "too-many-bad-commands",
        R("[[on]]\nverb = 'SMOKE'\nnth = 10\nreply = '421 4.7.0 too many errors'\nclose = true"),
        NONE,
        "sent away after ten",
    ),
    case(
        "too-many-recipients",
        R("[[on]]\nverb = 'RCPT'\nnth = 150\nreply = '452 4.5.3 too many'"),
        NONE,
        "150 is a limit",
    ),
    case("unknown-user", R(BEHAVES), NONE, "refused at RCPT"),
    case("vrfy-expn", R(""), NONE, "252 to everybody"),
];

const RELAYS_NOTHING: &str = "[[on]]\nverb = 'RCPT'\nargument = 'smoke-relay'\nreply = '550 5.7.1 no relaying'";
const RELAYS_NOTHING_IN_TLS: &str = "[[on]]\nverb = 'MAIL'\nnth = 1\nreply = '530 5.7.0 Must issue a STARTTLS command first'\n[[on]]\nverb = 'RCPT'\nargument = 'smoke-relay'\nreply = '550 5.7.1 no relaying'";

/// Talks neither AUTH nor STARTTLS.
const NO_AUTH: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250 localhost\nC: NOOP\nS: 250 ok\nC: AUTH\nS: 502 5.5.1 what?\nC: AUTH\nS: 502 5.5.1 what?\nC: QUIT\nS: 221 bye\n";

/// Greets who waits, and sends away who does not.
const REFUSED: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: QUIT\nS: 221 bye\n*: connected\n*: match verb\nC: EHLO\nS: 554 5.5.1 you spoke first\n*: closed by the server\n";
const DROPPED: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: QUIT\nS: 221 bye\n*: connected\n*: match verb\nC: EHLO\n*: closed by the server\n";

/// Takes LF . LF, or whatever came, for the end, and obeys what follows.
const SMUGGLED: &str = "*: connected\n*: match any\nS: 220 localhost ESMTP\nC: EHLO\nS: 250 localhost\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go ahead\nC: content\nC: .\nS: 250 queued\nS: 250 sender ok\nS: 250 reset\nC: QUIT\nS: 221 bye\n";

/// The same, by a server that takes its time: what it says late counts as much.
const SMUGGLED_SLOWLY: &str = "*: connected\n*: match any\nS: 220 localhost ESMTP\nC: EHLO\nS: 250 localhost\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go ahead\nC: content\nC: .\nS: 250 queued\n*: wait 1200ms\nS: 250 sender ok\nS: 250 reset\nC: QUIT\nS: 221 bye\n";

/// Keeps the NOOP, and answers it inside TLS.
const TAKEN_FOR_TLS: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go ahead\nC: NOOP\n*: closed by the server\n";
const ANSWERED_IN_CLEAR: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go ahead\nC: NOOP\nS: 250 ok\nC: QUIT\nS: 221 bye\n";
const INJECTED: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go ahead\nC: NOOP\n*: TLS started\nS: 250 ok\nC: QUIT\nS: 221 bye\n";
const INJECTED_SLOWLY: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go ahead\nC: NOOP\n*: TLS started\n*: wait 3s\nS: 250 ok\nC: QUIT\nS: 221 bye\n";
const INJECTED_IN_CLEAR: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 STARTTLS\nC: STARTTLS\nC: NOOP\nS: 220 go ahead\nS: 250 ok\nC: QUIT\nS: 221 bye\n";

/// Refuses every sender but a plain one from outside, for whom it relays.
const RELAYS_FOR_OUTSIDERS: &str =
    "[[on]]\nverb = 'MAIL'\nargument = '<>|<postmaster|@example\\.net|\\['\nreply = '550 5.7.1 not you'";
/// Wants TLS first, and relays for everybody then.
const RELAYS_IN_TLS: &str = "[[on]]\nverb = 'MAIL'\nnth = 1\nreply = '530 5.7.0 Must issue a STARTTLS command first'";
/// Says no, and takes the client for logged in.
const LETS_IN: &str = "[[on]]\nverb = 'AUTH'\nnth = 1\nreply = '535 5.7.8 wrong'\n[[on]]\nverb = 'AUTH'\nnth = 2\nreply = '535 5.7.8 wrong'\n[[on]]\nverb = 'RCPT'\nnth = 1\nreply = '550 5.7.1 no relaying'";

/// Offers passwords in clear, looks at them, and has no TLS.
const AUTH_AND_NO_TLS: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 AUTH PLAIN LOGIN\nC: NOOP\nS: 250 ok\nC: AUTH\nS: 535 5.7.8 wrong\nC: AUTH\nS: 538 5.7.11 encrypt\nC: QUIT\nS: 221 bye\n";
const AUTH_OFFERED: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 AUTH PLAIN\nC: NOOP\nS: 250 ok\nC: AUTH\nS: 538 5.7.11 encrypt\nC: AUTH\nS: 538 5.7.11 encrypt\nC: QUIT\nS: 221 bye\n";
const AUTH_LOOKED_AT: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250 localhost\nC: NOOP\nS: 250 ok\nC: AUTH\nS: 535 5.7.8 wrong\nC: AUTH\nS: 535 5.7.8 wrong\nC: QUIT\nS: 221 bye\n";

/// One reply for two recipients.
const ONE_REPLY: &str = "*: connected\n*: match verb\nS: 220 localhost LMTP\nC: EHLO\nS: 500 LHLO, please\nC: LHLO\nS: 250-localhost\nS: 250-PIPELINING\nS: 250 ENHANCEDSTATUSCODES\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 550 who?\nC: DATA\nS: 503 to whom?\nC: RCPT\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nC: content\nC: .\nS: 250 ok\nC: QUIT\nS: 221 bye\n";

/// A reply too many behind the pipelined group.
const ONE_MORE: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 PIPELINING\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: RSET\nS: 250 ok\nC: RCPT\nS: 503 no\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 501 no\nC: DATA\nS: 503 no\n*: wait 1200ms\nS: 500 what?\nC: QUIT\nS: 221 bye\n";

/// The rest of a long command is taken for another one.
const TAIL: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250 localhost\nC: NOOP\nS: 250 ok\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nC: content\nC: .\nS: 250 ok\nC: NOOP\nS: 500 too long\n*: wait 1200ms\nS: 500 what?\nC: QUIT\nS: 221 bye\n";

/// Takes bytes for UTF-8 that are not.
const ANY_BYTES: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250-8BITMIME\nS: 250 SMTPUTF8\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: RSET\nS: 250 ok\nC: MAIL\nS: 250 ok\nC: QUIT\nS: 221 bye\n";

/// STARTTLS, inside TLS.
const TWICE: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go ahead\n*: TLS started\nC: EHLO\nS: 250-localhost\nS: 250 STARTTLS\nC: NOOP\nS: 250 ok\nC: QUIT\nS: 221 bye\n";

const BAD: &[Case] = &[
    case(
        "8bitmime",
        R("[[on]]\nverb = 'MAIL'\nargument = 'SMOKE'\nreply = '250 ok'"),
        NONE,
        "a body of any type is taken",
    ),
    case(
        "8bitmime",
        R("[[on]]\nverb = 'MAIL'\nargument = '8BITMIME'\nreply = '555 5.5.4 what?'"),
        NONE,
        "offered, not kept",
    ),
    case("auth", R(""), USER, "any password will do"),
    case("auth", R(LETS_IN), USER, "who is refused is let through"),
    case("auth-in-clear", R(""), NONE, "PLAIN is offered, and taken, in clear"),
    case("auth-in-clear", S(AUTH_AND_NO_TLS), NONE, "the same, and there is no TLS at all"),
    case("auth-in-clear", S(AUTH_OFFERED), NONE, "PLAIN is offered in clear, and refused"),
    case("auth-in-clear", S(AUTH_LOOKED_AT), NONE, "the password is looked at in clear"),
    case("capabilities", R("[[on]]\nverb = 'EHLO'\nreply = '250 localhost'"), NONE, "nothing is offered"),
    case("chunking", R("[[on]]\nverb = 'BDAT'\nreply = '500 5.5.1 what?'"), NONE, "offered, not kept"),
    case(
        "dsn",
        R("[[on]]\nverb = 'RCPT'\nargument = 'NOTIFY=SUCCESS'\nreply = '555 5.5.4 what?'"),
        NONE,
        "offered, not kept",
    ),
    case("chunking", R("[[on]]\nverb = 'DATA'\nreply = '354 go'"), NONE, "DATA goes in between"),
    case("dsn", R("[[on]]\nverb = 'RCPT'\nargument = 'NOTIFY=NEVER,'\nreply = '250 ok'"), NONE, "NEVER and SUCCESS"),
    case("dsn", R("[[on]]\nverb = 'RCPT'\nargument = 'NOTIFY=SMOKE'\nreply = '250 ok'"), NONE, "any word will do"),
    case("dsn", R("[[on]]\nverb = 'MAIL'\nargument = 'RET=SMOKE'\nreply = '250 ok'"), NONE, "the same in RET"),
    case("early-talk", R(""), NONE, "nobody minds"),
    case("greeting", R("[[on]]\nverb = 'EHLO'\nreply = '250 another.example'"), NONE, "two names"),
    case("greeting", R("[[on]]\nverb = 'CONNECT'\nreply = '220 ready'"), NONE, "no name"),
    case(
        "greeting",
        R("[[on]]\nverb = 'CONNECT'\nreply = '220 localhost ESMTP'\ndelay = '1200ms'"),
        &["--var", "within=1"],
        "it takes its time",
    ),
    case("greeting", R("[[on]]\nverb = 'SMOKE'\nreply = '250 ok'"), NONE, "any command will do"),
    case("greylisting", R(""), GREYLISTING, "there is none"),
    case("lmtp", R("[[on]]\nverb = 'EHLO'\nreply = '500 5.5.1 LHLO, please'"), NONE, "everybody is known"),
    case(
        "lmtp",
        R("[[on]]\nverb = 'RCPT'\nargument = 'no-such-user'\nreply = '550 5.1.1 not here'"),
        NONE,
        "EHLO is taken",
    ),
    case("lmtp", S(ONE_REPLY), NONE, "one reply for both recipients"),
    case("long-lines", S(TAIL), NONE, "the rest of a long command is another one"),
    case("long-lines", R("[[on]]\nverb = 'CONTENT'\nreply = '554 5.6.0 too long'"), NONE, "998 octets are refused"),
    case("open-relay", R(""), NONE, "it relays all"),
    case("open-relay", R(RELAYS_FOR_OUTSIDERS), NONE, "it relays for outsiders, and for nobody else"),
    case("open-relay", R(RELAYS_IN_TLS), NONE, "it relays inside TLS"),
    case(
        "open-relay",
        R("[[on]]\nverb = 'MAIL'\nargument = '@'\nreply = '550 no'"),
        NONE,
        "it relays for the null sender",
    ),
    case(
        "open-relay",
        R("[[on]]\nverb = 'RCPT'\nargument = 'relay@'\nreply = '550 5.7.1 no'"),
        NONE,
        "but for the percent hack",
    ),
    case("pipelining", R("[[on]]\nverb = 'RSET'\nreply = '500 5.5.1 what?'"), NONE, "RSET in the middle is lost"),
    case("pipelining", S(ONE_MORE), NONE, "a reply too many, and late"),
    case(
        "postmaster",
        R("[[on]]\nverb = 'RCPT'\nargument = '(?i)postmaster'\nreply = '550 5.1.1 who?'"),
        NONE,
        "nobody is there",
    ),
    case(
        "postmaster",
        R("[[on]]\nverb = 'RCPT'\nargument = '<Postmaster>'\nreply = '550 5.1.1 who?'"),
        NONE,
        "not without a domain",
    ),
    case("size", R("[[on]]\nverb = 'MAIL'\nargument = 'SIZE='\nreply = '250 2.1.0 ok'"), NONE, "the limit is a word"),
    case(
        "smtputf8",
        R("[[on]]\nverb = 'MAIL'\nargument = 'SMTPUTF8'\nreply = '555 5.5.4 what?'"),
        NONE,
        "offered, not kept",
    ),
    case("smtputf8", S(ANY_BYTES), NONE, "what is not UTF-8 is taken"),
    case("smuggling", S(SMUGGLED), NONE, "the smuggled mail is obeyed"),
    case("smuggling", S(SMUGGLED_SLOWLY), NONE, "the same, slowly"),
    case("starttls", R(""), &["--var", "min_days=100000"], "the certificate ends too soon"),
    case("starttls", S(TWICE), NONE, "it is offered a second time"),
    case("starttls-injection", S(INJECTED), NONE, "the injected command is obeyed"),
    case("starttls-injection", S(INJECTED_SLOWLY), NONE, "the same, slowly"),
    case("starttls-injection", S(INJECTED_IN_CLEAR), NONE, "the same, before the handshake"),
    case("starttls-injection", S(ANSWERED_IN_CLEAR), NONE, "it goes on in clear behind its 220"),
    case("too-many-bad-commands", R(""), NONE, "patience without end"),
    case("too-many-recipients", R(""), NONE, "no limit"),
    case(
        "too-many-recipients",
        R("[[on]]\nverb = 'RCPT'\nnth = 50\nreply = '552 5.5.3 too many'"),
        NONE,
        "a low limit",
    ),
    case("unknown-user", R(""), NONE, "everybody is known"),
    case(
        "unknown-user",
        R("[[on]]\nverb = 'RCPT'\nreply = '550 5.1.1 who?'\n[[on]]\nverb = 'DATA'\nreply = '354 go'"),
        NONE,
        "refused, and asked for the mail",
    ),
    case(
        "vrfy-expn",
        R("[[on]]\nverb = 'VRFY'\nargument = 'postmaster'\nreply = '250 2.1.5 <postmaster@example.com>'"),
        NONE,
        "told",
    ),
    case(
        "vrfy-expn",
        R("[[on]]\nverb = 'VRFY'\nargument = 'no-such-user'\nreply = '550 5.1.1 who?'"),
        NONE,
        "252 to those who exist alone",
    ),
    case("vrfy-expn", R("[[on]]\nverb = 'EXPN'\nreply = '250 2.1.5 <ann@example.com>'"), NONE, "a list is told"),
];

/// Where trying later may help, and nothing is known of the server yet.
const LATER: &[Case] = &[
    case(
        "early-talk",
        R("[[on]]\nverb = 'CONNECT'\nreply = '421 4.3.2 too busy'\nclose = true"),
        NONE,
        "421 to everybody",
    ),
    case("open-relay", R("[[on]]\nverb = 'CONNECT'\nreply = '421 4.3.2 too busy'\nclose = true"), NONE, "the same"),
];

fn exits(case: &Case, status: i32) -> Result<(), String> {
    let certificate = ServerCertificate::make(&["localhost"]).expect("a certificate can be made");
    let mut config = match case.server {
        R(rules) => {
            let parse = |rules: &str| if rules.is_empty() { Ok(Rules::default()) } else { Rules::parse(rules) };
            let rules = parse(rules).unwrap_or_else(|errors| panic!("{}: {errors:?}", case.session));
            Config::new(Behaviour::Sink(SinkOptions { rules, ..SinkOptions::default() }))
        }
        S(script) => Config::script(script).unwrap_or_else(|errors| panic!("{}: {errors:?}", case.session)),
    };
    config.certificate = Some(certificate.clone());
    let server = serve::start(config).expect("a loopback port is free");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &certificate.ca_pem).expect("the certificate can be written");
    let scheme = if case.session == "lmtp" { "lmtp" } else { "smtp" };
    let port = server.address.rsplit(':').next().expect("an address has a port");
    let output = Command::new(env!("CARGO_BIN_EXE_mailrun"))
        .args(["test", "--server", &format!("{scheme}://localhost:{port}")])
        .arg("--ca")
        .arg(ca)
        .args(case.options)
        .arg(suite().join(format!("{}.toml", case.session)))
        .env("SMTP_PASSWORD", "correct horse")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .expect("mailrun starts");
    server.stop(Duration::from_secs(5));
    let shown = String::from_utf8_lossy(&output.stdout);
    // A session that was skipped has shown nothing.
    let first = if status == 0 { "passed " } else { "FAILED " };
    if output.status.code() == Some(status) && shown.starts_with(first) {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} ({}): {:?} instead of {status}\n{shown}{errors}", case.session, case.why, output.status.code()))
}

fn suite() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/sessions/smoke"))
}

/// Runs all at once: some wait for silence.
fn all_exit(cases: &'static [Case], status: i32) {
    let running: Vec<_> = cases.iter().map(|case| std::thread::spawn(move || exits(case, status))).collect();
    let results = running.into_iter().map(|thread| thread.join().expect("a run does not panic"));
    let wrong: Vec<String> = results.filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_session_passes_where_the_server_behaves() {
    all_exit(GOOD, 0);
}

#[test]
fn each_session_fails_where_the_server_misbehaves() {
    all_exit(BAD, 1);
}

#[test]
fn a_server_that_refuses_the_right_password_fails() {
    const NOBODY: &[Case] =
        &[case("auth", R("[[on]]\nverb = 'AUTH'\nreply = '535 5.7.8 wrong'"), USER, "no password will do")];
    all_exit(NOBODY, 77);
}

/// What a postmaster has on the desk: a server with a certificate that it made itself, on a loopback address.
#[test]
fn only_the_session_about_the_certificate_judges_it_on_a_loopback_address() {
    let rules = format!("{BEHAVES}{SOUND}");
    let rules = Rules::parse(&rules).unwrap_or_else(|errors| panic!("{errors:?}"));
    let server = serve::start(Config::new(Behaviour::Sink(SinkOptions { rules, ..SinkOptions::default() })));
    let server = server.expect("a loopback port is free");
    let output = Command::new(env!("CARGO_BIN_EXE_mailrun"))
        .args(["test", "--jobs", "4", "--server", &format!("smtp://{}", server.address), "--skip-tag", "slow"])
        .arg(suite())
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .expect("mailrun starts");
    server.stop(Duration::from_secs(5));
    let shown = String::from_utf8_lossy(&output.stdout);
    let wrong: BTreeSet<&str> = shown
        .lines()
        .filter(|line| line.starts_with("FAILED") || line.starts_with("ERROR"))
        .filter_map(|line| line.split('/').next_back()?.split(".toml").next())
        .collect();
    // The sink takes passwords in clear.
    assert_eq!(wrong, BTreeSet::from(["auth-in-clear", "starttls"]), "{shown}");
    assert_eq!(output.status.code(), Some(77), "{shown}");
    let passed =
        shown.lines().find(|line| line.starts_with("passed") && line.contains("/dsn.toml")).unwrap_or_default();
    assert!(passed.contains("not verified"), "what was not verified is said: {passed}");
}

#[test]
fn a_server_that_sends_everybody_away_passes_nothing() {
    all_exit(LATER, 75);
}

#[test]
fn every_session_of_the_suite_is_tested_both_ways_and_says_what_it_is_for() {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(suite()).expect("the suite is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        if name.starts_with('_') {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a session can be read");
        let header: Vec<_> = text.lines().take_while(|line| line.starts_with('#')).collect();
        let header = header.join("\n");
        assert!(["RFC ", "CVE-"].iter().any(|word| header.contains(word)), "{name} cites nothing");
        assert!(header.contains(&format!("sessions/smoke/{name}.toml")), "{name} does not say how it is run");
        names.insert(name);
    }
    for cases in [GOOD, BAD] {
        let tested: BTreeSet<_> = cases.iter().map(|case| case.session.to_owned()).collect();
        assert_eq!(names, tested);
    }
}

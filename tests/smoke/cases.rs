//! Which session, against which server, with which options.

use crate::servers::*;

pub enum ServerScript {
    /// A sink with these rules.
    Rules(&'static str),
    /// A script for each connection.
    Script(&'static str),
}
pub use ServerScript::{Rules as SinkWith, Script};

pub struct Case {
    pub session: &'static str,
    pub server: ServerScript,
    /// Options of `mailrun test`.
    pub options: &'static [&'static str],
    pub why: &'static str,
}

pub const fn case(
    session: &'static str,
    server: ServerScript,
    options: &'static [&'static str],
    why: &'static str,
) -> Case {
    Case { session, server, options, why }
}

pub const USER: &[&str] = &["--var", "user=smoke"];
const GREYLISTING: &[&str] = &["--var", "greylisting=true"];
const NONE: &[&str] = &[];

pub const GOOD: &[Case] = &[
    case(
        "8bitmime",
        SinkWith("[[on]]\nverb = 'MAIL'\nargument = 'BODY=SMOKE'\nreply = '501 5.5.4 no'"),
        NONE,
        "it is offered",
    ),
    case(
        "auth",
        SinkWith(
            "[[on]]\nverb = 'AUTH'\nnth = 1\nreply = '535 5.7.8 wrong'\n[[on]]\nverb = 'AUTH'\nnth = 2\nreply = '535 5.7.8 wrong'",
        ),
        USER,
        "two wrong passwords, then the right one; it relays for this client anyway",
    ),
    case(
        "auth",
        SinkWith(
            "[[on]]\nverb = 'AUTH'\nnth = 1\nreply = '535 5.7.8 wrong'\n[[on]]\nverb = 'AUTH'\nnth = 2\nreply = '535 5.7.8 wrong'\n[[on]]\nverb = 'RCPT'\nreply = '550 5.7.1 no relaying'",
        ),
        USER,
        "the same, and no stranger is let through",
    ),
    case(
        "auth",
        SinkWith(
            "[[on]]\nverb = 'AUTH'\nnth = 1\nreply = '535 5.7.8 wrong'\n[[on]]\nverb = 'AUTH'\nnth = 2\nreply = '535 5.7.8 wrong'\n[[on]]\nverb = 'MAIL'\nreply = '530 5.7.0 log in first'",
        ),
        USER,
        "no stranger comes as far as RCPT",
    ),
    case(
        "auth-in-clear",
        Script(
            "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250-STARTTLS\nS: 250 SIZE\nC: NOOP\nS: 250 ok\nC: AUTH\nS: 538 5.7.11 encrypt\nC: AUTH\nS: 538 5.7.11 encrypt\nC: QUIT\nS: 221 bye\n",
        ),
        NONE,
        "AUTH waits for TLS",
    ),
    case("auth-in-clear", Script(NO_AUTH), NONE, "there is no AUTH, and no TLS"),
    case("capabilities", SinkWith(""), NONE, "all is offered"),
    case("chunking", SinkWith(""), NONE, "BDAT is counted"),
    case("dsn", SinkWith(""), NONE, "the parameters are understood"),
    case("early-talk", Script(REFUSED), NONE, "refused in place of a greeting"),
    case("early-talk", Script(DROPPED), NONE, "closed without a reply"),
    case(
        "early-talk",
        SinkWith("[[on]]\nverb = 'EHLO'\nreply = '550 5.5.1 you spoke first'\nclose = true"),
        NONE,
        "as postscreen does",
    ),
    case("greeting", SinkWith(""), NONE, "one name"),
    case(
        "greylisting",
        SinkWith("[[on]]\nverb = 'RCPT'\nnth = 1\nreply = '450 4.7.1 later'"),
        GREYLISTING,
        "the second attempt is accepted",
    ),
    case("greylisting", SinkWith(""), NONE, "there is none"),
    case("lmtp", SinkWith(LMTP), NONE, "a reply each"),
    case("long-lines", SinkWith(""), NONE, "refused as one line"),
    case("long-lines", Script(CUT_OFF), NONE, "the connection ends"),
    case("open-relay", SinkWith(RELAYS_NOTHING), NONE, "every trick is refused"),
    case("open-relay", SinkWith(RELAYS_NOTHING_IN_TLS), NONE, "every trick is refused inside TLS, which comes first"),
    case(
        "open-relay",
        SinkWith("[[on]]\nverb = 'MAIL'\nreply = '530 5.7.0 log in first'"),
        NONE,
        "nobody comes as far as RCPT",
    ),
    case("pipelining", SinkWith(""), NONE, "a reply each, in order"),
    case("postmaster", SinkWith(BEHAVES), NONE, "he is there"),
    case(
        "size",
        SinkWith("[[on]]\nverb = 'MAIL'\nargument = 'SIZE=1073741825'\nreply = '552 5.3.4 too large'"),
        NONE,
        "kept",
    ),
    case("smtputf8", SinkWith(""), NONE, "a local part in Cyrillic"),
    case("smuggling", SinkWith(""), NONE, "CRLF . CRLF and nothing else"),
    case("starttls", SinkWith(""), NONE, "a fresh certificate"),
    case("starttls-injection", SinkWith(""), NONE, "what was sent before TLS is forgotten"),
    case("starttls-injection", Script(TAKEN_FOR_TLS), NONE, "the command is read as a broken handshake"),
    case(
        "too-many-bad-commands",
        SinkWith("[[on]]\nverb = 'SMOKE'\nnth = 10\nreply = '421 4.7.0 too many errors'\nclose = true"),
        NONE,
        "it closes the connection after ten",
    ),
    case(
        "too-many-recipients",
        SinkWith("[[on]]\nverb = 'RCPT'\nnth = 150\nreply = '452 4.5.3 too many'"),
        NONE,
        "150 is a limit",
    ),
    case("unknown-user", SinkWith(BEHAVES), NONE, "refused at RCPT"),
    case("vrfy-expn", SinkWith(""), NONE, "252 to everybody"),
];

/// Refuses every sender but a plain one from outside, for whom it relays.
const RELAYS_FOR_OUTSIDERS: &str =
    "[[on]]\nverb = 'MAIL'\nargument = '<>|<postmaster|@example\\.net|\\['\nreply = '550 5.7.1 not you'";

pub const BAD: &[Case] = &[
    case(
        "8bitmime",
        SinkWith("[[on]]\nverb = 'MAIL'\nargument = 'SMOKE'\nreply = '250 ok'"),
        NONE,
        "a body of any type is accepted",
    ),
    case(
        "8bitmime",
        SinkWith("[[on]]\nverb = 'MAIL'\nargument = '8BITMIME'\nreply = '555 5.5.4 what?'"),
        NONE,
        "offered, not kept",
    ),
    case("auth", SinkWith(""), USER, "any password will do"),
    case("auth", SinkWith(LETS_IN), USER, "a refused client may continue"),
    case("auth-in-clear", SinkWith(""), NONE, "PLAIN is offered and accepted unencrypted"),
    case("auth-in-clear", Script(AUTH_AND_NO_TLS), NONE, "the same, and there is no TLS at all"),
    case("auth-in-clear", Script(AUTH_OFFERED), NONE, "PLAIN is offered unencrypted, and refused"),
    case("auth-in-clear", Script(AUTH_LOOKED_AT), NONE, "the password is checked unencrypted"),
    case("capabilities", SinkWith("[[on]]\nverb = 'EHLO'\nreply = '250 localhost'"), NONE, "nothing is offered"),
    case("chunking", SinkWith("[[on]]\nverb = 'BDAT'\nreply = '500 5.5.1 what?'"), NONE, "offered, not kept"),
    case(
        "dsn",
        SinkWith("[[on]]\nverb = 'RCPT'\nargument = 'NOTIFY=SUCCESS'\nreply = '555 5.5.4 what?'"),
        NONE,
        "offered, not kept",
    ),
    case("chunking", SinkWith("[[on]]\nverb = 'DATA'\nreply = '354 go'"), NONE, "DATA goes in between"),
    case(
        "dsn",
        SinkWith("[[on]]\nverb = 'RCPT'\nargument = 'NOTIFY=NEVER,'\nreply = '250 ok'"),
        NONE,
        "NEVER and SUCCESS",
    ),
    case(
        "dsn",
        SinkWith("[[on]]\nverb = 'RCPT'\nargument = 'NOTIFY=SMOKE'\nreply = '250 ok'"),
        NONE,
        "any word will do",
    ),
    case("dsn", SinkWith("[[on]]\nverb = 'MAIL'\nargument = 'RET=SMOKE'\nreply = '250 ok'"), NONE, "the same in RET"),
    case("early-talk", SinkWith(""), NONE, "early talk is ignored"),
    case("greeting", SinkWith("[[on]]\nverb = 'EHLO'\nreply = '250 another.example'"), NONE, "two names"),
    case("greeting", SinkWith("[[on]]\nverb = 'CONNECT'\nreply = '220 ready'"), NONE, "no name"),
    case(
        "greeting",
        SinkWith("[[on]]\nverb = 'CONNECT'\nreply = '220 localhost ESMTP'\ndelay = '1200ms'"),
        &["--var", "within=1"],
        "it takes its time",
    ),
    case("greeting", SinkWith("[[on]]\nverb = 'SMOKE'\nreply = '250 ok'"), NONE, "any command will do"),
    case("greylisting", SinkWith(""), GREYLISTING, "there is none"),
    case("lmtp", SinkWith("[[on]]\nverb = 'EHLO'\nreply = '500 5.5.1 LHLO, please'"), NONE, "every user is known"),
    case(
        "lmtp",
        SinkWith("[[on]]\nverb = 'RCPT'\nargument = 'no-such-user'\nreply = '550 5.1.1 not here'"),
        NONE,
        "EHLO is taken",
    ),
    case("lmtp", Script(ONE_REPLY), NONE, "one reply for both recipients"),
    case("long-lines", Script(TAIL), NONE, "the rest of a long command is read as another one"),
    case(
        "long-lines",
        SinkWith("[[on]]\nverb = 'CONTENT'\nreply = '554 5.6.0 too long'"),
        NONE,
        "998 octets are refused",
    ),
    case("open-relay", SinkWith(""), NONE, "it relays all"),
    case("open-relay", SinkWith(RELAYS_FOR_OUTSIDERS), NONE, "it relays for outsiders, and for nobody else"),
    case("open-relay", SinkWith(RELAYS_IN_TLS), NONE, "it relays inside TLS"),
    case(
        "open-relay",
        SinkWith("[[on]]\nverb = 'MAIL'\nargument = '@'\nreply = '550 no'"),
        NONE,
        "it relays for the null sender",
    ),
    case(
        "open-relay",
        SinkWith("[[on]]\nverb = 'RCPT'\nargument = 'relay@'\nreply = '550 5.7.1 no'"),
        NONE,
        "but for the percent hack",
    ),
    case(
        "pipelining",
        SinkWith("[[on]]\nverb = 'RSET'\nreply = '500 5.5.1 what?'"),
        NONE,
        "RSET in the middle is lost",
    ),
    case("pipelining", Script(ONE_MORE), NONE, "a reply too many, and late"),
    case(
        "postmaster",
        SinkWith("[[on]]\nverb = 'RCPT'\nargument = '(?i)postmaster'\nreply = '550 5.1.1 who?'"),
        NONE,
        "nobody is there",
    ),
    case(
        "postmaster",
        SinkWith("[[on]]\nverb = 'RCPT'\nargument = '<Postmaster>'\nreply = '550 5.1.1 who?'"),
        NONE,
        "not without a domain",
    ),
    case(
        "size",
        SinkWith("[[on]]\nverb = 'MAIL'\nargument = 'SIZE='\nreply = '250 2.1.0 ok'"),
        NONE,
        "the limit is a word",
    ),
    case(
        "smtputf8",
        SinkWith("[[on]]\nverb = 'MAIL'\nargument = 'SMTPUTF8'\nreply = '555 5.5.4 what?'"),
        NONE,
        "offered, not kept",
    ),
    case("smtputf8", Script(ANY_BYTES), NONE, "an address that is not UTF-8 is accepted"),
    case("smuggling", Script(SMUGGLED), NONE, "the smuggled mail is obeyed"),
    case("smuggling", Script(SMUGGLED_SLOWLY), NONE, "the same, slowly"),
    case("starttls", SinkWith(""), &["--var", "min_days=100000"], "the certificate ends too soon"),
    case("starttls", Script(TWICE), NONE, "STARTTLS is offered a second time"),
    case("starttls-injection", Script(INJECTED), NONE, "the injected command is obeyed"),
    case("starttls-injection", Script(INJECTED_SLOWLY), NONE, "the same, slowly"),
    case("starttls-injection", Script(INJECTED_IN_CLEAR), NONE, "the same, before the handshake"),
    case("starttls-injection", Script(ANSWERED_IN_CLEAR), NONE, "it continues unencrypted after its 220"),
    case("too-many-bad-commands", SinkWith(""), NONE, "it never closes the connection"),
    case("too-many-recipients", SinkWith(""), NONE, "no limit"),
    case(
        "too-many-recipients",
        SinkWith("[[on]]\nverb = 'RCPT'\nnth = 50\nreply = '552 5.5.3 too many'"),
        NONE,
        "a low limit",
    ),
    case("unknown-user", SinkWith(""), NONE, "every user is known"),
    case(
        "unknown-user",
        SinkWith("[[on]]\nverb = 'RCPT'\nreply = '550 5.1.1 who?'\n[[on]]\nverb = 'DATA'\nreply = '354 go'"),
        NONE,
        "refused, and asked for the mail",
    ),
    case(
        "vrfy-expn",
        SinkWith("[[on]]\nverb = 'VRFY'\nargument = 'postmaster'\nreply = '250 2.1.5 <postmaster@example.com>'"),
        NONE,
        "VRFY reveals users",
    ),
    case(
        "vrfy-expn",
        SinkWith("[[on]]\nverb = 'VRFY'\nargument = 'no-such-user'\nreply = '550 5.1.1 who?'"),
        NONE,
        "252 to those who exist alone",
    ),
    case(
        "vrfy-expn",
        SinkWith("[[on]]\nverb = 'EXPN'\nreply = '250 2.1.5 <ann@example.com>'"),
        NONE,
        "EXPN shows a list",
    ),
];

/// Cases in which a later attempt may help, since the server has said nothing about itself.
pub const LATER: &[Case] = &[
    case(
        "early-talk",
        SinkWith("[[on]]\nverb = 'CONNECT'\nreply = '421 4.3.2 too busy'\nclose = true"),
        NONE,
        "421 to everybody",
    ),
    case(
        "open-relay",
        SinkWith("[[on]]\nverb = 'CONNECT'\nreply = '421 4.3.2 too busy'\nclose = true"),
        NONE,
        "the same",
    ),
];

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
        "two wrong passwords, then the right one",
    ),
    case(
        "auth-in-clear",
        S(
            "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250-STARTTLS\nS: 250 SIZE\nC: NOOP\nS: 250 ok\nC: AUTH\nS: 538 5.7.11 encrypt\nC: AUTH\nS: 538 5.7.11 encrypt\nC: QUIT\nS: 221 bye\n",
        ),
        NONE,
        "AUTH waits for TLS",
    ),
    case("capabilities", R(""), NONE, "all is offered"),
    case("chunking", R(""), NONE, "BDAT is counted"),
    case("dsn", R(""), NONE, "the parameters are understood"),
    case(
        "early-talk",
        R("[[on]]\nverb = 'CONNECT'\nreply = '554 5.5.1 you spoke first'\nclose = true"),
        NONE,
        "refused",
    ),
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

/// Takes LF . LF, or whatever came, for the end, and obeys what follows.
const SMUGGLED: &str = "*: connected\n*: match any\nS: 220 localhost ESMTP\nC: EHLO\nS: 250 localhost\nC: MAIL\nS: 250 ok\nC: RCPT\nS: 250 ok\nC: DATA\nS: 354 go ahead\nC: content\nC: .\nS: 250 queued\nS: 250 sender ok\nS: 250 reset\nC: QUIT\nS: 221 bye\n";

/// Keeps the NOOP, and answers it inside TLS.
const TAKEN_FOR_TLS: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go ahead\nC: NOOP\n*: closed by the server\n";
const ANSWERED_IN_CLEAR: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go ahead\nC: NOOP\nS: 250 ok\nC: QUIT\nS: 221 bye\n";
const INJECTED: &str = "*: connected\n*: match verb\nS: 220 localhost ESMTP\nC: EHLO\nS: 250-localhost\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go ahead\nC: NOOP\n*: TLS started\nS: 250 ok\nC: QUIT\nS: 221 bye\n";

const BAD: &[Case] = &[
    case(
        "8bitmime",
        R("[[on]]\nverb = 'MAIL'\nargument = '8BITMIME'\nreply = '555 5.5.4 what?'"),
        NONE,
        "offered, not kept",
    ),
    case("auth", R(""), USER, "any password will do"),
    case("auth-in-clear", R(""), NONE, "PLAIN is offered, and taken, in clear"),
    case("capabilities", R("[[on]]\nverb = 'EHLO'\nreply = '250 localhost'"), NONE, "nothing is offered"),
    case("chunking", R("[[on]]\nverb = 'BDAT'\nreply = '500 5.5.1 what?'"), NONE, "offered, not kept"),
    case(
        "dsn",
        R("[[on]]\nverb = 'RCPT'\nargument = 'NOTIFY=SUCCESS'\nreply = '555 5.5.4 what?'"),
        NONE,
        "offered, not kept",
    ),
    case("early-talk", R(""), NONE, "nobody minds"),
    case("greeting", R("[[on]]\nverb = 'EHLO'\nreply = '250 another.example'"), NONE, "two names"),
    case("greylisting", R(""), GREYLISTING, "there is none"),
    case("lmtp", R("[[on]]\nverb = 'EHLO'\nreply = '500 5.5.1 LHLO, please'"), NONE, "everybody is known"),
    case("long-lines", R("[[on]]\nverb = 'CONTENT'\nreply = '554 5.6.0 too long'"), NONE, "998 octets are refused"),
    case("open-relay", R(""), NONE, "it relays all"),
    case(
        "open-relay",
        R("[[on]]\nverb = 'RCPT'\nargument = 'relay@'\nreply = '550 5.7.1 no'"),
        NONE,
        "but for the percent hack",
    ),
    case("pipelining", R("[[on]]\nverb = 'RSET'\nreply = '500 5.5.1 what?'"), NONE, "RSET in the middle is lost"),
    case(
        "postmaster",
        R("[[on]]\nverb = 'RCPT'\nargument = '(?i)postmaster'\nreply = '550 5.1.1 who?'"),
        NONE,
        "nobody is there",
    ),
    case("size", R("[[on]]\nverb = 'MAIL'\nargument = 'SIZE='\nreply = '250 2.1.0 ok'"), NONE, "the limit is a word"),
    case(
        "smtputf8",
        R("[[on]]\nverb = 'MAIL'\nargument = 'SMTPUTF8'\nreply = '555 5.5.4 what?'"),
        NONE,
        "offered, not kept",
    ),
    case("smuggling", S(SMUGGLED), NONE, "the smuggled mail is obeyed"),
    case("starttls", R(""), &["--var", "min_days=100000"], "the certificate ends too soon"),
    case("starttls-injection", S(INJECTED), NONE, "the injected command is obeyed"),
    case("starttls-injection", S(ANSWERED_IN_CLEAR), NONE, "it goes on in clear behind its 220"),
    case("too-many-bad-commands", R(""), NONE, "patience without end"),
    case("too-many-recipients", R(""), NONE, "no limit"),
    case("unknown-user", R(""), NONE, "everybody is known"),
    case(
        "vrfy-expn",
        R("[[on]]\nverb = 'VRFY'\nargument = 'postmaster'\nreply = '250 2.1.5 <postmaster@example.com>'"),
        NONE,
        "told",
    ),
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

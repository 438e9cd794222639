//! The smoke suite, `sessions/smoke/`, against every server; and the table of it in `docs/smoke.md`. Where a server does
//! not pass, [`DEVIATIONS`] says so and why: a server that changes its mind, for better or worse, breaks the test.

use crate::certificates::{Authority, Certificate, Kind};
use crate::fixture::{Server, mailrun};
use crate::{aiosmtpd, dovecot, exim, postfix, sendmail};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What is expected of a session where it is not "passed".
struct Deviation {
    server: &'static str,
    session: &'static str,
    verdict: &'static str,
    why: &'static str,
}

const fn failed(server: &'static str, session: &'static str, why: &'static str) -> Deviation {
    Deviation { server, session, verdict: "failed", why }
}

const fn skipped(server: &'static str, session: &'static str, why: &'static str) -> Deviation {
    Deviation { server, session, verdict: "skipped", why }
}

/// No verdict: the dialogue itself broke.
const fn broke(server: &'static str, session: &'static str, why: &'static str) -> Deviation {
    Deviation { server, session, verdict: "error", why }
}

/// It passes or fails by chance.
const fn varies(server: &'static str, session: &'static str, why: &'static str) -> Deviation {
    Deviation { server, session, verdict: "varies", why }
}

const DEVIATIONS: &[Deviation] = &[
    failed("Postfix", "early-talk", "postscreen refuses early talkers, and is not on by default"),
    skipped("Postfix", "lmtp", "an SMTP server"),
    failed(
        "Postfix",
        "long-lines",
        "it cuts a command at `line_length_limit` and executes the rest as another command",
    ),
    failed(
        "Postfix",
        "smuggling",
        "3.7 accepts bare line feeds as line ends unless `smtpd_forbid_bare_newline` is set: CVE-2023-51764",
    ),
    failed("Postfix", "vrfy-expn", "VRFY reveals users unless `disable_vrfy_command = yes`"),
    varies(
        "Postfix, hardened",
        "early-talk",
        "`smtpd_forbid_unauth_pipelining` notices early talk only if it arrives before the greeting is sent; postscreen waits for it",
    ),
    skipped("Postfix, hardened", "lmtp", "an SMTP server"),
    failed(
        "Postfix, hardened",
        "long-lines",
        "it cuts a command at `line_length_limit` and executes the rest as another command",
    ),
    failed(
        "Exim",
        "auth-in-clear",
        "this test server offers AUTH to everybody; `auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}` prevents that",
    ),
    failed("Exim", "capabilities", "4.96 has no ENHANCEDSTATUSCODES"),
    failed(
        "Exim",
        "early-talk",
        "it offers PIPECONNECT, which allows early talk; `pipelining_connect_advertise_hosts =` turns it off",
    ),
    skipped("Exim", "lmtp", "an SMTP server"),
    failed(
        "Exim",
        "long-lines",
        "it refuses the first part of a command that is too long, and treats the rest as further commands",
    ),
    failed(
        "Exim",
        "open-relay",
        "the ACL of this test server accepts any local part of its own domain; Debian's ACL refuses `%`, `!` and `@` in it. The mail is not relayed: the local part is the name of a mailbox",
    ),
    failed(
        "Exim",
        "postmaster",
        "the ACL of this test server lacks `accept local_parts = postmaster`, which Debian's has",
    ),
    failed("Exim", "smtputf8", "it accepts an address that is not UTF-8"),
    broke(
        "Exim",
        "too-many-bad-commands",
        "it ends the connection, but its last reply is sent unencrypted, outside TLS",
    ),
    failed("Exim", "too-many-recipients", "`recipients_max` has no limit below 1,100 by default"),
    failed(
        "Dovecot submission",
        "auth-in-clear",
        "it treats a loopback connection as secure, even with `disable_plaintext_auth`",
    ),
    skipped("Dovecot submission", "dsn", "not offered"),
    failed("Dovecot submission", "early-talk", "it does not check for data before the greeting"),
    skipped("Dovecot submission", "lmtp", "an SMTP server"),
    skipped("Dovecot submission", "smtputf8", "not offered"),
    failed(
        "Dovecot submission",
        "smuggling",
        "2.3 accepts bare line feeds as line ends: a server in front of it must refuse or change them",
    ),
    failed("Dovecot submission", "too-many-recipients", "it has no limit by default"),
    failed(
        "Dovecot submission",
        "unknown-user",
        "it does not know recipients, only the server that it relays to, and the relay of this test accepts all",
    ),
    skipped("Dovecot LMTP", "auth", "clients do not log in over LMTP"),
    failed("Dovecot LMTP", "capabilities", "its LMTP has no SIZE"),
    skipped("Dovecot LMTP", "dsn", "not offered"),
    skipped("Dovecot LMTP", "early-talk", "LMTP is not used on the Internet"),
    skipped("Dovecot LMTP", "open-relay", "LMTP is not used on the Internet"),
    failed(
        "Dovecot LMTP",
        "postmaster",
        "this test server has one user; the MTA in front of it has an alias for postmaster",
    ),
    skipped("Dovecot LMTP", "size", "not offered"),
    skipped("Dovecot LMTP", "smtputf8", "not offered"),
    failed(
        "Dovecot LMTP",
        "smuggling",
        "2.3 accepts bare line feeds as line ends: a server in front of it must refuse or change them",
    ),
    failed("Dovecot LMTP", "too-many-recipients", "it has no limit by default"),
    skipped("Sendmail", "chunking", "not offered"),
    failed("Sendmail", "early-talk", "its feature greet_pause refuses early talkers, and is not on by default"),
    skipped("Sendmail", "lmtp", "an SMTP server"),
    failed("Sendmail", "open-relay", "it relays for 127.0.0.1, the address of the test"),
    skipped("Sendmail", "smtputf8", "not offered"),
    failed("Sendmail", "too-many-recipients", "`confMAX_RCPTS_PER_MESSAGE` has no limit by default"),
    failed("Sendmail", "unknown-user", "the local mailer of this test server accepts every user"),
    failed("Sendmail", "vrfy-expn", "VRFY and EXPN answer unless `confPRIVACY_FLAGS` has `goaway`"),
    failed("aiosmtpd", "capabilities", "it has neither PIPELINING nor ENHANCEDSTATUSCODES"),
    skipped("aiosmtpd", "chunking", "not offered"),
    skipped("aiosmtpd", "dsn", "not offered"),
    failed("aiosmtpd", "early-talk", "it does not check for data before the greeting"),
    skipped("aiosmtpd", "lmtp", "an SMTP server"),
    skipped("aiosmtpd", "pipelining", "not offered"),
    failed("aiosmtpd", "smtputf8", "it accepts an address that is not UTF-8"),
    failed("aiosmtpd", "too-many-recipients", "it has no limit by default"),
    failed("aiosmtpd", "unknown-user", "without `handle_RCPT` it accepts every user"),
];

/// A server, and how the suite is run against it.
struct Column {
    name: &'static str,
    url: String,
    variables: Vec<String>,
    _server: Server,
}

fn smtp(name: &'static str, server: Server, variables: &[&str]) -> Column {
    let url = format!("smtp://localhost:{}", server.port);
    let variables = variables.iter().map(|variable| (*variable).to_owned()).collect();
    Column { name, url, variables, _server: server }
}

/// What the beds of Postfix lack for a whole mail server: a postmaster.
const POSTMASTER: &str = "myorigin = test
virtual_alias_maps = inline:{ {postmaster@test=bob@test} }
";

/// The settings that close what Postfix 3.7 leaves open.
const HARDENED: &str = "smtpd_forbid_bare_newline = normalize
disable_vrfy_command = yes
smtpd_forbid_unauth_pipelining = yes
";

#[test]
#[ignore = "needs real servers: make test-servers"]
fn the_smoke_suite_has_the_expected_results_on_every_server() {
    let certificate = Authority::new().issue(Kind::Good);
    let starts: [&dyn Fn() -> Column; 7] = [
        &|| smtp("Postfix", postfix::start(&certificate, POSTMASTER), &["recipient=bob@test", "auth_user=user"]),
        &|| {
            let server = postfix::start(&certificate, &format!("{POSTMASTER}{HARDENED}"));
            smtp("Postfix, hardened", server, &["recipient=bob@test", "auth_user=user"])
        },
        &|| smtp("Exim", exim::start(&certificate), &["recipient=bob@test", "auth_user=user", "unknown=nosuch"]),
        &|| smtp("Dovecot submission", dovecot::start(&certificate), &["recipient=user@test", "user=user@test"]),
        &|| {
            let server = dovecot::start(&certificate);
            let port = server.lmtp.as_ref().expect("Dovecot speaks LMTP").0;
            let mut column = smtp("Dovecot LMTP", server, &["recipient=user@test"]);
            column.url = format!("lmtp://localhost:{port}");
            column
        },
        &|| smtp("Sendmail", sendmail::start(&certificate), &["recipient=bob@test", "auth_user=user@test"]),
        &|| smtp("aiosmtpd", aiosmtpd::start(&certificate), &["recipient=bob@test", "user=user"]),
    ];
    let mut names = Vec::new();
    let mut results = BTreeMap::new();
    for start in starts {
        let column = start();
        for (session, result) in run(&column, &certificate) {
            results.insert((session, column.name), result);
        }
        names.push(column.name);
    }
    let wrong = unexpected(&results);
    assert!(wrong.is_empty(), "not as DEVIATIONS says:\n{}", wrong.join("\n"));
    let page = page(&names, &results);
    std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/smoke.md"), page).expect("the page can be written");
}

/// How a session ended.
struct Outcome {
    verdict: String,
    /// The first failure, or why it was skipped.
    reason: String,
}

type Results = BTreeMap<(String, &'static str), Outcome>;

fn run(column: &Column, certificate: &Certificate) -> Vec<(String, Outcome)> {
    let folder = crate::fixture::folder();
    let report = folder.path().join("report.json");
    let suite = folder.path().join("suite");
    assert_eq!(mailrun(&["new", "suite", suite.to_str().expect("a plain name")]).status, 0, "the suite is written");
    let plain = |path: &std::path::Path| path.to_str().expect("the beds have plain names").to_owned();
    let mut arguments: Vec<String> =
        ["test", "--jobs", "6", "--server", &column.url, "--var", "domain=test"].map(str::to_owned).into();
    arguments.extend(["--ca".into(), plain(&certificate.ca), "--json".into(), plain(&report), plain(&suite)]);
    for variable in &column.variables {
        arguments.extend(["--var".into(), variable.clone()]);
    }
    let output = mailrun(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let text = std::fs::read_to_string(&report)
        .unwrap_or_else(|error| panic!("{}: no report: {error}\n{}", column.name, &output.stderr));
    let report: serde_json::Value = serde_json::from_str(&text).expect("the report is JSON");
    let sessions = report["sessions"].as_array().expect("a report has sessions");
    assert!(sessions.len() > 20, "{}: the suite is larger than {}", column.name, sessions.len());
    sessions.iter().map(outcome).collect()
}

fn outcome(session: &serde_json::Value) -> (String, Outcome) {
    let file = session["file"].as_str().expect("a session has a file");
    let name = file.rsplit('/').next().and_then(|name| name.strip_suffix(".toml")).expect("sessions are TOML files");
    let verdict = session["verdict"].as_str().expect("a session has a verdict").to_owned();
    let failing: Vec<_> =
        session["steps"].as_array().into_iter().flatten().filter(|step| step["failure"].is_object()).collect();
    // The first failure, in its last attempt.
    let same =
        |step: &&&serde_json::Value| step["place"] == failing[0]["place"] && step["title"] == failing[0]["title"];
    let failing = failing.iter().rfind(same);
    let reason = match failing {
        Some(step) => {
            let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let got = match text(&step["failure"]["got"]["text"]) {
                more if more.is_empty() => more,
                more => format!(" {}", more.chars().take(100).collect::<String>()),
            };
            format!("{}: {}{got}", text(&step["title"]), text(&step["failure"]["message"]))
        }
        None => session["reason"].as_str().unwrap_or_default().to_owned(),
    };
    (name.to_owned(), Outcome { verdict, reason })
}

fn deviation(session: &str, server: &str) -> Option<&'static Deviation> {
    DEVIATIONS.iter().find(|deviation| deviation.session == session && deviation.server == server)
}

fn unexpected(results: &Results) -> Vec<String> {
    let differing = results.iter().filter_map(|((session, server), outcome)| {
        let expected = deviation(session, server).map_or("passed", |deviation| deviation.verdict);
        let what = format!("{server} {session}: {}, expected {expected}: {}", outcome.verdict, outcome.reason);
        let varied = expected == "varies" && matches!(outcome.verdict.as_str(), "passed" | "failed");
        (outcome.verdict != expected && !varied).then_some(what)
    });
    let unknown = DEVIATIONS
        .iter()
        .filter(|deviation| !results.contains_key(&(deviation.session.to_owned(), deviation.server)))
        .map(|deviation| format!("{} {}: there is no such result", deviation.server, deviation.session));
    differing.chain(unknown).collect()
}

const HEAD: &str = "# The smoke suite against real servers

This page has the results of [sessions/smoke/](../sessions/smoke) for well-known servers, and explains each failure. `make test-servers` writes it.
The servers run on one machine, most of them as their packages configure them.

A failure is what the suite tells a postmaster about a server and its configuration. It is seldom a bug.

What \"passed\" does not mean:

- `greylisting` also passes if there is none.
- `open-relay` also passes if MAIL is refused already. It uses domains that accept no mail (example.org, example.net); these
  servers do not look them up.
- `auth` does not test whether a refused client may send, if the server relays for this machine without a password (Sendmail).
- Over LMTP on a loopback address only `starttls` and `starttls-injection` use STARTTLS.

";

fn page(names: &[&str], results: &Results) -> String {
    let mut page = format!("{HEAD}| session | {} |\n| --- |{}\n", names.join(" | "), " --- |".repeat(names.len()));
    let sessions: std::collections::BTreeSet<&String> = results.keys().map(|(session, _)| session).collect();
    for session in sessions {
        let cells = names.iter().map(|name| match results[&(session.clone(), *name)].verdict.as_str() {
            _ if deviation(session, name).is_some_and(|deviation| deviation.verdict == "varies") => "varies",
            "failed" | "error" => "**failed**",
            verdict => verdict,
        });
        writeln!(page, "| {session} | {} |", cells.collect::<Vec<_>>().join(" | ")).expect("a string can be written");
    }
    for name in names {
        writeln!(page, "\n## {name}\n").expect("the same");
        for ((session, _), outcome) in results.iter().filter(|((_, server), _)| server == name) {
            let Some(deviation) = deviation(session, name) else { continue };
            let said = match deviation.verdict {
                "skipped" | "varies" => String::new(),
                _ => format!("\n  <br>`{}`", stable(&outcome.reason)),
            };
            writeln!(page, "- **{session}** {}: {}.{said}", deviation.verdict, deviation.why).expect("the same");
        }
    }
    page
}

/// A reason without what differs from run to run: random names, and what would break the page's code.
fn stable(reason: &str) -> String {
    let random = regex::Regex::new(r"(smoke-no-such-user-|smoke-)[A-Za-z]{10,12}\b").expect("it is a regex");
    random.replace_all(reason, "${1}…").replace('`', "'")
}

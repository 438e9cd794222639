//! Every error has its place and its message.

use super::{read, wrong};
use crate::session::Severity;

/// The file without its mark `⟦`, which is the place of the error.
fn case(file: &str) -> (String, String) {
    let at = file.find('⟦').unwrap_or_else(|| panic!("no mark in {file}"));
    let text = file.replace('⟦', "");
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (text, format!("case.toml:{line}:{column}: error: "))
}

fn all(table: &[(&str, &str, &str)]) {
    for (file, words, why) in table {
        let (text, place) = case(file);
        let shown = wrong(&text);
        let found = shown.lines().any(|line| line.starts_with(&place));
        assert!(found && shown.contains(words), "{why}: wanted {place} … {words}\n{text}\n{shown}");
        let errors = shown.lines().filter(|line| line.contains(": error: ")).count();
        assert_eq!(errors, 1, "{why}: one error is reported once\n{text}\n{shown}");
    }
}

/// Adds a valid step to a file with an error elsewhere.
macro_rules! file {
    ($text:literal) => {
        concat!($text, "\n[[step]]\nexpect = 220\n")
    };
}

/// Adds a step to a valid file.
macro_rules! step {
    ($text:literal) => {
        concat!("step = [\n  { expect = 220 },\n  ", $text, ",\n]\n")
    };
}

// They use the macros above.
mod messages;
mod steps;

#[test]
fn syntax() {
    all(&[
        (file!("a = ⟦\n"), "string values must be quoted", "a key without a value"),
        (file!("timeout = \"1s\"\n⟦timeout = \"2s\""), "duplicate key", "a key twice"),
        ("step = [ { expect = 220⟦", "unclosed", "an inline table without an end"),
        (file!("x = ⟦1x"), "must be quoted", "no number"),
    ]);
}

#[test]
fn nesting_has_a_limit_that_is_named() {
    let shown = wrong(&format!("vars = {{ a = {}1{} }}", "[".repeat(200), "]".repeat(200)));
    assert!(shown.contains("more than 80 deep"), "{shown}");
}

#[test]
fn top_level() {
    all(&[
        (file!("⟦colour = 1"), "\"colour\"", "an unknown key"),
        (file!("⟦servr = \"smtp://x\""), "did you mean \"server\"?", "a mistyped key"),
        (file!("⟦client-name = \"x\""), "did you mean \"client_name\"?", "a dash for a low line"),
        (file!("⟦steps = 1"), "did you mean \"step\"?", "plural"),
        (file!("server = ⟦25"), "\"server\" must be a string, not 25", "a wrong type"),
        (file!("server = ⟦\"http://x\""), "unknown scheme", "another protocol"),
        (file!("server = \"smtp://{{ ⟦hst }}\"\n[vars]\nhost = \"x\""), "did you mean \"host\"?", "an undefined name"),
        (file!("timeout = ⟦30"), "a duration such as", "a number for a duration"),
        (file!("timeout = ⟦\"30\""), "the unit is missing", "no unit"),
        (file!("timeout = ⟦\"0s\""), "longer than zero", "no time at all"),
        (file!("connect_timeout = ⟦\"soon\""), "not a duration", "a word"),
        (file!("source = ⟦\"localhost\""), "an IP address", "a name"),
        (file!("tags = ⟦\"smoke\""), "a list", "a string for a list"),
        (file!("tags = [\"smoke\", ⟦1]"), "a list, each", "a number in the list"),
        (file!("requires = [⟦\"\"]"), "empty", "an empty capability"),
        (file!("xfail = ⟦true"), "the reason", "without a reason"),
        (file!("⟦[rows]\nkey = \"x\""), "[rows] needs \"file\"", "rows of nothing"),
        (
            file!("[rows]\nfile = \"x.csv\"\n⟦exclude = { file = \"o.csv\", key = \"k\" }"),
            "needs \"key\" in [rows]",
            "a list without a key to compare",
        ),
        (file!("[rows]\nfile = \"x.csv\"\nledger = ⟦\"l.db\""), "\"ledger\" needs \"key\"", "a ledger without keys"),
        (
            file!("[rows]\nfile = \"x.csv\"\nkey = \"k\"\nexclude = [⟦{ file = \"o.csv\" }]"),
            "\"exclude\" needs \"key\"",
            "a list without its column",
        ),
        (
            file!("[rows]\nfile = \"x.csv\"\nkey = \"k\"\nexclude = ⟦\"o.csv\""),
            "\"exclude\" must be a table",
            "a path alone",
        ),
        (file!("[rows]\nfile = \"x.csv\"\nkey_case = ⟦\"lower\""), "\"exact\"", "key_case"),
        (file!("[rows]\nfile = \"x.csv\"\nrate = ⟦\"fast\""), "is not a rate", "rate"),
        (file!("⟦[retry]\nwait = \"3s\""), "[retry] needs \"times\"", "retry how often"),
        (file!("[retry]\ntimes = 3\nbackoff = ⟦0.5"), "must be a number of at least 1", "backoff"),
        ("⟦server = \"smtp://x\"\n", "no step", "nothing to do"),
        ("⟦", "no step", "an empty file"),
        ("⟦step = []", "no step", "an empty list"),
        ("⟦[step]\nexpect = 220", "write [[step]]", "a table for a list"),
        ("step = ⟦1", "a list of steps", "a number for a list"),
        ("step = [{ expect = 220 }, ⟦\"QUIT\"]", "each a table", "a string for a step"),
    ]);
}

#[test]
fn variables_and_secrets() {
    all(&[
        (step!("{ send = \"N{{ ⟦loop.index }}\", expect = 250 }"), "in a step with \"repeat\"", "outside repeat"),
        (file!("vars = { a = { netrc = ⟦'pasword' } }"), "did you mean \"password\"?", "a field of netrc"),
        (
            step!("{ expect = 220, assert = \"reply.text is ⟦matchin('x')\" }"),
            "did you mean \"matching\"?",
            "nearly a test",
        ),
        (step!("{ send = \"{{ 'a' | ⟦uper }}\", expect = 250 }"), "did you mean \"upper\"?", "nearly a filter"),
        (file!("vars = ⟦1"), "a table of names", "no table"),
        (file!("[vars]\n⟦a-b = 1"), "not a valid name", "a name with a dash"),
        (file!("[vars]\n⟦1a = 1"), "not a valid name", "a digit first"),
        (file!("[vars]\na = ⟦[1]"), "not a list", "a list"),
        (file!("[vars]\na = ⟦2024-01-01"), "not a date", "a date"),
        (file!("[vars]\na = ⟦99999999999999999999"), "64 bits", "a huge number"),
        (file!("[vars]\na = ⟦{}"), "must have one of: env", "an empty source"),
        (file!("[vars]\na = { ⟦enw = \"X\" }"), "did you mean \"env\"?", "a mistyped source"),
        (file!("[vars]\na = { env = \"X\", ⟦file = \"y\" }"), "only one is allowed", "two sources"),
        (file!("[vars]\na = { env = ⟦\"\" }"), "empty", "no variable's name"),
        (file!("[vars]\na = { command = ⟦[] }"), "begins with a program", "no program"),
        (file!("[vars]\na = { command = ⟦\"date\" }"), "a list", "a command line"),
        (
            file!("[vars]\na = { command = [\"date\"], ⟦refresh = \"50m\" }"),
            "only under [secrets]",
            "a variable does not age",
        ),
        (
            file!("[secrets]\na = { env = \"A\", ⟦refresh = \"50m\" }"),
            "only with \"command\"",
            "an environment variable does not change",
        ),
        (
            file!("[secrets]\na = { command = [\"date\"], refresh = ⟦\"0s\" }"),
            "longer than zero",
            "a value that is always too old",
        ),
        (file!("[vars]\na = { netrc = ⟦\"pass\" }"), "\"login\", \"password\" or \"account\"", "an unknown field"),
        (file!("[vars]\na = { env = \"X\", default = ⟦[] }"), "not an empty list", "a list for a default"),
        (file!("[vars]\na = { env = \"X\", ⟦template = true }"), "only with \"file\"", "no file"),
        (file!("[vars]\na = { file = ⟦\"\" }"), "an empty path", "no path"),
        (file!("[vars]\na = { csv = \"x.csv\", ⟦template = true }"), "only with \"file\"", "a template of rows"),
        (file!("[secrets]\na = { ⟦json = \"x\" }"), "one text", "a table as a secret"),
        (
            file!("[vars]\na = { env = \"X\" }\n[secrets]\n⟦a = { env = \"Y\" }"),
            "also defined in [vars]",
            "a name twice",
        ),
        (file!("[vars]\na = \"{{ ⟦b }}\"\nb = \"x\""), "further down", "a variable that is not set yet"),
        (file!("[vars]\na = \"{{ ⟦b \""), "unexpected end", "a template without its end"),
    ]);
}

#[test]
fn tls() {
    all(&[
        (file!("[tls]\n⟦cafile = \"x\""), "in [tls]", "an unknown key"),
        (file!("[tls]\nverify = ⟦\"no\""), "true or false", "a word for a boolean"),
        (
            file!("[tls]\nmin_version = ⟦\"1.4\""),
            "must be \"1.0\", \"1.1\", \"1.2\" or \"1.3\", not \"1.4\"",
            "an unknown version",
        ),
        (file!("[tls]\nsecurity_level = ⟦6"), "from 0 to 5", "no level of OpenSSL"),
        (file!("[tls]\nciphers = ⟦\"\""), "is empty", "no ciphers"),
        (file!("[[step]]\ntls = true\nexpect = ⟦220"), "\"tls\" has no reply", "a reply to a handshake"),
        (
            file!("[[step]]\nsend = 'STARTTLS'\nexpect = ⟦\"handshake-failure\""),
            "only with \"starttls\" and \"tls\"",
            "a command without a handshake",
        ),
        (
            file!("[[step]]\nstarttls = true\nexpect = ⟦[454, \"handshake-failure\"]"),
            "cannot be one of several",
            "two things at once",
        ),
        (file!("[tls]\nstarttls = ⟦\"nevr\""), "did you mean \"never\"?", "nearly a policy"),
        (file!("[tls]\nmin_version = \"1.3\"\nmax_version = ⟦\"1.2\""), "older than", "an empty range"),
        (file!("[tls]\n⟦client_cert = \"x.pem\""), "needs \"client_key\"", "a certificate without its key"),
        (file!("[tls]\n⟦client_key = \"x.pem\""), "needs \"client_cert\"", "a key without its certificate"),
        (file!("[tls]\nsystem_roots = ⟦false"), "no certificate is trusted", "no roots at all"),
        (file!("[tls]\nstarttls = ⟦\"always\""), "\"required\", \"opportunistic\" or \"never\"", "an unknown policy"),
        (file!("[tls]\nalpn = [⟦\"\"]"), "1 to 255", "an empty protocol"),
        (file!("tls = ⟦true"), "a table with ca", "no table"),
    ]);
}

#[test]
fn auth() {
    all(&[
        (file!("[auth]\nmechanism = ⟦\"NTLM\"\nuser = \"u\"\npassword = \"p\""), "NTLM", "not supported on purpose"),
        (file!("[auth]\nmechanism = ⟦\"DIGEST-MD5\""), "DIGEST-MD5", "not supported on purpose"),
        (file!("[auth]\nmechanism = ⟦\"SCRAM-SHA-265\""), "did you mean \"SCRAM-SHA-256\"?", "nearly a mechanism"),
        (file!("[auth]\nmechanism = ⟦\"PLAN\""), "PLAN", "unknown"),
        (file!("⟦[auth]\npassword = \"{{ p }}\"\n[secrets]\np = { env = \"P\" }"), "needs \"user\"", "no user"),
        (file!("⟦[auth]\nuser = \"u\""), "needs \"password\"", "no password"),
        (file!("⟦[auth]\nmechanism = \"OAUTHBEARER\"\nuser = \"u\""), "OAUTHBEARER needs \"token\"", "no token"),
        (file!("[auth]\nuser = \"u\"\n⟦pasword = \"p\""), "did you mean \"password\"?", "mistyped, and so not missing"),
        (step!("{ auth = ⟦true }"), "needs [auth]", "no [auth]"),
        (step!("{ auth = ⟦\"PLAIN\" }"), "must be true or a table", "a string"),
        (step!("{ auth = ⟦{ user = \"u\" } }"), "needs \"password\"", "in a step, too"),
        (
            "[message]\nfrom = \"a@x\"\nto = \"b@x\"\ntext = \"t\"\ndate = ⟦\"yesterday\"",
            "\"date\": \"yesterday\" is not a date",
            "a date is of RFC 5322, or becomes one",
        ),
        (
            file!("[auth]\nuser = \"u\"\npassword = ⟦{ file = \"pw\" }"),
            "help: write `password = { file = … }` under [secrets], and \"{{ password }}\" here",
            "a source in place of a template",
        ),
        (
            step!("{ auth = { user = \"u\", token = ⟦{ command = [\"t\"] } } }"),
            "help: write `token = { command = … }` under [secrets], and \"{{ token }}\" here",
            "in a step, too",
        ),
        (
            file!("[auth]\nuser = ⟦{ env = \"U\" }\npassword = \"{{ p }}\"\n[secrets]\np = { env = \"P\" }"),
            "help: write `user = { env = … }` under [vars] or [secrets]",
            "a user is no secret",
        ),
    ]);
}

#[test]
fn all_errors_are_reported_in_file_order() {
    let shown = wrong(
        "server=\"smtp://x\"\ncolour = 1\n[[step]]\nexpct = 220\n[[step]]\nsend = \"NOOP\"\n[[step]]\nsend = \"{{ x }}\"\nexpect = 250\n",
    );
    let places: Vec<_> = shown.lines().filter_map(|line| line.strip_prefix("case.toml:")).collect();
    let starts: Vec<_> = places.iter().filter_map(|place| place.split(": ").next()).collect();
    assert_eq!(starts, ["2:1", "4:1", "5:1", "8:12"], "{shown}");
}

#[test]
fn missing_keys_are_not_reported_after_a_syntax_error() {
    let shown = wrong("colour = 1\n[[step]]\nexpect = \n[[step]]\nsend = \"x\"\nexpect = 250\n");
    assert!(shown.contains("case.toml:1:1: error: unknown key \"colour\""), "{shown}");
    assert!(shown.contains("case.toml:3:"), "{shown}");
    assert_eq!(shown.matches(": error: ").count(), 2, "{shown}");
}

#[test]
fn captures_of_an_invalid_step_count_as_defined() {
    let shown =
        wrong("step = [{ send = 1, expect = 250, capture = { a = 'x' } }, { send = \"{{ a }}\", expect = 250 }]");
    assert_eq!(shown.matches(": error: ").count(), 1, "{shown}");
}

#[test]
fn literal_secrets_give_a_warning() {
    let session = read("[secrets]\npw = \"hunter2\"\n[auth]\nuser = \"u\"\npassword = \"x\"\n[[step]]\nexpect = 220\n");
    let warnings = session.map_err(|wrong| wrong.render(false)).expect("a warning is no error").warnings;
    assert_eq!(warnings.len(), 2);
    assert!(warnings.iter().all(|warning| warning.severity == Severity::Warning));
    let quoted = warnings.iter().any(|warning| format!("{warning:?}").contains("hunter2"));
    assert!(!quoted, "a warning quotes no secret");
}

#[test]
fn an_error_in_a_secrets_line_shows_no_secret() {
    for file in [
        "secrets = { pw = \"hunter2\", zulu = [] }",
        "secrets = { pw = { env = \"PW\", default = \"hunter2\", zulu = 1 } }",
        "secrets = { pw = 4711471147114711 }\nauth = { user = 1, password = \"hunter2\" }",
        "[[step]]\nauth = { user = 1, password = \"hunter2\" }",
        "[auth]\nuser = \"u\"\ntoken = \"\"\"hunter2\nhunter2\"\"\"\nzulu = 1",
    ] {
        let shown = wrong(&format!("{file}\n[[step]]\nexpect = 220\n"));
        assert!(!shown.contains("hunter2") && !shown.contains("4711"), "{shown}");
    }
}

#[test]
fn too_many_steps_are_an_error() {
    let shown = wrong(&format!("step = [{}]", "{ expect = 220 },".repeat(100_001)));
    assert!(shown.contains("more than 100000 steps"), "{shown}");
}

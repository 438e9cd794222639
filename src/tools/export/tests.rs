//! Sessions as commands: what each format writes, and what it refuses.

use super::variable_names::{SCRIPT_NAMES, is_shell_name, script_variable};
use super::{ExportFormat, export};
use crate::exec::RunOptions;
use crate::session::{SourceError, SourceFile, Sources, load};
use regex::Regex;
use std::collections::BTreeSet;
use std::path::Path;

/// There is one file.
struct Files;

impl Sources for Files {
    fn open(&self, path: &Path) -> Result<SourceFile, SourceError> {
        match path.to_str() {
            Some("mail.eml") => {
                let text = "From: a@example.com\nTo: b@example.com\n\n.dot\n";
                Ok(SourceFile { reader: Box::new(text.as_bytes()), length: text.len() as u64, revision: 0 })
            }
            _ => Err(SourceError::Unreadable(format!("{}: no such file", path.display()))),
        }
    }

    fn env(&self, _: &str) -> Result<Option<String>, SourceError> {
        Ok(None)
    }
}

fn write(text: &str, format: ExportFormat) -> Result<String, String> {
    let text = if text.starts_with("server =") {
        text.to_owned()
    } else {
        format!("server = 'smtp://127.0.0.1:2525'\n{text}")
    };
    let session =
        load("bug.toml", &text, &Files, &[]).map_err(|found| found.render(false)).expect("the session is valid");
    export(session, RunOptions::default(), &Files, format).map_err(|error| error.to_string())
}

/// The commands of a script that it does not have for every session, without comments.
fn commands(text: &str, format: ExportFormat) -> Vec<String> {
    let script = write(text, format).expect("the session can be exported");
    let from = script.find("\n# step 1").expect("there is a step");
    script[from..]
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty() && *line != "END_OF_SCRIPT")
        .map(str::to_owned)
        .collect()
}

const GREETING: &str = "[[step]]\nexpect = 220\n";

#[test]
fn each_step_is_commands_of_the_shell() {
    let table: &[(&str, &[&str], &str)] = &[
        ("send = 'NOOP'\nexpect = 250", &["send 'NOOP\\r\\n'", "reply 300 '250'"], "a command"),
        (
            "send = 'NOOP'\nexpect = ['2xx', 354, 'close']\ntimeout = '1500ms'",
            &["send 'NOOP\\r\\n'", "reply 1.5 '2??' '354' close"],
            "patterns, and a deadline",
        ),
        (
            "send = 'NOOP'\nexpect = { code = 250, enhanced = '2.0.0', text = 'x' }\nassert = ['reply.lines == []']",
            &["send 'NOOP\\r\\n'", "reply 300 '250'"],
            "only codes are checked",
        ),
        ("send = 'NOOP'\nexpect = 'any'", &["send 'NOOP\\r\\n'", "reply 300 '???'"], "any reply"),
        ("raw = \"%s\\\\'\\u0000ä\\n\"", &["send '%%s\\\\\\047\\000\\303\\244\\n'"], "exact bytes"),
        ("raw = \"a\\r\\nb\\r\\n\"", &["send 'a\\r\\n'\\", "'b\\r\\n'"], "a line for each line, in one word"),
        (
            "raw = 'abc'\nchunk = { size = 2, every = '50ms' }",
            &["send 'ab'", "sleep 0.05", "send 'c'"],
            "pieces with pauses",
        ),
        ("sleep = '2s'", &["sleep 2"], "a pause"),
        ("expect = 'silence'", &["silence 1"], "silence"),
        ("expect = 'silence'\ntimeout = '250ms'", &["silence 0.25"], "silence for its own time"),
        ("expect = 'malformed'", &["line 300"], "a line that is not SMTP"),
        ("send = 'QUIT'\nexpect = 'close'", &["send 'QUIT\\r\\n'", "closed 300"], "the end of the connection"),
        (
            "send = 'NOOP {{ loop.index }}'\nexpect = 250\nrepeat = 2",
            &["send 'NOOP 1\\r\\n'", "reply 300 '250'", "send 'NOOP 2\\r\\n'", "reply 300 '250'"],
            "repetitions",
        ),
        ("send = 'NOOP'\nexpect = 250\nif = 'false'", &[], "a step that is skipped"),
        (
            "pipeline = [ { send = 'MAIL FROM:<>', expect = 250 }, { send = 'DATA', expect = [354, 503] } ]",
            &["send 'MAIL FROM:<>\\r\\n'\\", "'DATA\\r\\n'", "reply 300 '250'", "reply 300 '354' '503'"],
            "a group in one write",
        ),
        ("bdat = 'abc'\nlast = true", &["send 'BDAT 3 LAST\\r\\n'\\", "'abc'", "reply 300 '250'"], "BDAT"),
        (
            "steps = [ { send = 'RSET', expect = 250 }, { send = 'NOOP', expect = 251 } ]",
            &["send 'RSET\\r\\n'", "reply 300 '250'", "send 'NOOP\\r\\n'", "reply 300 '251'"],
            "a group",
        ),
        (
            "close = true\n[[step]]\nconnect = true\n[[step]]\nexpect = 220",
            &[
                "exec 3>&-",
                "to=4 from=4",
                "exec 4<>\"/dev/tcp/$host/$port\" || stop 'cannot connect'",
                "reply 300 '220'",
            ],
            "another connection",
        ),
        (
            "expect = 220\non = 'b'\nserver = 'smtp://[::1]:26'",
            &["to=4 from=4", "exec 4<>/dev/tcp/::1/26 || stop 'cannot connect'", "reply 300 '220'"],
            "a connection to another server",
        ),
    ];
    for (step, expected, why) in table {
        let found = commands(&format!("{GREETING}[[step]]\n{step}\n"), ExportFormat::Sh);
        let own: Vec<&str> = found.iter().map(String::as_str).skip(3).take(expected.len()).collect();
        assert_eq!(own, *expected, "{why}: {found:?}");
        assert!(
            found[3 + expected.len()..].iter().all(|line| line.ends_with(">&-") || line.starts_with("to=")),
            "{why}: {found:?}"
        );
    }
}

#[test]
fn content_and_a_login_are_those_of_a_server_without_extensions() {
    let text = "client_name = 'c.example'\n[message]\nfrom = 'a@example.com'\nto = 'b@example.com'\neml = 'mail.eml'\n";
    let found = commands(text, ExportFormat::Sh);
    let sent: Vec<&String> = found.iter().filter(|line| !line.starts_with("reply")).collect();
    assert_eq!(
        sent[2..],
        [
            "send 'EHLO c.example\\r\\n'",
            "lacks STARTTLS",
            "send 'MAIL FROM:<a@example.com>\\r\\n'",
            "send 'RCPT TO:<b@example.com>\\r\\n'",
            "send 'DATA\\r\\n'",
            "send 'From: a@example.com\\r\\n'\\",
            "'To: b@example.com\\r\\n'\\",
            "'\\r\\n'\\",
            "'..dot\\r\\n'\\",
            "'.\\r\\n'",
            "send 'QUIT\\r\\n'",
            "exec 3>&-"
        ]
    );
}

#[test]
fn secrets_are_environment_variables() {
    let auth = "client_name = 'c.example'\n[secrets]\npw = { env = 'SMTP_PASSWORD' }\n[auth]\nuser = 'ann'\npassword = '{{ pw }}'\nallow_plaintext = true\n";
    let login = "[[open]]\nlogin = true\n[[step]]\nsend = 'NOOP'\nexpect = 250\n";
    let table = [
        ("", "send 'AUTH PLAIN %s\\r\\n' \"$(printf -- '\\000ann\\000%s' \"$SMTP_PASSWORD\" | base64 | tr -d '\\n')\""),
        ("mechanism = 'LOGIN'\n", "send '%s\\r\\n' \"$(printf -- '%s' \"$SMTP_PASSWORD\" | base64 | tr -d '\\n')\""),
    ];
    for (mechanism, expected) in table {
        let found = commands(&format!("{auth}{mechanism}{login}"), ExportFormat::Sh);
        assert!(found.iter().any(|line| line == expected), "{found:#?}");
    }
    let literal = "[auth]\nuser = 'ann'\npassword = 'hunter2-Zaphod'\nallow_plaintext = true\n";
    for format in [ExportFormat::Sh, ExportFormat::Swaks] {
        let message = "[message]\nfrom = 'a@example.com'\nto = 'b@example.com'\ntext = 'x'\n";
        let script = write(&format!("{literal}{message}"), format).expect("it can be exported");
        assert!(script.contains(": \"${PASSWORD:?") && script.contains("\"$PASSWORD\""), "{script}");
        assert!(!script.contains("Zaphod"), "{script}");
    }
}

#[test]
fn a_name_of_an_environment_variable_runs_no_command() {
    let message = "[message]\nfrom = 'a@example.com'\nto = 'b@example.com'\ntext = 'x'\n";
    for format in [ExportFormat::Sh, ExportFormat::Swaks] {
        for (variable, expected) in [("A:-$(touch HACKED; echo x)", "PW"), ("host", "SECRET_host")] {
            let auth = "[auth]\nuser = 'ann'\npassword = '{{ pw }}'\nallow_plaintext = true\n";
            let session = format!("{auth}[secrets]\npw = {{ env = '{variable}' }}\n{message}");
            let script = write(&session, format).expect("it can be exported");
            assert!(script.contains(&format!(": \"${{{expected}:?")), "{script}");
            assert!(script.contains(&format!("\"${expected}\"")), "{script}");
            assert!(!script.contains("HACKED"), "{script}");
        }
    }
}

/// The variables that a script gives values to: by assignments before a command or alone, `local`, `read` and `for`.
fn assigned_names(script: &str) -> BTreeSet<String> {
    let commands: String = script.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]).collect();
    let found = |form: &str| -> Vec<String> {
        let form = Regex::new(form).expect("a regular expression");
        form.captures_iter(&commands).filter_map(|found| Some(found.get(1)?.as_str().to_owned())).collect()
    };
    let assignments = found(r"(?m)(?:^|[;{()])\s*((?:[A-Za-z_]\w*=\S*\s)+)");
    let locals = found(r"(?m)\blocal ([^;\n]*)");
    let read = found(r#"\bread [^;|]*"\$from" (\w+)"#);
    let each = found(r"\bfor (\w+)");
    let words = [assignments, locals, read, each].concat().join(" ");
    let names = words.split_whitespace().map(|word| word.split('=').next().unwrap_or_default());
    names.filter(|name| is_shell_name(name)).map(str::to_owned).collect()
}

#[test]
fn secrets_share_no_name_with_a_variable_of_the_scripts() {
    let starttls = "[[step]]\nexpect = 220\n[[step]]\nehlo = 'c.example'\n[[step]]\nstarttls = true\n";
    let mut found = assigned_names(&write(GREETING, ExportFormat::Sh).expect("it can be exported"));
    found.append(&mut assigned_names(&write(starttls, ExportFormat::Openssl).expect("it can be exported")));
    // Variables of shells are taken in any case.
    found.retain(|name| name.chars().any(|c| c.is_ascii_lowercase()) || script_variable(name) == *name);
    assert_eq!(found, SCRIPT_NAMES.map(str::to_owned).into(), "the variables of the scripts are SCRIPT_NAMES");
}

#[test]
fn openssl_says_what_comes_before_tls() {
    let starttls = "server = 'smtp://mx.example.com:587'\n[[step]]\nexpect = 220\n[[step]]\nehlo = 'c.example'\n[[step]]\nstarttls = true\n[[step]]\nsend = 'QUIT'\nexpect = 221\n";
    let connect = "connect -connect \"$host:$port\" -starttls smtp -name c.example -servername mx.example.com -verify_return_error -verify_hostname mx.example.com -min_protocol TLSv1.2";
    let end = ["send 'QUIT\\r\\n'", "reply 300 '221'", "disconnect"];
    assert_eq!(commands(starttls, ExportFormat::Openssl), [&[connect][..], &end].concat());
    let first = "server = 'smtps://127.0.0.1'\n[tls]\nmin_version = '1.3'\nalpn = ['smtp']\nverify = false\n[[step]]\nexpect = 220\n[[step]]\nsend = 'QUIT'\nexpect = 221\n";
    let connect = "connect -connect \"$host:$port\" -noservername -min_protocol TLSv1.3 -alpn smtp";
    assert_eq!(commands(first, ExportFormat::Openssl), [&[connect, "reply 300 '220'"][..], &end].concat());
}

#[test]
fn swaks_gets_options() {
    let hello = "[[step]]\nexpect = 220\n[[step]]\nehlo = 'c.example'\n";
    let mail = "[[step]]\nsend = 'MAIL FROM:<a@example.com>'\nexpect = 250\n";
    let rcpt = "[[step]]\nsend = 'RCPT TO:<b@example.com>'\nexpect = 550\n";
    let quit = "[[step]]\nquit = true\n";
    let server = "swaks --server 127.0.0.1 --port 2525";
    let table = [
        (format!("{hello}{quit}"), vec![server, "--ehlo c.example", "--quit-after FIRST-HELO"], "the connection alone"),
        (
            format!("{hello}{mail}{rcpt}{quit}"),
            vec![server, "--ehlo c.example", "--from a@example.com", "--to b@example.com", "--quit-after RCPT"],
            "a refused recipient",
        ),
        (
            format!("{hello}[[step]]\nstarttls = true\n[[step]]\nehlo = 'c.example'\n{quit}"),
            vec![server, "--ehlo c.example", "--tls", "--quit-after HELO"],
            "STARTTLS",
        ),
        (
            format!(
                "{hello}[[step]]\nauth = {{ user = 'ann', password = 'x-secret-x', mechanism = 'LOGIN', allow_plaintext = true }}\n{quit}"
            ),
            vec![
                server,
                "--ehlo c.example",
                "--auth LOGIN --auth-user ann --auth-password \"$PASSWORD\"",
                "--quit-after AUTH",
            ],
            "AUTH",
        ),
        (
            format!(
                "{hello}{}[[step]]\nsend = 'RCPT TO:<b@example.com>'\nexpect = '25x'\n[[step]]\nsend = 'DATA'\nexpect = 354\n[[step]]\nbody = '.x'\nexpect = 250\n{quit}",
                mail.replace("a@example.com", "")
            ),
            vec![server, "--ehlo c.example", "--from '<>'", "--to b@example.com", "--no-data-fixup --data -"],
            "content, and the empty sender",
        ),
    ];
    for (text, expected, why) in table {
        let script = write(&text, ExportFormat::Swaks).expect(why);
        let options: Vec<&str> = script
            .lines()
            .skip_while(|line| !line.starts_with("swaks "))
            .map(|line| line.trim().trim_end_matches(" \\"))
            .collect();
        assert_eq!(options, expected, "{why}\n{script}");
    }
}

#[test]
fn what_a_format_cannot_express_is_named_with_its_place() {
    let hello = "[[step]]\nexpect = 220\n[[step]]\nehlo = 'c.example'\n";
    let table = [
        (
            ExportFormat::Sh,
            "[[step]]\nclose = 'reset'\n",
            "bug.toml:6:1: step 3 (close) cannot be exported as sh: bash cannot reset",
        ),
        (
            ExportFormat::Sh,
            "[[step]]\nclose = 'write'\n",
            "bug.toml:6:1: step 3 (close) cannot be exported as sh: bash cannot close one half",
        ),
        (
            ExportFormat::Sh,
            "[[step]]\nstarttls = true\n",
            "bug.toml:6:1: step 3 (STARTTLS) cannot be exported as sh: it needs TLS",
        ),
        (
            ExportFormat::Openssl,
            "[[step]]\nsend = 'NOOP'\nexpect = 250\n",
            "bug.toml:2:1: step 1 (wait for a reply) cannot be exported as openssl: it does not use TLS",
        ),
        (
            ExportFormat::Openssl,
            "[[step]]\nsend = 'NOOP'\nexpect = 250\n[[step]]\nstarttls = true\n",
            "bug.toml:9:1: step 4 (STARTTLS) cannot be exported as openssl: before TLS, openssl s_client says",
        ),
        (
            ExportFormat::Openssl,
            "[[step]]\nstarttls = true\n[[step]]\nclose = 'tls'\n",
            "bug.toml:8:1: step 4 (end of TLS) cannot be exported as openssl: openssl s_client cannot go on",
        ),
        (
            ExportFormat::Swaks,
            "[[step]]\nsend = 'NOOP'\nexpect = 250\n",
            "bug.toml:6:1: step 3 (NOOP) cannot be exported as swaks: it sends \"NOOP\" where swaks has MAIL FROM",
        ),
        (
            ExportFormat::Swaks,
            "[[step]]\nsend = 'MAIL FROM:<>'\nexpect = 250\n[[step]]\nsend = 'RCPT TO:<b@example.com>'\nexpect = 250\n\
             [[step]]\nsend = 'DATA'\nexpect = 354\n[[step]]\nbody = ''\nexpect = 250\n",
            "bug.toml:15:1: step 6 (content) cannot be exported as swaks: swaks sends a message of its own in place of empty",
        ),
        (
            ExportFormat::Swaks,
            "[[step]]\nsend = 'MAIL FROM:<-a@example.com>'\nexpect = 250\n",
            "bug.toml:6:1: step 3 (MAIL FROM:<-a@example.com>) cannot be exported as swaks: swaks takes a value that begins",
        ),
        (
            ExportFormat::Swaks,
            "[[step]]\nsend = 'EHLO '\nexpect = 250\n",
            "bug.toml:6:1: step 3 (EHLO ) cannot be exported as swaks: it sends",
        ),
        (
            ExportFormat::Swaks,
            "[[step]]\nsleep = '1s'\n",
            "bug.toml:6:1: step 3 (sleep 1s) cannot be exported as swaks: it pauses",
        ),
        (
            ExportFormat::Swaks,
            "[[step]]\nsend = 'MAIL FROM:<> SIZE=1'\nexpect = 250\n",
            "bug.toml:6:1: step 3 (MAIL FROM:<> SIZE=1) cannot be exported as swaks: it sends",
        ),
        (
            ExportFormat::Swaks,
            "[[step]]\npipeline = [{ send = 'MAIL FROM:<>', expect = 250 }, { send = 'RSET', expect = 250 }]\n",
            "bug.toml:6:1: step 3 (pipeline of 2) cannot be exported as swaks: it sends several lines in one write",
        ),
        (
            ExportFormat::Sh,
            "[[step]]\nsend = 'NOOP {{ reply.text }}'\nexpect = 250\n",
            "bug.toml:7:17: \"reply\" is what the server says",
        ),
        (
            ExportFormat::Sh,
            "[[step]]\nsend = 'NOOP'\nexpect = 250\ncapture = { id = '.' }\n[[step]]\nsend = 'NOOP {{ id }}'\nexpect = 250\n",
            "bug.toml:11:17: \"id\" is what the server says",
        ),
        (
            ExportFormat::Sh,
            "[[step]]\nsend = 'NOOP'\nexpect = 250\nif = \"'SIZE' in ehlo.capabilities\"\n",
            "bug.toml:9:17: \"ehlo\" is what the server says",
        ),
        (
            ExportFormat::Sh,
            "[[step]]\nauth = { user = 'a', password = 'x-secret-x', mechanism = 'CRAM-MD5' }\n",
            "bug.toml:6:1: step 3 (AUTH) cannot be exported: its answer depends on a challenge",
        ),
        (ExportFormat::Sh, "[[step]]\nraw = { file = 'none.bin' }\n", "bug.toml:7:"),
        (
            ExportFormat::Sh,
            "[[step]]\nsend = 'NOOP {{ pw | upper }}'\nexpect = 250\n[secrets]\npw = { env = 'PW' }\n",
            "bug.toml:6:1: step 3 (NOOP",
        ),
        (
            ExportFormat::Sh,
            "[[step]]\nbdat = '{{ pw }}'\n[secrets]\npw = { env = 'PW' }\n",
            "bug.toml:6:1: step 3 (BDAT",
        ),
    ];
    let mut wrong = Vec::new();
    for (format, steps, expected) in table {
        let error = write(&format!("{hello}{steps}"), format).expect_err(expected);
        if !error.starts_with(expected) {
            wrong.push(format!("{error}\nis not\n{expected}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    let rows = "[rows]\nfile = 'p.csv'\n[[step]]\nexpect = 220\n";
    assert_eq!(write(rows, ExportFormat::Sh), Err("bug.toml:2:1: a session with [rows] cannot be exported".to_owned()));
}

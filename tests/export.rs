//! `mailrun export`: the commands that it prints send what a run sends.

mod support;

use support::{Folder, PROGRAM};

const SESSION: &str = r#"
server = "smtp://127.0.0.1:2525"

[secrets]
password = { env = "SMTP_PASSWORD" }

[[step]]
expect = 220

[[step]]
ehlo = "client.example"

[[step]]
send = "AUTH PLAIN {{ ('\u0000ann\u0000' ~ password) | b64encode }}"
expect = 235

[[step]]
pipeline = [
  { send = "MAIL FROM:<a@example.com>", expect = 250 },
  { send = "RCPT TO:<b@example.com>", expect = "25x" },
  { send = "DATA", expect = 354 },
]

[[step]]
raw = { hex = "@BYTES@0d0a2e0d0a" }
expect = 250

[[step]]
raw = "NOOP\r\nNOOP\r\n"
chunk = { size = 5, every = "20ms" }

[[step]]
expect = 250

[[step]]
expect = "any"

[[step]]
expect = "silence"
timeout = "100ms"

[[step]]
quit = true
"#;

const SCRIPT: &str = "S: 220 x\nC: EHLO x\nS: 250-x\nS: 250 AUTH PLAIN\nC: AUTH PLAIN x\nS: 235 ok\nC: MAIL FROM:<a@example.com>\n\
                      C: RCPT TO:<b@example.com>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: x\nC: .\nS: 250 ok\nC: NOOP\nC: NOOP\n\
                      S: 250 ok\nS: 250 ok\nC: QUIT\nS: 221 bye\n";

/// The bytes of both sides as the server saw them while a command of the shell ran. `$PORT` is the server's.
fn served(folder: &Folder, options: &[&str], script: &str, command: &str) -> String {
    let command = format!("PORT=${{MAILRUN_SERVER##*:}}; {command}");
    let served = folder
        .mailrun(["serve", "--match", "any", "--hex", "--transcript", "server.log"])
        .args(options)
        .args([script, "--", "sh", "-c", &command])
        .env("SMTP_PASSWORD", "hunter2-%d'\\")
        .env("MAILRUN", PROGRAM)
        .run();
    assert_eq!(served.status, 0, "{command}: {}{}", served.stdout, served.stderr);
    // The client's port, and who was first to close, differ from run to run.
    let lines = folder.read("server.log");
    let lines = lines.lines().filter(|line| !line.starts_with("*: c") && !line.starts_with("*: TLS"));
    lines.fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn a_script_sends_every_byte_that_a_run_sends() {
    // A dot and a line feed would end the content.
    let bytes: String = (0..=255).filter(|byte| !b".\n".contains(byte)).map(|byte: u8| format!("{byte:02x}")).collect();
    let folder = Folder::new().with("bug.toml", SESSION.replace("@BYTES@", &bytes)).with("server.txt", SCRIPT);
    let exported = folder.mailrun(["export", "bug.toml", "--as", "sh"]).run();
    assert_eq!(exported.status, 0, "{}", exported.stderr);
    folder.write("bug.sh", &exported.stdout);
    let ran = served(&folder, &[], "server.txt", "\"$MAILRUN\" run bug.toml >run.log");
    assert!(ran.contains("NOOP") && ran.contains("fe ff 0d 0a"), "{ran}");
    assert_eq!(served(&folder, &[], "server.txt", "sh bug.sh 127.0.0.1 $PORT >/dev/null"), ran);
    assert_eq!(served(&folder, &[], "server.txt", "sh -s 127.0.0.1 $PORT <bug.sh >/dev/null"), ran, "from a pipe");
    assert_eq!(served(&folder, &[], "server.txt", "bash bug.sh 127.0.0.1 $PORT >/dev/null"), ran);
}

#[test]
fn a_script_fails_where_the_session_fails() {
    let session = "server = 'smtp://127.0.0.1'\n[[step]]\nexpect = 220\n[[step]]\nsend = 'NOOP'\nexpect = 250\n[[step]]\nquit = true\n";
    let folder = Folder::new().with("s.toml", session);
    let exported = folder.mailrun(["export", "s.toml", "--as", "sh"]).run();
    folder.write("s.sh", &exported.stdout);
    for (reply, expected) in
        [("S: 550 no", "expected 250, got 550 no"), ("*: closed by the server", "the connection ended, expected 250")]
    {
        folder.write("server.txt", format!("S: 220 x\nC: NOOP\n{reply}\n"));
        let status = "sh s.sh 127.0.0.1 $PORT 2>why.txt >/dev/null; test $? = 1";
        served(&folder, &[], "server.txt", status);
        assert_eq!(folder.read("why.txt"), format!("{expected}\n"));
    }
    let exported = folder.mailrun(["export", "s.toml", "--as", "sh", "--server", "smtp://127.0.0.1:1"]).run();
    assert!(exported.stdout.contains("port=${2:-1}"), "{}", exported.stdout);
}

#[test]
fn a_script_of_openssl_speaks_tls_as_a_run_does() {
    let starttls = "S: 220 x\nC: EHLO client.example\nS: 250-x\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n*: TLS started\n\
                    C: EHLO client.example\nS: 250 x\nC: RSET\nC: QUIT\nS: 250 ok\nS: 221 bye\n";
    // R and Q at the beginning of a line are commands of s_client.
    let steps = "[[step]]\npipeline = [{ send = 'RSET', expect = 250 }, { send = 'QUIT', expect = 221 }]\n";
    let tls = "[tls]\nverify = false\n[[step]]\nexpect = 220\n[[step]]\nehlo = 'client.example'\n";
    let session = format!(
        "server = 'smtp://localhost'\n{tls}[[step]]\nstarttls = true\n[[step]]\nehlo = 'client.example'\n{steps}"
    );
    let folder = Folder::new().with("s.toml", &session).with("server.txt", starttls);
    let exported = folder.mailrun(["export", "s.toml", "--as", "openssl"]).run();
    assert_eq!(exported.status, 0, "{}", exported.stderr);
    folder.write("s.sh", &exported.stdout);
    let ran = served(&folder, &[], "server.txt", "\"$MAILRUN\" run s.toml >run.log 2>&1");
    assert_eq!(served(&folder, &[], "server.txt", "sh s.sh localhost $PORT >/dev/null"), ran);

    let first = "S: 220 x\nC: EHLO client.example\nS: 250 x\nC: RSET\nC: QUIT\nS: 250 ok\nS: 221 bye\n";
    let folder =
        Folder::new().with("s.toml", format!("server = 'smtps://localhost'\n{tls}{steps}")).with("server.txt", first);
    let exported = folder.mailrun(["export", "s.toml", "--as", "openssl"]).run();
    assert_eq!(exported.status, 0, "{}", exported.stderr);
    folder.write("s.sh", &exported.stdout);
    let ran = served(
        &folder,
        &["--tls"],
        "server.txt",
        "\"$MAILRUN\" run s.toml --server smtps://localhost:$PORT >run.log 2>&1",
    );
    assert_eq!(served(&folder, &["--tls"], "server.txt", "sh s.sh localhost $PORT >/dev/null"), ran);
}

#[test]
fn a_step_that_cannot_be_expressed_has_status_65_and_help() {
    let folder = Folder::new()
        .with("s.toml", "server = 'smtp://127.0.0.1'\n[[step]]\nexpect = 220\n[[step]]\nclose = 'reset'\n");
    let ran = folder.mailrun(["export", "s.toml", "--as", "sh"]).run();
    assert_eq!((ran.status, ran.stdout.as_str()), (65, ""), "{}", ran.stderr);
    assert!(ran.stderr.starts_with("mailrun: s.toml:4:1: step 2 ("), "{}", ran.stderr);
    assert!(ran.stderr.contains("\nhelp: end it with `close = true`\n"), "{}", ran.stderr);
    assert_eq!(folder.mailrun(["export", "s.toml", "--as", "perl"]).run().status, 64);
    assert_eq!(folder.mailrun(["export", "none.toml", "--as", "sh"]).run().status, 66);
}

#[test]
fn a_secret_never_has_the_name_of_a_variable_of_bash() {
    let listed = std::process::Command::new("bash").env_clear().args(["--norc", "-c", "compgen -v"]).output();
    let listed = String::from_utf8(listed.expect("there is bash").stdout).expect("names are ASCII");
    let names: Vec<&str> = listed.lines().filter(|name| name.chars().any(|c| c != '_')).collect();
    assert!(names.contains(&"BASH_VERSION") && names.contains(&"SHLVL"), "{listed}");
    let secrets: String = names.iter().map(|name| format!("s_{name} = {{ env = '{name}' }}\n")).collect();
    let steps: String =
        names.iter().map(|name| format!("[[step]]\nsend = 'NOOP {{{{ s_{name} }}}}'\nexpect = 250\n")).collect();
    let session = format!("server = 'smtp://127.0.0.1:2525'\n[secrets]\n{secrets}[[step]]\nexpect = 220\n{steps}");
    let folder = Folder::new().with("s.toml", session);
    let script = folder.mailrun(["export", "s.toml", "--as", "sh"]).run().exits(0).stdout;
    for name in names {
        let own = format!(": \"${{SECRET_{name}:?");
        assert!(script.lines().any(|line| line.starts_with(&own)), "{name}: {script}");
    }
}

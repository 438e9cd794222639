//! The scripts that `mailrun export` prints, checked with ShellCheck.

use super::{installed, output, streams};
use crate::support::Folder;
use std::process::Command;

const HELLO: &str = "[[step]]\nexpect = 220\n[[step]]\nehlo = 'c.example'\n";
const MAIL: &str = "[[step]]\nsend = 'MAIL FROM:<a@example.com>'\nexpect = 250\n[[step]]\nsend = 'RCPT TO:<b@example.com>'\nexpect = '25x'\n\
                    [[step]]\nsend = 'DATA'\nexpect = 354\n[[step]]\nbody = \"Subject: it's $x `y` %z \\\\\\n\\nä\\n\"\nexpect = 250\n";
const REST: &str = "[[step]]\nraw = \"NOOP\\r\\n\"\nchunk = { size = 2, every = '20ms' }\n[[step]]\nexpect = 'any'\n[[step]]\nexpect = 'silence'\n\
                    [[step]]\nexpect = 'malformed'\n[[step]]\nsend = 'QUIT'\nexpect = 'close'\n";

/// What is meant in the scripts, and ShellCheck advises against: a format in a variable (`send`), patterns in variables (`reply`,
/// `lacks`), functions that a dialogue does not need, and `$` in what is sent.
const MEANT: &str = "SC2016,SC2059,SC2254,SC2317,SC2329";

fn assert_clean(script: &str, shell: &str, why: &str) {
    let folder = Folder::new().with("script", script);
    let mut command = Command::new(installed("venv/bin/shellcheck"));
    command.args(["--norc", "--severity", "style", "--exclude", MEANT, "--shell", shell]);
    let found = output(command.arg(folder.path("script")));
    assert!(found.status.success(), "{why}: {}{script}", streams(&found));
}

#[test]
#[ignore = "needs ShellCheck: make test-schemas"]
fn exported_scripts_pass_shellcheck() {
    let secret = "[secrets]\npw = { env = 'PASSWORD' }\n";
    let auth =
        "[[step]]\nauth = { user = 'ann', password = '{{ pw }}', mechanism = 'PLAIN', allow_plaintext = true }\n";
    let server = "server = 'smtp://localhost:2525'\n";
    let starttls = format!("[[step]]\nstarttls = true\n{}", HELLO.replace("[[step]]\nexpect = 220\n", ""));
    let insecure = "[tls]\nverify = false\n";
    let quit = "[[step]]\nquit = true\n";
    for (format, session, why) in [
        ("sh", format!("{server}{secret}{HELLO}{auth}{MAIL}{REST}"), "everything that sh has"),
        ("sh", format!("{server}{HELLO}[[step]]\nexpect = 220\non = 'b'\nserver = 'smtp://[::1]:26'\n"), "two servers"),
        ("openssl", format!("{server}{insecure}{secret}{HELLO}{starttls}{auth}{MAIL}{REST}"), "STARTTLS"),
        ("openssl", format!("server = 'smtps://localhost'\n{HELLO}{MAIL}{quit}"), "TLS from the first byte"),
        ("swaks", format!("{server}{secret}{HELLO}{auth}{MAIL}{quit}"), "a message"),
        ("swaks", format!("{server}{HELLO}{quit}"), "the connection alone"),
    ] {
        let folder = Folder::new().with("s.toml", &session);
        let script = folder.mailrun(["export", "s.toml", "--as", format]).run().exits(0).stdout;
        assert_clean(&script, "sh", why);
        if let Some((_, inside)) = script.split_once("<<'END_OF_SCRIPT'\n") {
            let inside = inside.strip_suffix("END_OF_SCRIPT\n").expect("the script ends there");
            assert_clean(inside, "bash", why);
        } else {
            assert_eq!(format, "swaks", "{why}: the others are for bash");
        }
    }
}

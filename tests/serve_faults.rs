//! The faults that a script of `mailrun serve` can have, met by mailrun as the client.

mod support;

use support::{EmbeddedServer, Folder, PROGRAM};

/// A fault, a session for it, and what the session comes to.
struct FaultCase {
    why: &'static str,
    script: &'static str,
    session: &'static str,
    status: i32,
    /// What the client's transcript shows.
    shown: &'static str,
}

const GREETING: &str = "[[step]]\nexpect = 220\n";

/// Steps begin after the greeting, settings with a name. A wait is long where the client gives up, and short where it does not. A limit is 2 s
/// if a part of the reply is to come before it, also on a busy machine.
const FAULTS: &[FaultCase] = &[
    FaultCase {
        why: "a delay before a reply",
        script: "S: 220 x\nC: NOOP\n*: wait 1m\nS: 250 ok\n",
        session: "[[step]]\nsend = 'NOOP'\nexpect = 250\ntimeout = '300ms'\n",
        status: 75,
        shown: "*: timeout: waited 300ms for the reply to NOOP",
    },
    FaultCase {
        why: "a delay inside a line",
        script: "S: 220 x\nC: NOOP\nS: 250 o\\c\n*: wait 1m\nS: k\n",
        session: "[[step]]\nsend = 'NOOP'\nexpect = 250\ntimeout = '2s'\n",
        status: 75,
        shown: "S: 250 o\\c\n*: timeout: waited 2s for ",
    },
    FaultCase {
        why: "a delay inside a reply",
        script: "S: 220 x\nC: NOOP\nS: 250-a\n*: wait 1m\nS: 250 b\n",
        session: "[[step]]\nsend = 'NOOP'\nexpect = 250\ntimeout = '2s'\n",
        status: 75,
        shown: "S: 250-a\n*: timeout: waited 2s for ",
    },
    FaultCase {
        why: "a delay between replies",
        script: "S: 220 x\nC: NOOP\nC: RSET\nS: 250 a\n*: wait 1m\nS: 250 b\n",
        session: "[[step]]\npipeline = [{ send = 'NOOP', expect = 250 }, { send = 'RSET', expect = 250 }]\ntimeout = '2s'\n",
        status: 75,
        shown: "S: 250 a\n*: timeout: waited 2s for the reply to RSET",
    },
    FaultCase {
        why: "a drip",
        script: "S: 220 x\n*: chunk 1 every 1ms\nC: NOOP\nS: 250-a\nS: 250 b\nC: QUIT\nS: 221 x\n",
        session: "[[step]]\nsend = 'NOOP'\nexpect = { code = 250, lines = 2 }\n[[step]]\nquit = true\n",
        status: 0,
        shown: "S: 250-a\nS: 250 b\n",
    },
    FaultCase {
        why: "a split at a byte",
        script: "S: 220 x\nC: NOOP\nS: 25\\c\n*: wait 20ms\nS: 0 ok\nC: QUIT\nS: 221 x\n",
        session: "[[step]]\nsend = 'NOOP'\nexpect = 250\n[[step]]\nquit = true\n",
        status: 0,
        shown: "S: 250 ok\n",
    },
    FaultCase {
        why: "lines that end in LF",
        script: "S: 220 x\nC: NOOP\nS: 250-a\\n\nS: 250 b\\n\nC: QUIT\nS: 221 x\n",
        session: "[[step]]\nsend = 'NOOP'\nexpect = 250\n[[step]]\nquit = true\n",
        status: 0,
        shown: "S: 250-a\\n\nS: 250 b\\n\n",
    },
    FaultCase {
        why: "an endless reply",
        script: "S: 220 x\nC: NOOP\n*: repeat 100000\nS: 250-x\n",
        session: "[[step]]\nsend = 'NOOP'\nexpect = 250\n",
        status: 76,
        shown: "*: protocol error: a reply of over 10,000 lines",
    },
    FaultCase {
        why: "a reply of two codes",
        script: "S: 220 x\nC: NOOP\nS: 250-x\nS: 550 y\n",
        session: "[[step]]\nsend = 'NOOP'\nexpect = 250\n",
        status: 76,
        shown: "*: protocol error: the code changed from 250 to 550 within a reply",
    },
    FaultCase {
        why: "a line that nobody asked for",
        script: "S: 220 x\nC: NOOP\nS: 250 ok\nS: 250 once more\nC: RSET\nS: 250 ok\n",
        session: "[[step]]\nsend = 'NOOP'\nexpect = 250\n[[step]]\nexpect = 250\n[[step]]\nsend = 'RSET'\nexpect = 250\n",
        status: 0,
        shown: "S: 250 ok\nS: 250 once more\nC: RSET\n",
    },
    FaultCase {
        why: "the same for a client that does not expect it",
        script: "S: 220 x\nC: NOOP\nS: 250 ok\nS: 250 once more\nC: RSET\nS: 250 ok\n",
        session: "[[step]]\nsend = 'NOOP'\nexpect = 250\n[[step]]\nexpect = 'silence'\n",
        status: 1,
        shown: "S: 250 once more\n",
    },
    FaultCase {
        why: "a close inside the content",
        script: "S: 220 x\nC: DATA\nS: 354 go\n*: close after 3 bytes\n",
        session: "[[step]]\nsend = 'DATA'\nexpect = 354\n[[step]]\nraw = \"abcdef\\r\\n\"\n[[step]]\nexpect = 'close'\n",
        status: 0,
        shown: " by the server",
    },
    FaultCase {
        why: "a reset inside the content",
        script: "S: 220 x\nC: DATA\nS: 354 go\n*: reset after 3 bytes\n",
        session: "[[step]]\nsend = 'DATA'\nexpect = 354\n[[step]]\nraw = \"abcdef\\r\\n\"\n[[step]]\nexpect = 'close'\n",
        status: 0,
        shown: "*: reset by the server",
    },
    FaultCase {
        why: "a half-close",
        script: "S: 220 x\n*: half-close\nC: NOOP\n",
        session: "[[step]]\nraw = \"NOOP\\r\\n\"\nexpect = 'close'\n",
        status: 0,
        shown: "C: NOOP\n*: closed by the server",
    },
    FaultCase {
        why: "a server that stops reading",
        script: "S: 220 x\n*: stop reading\n",
        session: "[[step]]\nsend = 'NOOP'\nexpect = 250\ntimeout = '300ms'\n",
        status: 75,
        shown: "*: timeout: waited 300ms for the reply to NOOP",
    },
    FaultCase {
        why: "STARTTLS refused",
        script: "S: 220 x\nC: STARTTLS\nS: 454 4.7.0 not now\n",
        session: "[[step]]\nstarttls = true\n",
        status: 75,
        shown: "*: expected 220, got 454",
    },
    FaultCase {
        why: "a handshake that stalls",
        script: "S: 220 x\nC: STARTTLS\nS: 220 go\n*: stall TLS\n",
        session: "connect_timeout = '500ms'\n[[step]]\nstarttls = true\n",
        status: 75,
        shown: "*: timeout: waited 500ms for the TLS handshake",
    },
    FaultCase {
        why: "a reply injected before TLS",
        script: "S: 220 x\nC: STARTTLS\nS: 220 go\nS: 250 injected\n*: TLS started\n",
        session: "[[step]]\nstarttls = true\n",
        status: 76,
        shown: "*: protocol error: unencrypted bytes after the reply to STARTTLS (CVE-2011-0411): 250 injected",
    },
    FaultCase {
        why: "plain text inside TLS",
        script: "S: 220 x\nC: STARTTLS\nS: 220 go\n*: TLS started\nC: NOOP\n*: outside TLS: 421 4.3.2 too many errors\n*: closed by the server\n",
        session: "[[step]]\nstarttls = true\n[[step]]\nsend = 'NOOP'\nexpect = 250\n[tls]\nverify = false\n",
        status: 76,
        shown: "*: outside TLS: 421 4.3.2 too many errors\n",
    },
    FaultCase {
        why: "plain text after close_notify",
        script: "S: 220 x\nC: STARTTLS\nS: 220 go\n*: TLS started\n*: TLS closed by the client\nS: 250 in plain text\n",
        session: "[[step]]\nstarttls = true\n[[step]]\nclose = 'tls'\n[[step]]\nexpect = 250\n[tls]\nverify = false\n",
        status: 0,
        shown: "*: TLS closed by the client\nS: 250 in plain text\n",
    },
];

#[test]
fn a_client_meets_each_fault_of_the_script() {
    for case in FAULTS {
        let server = EmbeddedServer::script(&format!("*: match command\n{}", case.script));
        let (settings, steps) = case.session.split_at(case.session.find("[[").expect("there is a step"));
        let session = format!("server = \"{}\"\n{settings}{GREETING}{steps}", server.url("smtp"));
        let ran = Folder::new().with("s.toml", session).mailrun(["run", "s.toml"]).run();
        assert_eq!(ran.status, case.status, "{}: {ran}", case.why);
        assert!(ran.stdout.contains(case.shown), "{}: {ran}", case.why);
        drop(server);
    }
}

#[test]
fn a_client_refuses_each_bad_certificate_and_says_why() {
    for (flaw, why) in [
        ("expired", "expired on "),
        ("future", "not yet valid until "),
        ("wrong-name", "names wrong-name.example, wanted localhost"),
        ("unknown-issuer", "issuer unknown"),
        ("self-signed", "self-signed"),
    ] {
        // The client comes a second time, to read the certificate that it does not trust.
        let script = format!(
            "*: match command\nS: 220 x\nC: EHLO x\nS: 250-x\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\n*: TLS with {flaw}\n"
        );
        let session = format!(
            "server = 'smtp://localhost'\n{GREETING}[[step]]\nehlo = 'x'\n[[step]]\nstarttls = true\n[tls]\nverify = true\n"
        );
        let folder = Folder::new().with("s.txt", script).with("s.toml", session);
        // The status is 0 if the client ended with 77 and the script is at its end.
        let client =
            "\"$MAILRUN\" run --ca ca.pem --server smtp://localhost:${MAILRUN_SERVER##*:} s.toml; test $? = 77";
        let served = folder.mailrun(["serve", "--write-ca", "ca.pem", "s.txt", "--", "sh", "-c", client]);
        let ran = served.env("MAILRUN", PROGRAM).run().exits(0);
        assert!(ran.stdout.contains(&format!("*: certificate not trusted: {why}")), "{flaw}: {ran}");
    }
}

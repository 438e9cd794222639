//! The steps for bug reports: `bdat`, `raw` in parts, `proxy` without addresses, connections to other servers.

mod support;

use support::{EmbeddedServer, Folder};

/// Runs steps against a server that follows the script; gives the run and what the server says of its client.
fn run(script: &str, steps: &str) -> (support::Finished, Vec<String>) {
    let server = EmbeddedServer::script(script);
    let folder = Folder::new().with("x.toml", format!("server = \"{}\"\n{steps}", server.url("smtp")));
    let ran = folder.mailrun(["run", "x.toml"]).run();
    (ran, server.stop())
}

fn no_problems(problems: &[String]) {
    assert_eq!(problems, [] as [String; 0]);
}

#[test]
fn bdat_counts_its_octets_and_leaves_them_as_they_are() {
    let (ran, problems) = run(
        "S: 220 x\nC: BDAT 7\nC: h\\xc3\\xa9\\n\nC: .\\x0d\\x00\\c\nS: 250 a\nC: BDAT 2 LAST\nC: \\xff\\n\nS: 250 b\nC: BDAT 0 LAST\nS: 250 c\nC: QUIT\nS: 221 x\n",
        "step = [{ expect = 220 }, { bdat = \"{{ 'h' }}é\\n.\\r\\u0000\" }, { bdat = { hex = \"ff 0a\" }, last = true }, { bdat = \"\", last = true }, { quit = true }]\n",
    );
    ran.exits(0);
    no_problems(&problems);
}

#[test]
fn bdat_may_be_pipelined_and_its_reply_is_its_own() {
    let (ran, problems) = run(
        "S: 220 x\nC: NOOP\nC: BDAT 1 LAST\nC: a\\c\nC: QUIT\nS: 250 a\nS: 552 5.3.4 too big\nS: 221 x\n",
        "step = [{ expect = 220 }, { pipeline = [{ send = \"NOOP\", expect = 250 }, { bdat = \"a\", last = true }, { quit = true }] }]\n",
    );
    let ran = ran.exits(1);
    assert!(ran.stdout.contains("*: expected 250, got 552 (x.toml:2)"), "{ran}");
    no_problems(&problems);
}

#[test]
fn raw_parts_are_one_write() {
    let (ran, problems) = run(
        "S: 220 x\nC: NOOP\nC: a\\xff\\n\nC: b\nS: 250 x\nC: QUIT\nS: 221 x\n",
        "step = [{ expect = 220 }, { raw = [\"NOOP\\r\\n\", { hex = \"61ff0a\" }, { base64 = \"Yg0K\" }], expect = 250 }, { quit = true }]\n",
    );
    ran.exits(0);
    no_problems(&problems);
}

#[test]
fn proxy_needs_no_addresses_for_local_and_unknown() {
    for (proxy, sent) in [
        ("local = true", "C:\nC:\nC: \\x00\nC: QUIT\\n\nC: \\x20\\x00\\x00\\x00\\c\n"),
        ("version = 2, local = true", "C:\nC:\nC: \\x00\nC: QUIT\\n\nC: \\x20\\x00\\x00\\x00\\c\n"),
        ("unknown = true", "C: PROXY UNKNOWN\n"),
        ("version = 1, unknown = true", "C: PROXY UNKNOWN\n"),
    ] {
        let script = format!("{sent}S: 220 x\nC: QUIT\nS: 221 x\n");
        let steps = format!("step = [{{ proxy = {{ {proxy} }} }}, {{ expect = 220 }}, {{ quit = true }}]\n");
        let (ran, problems) = run(&script, &steps);
        ran.exits(0);
        assert!(problems.is_empty(), "{proxy}: {problems:?}");
    }
}

#[test]
fn a_named_connection_goes_to_its_own_server_and_server_replaces_only_the_sessions() {
    let (first, second) =
        ("S: 220 one\nC: QUIT\nS: 221 x\n", "S: 220 two token=abc\nC: NOOP abc\nS: 250 x\nC: QUIT\nS: 221 x\n");
    let (first, second) = (EmbeddedServer::script(first), EmbeddedServer::script(second));
    let session = format!(
        "server = \"smtp://unused.example\"\nvars = {{ port = {} }}\n[[step]]\nexpect = 220\n[[step]]\non = \"b\"\nexpect = 220\ncapture = {{ t = 'token=(\\w+)' }}\n\
         [[step]]\non = \"b\"\nserver = \"smtp://127.0.0.1:{{{{ port }}}}\"\nsend = \"NOOP {{{{ t }}}}\"\nexpect = 250\n[[step]]\non = \"b\"\nquit = true\n[[step]]\nquit = true\n",
        second.port
    );
    let folder = Folder::new().with("x.toml", session);
    let url = first.url("smtp");
    let ran = folder.mailrun(["run", "--server", &url, "x.toml"]).run().exits(0);
    assert!(ran.stdout.contains("S[b]: 220 two token=abc\n"), "{ran}");
    let checked = folder.mailrun(["check", "x.toml"]).run().exits(0);
    assert!(checked.text().contains("127.0.0.1:{{ port }}"), "{checked}");
    let dry = folder.mailrun(["run", "--dry-run", "x.toml"]).run();
    assert!(dry.stdout.contains("(dry run)"), "nothing of a dry run leaves the machine: {dry}");
    no_problems(&first.stop());
    no_problems(&second.stop());
}

#[test]
fn a_named_connection_may_begin_with_tls_and_its_certificate_has_its_own_name() {
    let (main, other) = ("S: 220 x\nC: QUIT\nS: 221 x\n", "*: TLS started\nS: 220 x\nC: QUIT\nS: 221 x\n");
    let (main, other) = (EmbeddedServer::script(main), EmbeddedServer::script(other));
    let steps = format!(
        "step = [{{ expect = 220 }}, {{ on = \"b\", server = \"{}\", expect = 220, assert = [\"session.server == '{0}'\"] }}, {{ on = \"b\", quit = true }}, {{ quit = true }}]\n",
        other.url("smtps")
    );
    let folder = Folder::new().with("x.toml", format!("server = \"smtp://127.0.0.1:{}\"\n{steps}[tls]\n", main.port));
    let ran = folder.mailrun(["run", "--ca", &other.ca(), "x.toml"]).run().exits(0);
    assert!(ran.stdout.contains("*[b]: TLS started: TLSv1.3, CN=localhost, verified\n"), "{ran}");
    no_problems(&main.stop());
    no_problems(&other.stop());
}

#[test]
fn mistakes_are_found_before_anything_is_sent() {
    let head = "server = 'smtp://x'\nstep = [{ expect = 220 }";
    for (step, part) in [
        ("{ proxy = { version = 1, local = true } }", "x.toml:2:52: error: \"local\" needs version = 2"),
        ("{ proxy = { version = 2, unknown = true } }", "\"unknown\" needs version = 1"),
        ("{ proxy = { local = true, source = '192.0.2.1:1' } }", "\"source\" has no meaning with \"local\""),
        ("{ server = 'smtp://y', expect = 220 }", "\"server\" is allowed only with \"on\""),
        ("{ on = 'main', server = 'smtp://y', expect = 220 }", "\"main\" goes to the session's own server"),
        (
            "{ on = 'b', server = 'smtp://y', expect = 220 }, { on = 'b', server = 'smtp://z', expect = 220 }",
            "two servers for the connection \"b\"",
        ),
        ("{ on = 'b', server = 'http://y', expect = 220 }", "http"),
        ("{ raw = [] }", "\"raw\" is an empty list"),
        ("{ raw = [['a']] }", "\"raw\" must be"),
        ("{ raw = ['a', { hex = '0' }] }", "hexadecimal"),
        ("{ bdat = { octal = '0' } }", "unknown key \"octal\""),
        ("{ bdat = { } }", "\"bdat\" must have one of: hex, base64, file"),
        ("{ send = 'x', last = true, expect = 250 }", "\"last\" is allowed only with \"bdat\""),
    ] {
        let folder = Folder::new().with("x.toml", format!("{head}, {step}]\n"));
        let ran = folder.mailrun(["run", "x.toml"]).run().exits(65);
        assert!(ran.text().contains(part), "{step}: {ran}");
    }
}

#[test]
fn raw_beyond_ascii_is_sent_as_utf_8_with_a_warning() {
    let text = "server = 'smtp://x'\n[[step]]\nexpect = 220\n[[step]]\nraw = [\"NOOP\", \"caf\u{e9}\\r\\n\"]\nexpect = 250\n[[step]]\nraw = { hex = \"e9\" }\n";
    let ran = Folder::new().with("x.toml", text).mailrun(["check", "x.toml"]).run().exits(0);
    assert!(
        ran.stderr.contains("x.toml:5:16: warning: \"raw\" has the character U+00E9, which is sent as UTF-8"),
        "{ran}"
    );
    assert_eq!(ran.stderr.matches("warning").count(), 1, "{ran}");
}

#[test]
fn show_writes_the_same_steps() {
    let steps = "step = [{ proxy = { local = true } }, { expect = 220 }, { bdat = { hex = \"00\" }, last = true }, { bdat = \"x\" }, { raw = [\"a\", { hex = \"0a\" }] }, { on = \"b\", server = \"smtp://y\", expect = 220 }]\n";
    let folder = Folder::new().with("x.toml", format!("server = \"smtp://x\"\n{steps}"));
    let shown = folder.mailrun(["show", "x.toml"]).run().exits(0).stdout;
    for part in [
        "local = true",
        "bdat = { hex = \"00\" }",
        "last = true",
        "bdat = \"x\"",
        "raw = [\"a\", { hex = \"0a\" }]",
        "server = \"smtp://y\"",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let again = Folder::new().with("y.toml", &shown).mailrun(["show", "y.toml"]).run().exits(0).stdout;
    assert_eq!(again, shown);
}

#[test]
fn the_last_bdat_without_a_reply_is_unknown() {
    let steps = [
        "{ bdat = \"a\", last = true }",
        "{ pipeline = [{ bdat = \"a\", last = true }] }",
        "{ bdat = \"a\", expect = 250 }",
    ];
    for (step, status) in steps.into_iter().zip([74, 74, 69]) {
        let word = if status == 74 { " LAST" } else { "" };
        let script = format!("S: 220 x\nC: BDAT 1{word}\nC: a\\c\n*: closed by the server\n");
        let (ran, _) = run(&script, &format!("step = [{{ expect = 220 }}, {step}]\n"));
        let ran = ran.exits(status);
        assert_eq!(ran.stderr.contains("may have been delivered"), status == 74, "{step}: {ran}");
    }
}

#[test]
fn a_row_does_not_reach_the_server_of_another_row() {
    let server = EmbeddedServer::script("C: NOOP 1\nS: 250 x\nC: QUIT\nS: 221 x\n");
    let text = "open = [{ expect = 220 }]\nclose = [{ quit = true }]\n[rows]\nfile = 'r.csv'\n\
                [[step]]\non = 'b'\nserver = '{{ row.url }}'\nsend = 'NOOP {{ row.n }}'\nexpect = 'any'\n";
    let rows = format!("n,url\n1,{}\n2,smtp://127.0.0.2:1\n", server.url("smtp").replace("localhost", "127.0.0.1"));
    let folder = Folder::new().with("x.toml", text).with("r.csv", &rows);
    let sink = EmbeddedServer::script("S: 220 x\nC: QUIT\nS: 221 x\n");
    let ran = folder.mailrun(["run", "--server", &sink.url("smtp"), "x.toml"]).run();
    assert!(!ran.stdout.contains("NOOP 2"), "{ran}");
    assert!(ran.text().contains("the connection b is open to"), "{ran}");
    server.stop();
    sink.stop();
}

#[test]
fn tls_ends_and_the_session_goes_on_in_plain_text() {
    let script = "S: 220 x\nC: STARTTLS\nS: 220 go\n*: TLS started\nC: EHLO t\nS: 250 x\n*: TLS closed by the client\n\
                  C: NOOP\nS: 250 in plain text\nC: STARTTLS\nS: 220 go\n*: TLS started\nC: QUIT\nS: 221 x\n";
    let steps = "step = [{ expect = 220 }, { starttls = true }, { ehlo = \"t\" }, { close = \"tls\" },
        { send = \"NOOP\", expect = 250, assert = [\"tls is none\"] }, { starttls = true }, { quit = true }]\n[tls]\nverify = false\n";
    let (ran, problems) = run(script, steps);
    let ran = ran.exits(0);
    let shown = "S: 250 x\n*: TLS closed by the client\nC: NOOP\nS: 250 in plain text\n";
    assert!(ran.stdout.contains(shown), "{ran}");
    no_problems(&problems);
}

#[test]
fn plain_text_after_a_close_notify_that_the_server_ignores_is_read() {
    let script = "*: TLS started\nS: 220 x\nC: NOOP\nS: 250 x\n*: outside TLS: 250 this is plain text\n";
    let server = EmbeddedServer::script(script);
    let steps = "step = [{ expect = 220 }, { send = \"NOOP\", expect = 250 }, { close = \"tls\" }, { expect = { code = 250, text = \"plain\" } }]\n";
    let text = format!("server = \"{}\"\n[tls]\nverify = false\n", server.url("smtps"));
    let ran =
        Folder::new().with("x.toml", text.replacen('\n', &format!("\n{steps}"), 1)).mailrun(["run", "x.toml"]).run();
    let ran = ran.exits(0);
    let shown = "*: TLS closed by the client\n*: TLS: no close_notify from the server\nS: 250 this is plain text\n";
    assert!(ran.stdout.contains(shown), "{ran}");
}

#[test]
fn ending_tls_that_no_step_starts_is_found_before_connecting() {
    let folder = Folder::new().with("x.toml", "server = \"smtp://127.0.0.1:1\"\nstep = [{ close = \"tls\" }]\n");
    let ran = folder.mailrun(["run", "x.toml"]).run().exits(65);
    assert!(ran.stderr.contains("x.toml:2:9: error") && ran.stderr.contains("no step starts it"), "{ran}");
}

//! The error messages of common mistakes.

mod support;

use std::io::Write;
use std::net::TcpListener;
use support::{Folder, Mailrun};

/// A server that sends this to each client and waits for the end; returns its port.
fn server_that_sends(words: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // The client may be gone.
            let _ = stream.write_all(words).and_then(|()| std::io::copy(&mut stream, &mut std::io::sink()));
        }
    });
    port
}

fn folder(files: &[(&str, &str)]) -> Folder {
    files.iter().fold(Folder::new(), |folder, (name, text)| folder.with(name, text))
}

#[test]
fn a_similar_name_is_suggested() {
    let session = "server = 'smtp://127.0.0.1:1'\n\
                   step = [ { expect = 220, assert = [\"reply.text is matchin('x')\"] } ]\n\
                   [auth]\nuser = 'ann'\npaswd = 'x'\n";
    let rules = "[[on]]\nverb = \n[[on]]\nverb = \"X\n";
    let wrong = "[[on]]\nver = 'RCPT'\nreply = 1\n";
    let folder = folder(&[("case.toml", session), ("rules.toml", rules), ("wrong.toml", wrong)]);
    let table: [(&[&str], i32, &[&str]); 6] = [
        (&["rnu", "case.toml"], 64, &["'rnu'", "'run'"]),
        (&["serve"], 64, &["FILE", "--sink DIR"]),
        (&["check", "case.toml"], 65, &["did you mean \"matching\"?", "did you mean \"password\"?"]),
        (&["serve", "rules.toml"], 65, &["rules.toml:2:8: ", "rules.toml:4:10: "]),
        (
            &["serve", "wrong.toml"],
            65,
            &["wrong.toml:2:1: ", "\n2 | ver =", "^^^ did you mean \"verb\"?", "wrong.toml:3:9: "],
        ),
        (&["serve", "case.toml"], 65, &["case.toml:1:1: ", "this is a session file", "`mailrun run` runs it"]),
    ];
    for (arguments, status, words) in table {
        let (code, text) = folder.mailrun(arguments).run().status_and_text();
        assert_eq!(code, status, "{text}");
        for words in words {
            assert!(text.contains(words), "{arguments:?}: {words}: {text}");
        }
    }
}

#[test]
fn check_finds_what_is_wrong_in_a_file_that_is_a_template() {
    let session = "server = 'smtp://127.0.0.1:1'\n[vars]\nuser = 'x'\n[message]\nfrom = 'a@example.com'\n\
                   to = 'b@example.com'\nsubject = 's'\ntext = { file = 'text', template = true }\n\
                   html = { file = 'html', template = true }\nattach = 'plain'\n";
    let (text, html) = ("Dear {{ user }},\n{{ usr }}\n", "<b>\n\n{{ user | uper }}");
    let folder = folder(&[("case.toml", session), ("text", text), ("html", html), ("plain", "{{ zork }}")]);
    let (code, found) = folder.mailrun(["check", "case.toml"]).run().status_and_text();
    assert_eq!(code, 65, "{found}");
    for words in [
        "case.toml:8:17: error: undefined name \"usr\" (text:2)",
        "case.toml:9:17: error: unknown filter \"uper\" (html:3)",
        "did you mean \"upper\"?",
    ] {
        assert_eq!(found.matches(words).count(), 1, "{words}: {found}");
    }
    assert!(!found.contains("zork"), "{found}");
    let (code, found) = folder.mailrun(["check", "--var", "usr=x", "case.toml"]).run().status_and_text();
    assert!(code == 65 && !found.contains("undefined name"), "{found}");
}

#[test]
fn the_wrong_scheme_is_explained() {
    let folder = folder(&[("case.toml", "step = [ { expect = 220 } ]\n")]);
    let run = |scheme: &str, port: u16| {
        let url = format!("{scheme}://127.0.0.1:{port}");
        // What is not TLS is said at once.
        let limit = if scheme == "smtps" { "60s" } else { "300ms" };
        folder.mailrun(["run", "--server", &url, "--timeout", limit, "case.toml"]).run().status_and_text()
    };
    let (code, text) = run("smtp", server_that_sends(b""));
    assert_eq!(code, 75, "{text}");
    assert!(text.contains("did you mean smtps://?"), "{text}");
    let (code, text) = run("lmtp", server_that_sends(b""));
    assert_eq!(code, 75, "{text}");
    assert!(!text.contains("smtps"), "{text}");

    let (code, text) = run("smtps", server_that_sends(b"220 mx.example \x1b[2J\r\n"));
    assert_eq!(code, 76, "{text}");
    let said =
        "S: 220 mx.example \\x1b[2J\n*: TLS handshake failed: what the server sent is not TLS, but unencrypted SMTP";
    assert!(text.contains(said) && text.contains("did you mean smtp://?"), "{text}");
    let (code, text) = run("smtps", server_that_sends(b"hello there, and so on"));
    assert_eq!(code, 76, "{text}");
    assert!(text.contains("S: hello there, and so on\\c\n*: ") && !text.contains("did you mean"), "{text}");
    assert!(!text.contains("error:0"), "{text}");
}

#[test]
fn a_long_reply_is_shortened_to_the_terminal_in_a_diagnosis() {
    let folder = folder(&[("case.toml", "step = [ { expect = 250 } ]\n")]);
    let words: &[u8] =
        b"550 a reply that goes on and on and on, with many words, longer than a terminal is wide, and more\r\n";
    let port = server_that_sends(words);
    let (code, text) =
        folder.mailrun(["run", "--server", &format!("smtp://127.0.0.1:{port}"), "case.toml"]).run().status_and_text();
    assert_eq!(code, 1, "{text}");
    let got = text.lines().find(|line| line.contains("= got: 550 a reply")).expect("what came is said");
    assert!(got.chars().count() <= 80 && got.ends_with('…'), "{got}");
    assert!(text.contains("wide, and more\n"), "the transcript has all of it: {text}");
}

#[test]
fn each_missing_file_is_reported_once() {
    let session = "server = 'smtp://127.0.0.1:1'\n\
                   [message]\nfrom = 'a@x.test'\nto = 'b@x.test'\n\
                   text = { file = 'no1' }\nhtml = { file = 'no2' }\nattach = ['no3', 'no4']\n";
    let folder = folder(&[("case.toml", session)]);
    for command in ["check", "run"] {
        let (code, text) = folder.mailrun([command, "case.toml"]).run().status_and_text();
        assert_eq!(code, 66, "{command}: {text}");
        for name in ["no1", "no2", "no3", "no4"] {
            assert_eq!(text.matches(&format!("error: cannot read \"{name}\"")).count(), 1, "{command}: {name}: {text}");
        }
    }
}

#[test]
fn a_value_from_the_command_line_takes_the_type_that_the_file_gives_it() {
    let port = server_that_sends(b"220 mx ready\r\n");
    let session = "[vars]\nn = 3\nb = true\n[[step]]\nexpect = 220\nassert = [\"n > 2 and b\"]\n";
    let folder = folder(&[("case.toml", session), ("one.toml", "n = \"1\"\n")]);
    let server = format!("--server=smtp://127.0.0.1:{port}");
    let table: [(&[&str], i32, &str, &str); 6] = [
        (&[], 0, "", "as the file has it"),
        (&["--var", "n=3.5"], 0, "", "a number"),
        (&["--var", "n=1"], 1, "n = 1", "a smaller one, which as text was greater"),
        (&["--var", "b=false"], 1, "b = false", "a boolean, which as text was true"),
        (&["--var", "n=abc"], 65, "case.toml:2:1: error: --var gives \"n\" the value \"abc\"", "no number"),
        (&["--vars", "one.toml"], 0, "", "what a file of --vars says is as it says"),
    ];
    for (given, status, words, why) in table {
        let (code, text) = folder.mailrun(["run", "case.toml", &server]).args(given).run().status_and_text();
        assert_eq!(code, status, "{why}: {text}");
        assert!(text.contains(words), "{why}: {text}");
    }
}

#[test]
fn an_error_names_what_is_missing() {
    let session = "server = 'smtp://127.0.0.1:1'\nstep = [ { expect = 220 } ]\n[secrets]\np = { env = 'PW_X', default = 'canary' }\n";
    let rules = "[[on]]\nverb = 'NOOP'\nreply = '250 x'\n";
    let folder = folder(&[("case.toml", session), ("r.toml", rules)]);
    let table: [(&[&str], i32, &[&str]); 9] = [
        (&["show", "case.toml"], 0, &["p = { env = \"PW_X\" }", "the default of the secret \"p\" is not printed"]),
        (
            &["serve", "--listen", "192.0.2.77:0", "r.toml"],
            69,
            &["cannot listen on 192.0.2.77:0: 192.0.2.77 is not an address of"],
        ),
        (&["serve", "."], 66, &["cannot read \".\": it is a folder"]),
        (&["serve", "--connections", "0", "r.toml"], 64, &["expected a whole number, 1 or more"]),
        (&["serve", "r.toml", "--", "no-such-command"], 66, &["cannot run no-such-command"]),
        (&["run", "--transcript", "{sesion}.log", "case.toml"], 64, &["{sesion}", "did you mean {session}?"]),
        (&["run", "--transcript", "logs/{session}.log", "case.toml"], 73, &["logs/case.log: there is no folder logs"]),
        (&["run", "--junit", "out/j.xml", "case.toml"], 73, &["out/j.xml: there is no folder out"]),
        (
            &["run", "--dry-run", "--sink", "case.toml/x", "case.toml"],
            73,
            &["cannot create the folder case.toml/x for"],
        ),
    ];
    for (arguments, status, words) in table {
        let (code, text) = folder.mailrun(arguments).run().status_and_text();
        assert_eq!(code, status, "{arguments:?}: {text}");
        for words in words {
            assert!(text.contains(words), "{arguments:?}: {words}: {text}");
        }
        assert!(!text.contains("canary") && !text.contains("os error"), "{arguments:?}: {text}");
    }
}

#[test]
fn help_that_cannot_be_written_is_an_error() {
    let ran = Mailrun::new(["--help"]).stdout_to(std::path::Path::new("/dev/full")).run().exits(73);
    assert!(ran.stderr.contains("cannot write to standard output"), "{ran}");
}

/// Sessions whose errors show before anything is sent, with the place and the words of the error.
const BEFORE_CONNECTING: [(&str, &str, &str); 24] = [
    ("step = [{ expect = 220 }, { close = 'tls' }]", "2:27", "no step starts it"),
    ("step = [{ expect = 220 }, { proxy = { unknown = true, version = 1 } }]", "2:27", "after the greeting"),
    ("step = [{ expect = 220 }, { send = 'A {{ lines }}', expect = 250 }]", "2:36", "holds an LF"),
    (
        "step = [{ expect = 220 }, { send = 'A {{ b }}', expect = 250, with = { b = \"1\\n2\" } }]",
        "2:36",
        "holds an LF",
    ),
    ("step = [{ expect = 220 }, { send = '{{ word | date }}', expect = 250 }]", "2:47", "not a time"),
    ("step = [{ expect = 220 }, { xclient = { helo = '{{ lines }}' } }]", "2:48", "holds an LF"),
    ("step = [{ expect = 220 }, { body = { file = '{{ word }}' }, expect = 250 }]", "2:45", "cannot read \"word\""),
    ("step = [{ expect = 220 }, { bdat = { file = '/{{ word }}' } }]", "2:45", "lies outside"),
    ("step = [{ include = '_part.toml', with = { word = \"1\\n2\" } }]", "_part.toml:4:8", "holds an LF"),
    ("client_name = '{{ lines }}'\nstep = [{ expect = 220 }]", "2:15", "holds an LF"),
    ("tls = { ca = '{{ word }}.pem' }\nstep = [{ starttls = true }]", "2:14", "cannot read \"word.pem\""),
    ("tls = { ca = '{{ people }}' }\nstep = [{ starttls = true }]", "2:14", "no PEM certificate"),
    ("auth = { user = 'u', password = '{{ lines }}' }\nstep = [{ login = true }]", "2:33", "holds an LF"),
    ("message = { from = '{{ word }}', to = 'b@x.test', text = 't' }", "2:20", "\"word\" is not one address"),
    ("message = { from = 'a@x.test', to = '{{ empty }}', text = 't' }", "2:37", "no recipient"),
    ("message = { from = 'a@x.test', to = 'b@x.test', text = 't', date = '{{ word }}' }", "2:68", "not a date"),
    ("message = { from = 'a@x.test', to = 'b@x.test', text = '{{ word + 1 }}' }", "2:60", "unsupported types"),
    (
        "message = { from = 'a@x.test', to = 'b@x.test', text = 't', attach = '{{ word }}/*' }",
        "2:70",
        "cannot read \"word\"",
    ),
    ("message = { eml = 'mail.eml' }", "2:11", "no recipient"),
    ("rows = { file = '{{ word }}' }\nstep = [{ expect = 220 }]", "2:17", "cannot read \"word\""),
    ("rows = { file = '{{ people }}', key = 'id' }\nstep = [{ expect = 220 }]", "2:39", "no column \"id\""),
    (
        "rows = { file = 'p.csv', key = 'email', exclude = { file = '{{ word }}', key = 'email' } }\nstep = [{ expect = 220 }]",
        "2:60",
        "cannot read \"word\"",
    ),
    ("rows = { file = 'p.csv', key = 'email', ledger = '/l.db' }\nstep = [{ expect = 220 }]", "2:50", "not beneath"),
    (
        "rows = { file = '-' }\nmessage = { from = 'a@x.test', to = 'b@x.test', text = { file = '-' } }",
        "2:17",
        "was read already",
    ),
];

#[test]
fn what_run_finds_before_it_connects_check_finds_at_the_same_place() {
    let values = "[vars]\nlines = \"1\\n2\"\nword = 'word'\nempty = ''\npeople = 'p.csv'\n";
    let part = "[vars]\nword = ''\n[[step]]\nsend = 'A {{ word }}'\nexpect = 250\n";
    let folder = folder(&[("_part.toml", part), ("p.csv", "email\nb@x.test\n"), ("mail.eml", "From: a@x.test\n\nx\n")]);
    for (text, place, words) in BEFORE_CONNECTING {
        folder.write("case.toml", format!("server = 'smtp://127.0.0.1:1'\n{text}\n{values}"));
        let place = if place.contains(".toml") { place.to_owned() } else { format!("case.toml:{place}") };
        let errors_of = |command: &str| {
            let (code, said) = folder.mailrun([command, "case.toml"]).run().status_and_text();
            let errors = said.lines().filter(|line| line.contains(": error: "));
            (code, errors.map(|line| line.trim_start_matches("mailrun: ").to_owned()).collect::<Vec<_>>())
        };
        let (code, errors) = errors_of("check");
        assert!(
            matches!(&errors[..], [one] if one.starts_with(&format!("{place}: error: ")) && one.contains(words)),
            "{text}: {errors:?}"
        );
        assert_eq!((code, errors), errors_of("run"), "{text}");
    }
}

#[test]
fn check_leaves_for_the_run_what_the_files_do_not_say() {
    let values = "[vars]\nword = { env = 'NOT_SET' }\nline = 'A {{ word }}'\n[secrets]\npassword = { command = ['no-such-program'] }\n";
    for text in [
        "server = 'smtp://{{ word }}'\nstep = [{ send = '{{ line }}', expect = 250 }]\nauth = { user = '{{ word }}', password = '{{ password }}' }",
        "server = 'smtp://x'\nmessage = { from = '{{ word }}', to = 'b@x.test', text = { file = '-' }, attach = '{{ word }}/*' }",
        "server = 'smtp://x'\nmessage = { eml = '-' }\ndkim = { domain = 'x', selector = 's', key = { command = ['no-such-program'] } }",
        "server = 'smtp://x'\nrows = { file = '-', key = 'email' }\nmessage = { from = '{{ row.from }}', to = '{{ row.email }}', text = 't' }",
        "server = 'smtp://x'\nstep = [{ expect = 220, capture = { line = '(.*)' } }, { send = '{{ line }}', expect = 250 }, { if = \"line\", body = { file = 'none{{ line }}' }, expect = 250 }]",
    ] {
        let folder = folder(&[]);
        folder.write("case.toml", format!("{text}\n{values}"));
        let (input, _held) = folder.mailrun(["check", "--allow-commands", "case.toml"]).start_with_input();
        let ran = input.wait();
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{text}: {ran}");
    }
}

#[test]
fn check_shows_no_secret_that_a_path_is_made_of() {
    let folder = folder(&[("password", "topsecretvalue\n")]);
    for (secret, steps) in [
        ("'topsecretvalue'", "step = [{ expect = 220 }, { raw = { file = '{{ pw }}' } }]"),
        ("'topsecretvalue'", "step = [{ expect = 220 }, { raw = { file = '{{ made }}' } }]"),
        ("'topsecretvalue'", "tls = { ca = '{{ pw }}.pem' }\nstep = [{ starttls = true }]"),
        ("{ file = 'password' }", "rows = { file = '{{ pw }}.csv' }\nstep = [{ expect = 220 }]"),
    ] {
        folder.write(
            "case.toml",
            format!("server = 'smtp://x'\n{steps}\n[secrets]\npw = {secret}\n[vars]\nmade = 'x{{{{ pw }}}}'\n"),
        );
        let (code, said) = folder.mailrun(["check", "case.toml"]).run().status_and_text();
        assert!(code == 66 && said.contains("[secret]") && !said.contains("topsecretvalue"), "{steps}: {said}");
    }
}

#[test]
fn check_reads_the_files_of_steps_that_run_with_the_values_that_they_have() {
    let folder = folder(&[("here.txt", "x")]);
    for steps in [
        "step = [{ expect = 220 }, { body = { file = '{{ f }}.txt' }, with = { f = 'here' }, expect = 250 }]",
        "step = [{ expect = 220 }, { if = 'f', body = { file = '{{ f }}' }, expect = 250 }]",
        "step = [{ ehlo = 'x' }, { if = \"'X' in ehlo.capabilities\", body = { file = '{{ f }}' }, expect = 250 }]",
    ] {
        folder.write("case.toml", format!("server = 'smtp://x'\n{steps}\n[vars]\nf = ''\n"));
        let ran = folder.mailrun(["check", "case.toml"]).run();
        assert_eq!(ran.status, 0, "{steps}: {ran}");
    }
}

//! `mailrun probe` against servers that are remarkable, and against servers that do what they like.

#[path = "../support/mod.rs"]
mod support;

mod bed;

use bed::{Bed, MODERN, read_line};
use openssl::ssl::SslVersion;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use support::{ClosedPort, EmbeddedServer, Folder, ManualServer, json_schema, project_path};

fn parse(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|why| panic!("{why}: {json}"))
}

fn kinds(report: &Value) -> Vec<&str> {
    report["warnings"].as_array().expect("a list").iter().map(|one| one["kind"].as_str().expect("a word")).collect()
}

fn check_schema(report: &Value) {
    let schema = std::fs::read_to_string(project_path("docs/probe.schema.json")).expect("the schema is there");
    let wrong = json_schema::validate(&parse(&schema), report);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_remarkable_is_a_warning_and_the_saved_session_passes_all_the_same() {
    let old = SslVersion::TLS1;
    let plain: [&[&str]; 2] = [&["SIZE 99"], &[]];
    let readable: [&[&str]; 2] = [&["STARTTLS", "AUTH PLAIN CRAM-MD5"], &["AUTH PLAIN"]];
    let table: [(&str, Bed, &[&str]); 17] = [
        ("nothing", MODERN, &[]),
        ("nothing, with TLS from the first byte", Bed { implicit: true, ..MODERN }, &[]),
        ("passwords that can be read", Bed { offers: readable, ..MODERN }, &["auth-unencrypted"]),
        ("few days", Bed { days: 5, ..MODERN }, &["certificate-ends"]),
        ("an end", Bed { days: -3, ..MODERN }, &["certificate-date", "certificate-ends"]),
        ("another name", Bed { names: &["other.example"], ..MODERN }, &["certificate-name"]),
        ("an unknown issuer", Bed { trusted: false, ..MODERN }, &["certificate-chain"]),
        ("old versions, too", Bed { oldest: old, ..MODERN }, &["tls-old"]),
        ("old versions only", Bed { oldest: old, newest: SslVersion::TLS1_1, ..MODERN }, &["tls-old", "tls-too-old"]),
        ("no TLS", Bed { offers: plain, ..MODERN }, &["starttls-missing"]),
        ("TLS that is refused", Bed { answers: &[("STARTTLS", "454 4.7.0 no")], ..MODERN }, &["starttls-refused"]),
        ("injected bytes", Bed { injected: "250 evil\r\n", ..MODERN }, &["starttls-injection"]),
        ("VRFY", Bed { answers: &[("VRFY", "250 <p@x>")], ..MODERN }, &["vrfy"]),
        ("VRFY by which the server ends", Bed { answers: &[("VRFY", "221 bye")], ..MODERN }, &[]),
        ("EXPN", Bed { answers: &[("EXPN", "250-<a@x>\r\n250 <b@x>"), ("VRFY", "252 may be")], ..MODERN }, &["expn"]),
        ("another greeting", Bed { greeting: "250 hello", ..MODERN }, &["greeting"]),
        ("HELO only", Bed { answers: &[("EHLO", "502 no")], ..MODERN }, &["ehlo-refused", "starttls-missing"]),
    ];
    for (what, bed, expected) in table {
        let running = bed.start();
        let folder = Folder::new().with("ca.pem", &running.ca);
        let url = running.url(&bed);
        let trust: &[&str] = if bed.trusted { &["--ca", "ca.pem"] } else { &[] };
        let probe = folder.mailrun(["probe", "--strict", "--json", "--save", "s.toml"]).args(trust).args([&url]).run();
        let probe = probe.exits(i32::from(!expected.is_empty()));
        let report = parse(&probe.stdout);
        check_schema(&report);
        assert_eq!(kinds(&report), expected, "{what}: {probe}");
        folder.mailrun(["run", "s.toml"]).run().exits(0);
        let sent = running.lines.lock().expect("no thread panicked").clone();
        assert!(!sent.iter().any(|line| line.starts_with("MAIL") || line.starts_with("AUTH")), "{sent:?}");
        // Warnings alone are no failure.
        let screen = folder.mailrun(["probe"]).args(trust).args([&url]).run().exits(0);
        assert_eq!(screen.stdout.contains("nothing is remarkable"), expected.is_empty(), "{screen}");
        assert_eq!(screen.stdout.matches("\n! ").count(), expected.len(), "{screen}");
    }
}

#[test]
fn every_version_is_tried_and_the_chain_is_shown() {
    let versions = |bed: &Bed| -> (Value, Vec<String>) {
        let running = bed.start();
        let folder = Folder::new().with("ca.pem", &running.ca);
        let probe = folder.mailrun(["probe", "--ca", "ca.pem", "--json", &running.url(bed)]).run().exits(0);
        let report = parse(&probe.stdout);
        let tried = report["tls_versions"].as_array().expect("a list").iter();
        let words = tried.map(|one| format!("{} {}", one["version"], one["result"]).replace('"', "")).collect();
        (report, words)
    };
    for implicit in [false, true] {
        let (report, tried) = versions(&Bed { implicit, ..MODERN });
        assert_eq!(tried, ["1.3 accepted", "1.2 accepted", "1.1 not-accepted", "1.0 not-accepted"]);
        assert_eq!(report["tls"]["trusted"], true);
        assert_eq!(report["tls"]["version"], "TLSv1.3");
        assert_eq!(report["tls"]["chain"][0]["names"][0], "localhost");
        assert_eq!(report["starttls"]["state"], if implicit { "implicit" } else { "used" });
        assert_eq!(report["ehlo_in_tls"]["auth"], serde_json::json!(["PLAIN", "LOGIN"]));
        assert_eq!(report["ehlo"].is_null(), implicit);
        let (report, tried) =
            versions(&Bed { oldest: SslVersion::TLS1, newest: SslVersion::TLS1_1, implicit, ..MODERN });
        assert_eq!(tried, ["1.3 not-accepted", "1.2 not-accepted", "1.1 accepted", "1.0 accepted"]);
        assert_eq!(
            report["tls"]["trusted"], true,
            "a certificate is verified in the newest version there is: {report}"
        );
        assert_eq!(report["tls"]["version"], "TLSv1.1");
    }
}

#[test]
fn vrfy_and_expn_are_asked_inside_old_tls_whose_certificate_is_not_trusted() {
    let only = SslVersion::TLS1;
    let bed = Bed { oldest: only, newest: only, trusted: false, answers: &[("VRFY", "252 2.0.0 may be")], ..MODERN };
    let running = bed.start();
    let probe = Folder::new().mailrun(["probe", "--json", &running.url(&bed)]).run().exits(0);
    let report = parse(&probe.stdout);
    check_schema(&report);
    assert_eq!((&report["vrfy"]["code"], &report["expn"]["code"]), (&252.into(), &502.into()), "{probe}");
    assert_eq!(report["tls"]["trusted"], false, "{probe}");
    assert_eq!(kinds(&report), ["tls-old", "tls-too-old", "certificate-chain"], "{probe}");
}

#[test]
fn a_url_with_the_wrong_scheme_is_answered_with_the_right_one() {
    let answers: [(&str, &'static [&'static str], i32, &str); 4] = [
        ("smtp", &[], 75, "sends no greeting before it: did you mean smtps://"),
        ("smtp", &["\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}(\r\n"], 76, "speaks TLS here: did you mean smtps://"),
        ("smtps", &["220 mx.example ESMTP\r\n"], 76, "without TLS here: did you mean smtp://"),
        ("lmtp", &[], 75, ""),
    ];
    for (scheme, answers, status, words) in answers {
        let port = hostile(answering(answers));
        let url = format!("{scheme}://127.0.0.1:{port}");
        let limit = if status == 75 { "300ms" } else { "30s" };
        let ended = Folder::new().mailrun(["probe", "--json", "--timeout", limit, &url]).run().exits(status);
        let report = parse(&ended.stdout);
        check_schema(&report);
        let help = report["help"].as_str().unwrap_or_default();
        let expected = if words.is_empty() { String::new() } else { format!("{words}127.0.0.1:{port}?") };
        assert!(help.ends_with(&expected) && help.is_empty() == words.is_empty(), "{ended}");
        assert_eq!(ended.stderr.contains(&format!("\nhelp: {help}\n")), !words.is_empty(), "{ended}");
        assert_eq!(kinds(&report), [""; 0], "the URL is wrong, and not the server: {ended}");
    }
}

#[test]
fn a_unix_socket_needs_no_tls_and_an_lmtp_server_that_refuses_lhlo_cannot_be_probed() {
    let folder = Folder::new();
    let path = folder.argument("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket can be made");
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = socket.write_all(b"220 x\r\n");
                while let Some(line) = read_line(&mut socket) {
                    let reply = match line.split(' ').next() {
                        Some("EHLO") => "250-x\r\n250 AUTH PLAIN\r\n",
                        Some("QUIT") => "221 bye\r\n",
                        _ => "502 no\r\n",
                    };
                    let _ = socket.write_all(reply.as_bytes());
                }
            });
        }
    });
    let smtp = folder.mailrun(["probe", "--strict", &format!("smtp+unix://{path}")]).run().exits(0);
    assert!(smtp.stdout.contains(&format!("address       {path}\n")), "{smtp}");
    let lmtp = folder.mailrun(["probe", &format!("lmtp+unix://{path}")]).run().exits(1);
    assert!(lmtp.stderr.contains("expected 2xx, got 502"), "{lmtp}");
}

#[test]
fn insecure_verifies_nothing_and_says_so() {
    let bed = Bed { names: &["other.example"], ..MODERN };
    let running = bed.start();
    let probe = Folder::new().mailrun(["probe", "--insecure", "--strict", &running.url(&bed)]).run().exits(0);
    assert!(probe.stdout.contains("not verified: --insecure\n"), "{probe}");
}

/// A server that treats each of its connections like this.
fn hostile(treat: impl Fn(TcpStream) + Send + Clone + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let treat = treat.clone();
            std::thread::spawn(move || treat(socket));
        }
    });
    port
}

/// Sends `answers`, the first one at once and each other after a line, and closes after "close", or when the client has gone.
fn answering(answers: &'static [&'static str]) -> impl Fn(TcpStream) + Send + Clone + 'static {
    move |mut socket| {
        for (index, answer) in answers.iter().enumerate() {
            if index > 0 && read_line(&mut socket).is_none() {
                return;
            }
            if *answer == "close" {
                return;
            }
            let _ = socket.write_all(answer.as_bytes());
        }
        let _ = socket.read_to_end(&mut Vec::new());
    }
}

#[test]
fn a_server_that_cannot_be_probed_ends_with_the_status_of_a_run() {
    const OFFER: &str = "250-x\r\n250 STARTTLS\r\n";
    let table: [(&[&str], i32, &str); 12] = [
        (&[], 75, "waited 300ms for the greeting"),
        (&["421 4.3.2 too busy\r\n", "221 bye\r\n"], 75, "expected 2xx, got 421"),
        (&["554 5.7.1 not you\r\n", "221 bye\r\n"], 1, "expected 2xx, got 554"),
        (&["hello\r\n"], 76, "three-digit code"),
        (&["220 x\r\n", "250\u{1b}[2J\r\n"], 76, "no space or hyphen"),
        (&["220 x\r\n"], 75, "waited 300ms"),
        (&["220 x\r\n", "421 bye\r\n"], 75, "got 421"),
        (&["220 x\r\n", "502 no\r\n", "502 no\r\n", "221 bye\r\n"], 1, "expected 2xx, got 502"),
        (&["220 x\r\n", "close"], 69, "closed the connection"),
        (&["close"], 69, "closed the connection"),
        (&["220 x\r\n", OFFER, "close"], 69, "closed the connection"),
        (&["220 x\r\n", OFFER, "220 go\r\n", "not TLS\r\n"], 76, "is not TLS"),
    ];
    for (answers, status, words) in table {
        let url = format!("smtp://127.0.0.1:{}", hostile(answering(answers)));
        let folder = Folder::new();
        // A busy machine may take its time with what comes.
        let limit = if words.starts_with("waited") { "300ms" } else { "30s" };
        let ended = folder.mailrun(["probe", "--json", "--save", "s.toml", "--timeout", limit, &url]).run();
        let ended = ended.exits(status);
        let report = parse(&ended.stdout);
        check_schema(&report);
        assert_eq!(report["status"], status);
        let message = report["failure"]["message"].as_str().unwrap_or_else(|| panic!("{ended}"));
        assert!(message.contains(words) && ended.stderr.contains(words), "{words}: {ended}");
        assert!(!folder.has("s.toml"), "nothing is saved");
        let screen = folder.mailrun(["probe", "--timeout", limit, &url]).run().exits(status);
        assert!(!screen.text().contains('\u{1b}'), "{screen}");
    }
    let gone = ClosedPort::new();
    let ended = Folder::new().mailrun(["probe", &gone.url("smtp")]).run().exits(69);
    assert!(ended.stderr.contains("cannot connect to 127.0.0.1"), "{ended}");
}

#[test]
fn what_is_no_refusal_of_the_server_could_not_be_tried() {
    let plain = format!("smtps://127.0.0.1:{}", hostile(answering(&["220 plain text\r\n"])));
    let silent = format!("smtps://127.0.0.1:{}", hostile(answering(&[])));
    for (url, limit, status, tried) in [(plain, "30s", 76, 4), (silent, "300ms", 75, 0)] {
        let probe = Folder::new().mailrun(["probe", "--json", "--connect-timeout", limit, &url]).run().exits(status);
        let report = parse(&probe.stdout);
        check_schema(&report);
        let versions = report["tls_versions"].as_array().expect("a list");
        assert_eq!(versions.len(), tried, "{probe}");
        assert!(versions.iter().all(|one| one["result"] == "not-tried"), "nobody refused: {probe}");
    }
}

#[test]
fn an_endless_greeting_ends() {
    let port = hostile(|mut socket| while socket.write_all(&b"220-x\r\n".repeat(1000)).is_ok() {});
    let probe = Folder::new().mailrun(["probe", &format!("smtp://127.0.0.1:{port}")]).run().exits(76);
    assert!(probe.stderr.contains("a reply of over 10,000 lines"), "{probe}");
}

#[test]
fn much_that_a_server_says_stays_on_one_screen_and_moves_no_cursor() {
    let port = hostile(|mut socket| {
        let _ = socket.write_all(b"220 \x1b[2Jhello \xe2\x80\xae\r\n");
        while let Some(line) = read_line(&mut socket) {
            let reply = match line.split(' ').next() {
                Some("EHLO") => format!(
                    "250-x\u{7}\r\n{}250-LIMITS RCPTMAX=\u{1b}[2J\r\n250-AUTH \u{1b}x\r\n250 SIZE 1\u{1b}]0;x\r\n",
                    "250-X-LONG a\r\n".repeat(9_000)
                ),
                _ => "221 \u{1b}c\r\n".to_owned(),
            };
            let _ = socket.write_all(reply.as_bytes());
        }
    });
    let folder = Folder::new();
    let url = format!("smtp://127.0.0.1:{port}");
    let screen = folder.mailrun(["probe", "--save", "s.toml", &url]).run().exits(0);
    let controls = |text: &str| text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
    assert!(!controls(&screen.text()) && !controls(&folder.read("s.toml")), "{screen}");
    assert!(screen.stdout.len() < 5_000, "{screen}");
    assert!(screen.stdout.contains(r"220 \x1b[2Jhello \xe2\x80\xae"), "{screen}");
    assert!(
        screen.stdout.contains("AUTH          \\x1bX\n") && screen.stdout.contains(r", RCPTMAX=\x1b[2J"),
        "{screen}"
    );
    let report = parse(&folder.mailrun(["probe", "--json", &url]).run().exits(0).stdout);
    assert_eq!(report["ehlo"]["auth"], serde_json::json!([r"\x1bX"]));
    assert_eq!(report["ehlo"]["capabilities"]["LIMITS"], r"RCPTMAX=\x1b[2J");
}

#[test]
fn names_in_certificates_move_no_cursor() {
    let bed = Bed { names: &["a\u{1b}[2Jb", "localhost"], ..MODERN };
    let running = bed.start();
    let folder = Folder::new().with("ca.pem", &running.ca);
    let screen = folder.mailrun(["probe", "--ca", "ca.pem", &running.url(&bed)]).run().exits(0);
    assert!(!screen.text().contains('\u{1b}') && screen.stdout.contains(r"a\x1b[2Jb"), "{screen}");
}

#[test]
fn values_of_var_reach_ehlo_and_the_saved_session() {
    let bed = MODERN;
    let running = bed.start();
    let url = running.url(&bed);
    let folder = Folder::new().with("ca.pem", &running.ca);
    let probe = folder.mailrun(["probe", "--ca", "ca.pem", "--save", "s.toml", "--var", "client_name=me.example"]);
    probe.args(["--var", "recipient={{ x }}@example.com", &url]).run().exits(0);
    let sent = running.lines.lock().expect("no thread panicked").clone();
    let mut hellos = sent.iter().filter(|line| line.starts_with("EHLO"));
    assert!(hellos.all(|line| line == "EHLO me.example") && sent.len() > 4, "{sent:?}");
    let saved = folder.read("s.toml");
    assert!(saved.contains("client_name = \"me.example\"\n"), "{saved}");
    let mode = std::fs::metadata(folder.path("s.toml")).expect("it is saved").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let run = folder.mailrun(["run", "s.toml"]).run().exits(1);
    assert!(run.stdout.contains("C: EHLO me.example\n"), "{run}");
    // A value is no template.
    folder.mailrun(["check", "s.toml"]).run().exits(0);
}

#[test]
fn wrong_options_are_errors_before_a_connection() {
    let server = ManualServer::start();
    let url = server.url("smtp");
    let folder = Folder::new().with("s.toml", "mine");
    let table: [(&[&str], i32, &str); 5] = [
        (&["--save", "s.toml"], 73, "s.toml: it exists already"),
        (&["--var", "recipent=x"], 65, "did you mean \"recipient\"?"),
        (&["--var", "client_name=a\nb"], 65, "a line break"),
        (&["--mx", "example.com"], 64, "cannot be used with"),
        (&["--ca", "s.toml"], 65, "PEM certificate"),
    ];
    for (options, status, words) in table {
        let ended = folder.mailrun(["probe"]).args(options).args([&url]).run().exits(status);
        assert!(ended.stderr.contains(words), "{ended}");
    }
    assert_eq!(folder.read("s.toml"), "mine");
    folder.mailrun(["probe"]).run().exits(64);
}

#[test]
fn the_sink_is_probed_over_lmtp_and_the_commands_of_the_page_run() {
    let sink = EmbeddedServer::sink();
    let folder = Folder::new();
    let lmtp = folder.mailrun(["probe", "--json", "--ca", &sink.ca(), &sink.url("lmtp")]).run().exits(0);
    let report = parse(&lmtp.stdout);
    assert_eq!(report["ehlo"]["code"], 250, "{lmtp}");
    let page = std::fs::read_to_string(project_path("docs/probe.md")).expect("the page is there");
    let commands: Vec<&str> = page.lines().filter(|line| line.starts_with("mailrun probe ")).collect();
    assert!(commands.len() >= 3, "{commands:?}");
    for command in commands {
        let command = command.split('#').next().unwrap_or_default().split('|').next().unwrap_or_default();
        let words = command.split_whitespace().skip(1).map(|word| match word.starts_with("smtp") {
            true => sink.url("smtp"),
            false => word.to_owned(),
        });
        let ended = folder.mailrun(words).args(["--ca", &sink.ca()]).run();
        // The sink offers PLAIN without TLS: that is a warning.
        ended.exits(i32::from(command.contains("--strict")));
    }
}

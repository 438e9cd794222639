//! `mailrun shell`, fed from a pipe and in a terminal.

mod support;

use std::os::unix::fs::PermissionsExt;
use support::{EmbeddedServer, Folder, ManualServer, Terminal};

const SCRIPT: &str = "S: 220 x\nC: EHLO me\nS: 250-x\nS: 250 AUTH PLAIN\nC: AUTH PLAIN [secret]\nS: 235 ok\nC: VRFY {{ x\nS: 550 no\nC: :colon\nS: 500 what\n\
    C: DATA\nS: 354 go\nC: Subject: typed\nC:\nC: :help\nC: ..dot\nC: .\nS: 250 kept\nC: BDAT 3 LAST\nC: abc\\c\nS: 250 kept\nC: QUIT\nS: 221 x\n";
const TYPED: &str = "EHLO me\nAUTH PLAIN AGEAaHVudGVyMg==\nVRFY {{ x\n::colon\nDATA\nSubject: typed\n\n:help\n.dot\n.\nBDAT 3 LAST\nabc\nQUIT\n";

#[test]
fn typed_lines_are_sent_in_lockstep_and_the_saved_session_says_the_same() {
    let folder = Folder::new();
    let server = EmbeddedServer::script(SCRIPT);
    let shell = folder.mailrun(["shell", "--save", "s.toml", &server.url("smtp")]).stdin(TYPED).run().exits(0);
    for line in ["C: AUTH PLAIN [secret]", "S: 550 no", "C: :colon", "C: :help", "C: ..dot", "S: 221 x"] {
        assert!(shell.stdout.lines().any(|shown| shown == line), "{line} in {shell}");
    }
    assert_eq!(server.stop(), [] as [String; 0]);
    let saved = folder.read("s.toml");
    assert!(!saved.contains("AGEAaHVudGVyMg==") && !shell.text().contains("AGEAaHVudGVyMg=="), "{saved}");
    let mode = std::fs::metadata(folder.path("s.toml")).expect("it is saved").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let server = EmbeddedServer::script(SCRIPT);
    let url = server.url("smtp");
    let run = folder.mailrun(["run", "--server", &url, "s.toml"]).env("SMTP_SECRET_1", "AGEAaHVudGVyMg==");
    run.run().exits(0);
    assert_eq!(server.stop(), [] as [String; 0]);
}

#[test]
fn starttls_does_the_handshake_with_a_certificate_that_is_trusted() {
    let server = EmbeddedServer::script(
        "S: 220 x\nC: STARTTLS\nS: 220 go\n*: TLS started\nC: EHLO again\nS: 250 x\nC: QUIT\nS: 221 x\n",
    );
    let typed = "STARTTLS\nEHLO again\nQUIT\n";
    let (url, ca) = (server.url("smtp"), server.ca());
    let shell = Folder::new().mailrun(["shell", "--ca", &ca, &url]).stdin(typed).run().exits(0);
    assert!(shell.stdout.contains("*: TLS started: TLSv1.3, CN=localhost, verified\n"), "{shell}");
    assert_eq!(server.stop(), [] as [String; 0]);
}

#[test]
fn a_server_that_is_gone_ends_a_pipe_and_colon_connect_goes_on() {
    let script = "S: 220 x\nC: NOOP\nS: 421 no\n*: closed by the server\n*: connected\nS: 220 y\nC: QUIT\nS: 221 x\n";
    let server = EmbeddedServer::script(script);
    let url = server.url("smtp");
    let shell = Folder::new().mailrun(["shell", &url]).stdin("NOOP\n:wait\n:connect\nQUIT\n").run().exits(0);
    assert!(shell.stdout.contains("*: closed by the server\n") && shell.stdout.contains("S: 220 y\n"), "{shell}");
    assert_eq!(server.stop(), [] as [String; 0]);
    let gone = Folder::new().mailrun(["shell", "smtp://127.0.0.1:1"]).stdin("NOOP\n").run().exits(69);
    assert!(gone.stderr.contains("cannot connect to"), "{gone}");
}

#[test]
fn colon_commands_do_what_they_say() {
    let script =
        "S: 220 x\nC: NO\\c\nC: OP\nS: 250 ok\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dGltc2hhbQ==\nS: 535 no\n";
    let server = EmbeddedServer::script(script);
    let url = server.url("smtp");
    let folder = Folder::new();
    let typed = ":raw NO\n:raw OP\\r\\n\n:wait\n:expect 250\n:expect 550\n:unb64 VXNlcm5hbWU6\nAUTH LOGIN\n:b64 timsham\n:sav x\n:save --clean c.toml\n:close\n";
    let shell = folder.mailrun(["shell", &url]).stdin(typed).run().exits(0);
    for part in ["*: expected 550, got 250\n", "*: Username:\n", "C: [secret]\n", "did you mean :save?"] {
        assert!(shell.stdout.contains(part), "{part} in {shell}");
    }
    assert!(!shell.stdout.contains("dGltc2hhbQ"), "{shell}");
    assert!(!folder.read("c.toml").contains("535"), "what got a 5xx is left out");
    assert_eq!(server.stop(), [] as [String; 0]);
}

#[test]
fn auth_asks_for_the_password_and_the_saved_session_logs_in_again() {
    let script = "S: 220 x\nC: EHLO me\nS: 250-x\nS: 250 AUTH PLAIN LOGIN\nC: AUTH PLAIN [secret]\nS: 535 no\nC: AUTH LOGIN\n\
                  S: 334 VXNlcm5hbWU6\nC: YW5u\nS: 334 UGFzc3dvcmQ6\nC: [secret]\nS: 235 ok\nC: QUIT\nS: 221 x\n";
    let server = EmbeddedServer::script(script);
    let folder = Folder::new();
    let typed = "EHLO me\n:auth\nann\nhunter2-Zaphod\n:auth login\nann\nhunter2-Zaphod\nQUIT\n";
    let shell = folder.mailrun(["shell", "--save", "s.toml", &server.url("smtp")]).stdin(typed).run().exits(0);
    for line in ["C: AUTH PLAIN [secret]", "S: 535 no", "C: AUTH LOGIN", "C: YW5u", "C: [secret]", "S: 235 ok"] {
        assert!(shell.stdout.lines().any(|shown| shown == line), "{line} in {shell}");
    }
    assert_eq!(server.stop(), [] as [String; 0]);
    let saved = folder.read("s.toml");
    for secret in ["hunter2", "AGFubgBodW50ZXIyLVphcGhvZA", "aHVudGVyMi1aYXBob2Q"] {
        assert!(!saved.contains(secret) && !shell.text().contains(secret), "{secret}: {saved}{shell}");
    }
    let server = EmbeddedServer::script(script);
    let url = server.url("smtp");
    let run = folder.mailrun(["run", "--server", &url, "s.toml"]);
    run.env("SMTP_SECRET_1", "hunter2-Zaphod").env("SMTP_SECRET_2", "hunter2-Zaphod").run().exits(0);
    assert_eq!(server.stop(), [] as [String; 0]);
}

#[test]
fn answers_that_come_after_a_refused_auth_are_secrets_until_the_next_command() {
    let script = "S: 220 x\nC: AUTH LOGIN\nS: 538 no\n*: match any\nC: a\nS: 500 what\nC: b\nS: 500 what\nC: NOOP\nS: 250 ok\nC: FOO\nS: 500 what\n";
    let server = EmbeddedServer::script(script);
    let folder = Folder::new();
    let typed = "AUTH LOGIN\ndXNlcg==\nUzNjcmV0UGFzc3cwcmQ=\nNOOP\nFOO shown\nQUIT\n";
    let shell = folder.mailrun(["shell", "--save", "s.toml", &server.url("smtp")]).stdin(typed).run().exits(0);
    for secret in ["dXNlcg==", "UzNjcmV0UGFzc3cwcmQ=", "dXNlcg", "UzNjcmV0"] {
        assert!(!shell.text().contains(secret) && !folder.read("s.toml").contains(secret), "{secret}: {shell}");
    }
    assert!(shell.stdout.contains("C: NOOP\n") && shell.stdout.contains("C: FOO shown\n"), "{shell}");
    drop(server.stop());
}

#[test]
fn a_body_with_odd_bytes_is_saved_as_it_was_sent() {
    for body in [&b"a\xff no end"[..], b".a\xff\nlf\n", b"a\r\nb\rc\r\n", b""] {
        let sink = EmbeddedServer::sink();
        let folder = Folder::new().with("b.bin", body);
        let typed =
            ":transcript typed.log\nEHLO me\nMAIL FROM:<a@x.example>\nRCPT TO:<b@x.example>\n:body b.bin\nQUIT\n";
        let url = sink.url("smtp");
        folder.mailrun(["shell", "--save", "s.toml", &url]).stdin(typed).run().exits(0);
        folder
            .mailrun(["run", "--timeout", "5s", "--transcript", "run.log", "--server", &url, "s.toml"])
            .run()
            .exits(0);
        let sent = |name: &str| -> Vec<String> {
            folder
                .read(name)
                .lines()
                .filter(|line| line.starts_with("C: ") || *line == "C:")
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(sent("run.log"), sent("typed.log"), "{body:?}");
        drop(sink.stop());
    }
}

#[test]
fn auth_says_why_it_cannot_be_tried() {
    let server = EmbeddedServer::script(
        "S: 220 x\nC: EHLO me\nS: 250-x\nS: 250 AUTH XOAUTH2\nC: AUTH CRAM-MD5\nS: 334 !\nC: *\nS: 501 ok\nC: QUIT\nS: 221 x\n",
    );
    let typed = ":auth\nEHLO me\n:auth\n:auth NTLM\n:auth cram-md5\nann\npassword\nQUIT\n";
    let shell = Folder::new().mailrun(["shell", &server.url("smtp")]).stdin(typed).run().exits(0);
    for words in [
        "*: the server has offered no mechanism (EHLO shows them); :auth PLAIN tries one all the same",
        "*: the server offers XOAUTH2; :auth NAME chooses one of them",
        "NTLM",
        "*: AUTH CRAM-MD5 failed: ",
    ] {
        assert!(shell.stdout.contains(words), "{words} in {shell}");
    }
    assert_eq!(server.stop(), [] as [String; 0]);
}

#[test]
fn a_terminal_hides_secrets_completes_words_and_keeps_a_history_without_secrets() {
    let script = "S: 220 x\nC: EHLO me\nS: 250-x\nS: 250 AUTH PLAIN LOGIN\nC: AUTH PLAIN [secret]\nS: 535 no\nC: AUTH LOGIN\n\
                  S: 334 VXNlcm5hbWU6\nC: [secret]\nS: 334 UGFzc3dvcmQ6\nC: *\nS: 501 given up\nC: RSET\nS: 250 ok\n\
                  C: AUTH PLAIN [secret]\nS: 235 in\n*: closed by the client\n";
    let server = EmbeddedServer::script(script);
    let folder = Folder::new();
    let mut terminal = Terminal::start(folder.root(), &format!("shell {}", server.url("smtp")));
    terminal.wait_for_prompt();
    terminal.press_until_prompt("EHLO me\r");
    // The initial response is drawn as stars, whatever key comes next.
    terminal.press_until("AUTH PLAIN AGEAc2VjcmV0LW9uZQ==", "AUTH PLAIN ********************");
    terminal.press_until_prompt("\r");
    // The server offers one mechanism that begins so.
    terminal.press_until("AUTH LO\t\r", "334> ");
    terminal.press_until("c2VjcmV0LXR3bw==\r", "334> ");
    terminal.press_until_prompt("*\r");
    terminal.press_until_prompt("VRFY nobody\x03");
    terminal.press_until_prompt("RSE\t\r");
    terminal.press_until(":auth PLAIN\r", "user: ");
    terminal.press_until("ann\r", "password: ");
    terminal.press_until_prompt("secret-three\r");
    terminal.press_in_editor("\x04");
    let (status, shown) = terminal.wait();
    assert_eq!(status, 0, "{shown}");
    for secret in ["AGEAc2", "c2VjcmV0", "secret-three", "AGFubgBzZWNyZXQtdGhyZWU"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert_eq!(server.stop(), [] as [String; 0], "the line that was abandoned is not sent");
    let history = folder.read(".local/state/mailrun/shell_history");
    let kept: Vec<&str> = history.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(kept, ["EHLO me", "AUTH LOGIN", "RSET", ":auth PLAIN"]);
    let mode = std::fs::metadata(folder.path(".local/state/mailrun/shell_history")).expect("it is kept").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}

#[test]
fn a_terminal_shows_at_once_what_the_server_says_unasked_and_goes_on_after_the_end() {
    let (server, folder) = (ManualServer::start(), Folder::new());
    let mut terminal = Terminal::start(folder.root(), &format!("shell {}", server.url("smtp")));
    let mut connection = server.accept();
    connection.send("220 x\r\n");
    terminal.wait_for_prompt();
    // A line is being typed when the server speaks: it is shown above, and the line can be ended.
    terminal.press_until("NOOP tw", "NOOP tw");
    connection.send("250-unasked\r\n250 words\r\n");
    terminal.wait_for("S: 250 words", 1);
    terminal.press("ice\r");
    assert_eq!(connection.read_line().as_deref(), Some("NOOP twice"));
    connection.send("250 ok\r\n");
    terminal.wait_for("S: 250 ok", 1);
    connection.send("421 4.3.2 going down\r\n");
    drop(connection);
    terminal.wait_for("S: 421 4.3.2 going down", 1);
    terminal.wait_for("*: closed by the server", 1);
    terminal.press_in_editor("NOOP\r");
    terminal.wait_for("there is no connection; :connect opens one", 1);
    terminal.press_in_editor(":conn\t\r");
    let mut connection = server.accept();
    connection.send("220 again\r\n");
    terminal.wait_for("S: 220 again", 1);
    terminal.press_in_editor("\x04");
    let (status, shown) = terminal.wait();
    assert_eq!(status, 0, "{shown}");
}

#[test]
fn ctrl_c_ends_the_wait_for_a_reply_and_not_the_shell() {
    let (server, folder) = (ManualServer::start(), Folder::new());
    let mut terminal = Terminal::start(folder.root(), &format!("shell {}", server.url("smtp")));
    let mut connection = server.accept();
    connection.send("220 x\r\n");
    terminal.wait_for_prompt();
    for command in ["NOOP one", "NOOP two"] {
        terminal.press_in_editor(&format!("{command}\r"));
        assert_eq!(connection.read_line().as_deref(), Some(command));
        terminal.press_until_prompt("\x03");
    }
    terminal.wait_for("interrupted: the reply is no longer awaited", 2);
    connection.send("250 late\r\n");
    terminal.wait_for("S: 250 late", 1);
    // A paste of several lines is sent line by line.
    terminal.press_in_editor("\x1b[200~NOOP three\nNOOP four\x1b[201~\r");
    for command in ["NOOP three", "NOOP four"] {
        assert_eq!(connection.read_line().as_deref(), Some(command));
        connection.send(format!("250 {command}\r\n"));
    }
    terminal.wait_for("S: 250 NOOP four", 1);
    terminal.press_in_editor("\x04");
    let (status, shown) = terminal.wait();
    assert_eq!(status, 0, "{shown}");
}

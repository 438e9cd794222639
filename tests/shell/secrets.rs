//! What is typed for AUTH is a secret everywhere.

use crate::support::{EmbeddedServer, Folder, Terminal};

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
fn a_password_for_an_auth_that_is_not_tried_or_refused_goes_nowhere() {
    const PASSWORD: [&str; 3] = ["hunter2-Zaphod", "aHVudGVyMi1aYXBob2Q", "AGFubgBodW50ZXIyLVphcGhvZA"];
    for (why, script, auth, sent) in [
        ("the server has no AUTH", "S: 220 x\nC: EHLO me\nS: 250 x\nC: QUIT\nS: 221 x\n", ":auth", ""),
        ("the mechanism is unknown", "S: 220 x\nC: EHLO me\nS: 250 AUTH NTLM\nC: QUIT\nS: 221 x\n", ":auth NTLM", ""),
        (
            "the mechanism is refused",
            "S: 220 x\nC: EHLO me\nS: 250 x\nC: AUTH LOGIN\nS: 504 no\nC: QUIT\nS: 221 x\n",
            ":auth LOGIN",
            "C: AUTH LOGIN",
        ),
        (
            "the name is refused",
            "S: 220 x\nC: EHLO me\nS: 250 x\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YW5u\nS: 535 no\nC: QUIT\nS: 221 x\n",
            ":auth LOGIN",
            "C: YW5u",
        ),
    ] {
        let server = EmbeddedServer::script(script);
        let folder = Folder::new();
        let typed = format!(":transcript t.log\nEHLO me\n{auth}\nann\nhunter2-Zaphod\nQUIT\n");
        let shell = folder.mailrun(["shell", "--save", "s.toml", &server.url("smtp")]).stdin(typed).run().exits(0);
        assert_eq!(server.stop(), [] as [String; 0], "{why}");
        assert!(shell.stdout.contains(sent), "{why}: {shell}");
        for secret in PASSWORD {
            let places = [shell.text(), folder.read("t.log"), folder.read("s.toml")];
            assert!(places.iter().all(|place| !place.contains(secret)), "{why}: {places:?}");
        }
        assert!(!folder.path(".local/state/mailrun/shell_history").exists(), "a pipe has no history");
    }
}

#[test]
fn auth_in_raw_bytes_is_hidden_and_the_saved_session_sends_it() {
    let script = "S: 220 x\nC: AUTH PLAIN AGEAaHVudGVyMg==\nS: 235 ok\nC: QUIT\nS: 221 x\n*: closed by the client\n";
    let raw = ":raw AUTH PLAIN AGEAaHVudGVyMg==\\r\\n";
    let server = EmbeddedServer::script(&format!("*: match exact\n{script}"));
    let folder = Folder::new();
    let mut terminal = Terminal::start(folder.root(), &format!("shell --save s.toml {}", server.url("smtp")));
    terminal.wait_for_prompt();
    terminal.press_until(&format!("{raw}\r"), "S: 235 ok");
    terminal.press_in_editor("");
    terminal.press_until("QUIT\r", "S: 221 x");
    terminal.press_in_editor("\x04");
    let (status, shown) = terminal.wait();
    assert_eq!(status, 0, "{shown}");
    assert_eq!(server.stop(), [] as [String; 0]);
    let places = [shown, folder.read(".local/state/mailrun/shell_history"), folder.read("s.toml")];
    assert!(places.iter().all(|place| !place.contains("aHVudGVyMg") && !place.contains("aHVudG")), "{places:?}");
    let server = EmbeddedServer::script(&format!("*: match exact\n{script}"));
    let run = folder.mailrun(["run", "--server", &server.url("smtp"), "s.toml"]);
    run.env("SMTP_SECRET_1", "AUTH PLAIN AGEAaHVudGVyMg==").run().exits(0);
    assert_eq!(server.stop(), [] as [String; 0]);
}

#[test]
fn an_answer_to_auth_that_is_no_text_is_hidden_and_saved_as_a_secret() {
    let script = "S: 220 x\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: s\\xe9cret-one\nS: 501 no\nC: QUIT\nS: 221 x\n";
    let server = EmbeddedServer::script(&format!("*: match exact\n{script}"));
    let folder = Folder::new();
    let typed = b"AUTH LOGIN\ns\xe9cret-one\nQUIT\n".to_vec();
    let shell = folder.mailrun(["shell", "--save", "s.toml", &server.url("smtp")]).stdin(typed).run().exits(0);
    assert_eq!(server.stop(), [] as [String; 0]);
    let saved = folder.read("s.toml");
    assert!(!saved.contains("cret-one") && !shell.text().contains("cret-one"), "{saved}{shell}");
    assert!(saved.contains("send = \"{{ secret_1 }}\"\nexpect = 501\n"), "{saved}");
}

#[test]
fn secrets_around_raw_bytes_are_hidden_and_saved_as_secrets() {
    let noise = "*: match any\nS: 220 x\nC: a\nC: b\nC: c\nC: d\n";
    for (typed, shown) in [
        (":raw AUTH LOGIN\\r\\n\naHVudGVyMi1aYXBob2Q=\n", "C: AUTH LOGIN\nC: [secret]\n"),
        (
            ":raw NOOP\\r\\nAUTH PLAIN aHVudGVyMi1aYXBob2Q=\\r\\nRSET\\r\\n\n",
            "C: NOOP\nC: AUTH PLAIN [secret]\nC: RSET\n",
        ),
        (":raw AUTH PLAIN\\x20\n:raw aHVudGVyMi1aYXBob2Q=\\r\\n\n", "C: AUTH PLAIN\\x20\\c\nC: [secret]\n"),
        (":raw AUTH LOGIN\\r\\naHVudGVyMi1aYXBob2Q=\\r\\n\n", "C: AUTH LOGIN\nC: [secret]\n"),
        (":raw AU\n:raw TH PLAIN aHVudGVyMi1aYXBob2Q=\\r\\n\n", "C: AU\\c\nC: TH PLAIN [secret]\n"),
        (":raw AU\nTH PLAIN aHVudGVyMi1aYXBob2Q=\n", "C: AU\\c\nC: TH PLAIN [secret]\n"),
        (":raw A\\x55TH PLAIN \n:raw aHVudGVyMi1aYXBob2Q=\\r\\n\n", "C: AUTH PLAIN\\x20\\c\nC: [secret]\n"),
    ] {
        let server = EmbeddedServer::script(noise);
        let folder = Folder::new();
        let url = server.url("smtp");
        let arguments = ["shell", "--timeout", "2s", "--save", "s.toml", &url];
        let shell = folder.mailrun(arguments).stdin(typed).run().exits(0);
        assert!(shell.stdout.contains(shown), "{typed}: {shell}");
        let saved = folder.read("s.toml");
        // In hexadecimal, too.
        for secret in ["aHVudGVyMi1aYXBob2Q", "61 48 56 75"] {
            assert!(!shell.text().contains(secret) && !saved.contains(secret), "{typed}: {shell}{saved}");
        }
        assert!(saved.contains("{{ secret_1 }}"), "{typed}: {saved}");
        drop(server.stop());
    }
}

#[test]
fn an_answer_to_auth_in_raw_bytes_is_typed_as_stars() {
    let server = EmbeddedServer::script("S: 220 x\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dXNlci1heA==\nS: 535 no\n");
    let folder = Folder::new();
    let mut terminal = Terminal::start(folder.root(), &format!("shell {}", server.url("smtp")));
    terminal.wait_for_prompt();
    terminal.press_until(":raw AUTH LOGIN\\r\\n\r", "S: 334");
    // The server's 334 was shown unasked, and nobody has waited for it.
    terminal.press_until("dXNlci1heA==\r", "S: 535 no");
    terminal.press_in_editor("\x04");
    let (status, shown) = terminal.wait();
    assert_eq!(status, 0, "{shown}");
    let places = [shown, folder.read(".local/state/mailrun/shell_history")];
    assert!(places.iter().all(|place| !place.contains("XNlci1h") && !place.contains("heA=")), "{places:?}");
    assert_eq!(server.stop(), [] as [String; 0]);
}

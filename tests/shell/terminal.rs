//! `mailrun shell` in a terminal.

use crate::support::{EmbeddedServer, Folder, ManualServer, Terminal};
use std::os::unix::fs::PermissionsExt;

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

#[test]
fn keys_that_are_typed_ahead_are_kept_in_order_and_never_shown_as_a_secret() {
    let (server, folder) = (ManualServer::start(), Folder::new());
    let mut terminal = Terminal::start(folder.root(), &format!("shell {}", server.url("smtp")));
    let mut connection = server.accept();
    connection.send("220 x\r\n");
    terminal.wait_for_prompt();
    // All keys are there before the first line is read, and more come while its reply is awaited.
    terminal.press("NOOP one\rNOOP t");
    assert_eq!(connection.read_line().as_deref(), Some("NOOP one"));
    terminal.press("wo\rAUTH LOGIN\rdXNlci1heA==\rcGFzcy1heA==\r:auth PLAIN\rann\rhunter2-Zaphod\rQUIT\r");
    connection.send("250 ok\r\n");
    for (line, reply) in [
        ("NOOP two", "250 ok"),
        ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
        ("dXNlci1heA==", "334 UGFzc3dvcmQ6"),
        ("cGFzcy1heA==", "535 no"),
        ("AUTH PLAIN AGFubgBodW50ZXIyLVphcGhvZA==", "235 ok"),
        ("QUIT", "221 bye"),
    ] {
        assert_eq!(connection.read_line().as_deref(), Some(line));
        connection.send(format!("{reply}\r\n"));
    }
    terminal.wait_for("S: 221 bye", 1);
    terminal.press_in_editor("\x04");
    let (status, shown) = terminal.wait();
    assert_eq!(status, 0, "{shown}");
    for secret in ["dXNlci1heA", "cGFzcy1heA", "hunter2", "AGFubgB"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn colon_wait_takes_a_reply_that_was_shown_already() {
    let (server, folder) = (ManualServer::start(), Folder::new());
    let mut terminal = Terminal::start(folder.root(), &format!("shell --save s.toml {}", server.url("smtp")));
    let mut connection = server.accept();
    connection.send("220 x\r\n");
    terminal.wait_for_prompt();
    terminal.press_until_prompt(":raw NOOP\\r\\nDATA\\r\\n\r");
    assert_eq!((connection.read_line(), connection.read_line()), (Some("NOOP".to_owned()), Some("DATA".to_owned())));
    connection.send("250-a\r\n250 b\r\n354 go\r\n");
    terminal.wait_for("S: 354 go", 1);
    terminal.press_until_prompt(":wait\r");
    terminal.wait_for("*: the reply was shown already: 250", 1);
    // The second reply asks for content.
    terminal.press_until(":wait\r", "| ");
    terminal.press_until("x\r", "C: x");
    terminal.press(".\r");
    assert_eq!((connection.read_line(), connection.read_line()), (Some("x".to_owned()), Some(".".to_owned())));
    connection.send("250 kept\r\n");
    terminal.wait_for("S: 250 kept", 1);
    terminal.press_in_editor("\x04");
    let (status, shown) = terminal.wait();
    assert_eq!(status, 0, "{shown}");
    let codes: Vec<String> =
        folder.read("s.toml").lines().filter(|line| line.starts_with("expect")).map(str::to_owned).collect();
    assert_eq!(codes, ["expect = 220", "expect = 250", "expect = 354", "expect = 250"]);
}

#[test]
fn ctrl_c_ends_colon_wait_and_ctrl_d_the_shell() {
    let (server, folder) = (ManualServer::start(), Folder::new());
    let mut terminal = Terminal::start(folder.root(), &format!("shell --save s.toml {}", server.url("smtp")));
    let mut connection = server.accept();
    connection.send("220 x\r\n");
    terminal.wait_for_prompt();
    terminal.press_line(":wait");
    terminal.press_until_prompt("\x03");
    terminal.wait_for("interrupted: the reply is no longer awaited", 1);
    terminal.press_line(":wait");
    terminal.press("\x04");
    let (status, shown) = terminal.wait();
    assert_eq!(status, 0, "{shown}");
    assert!(folder.read("s.toml").contains("expect = 220"), "the session is saved");
}

#[test]
fn what_the_server_says_unasked_is_a_step_of_the_saved_session() {
    let script = "S: 220 x\nC: NOOP\nS: 250 ok\nS: 250 unasked\nC: EHLO me\nS: 250 x\nS: 421 bye\n*: closed by the server\n*: connected\nS: 220 y\nC: QUIT\nS: 221 x\n";
    let server = EmbeddedServer::script(script);
    let (url, folder) = (server.url("smtp"), Folder::new());
    let mut terminal = Terminal::start(folder.root(), &format!("shell --save s.toml {url}"));
    terminal.wait_for_prompt();
    terminal.press_until("NOOP\r", "S: 250 unasked");
    terminal.press_in_editor("");
    terminal.press_until("EHLO me\r", "*: closed by the server");
    terminal.press_in_editor("");
    terminal.press_until(":connect\r", "S: 220 y");
    terminal.press_in_editor("");
    terminal.press_until("QUIT\r", "S: 221 x");
    terminal.press_in_editor("\x04");
    let (status, shown) = terminal.wait();
    assert_eq!(status, 0, "{shown}");
    assert_eq!(server.stop(), [] as [String; 0]);
    let server = EmbeddedServer::script(script);
    let url = server.url("smtp");
    folder.mailrun(["run", "--server", &url, "s.toml"]).run().exits(0);
    assert_eq!(server.stop(), [] as [String; 0]);
}

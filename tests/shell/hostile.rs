//! Servers that send what nobody asked for, or never stop.

use crate::support::{EmbeddedServer, Folder, ManualServer, Terminal};
use std::thread;
use std::time::Duration;

#[test]
fn a_reply_before_tls_answers_nothing_inside_tls() {
    let server = EmbeddedServer::script(
        "S: 220 x\nC: STARTTLS\nS: 220 go\\x0d\\x0a354 injected\n*: TLS started\nS: 250 inside\nC: NOOP\nS: 250 ok\nC: QUIT\nS: 221 x\n",
    );
    let (url, ca) = (server.url("smtp"), server.ca());
    let typed = "STARTTLS\n:wait\nNOOP\nQUIT\n";
    let shell = Folder::new().mailrun(["shell", "--ca", &ca, &url]).stdin(typed).run().exits(0);
    assert!(shell.stdout.contains("S: 354 injected\n*: TLS started"), "it is shown before the handshake: {shell}");
    assert!(shell.stdout.contains("S: 250 inside\nC: NOOP\nS: 250 ok\n"), "{shell}");
    assert!(!shell.stdout.contains("was shown already"), "{shell}");
    assert_eq!(server.stop(), [] as [String; 0]);
}

#[test]
fn a_line_without_an_end_ends_the_connection() {
    for (greeting, typed) in [("220 ", "NOOP\n"), ("220 x\r\n250 ", "NOOP\nNOOP\nNOOP\n")] {
        let server = ManualServer::start();
        let url = server.url("smtp");
        let serving = thread::spawn(move || {
            let mut connection = server.accept();
            connection.try_send(greeting);
            while connection.try_send("a".repeat(64 * 1024)) {}
        });
        let shell = Folder::new().mailrun(["shell", &url]).stdin(typed).run().exits(69);
        let words = "*: protocol error: a line over 64 KiB\n*: closed by the client\n";
        assert_eq!(shell.stdout.matches(words).count(), 1, "{shell}");
        serving.join().expect("the shell closes");
    }
}

#[test]
fn a_reply_that_never_ends_is_waited_for_as_long_as_silence() {
    let server = ManualServer::start();
    let url = server.url("smtp");
    let serving = thread::spawn(move || {
        let mut connection = server.accept();
        connection.send("220 x\r\n");
        assert_eq!(connection.read_line().as_deref(), Some("NOOP"));
        // So slow that a reply with too many lines is out of reach.
        while connection.try_send("250-x\r\n") {
            thread::sleep(Duration::from_millis(5));
        }
    });
    let shell = Folder::new().mailrun(["shell", "--timeout", "2s", &url]).stdin("NOOP\n:close\n").run().exits(0);
    assert!(shell.stdout.contains("S: 250-x\n*: timeout: no reply\n"), "{shell}");
    serving.join().expect("the shell closes");
}

#[test]
fn a_flood_that_nobody_asked_for_ends_the_connection_and_the_prompt_stays() {
    let (server, folder) = (ManualServer::start(), Folder::new());
    let mut terminal = Terminal::start(folder.root(), &format!("shell {}", server.url("smtp")));
    let mut connection = server.accept();
    connection.send("220 x\r\n");
    terminal.wait_for_prompt();
    let line = format!("250 {}\r\n", "x".repeat(32 * 1024));
    while connection.try_send(&line) {}
    terminal.wait_for("*: the server sent more than 1 MiB unasked", 1);
    terminal.press_in_editor("\x04");
    let (status, shown) = terminal.wait();
    assert_eq!(status, 0, "{}", shown.len());
}

//! What was refused for good is not covered by a later attempt at those that were put off.

use super::several_messages::names;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

type AcceptedMails = Arc<Mutex<Vec<(String, String)>>>;

/// Refuses c@, and puts b@ off on so many of its first connections. `at_content`: over LMTP, behind the content.
fn server(put_off: usize, at_content: bool) -> (u16, AcceptedMails) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let taken = AcceptedMails::default();
    let record = taken.clone();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            // A client that goes away ends its connection.
            drop(serve(&stream, number < put_off, at_content, &record));
        }
    });
    (port, taken)
}

fn serve(mut stream: &TcpStream, deferral: bool, at_content: bool, taken: &AcceptedMails) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut recipients: Vec<String> = Vec::new();
    let verdict = |recipient: &str| match recipient.as_bytes().get("RCPT TO:<".len()) {
        Some(b'b') if deferral => "450 4.2.1 later\r\n",
        Some(b'c') => "550 5.1.1 no such user\r\n",
        _ => "250 ok\r\n",
    };
    stream.write_all(b"220 ready\r\n")?;
    while let Some(line) = lines.next() {
        let line = line?;
        let reply = match line.split([' ', ':']).next().unwrap_or_default() {
            "RCPT" => {
                let reply = if at_content { "250 ok\r\n" } else { verdict(&line) };
                recipients.extend(reply.starts_with('2').then_some(line));
                reply.to_owned()
            }
            "DATA" if recipients.is_empty() => "554 for nobody\r\n".to_owned(),
            "DATA" => {
                stream.write_all(b"354 go\r\n")?;
                while lines.next().transpose()?.is_some_and(|line| line != ".") {}
                let replies: Vec<&str> = recipients.iter().map(|recipient| verdict(recipient)).collect();
                let accepted = recipients.drain(..).zip(&replies).filter(|(_, reply)| reply.starts_with('2'));
                let accepted = accepted.map(|(recipient, _)| (recipient, String::new()));
                taken.lock().expect("no one panics with it").extend(accepted);
                if at_content { replies.concat() } else { "250 ok\r\n".to_owned() }
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n"),
            _ => "250 ok\r\n".to_owned(),
        };
        stream.write_all(reply.as_bytes())?;
    }
    Ok(())
}

#[test]
fn a_recipient_that_was_refused_fails_what_a_retry_sends_to_the_others() {
    let rows = "[rows]\nfile = 'rows.csv'\nkey = 'n'\n";
    let table = [
        // To whom, over what, further keys, on how many connections b@ is put off, the status, who has it, what is said.
        (["b", "c"], "smtp", "", 1, 1, "b", "1 refused", "put off first"),
        (["c", "b"], "smtp", "", 1, 1, "b", "1 refused", "refused first"),
        (["b", "c"], "lmtp", "", 1, 1, "b", "1 refused", "each by a reply of its own to the content"),
        (["c", "b"], "lmtp", "", 1, 1, "b", "1 refused", "the same, refused first"),
        (["b", "c"], "smtp", rows, 1, 1, "b", "1 refused", "a row is refused, as it is without a retry"),
        (["c", "b"], "smtp", rows, 1, 1, "b", "1 refused", "whatever the order"),
        (["b", "c"], "smtp", rows, 2, 1, "b", "1 refused", "put off twice"),
        (["b", "c"], "smtp", rows, 9, 1, "", "1 deferred", "put off to the end: the next run sends to it"),
        (["b", "c"], "smtp", "", 9, 1, "", "", "and without rows"),
        (["b", "a"], "smtp", "", 1, 0, "ab", "", "where nobody was refused a later attempt covers all"),
        (["b", "a"], "smtp", rows, 1, 0, "ab", "1 sent", "and in rows"),
    ];
    for (to, scheme, keys, put_off, status, has_it, said, why) in table {
        for ledger in [&[][..], &["--ledger", "l.db"]] {
            let (port, taken) = server(put_off, scheme == "lmtp");
            let folder = tempfile::tempdir().expect("a temporary folder can be made");
            let session = format!(
                "client_name = 't'\n[message]\nfrom = 's@x.example'\ntext = 't'\non_refused = 'skip'\n\
                 to = ['{}@x.example', '{}@x.example']\n[retry]\ntimes = 2\nwait = '10ms'\n{keys}",
                to[0], to[1]
            );
            std::fs::write(folder.path().join("s.toml"), session).expect("the folder can be written");
            std::fs::write(folder.path().join("rows.csv"), "n\n1\n").expect("the folder can be written");
            let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
            command.args(["run", "--server", &format!("{scheme}://127.0.0.1:{port}"), "s.toml"]).args(ledger);
            let output = command.current_dir(folder.path()).stdin(Stdio::null()).output().expect("mailrun starts");
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(status), "{why} {ledger:?}: {text}");
            assert_eq!(names(&taken.lock().expect("no one panics with it")), has_it, "{why} {ledger:?}");
            assert!(text.contains(said), "{why} {ledger:?}: {text}");
            let alone = "1 recipient was refused: <c@x.example>: 550 5.1.1 no such user\n";
            assert_eq!(text.contains(alone), status == 1, "{why} {ledger:?}: {text}");
        }
    }
}

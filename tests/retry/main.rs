//! The retry loop of `docs/reports.md`: runs again with the same ledger go on where the last one ended, and nobody gets a
//! mail twice.

mod refusals;
mod several_messages;

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// What was taken: for whom, and under which Message-ID.
type AcceptedMails = Arc<Mutex<Vec<(String, String)>>>;

/// Where the server puts off the recipient b@, on its first connection.
#[derive(Clone, Copy, PartialEq)]
enum Deferral {
    AtRcpt,
    /// LMTP: each recipient has a reply of its own to the content (RFC 2033 §4.2).
    AtContent,
    /// The same, and the connection ends where the reply for the one behind b@ is due.
    AtContentOnly,
    /// Its content is taken to the end, and then the connection ends without a reply.
    InSilence,
    Never,
}

fn server(deferral: Deferral) -> (u16, AcceptedMails) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let taken = AcceptedMails::default();
    let record = taken.clone();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            // A client that goes away ends its connection.
            let lmtp = matches!(deferral, Deferral::AtContent | Deferral::AtContentOnly);
            drop(serve(&stream, (number == 0).then_some(deferral), lmtp, &record));
        }
    });
    (port, taken)
}

fn serve(
    mut stream: &TcpStream,
    deferral: Option<Deferral>,
    lmtp: bool,
    record: &Mutex<Vec<(String, String)>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut recipients: Vec<String> = Vec::new();
    stream.write_all(b"220 ready\r\n")?;
    while let Some(line) = lines.next() {
        let line = line?;
        let reply = match line.split([' ', ':']).next().unwrap_or_default() {
            "RCPT" if deferral == Some(Deferral::AtRcpt) && line.contains("b@") => "451 4.2.1 later\r\n".to_owned(),
            "RCPT" => {
                recipients.push(line);
                "250 ok\r\n".to_owned()
            }
            "DATA" => {
                stream.write_all(b"354 go\r\n")?;
                let (mut id, mut complete) = (String::new(), false);
                for line in lines.by_ref() {
                    match line? {
                        line if line == "." => {
                            complete = true;
                            break;
                        }
                        line if line.starts_with("Message-ID:") => id = line,
                        _ => {}
                    }
                }
                if !complete {
                    return Ok(());
                }
                if deferral == Some(Deferral::InSilence) && recipients.iter().any(|recipient| recipient.contains("b@"))
                {
                    record.lock().expect("no one panics with it").push((recipients.remove(0), id));
                    return Ok(());
                }
                let mut replies = String::new();
                for recipient in recipients.drain(..) {
                    if deferral == Some(Deferral::AtContentOnly) && recipient.contains("c@") {
                        return stream.write_all(replies.as_bytes());
                    }
                    let at_content = matches!(deferral, Some(Deferral::AtContent | Deferral::AtContentOnly));
                    let later = at_content && recipient.contains("b@");
                    replies += if later { "452 4.2.2 full\r\n" } else { "250 ok\r\n" };
                    if !later {
                        record.lock().expect("no one panics with it").push((recipient, id.clone()));
                    }
                }
                if lmtp { replies } else { "250 ok\r\n".to_owned() }
            }
            "EHLO" => "250-mx\r\n250 PIPELINING\r\n".to_owned(),
            "QUIT" => return stream.write_all(b"221 bye\r\n"),
            _ => "250 ok\r\n".to_owned(),
        };
        stream.write_all(reply.as_bytes())?;
    }
    Ok(())
}

#[test]
fn a_run_with_the_same_ledger_sends_to_those_only_that_were_put_off() {
    for (deferral, scheme) in [(Deferral::AtContent, "lmtp"), (Deferral::AtRcpt, "smtp")] {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let session = folder.path().join("nightly.toml");
        let text = "client_name = 't'\n[message]\nfrom = 's@x.example'\nsubject = 's'\ntext = 't'\non_refused = 'skip'\n\
                    to = ['a@x.example', 'b@x.example', 'c@x.example']\n";
        std::fs::write(&session, text).expect("the folder can be written");
        let (port, taken) = server(deferral);
        let run = || {
            let output = Command::new(env!("CARGO_BIN_EXE_mailrun"))
                .args(["run", "--quiet", "--server", &format!("{scheme}://127.0.0.1:{port}"), "--ledger"])
                .arg(folder.path().join("l.db"))
                .arg(&session)
                .stdin(Stdio::null())
                .output()
                .expect("mailrun starts");
            output.status.code()
        };
        let names = || -> Vec<String> {
            let taken = taken.lock().expect("no one panics with it");
            taken.iter().map(|(recipient, _)| recipient["RCPT TO:<".len()..].chars().take(1).collect()).collect()
        };
        assert_eq!(run(), Some(75), "{scheme}: one was put off");
        assert_eq!(names(), ["a", "c"], "{scheme}");
        assert_eq!(run(), Some(0), "{scheme}: it is taken now");
        assert_eq!(names(), ["a", "c", "b"], "{scheme}: and for nobody twice");
        assert_eq!(run(), Some(0), "{scheme}: nothing is left to send");
        assert_eq!(names().len(), 3, "{scheme}");
        let taken = taken.lock().expect("no one panics with it");
        assert!(taken.iter().all(|(_, id)| *id == taken[0].1 && id.len() > 20), "{scheme}: one Message-ID: {taken:?}");
    }
}

#[test]
fn one_recipient_whose_reply_is_missing_is_unknown_whatever_was_said_of_the_others() {
    for (on_refused, ledger) in [("abort", None), ("skip", None), ("abort", Some("l.db")), ("skip", Some("l.db"))] {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let text = format!(
            "client_name = 't'\n[message]\nfrom = 's@x.example'\ntext = 't'\non_refused = '{on_refused}'\n\
             to = ['a@x.example', 'b@x.example', 'c@x.example']\n"
        );
        std::fs::write(folder.path().join("nightly.toml"), text).expect("the folder can be written");
        let (port, taken) = server(Deferral::AtContentOnly);
        let mailrun = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
            let output = command.args(arguments).current_dir(folder.path()).stdin(Stdio::null()).output();
            let output = output.expect("mailrun starts");
            (output.status.code(), String::from_utf8(output.stdout).expect("it is text"))
        };
        let to = format!("lmtp://127.0.0.1:{port}");
        let run = || {
            let with = ledger.map(|ledger| ["--ledger", ledger]);
            let with = with.as_ref().map_or(&[][..], |with| with);
            mailrun(&[&["run", "--quiet", "--server", &to, "nightly.toml"], with].concat()).0
        };
        let taken = || several_messages::names(&taken.lock().expect("no one panics with it"));
        assert_eq!((run(), taken().as_str()), (Some(74), "a"), "{on_refused}: to try again may send it twice");
        if ledger.is_none() {
            continue;
        }
        assert_eq!((run(), taken().as_str()), (Some(74), "a"), "{on_refused}: it is left alone");
        let said = mailrun(&["ledger", "l.db", "resolve", "-", "sent"]).1;
        assert_eq!(said, "1 row deferred: the next run sends what is left of it\n", "{on_refused}");
        assert_eq!((run(), taken().as_str()), (Some(0), "ab"), "{on_refused}: the one that was put off is sent to");
        assert_eq!((run(), taken().as_str()), (Some(0), "ab"), "{on_refused}: nothing is left");
    }
}

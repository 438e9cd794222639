//! A file that becomes shorter or longer while it is sent: its size was announced, so nothing is ended with a dot or LAST.

use super::MessageFixture;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

const LENGTH: u64 = 8 << 20;

#[derive(Clone, Copy, Debug, PartialEq)]
enum ResizeMoment {
    /// Between MAIL, which announces its size, and the content.
    Before,
    /// With a part of the content sent.
    Amid,
}

/// What the server heard behind MAIL, up to the end of the connection.
fn transcript_of_resized(
    place: &MessageFixture,
    extensions: &str,
    when: ResizeMoment,
    to: u64,
) -> (Vec<u8>, Option<i32>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let url = format!("smtp://{}", listener.local_addr().expect("it is bound"));
    let child = Command::new(env!("CARGO_BIN_EXE_mailrun"))
        .args(["run", "--quiet", "--server", &url, "case.toml"])
        .current_dir(place.0.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("mailrun starts");
    let (stream, _) = listener.accept().expect("it connects");
    let mut writer = stream.try_clone().expect("a socket has two ends");
    let mut reader = BufReader::new(stream);
    let mut say = |text: &str| writer.write_all(text.as_bytes()).expect("it listens");
    say("220 ready\r\n");
    let mut line = String::new();
    loop {
        line.clear();
        reader.read_line(&mut line).expect("it speaks");
        match line.split([' ', '\r']).next().unwrap_or_default() {
            "EHLO" => say(&format!("250-mx\r\n{extensions}250 SIZE\r\n")),
            "MAIL" => {
                if when == ResizeMoment::Before {
                    resize(place.0.path(), to);
                }
                say("250 ok\r\n");
            }
            "RCPT" => say("250 ok\r\n"),
            "DATA" => {
                say("354 go\r\n");
                break;
            }
            // With BDAT the content is on its way.
            "BDAT" => break,
            // Nothing of the content had left: the connection ends in order.
            "QUIT" => {
                say("221 bye\r\n");
                break;
            }
            other => panic!("{other}"),
        }
    }
    let mut all = line.into_bytes();
    if when == ResizeMoment::Amid {
        // The client cannot be done: no socket holds 8 MB.
        let mut part = vec![0; 200_000];
        reader.read_exact(&mut part).expect("content comes");
        resize(place.0.path(), to);
        all.extend(part);
    }
    // A connection that is reset has ended, too.
    let _ = reader.read_to_end(&mut all);
    let output = child.wait_with_output().expect("it ends");
    (all, output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn resize(folder: &Path, to: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(folder.join("big")).expect("it is ours");
    file.set_len(to).expect("a hole costs nothing");
}

#[test]
fn content_that_is_not_as_long_as_it_was_said_to_be_is_never_ended() {
    let session = "[message]\nfrom = \"a@example.com\"\nto = \"b@example.com\"\ntext = \"see\"\nattach = [\"big\"]\n";
    for extensions in ["", "250-PIPELINING\r\n250-CHUNKING\r\n"] {
        for when in [ResizeMoment::Before, ResizeMoment::Amid] {
            for (to, word) in [(1 << 20, "shorter"), (0, "emptied"), (LENGTH + 1, "longer by a byte")] {
                let case = format!("{word}, {when:?}, {extensions:?}");
                let place = MessageFixture::new(session, &[]);
                place.put("big", b"");
                resize(place.0.path(), LENGTH);
                let (all, status, errors) = transcript_of_resized(&place, extensions, when, to);
                assert_eq!(status, Some(66), "{case}: {errors}");
                assert!(errors.contains("big: "), "{case}: it names the file: {errors}");
                let dot = all.windows(5).any(|bytes| bytes == b"\r\n.\r\n");
                let last = all.windows(7).any(|bytes| bytes == b" LAST\r\n");
                assert!(!dot && !last, "{case}: the content was ended");
            }
        }
    }
}

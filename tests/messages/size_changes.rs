//! A file that becomes shorter or longer while it is sent: its size was announced, so nothing is ended with a dot or LAST.

use super::MessageFixture;
use crate::support::ManualServer;

const LENGTH: u64 = 8 << 20;

#[derive(Clone, Copy, Debug, PartialEq)]
enum ResizeMoment {
    /// Between MAIL, which announces its size, and the content.
    Before,
    /// With a part of the content sent.
    Amid,
}

/// What came after MAIL, up to the end of the connection; the exit status and what was printed.
fn receive_resized(place: &MessageFixture, extensions: &[&str], when: ResizeMoment, to: u64) -> (Vec<u8>, i32, String) {
    let server = ManualServer::start();
    let running = place.0.mailrun(["run", "--quiet", "--server", &server.url("smtp"), "case.toml"]).start();
    let mut client = server.accept();
    client.send("220 ready\r\n");
    client.answer_until(extensions, &["MAIL"]);
    if when == ResizeMoment::Before {
        place.resize("big", to);
    }
    client.send("250 ok\r\n");
    let line = client.answer_until(extensions, &["DATA", "BDAT", "QUIT"]);
    match &line[..4] {
        "DATA" => client.send("354 go\r\n"),
        // Nothing of the content had left: the connection ends in order.
        "QUIT" => client.send("221 bye\r\n"),
        // With BDAT the content is on its way.
        _ => {}
    }
    let mut all = format!("{line}\r\n").into_bytes();
    if when == ResizeMoment::Amid {
        // The client cannot be done: no socket holds 8 MB.
        all.extend(client.read_exactly(200_000));
        place.resize("big", to);
    }
    all.extend(client.read_to_end());
    let ran = running.wait();
    (all, ran.status, ran.text())
}

#[test]
fn content_that_is_not_as_long_as_it_was_said_to_be_is_never_ended() {
    let session = "[message]\nfrom = \"a@example.com\"\nto = \"b@example.com\"\ntext = \"see\"\nattach = [\"big\"]\n";
    for extensions in [&["SIZE"][..], &["PIPELINING", "CHUNKING", "SIZE"]] {
        for when in [ResizeMoment::Before, ResizeMoment::Amid] {
            for (to, word) in [(1 << 20, "shorter"), (0, "emptied"), (LENGTH + 1, "longer by a byte")] {
                let case = format!("{word}, {when:?}, {extensions:?}");
                let place = MessageFixture::new(session, &[]);
                place.resize("big", LENGTH);
                let (all, status, errors) = receive_resized(&place, extensions, when, to);
                assert_eq!(status, 66, "{case}: {errors}");
                assert!(errors.contains("big: "), "{case}: it names the file: {errors}");
                let dot = all.windows(5).any(|bytes| bytes == b"\r\n.\r\n");
                let last = all.windows(7).any(|bytes| bytes == b" LAST\r\n");
                assert!(!dot && !last, "{case}: the content was ended");
            }
        }
    }
}

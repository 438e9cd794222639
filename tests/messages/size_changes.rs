//! A file whose size changes while it is sent: the announced size is wrong, so the content is not ended with a dot or LAST.

use super::MessageFixture;
use crate::support::ManualServer;

const LENGTH: u64 = 8 << 20;

#[derive(Clone, Copy, Debug, PartialEq)]
enum ResizeMoment {
    /// Between MAIL, which announces its size, and the content.
    Before,
    /// After a part of the content was sent.
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
        // No content was sent: the connection ends normally.
        "QUIT" => client.send("221 bye\r\n"),
        // BDAT has no reply before the content.
        _ => {}
    }
    let mut all = format!("{line}\r\n").into_bytes();
    if when == ResizeMoment::Amid {
        // The client cannot have finished: 8 MB do not fit into a socket buffer.
        all.extend(client.read_exactly(200_000));
        place.resize("big", to);
    }
    // Nothing follows the first BDAT of a run before its reply.
    if let Some(octets) = line.strip_prefix("BDAT ").and_then(|octets| octets.parse::<usize>().ok()) {
        let read = all.len() - line.len() - 2;
        all.extend(client.read_up_to(octets - read));
        client.try_send("250 ok\r\n");
    }
    all.extend(client.read_to_end());
    let ran = running.wait();
    (all, ran.status, ran.text())
}

#[test]
fn content_whose_size_differs_from_the_announced_size_is_never_ended() {
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

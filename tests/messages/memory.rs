//! Attachments of any size cost constant memory.

use super::MessageFixture;
use crate::support::ManualServer;

/// How much memory a process has had at its peak, in kB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it is alive");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux has the peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Takes one mail. Returns the peaks before the first command and after the last byte of content, and the octets of the
/// content.
fn take_a_big_mail(extensions: &[&str]) -> (u64, u64, u64) {
    const LENGTH: u64 = 64 << 20;
    let server = ManualServer::start();
    let session = format!(
        "server = \"{}\"\n[message]\nfrom = \"a@example.com\"\nto = \"b@example.com\"\ntext = \"see\"\nattach = [\"big\"]\n",
        server.url("smtp")
    );
    let place = MessageFixture::new(&session, &[]);
    place.resize("big", LENGTH);
    let running = place.0.mailrun(["run", "--quiet", "case.toml"]).start();
    let mut client = server.accept();
    let before = peak(running.id());
    client.send("220 ready\r\n");
    let number = |line: &str, sign: char| line.split(sign).nth(1)?.split(' ').next()?.parse::<u64>().ok();
    let mail = client.answer_until(extensions, &["MAIL"]);
    let announced = mail.split_once("SIZE=").and_then(|(_, size)| size.split(' ').next()?.parse().ok());
    client.send("250 ok\r\n");
    let (mut octets, mut after) = (0, 0);
    loop {
        let line = client.answer_until(extensions, &["DATA", "BDAT", "QUIT"]);
        match &line[..4] {
            "DATA" => {
                client.send("354 go\r\n");
                octets = client.skip_content();
                after = peak(running.id());
                client.send("250 kept\r\n");
            }
            "BDAT" => {
                let size = number(&line, ' ').expect("BDAT has a size");
                client.skip(size);
                octets += size;
                after = peak(running.id());
                client.send("250 chunk\r\n");
            }
            _ => {
                client.send("221 bye\r\n");
                break;
            }
        }
    }
    running.wait().exits(0);
    assert_eq!(Some(octets), announced, "as long as it was said to be");
    (before, after, octets)
}

#[test]
fn a_big_attachment_costs_little_memory() {
    for extensions in [&["SIZE"][..], &["PIPELINING", "CHUNKING", "SIZE"]] {
        let (before, after, octets) = take_a_big_mail(extensions);
        assert!(octets > 64 << 20, "{octets}");
        // A debug build needs more memory than a release build, so only what the content adds is limited here;
        // `make bench` shows the total.
        let more = after.saturating_sub(before);
        assert!(more < 5 << 10, "with {extensions:?} it took {more} kB more than the {before} kB at its start");
    }
}

//! Attachments of any size cost constant memory.

use super::MessageFixture;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::Command;

/// How much memory a process has had at its peak, in kB.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it is alive");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells the peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Plays a server that takes one mail. Gives the peaks before the first command and behind the last byte of content, and
/// the octets of the content.
fn take_a_big_mail(extensions: &str) -> (u64, u64, u64) {
    const LENGTH: u64 = 64 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
    let address = listener.local_addr().expect("it is bound");
    let session = format!(
        "server = \"smtp://{address}\"\n[message]\nfrom = \"a@example.com\"\nto = \"b@example.com\"\ntext = \"see\"\nattach = [\"big\"]\n"
    );
    let place = MessageFixture::new(&session, &[]);
    // A file with a hole: long, and not on the disk.
    let file = std::fs::File::create(place.0.path().join("big")).expect("the folder is ours");
    file.set_len(LENGTH).expect("a hole costs nothing");
    let mut child = Command::new(env!("CARGO_BIN_EXE_mailrun"))
        .args(["run", "--quiet", "case.toml"])
        .current_dir(place.0.path())
        .spawn()
        .expect("mailrun starts");
    let (stream, _) = listener.accept().expect("it connects");
    let before = peak(child.id());
    let mut writer = stream.try_clone().expect("a socket has two ends");
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    let mut say = |line: &str| writer.write_all(format!("{line}\r\n").as_bytes()).expect("it listens");
    say("220 ready");
    let (mut line, mut octets, mut announced, mut after) = (Vec::new(), 0, 0, 0);
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).expect("it speaks") == 0 {
            break;
        }
        let command = String::from_utf8_lossy(&line).trim_end().to_owned();
        let word = command.split(' ').next().unwrap_or_default().to_owned();
        match word.as_str() {
            "EHLO" => say(&format!("250-hello\r\n{extensions}250 SIZE")),
            "MAIL" => {
                announced = command.rsplit('=').next().and_then(|size| size.parse().ok()).expect("SIZE comes last");
                say("250 ok");
            }
            "DATA" => {
                say("354 go");
                loop {
                    line.clear();
                    reader.read_until(b'\n', &mut line).expect("it speaks");
                    if line == b".\r\n" {
                        break;
                    }
                    octets += line.len() as u64;
                }
                after = peak(child.id());
                say("250 kept");
            }
            "BDAT" => {
                let size = command.split(' ').nth(1).and_then(|size| size.parse().ok()).expect("BDAT has a size");
                octets += std::io::copy(&mut reader.by_ref().take(size), &mut std::io::sink()).expect("it comes");
                after = peak(child.id());
                say("250 chunk");
            }
            "QUIT" => say("221 bye"),
            _ => say("250 ok"),
        }
    }
    assert!(child.wait().expect("it ends").success());
    assert_eq!(octets, announced, "as long as it was said to be");
    (before, after, octets)
}

#[test]
fn a_big_attachment_costs_little_memory() {
    for extensions in ["", "250-PIPELINING\r\n250-CHUNKING\r\n"] {
        let (before, after, octets) = take_a_big_mail(extensions);
        assert!(octets > 64 << 20, "{octets}");
        // A build for tests is larger than the program itself, so that 16 MB in all are for `make bench` to show; of these
        // the content may have 5.
        let more = after.saturating_sub(before);
        assert!(more < 5 << 10, "with {extensions:?} it took {more} kB more than the {before} kB at its start");
    }
}

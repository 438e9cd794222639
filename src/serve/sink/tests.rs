//! Dialogues with the sink, without a socket.

use super::super::SinkOptions;
use super::super::dialogue::{ClientEnd, Dialogue, ServerAction, TlsHandshake};
use super::super::rules::ReplyRules;
use super::Sink;
use super::envelope::{Envelope, MailWriter};
use crate::transcript::Secret;
use proptest::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;

mod authentication;

type Kept = Rc<RefCell<Vec<(Envelope, Vec<u8>)>>>;

#[derive(Default)]
struct Memory {
    kept: Kept,
    begun: Option<Vec<u8>>,
    broken: bool,
}

impl MailWriter for Memory {
    fn begin(&mut self) -> Result<(), String> {
        self.begun = Some(Vec::new());
        if self.broken { Err("no space".to_owned()) } else { Ok(()) }
    }
    fn content(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.begun.as_mut().ok_or("not begun")?.extend_from_slice(bytes);
        Ok(())
    }
    fn commit(&mut self, envelope: &Envelope) -> Result<String, String> {
        let content = self.begun.take().ok_or("not begun")?;
        self.kept.borrow_mut().push((envelope.clone(), content));
        Ok("NAME".to_owned())
    }
    fn abandon(&mut self) {
        self.begun = None;
    }
}

/// What a client hears that sends all of `sent` in pieces. TLS begins without a handshake.
fn talk(options: &SinkOptions, sent: &[u8], piece: usize, mailbox: Memory) -> String {
    let mut sink = Sink::new(options, Some(Box::new(mailbox)), "nonce".to_owned());
    let mut pieces = sent.chunks(piece);
    let mut said = String::new();
    for _ in 0..100_000 {
        match sink.next_action() {
            ServerAction::Read => match pieces.next() {
                Some(piece) => sink.received(piece),
                None => sink.client_ended(ClientEnd::Closed),
            },
            ServerAction::Write { bytes, .. } => said.push_str(&String::from_utf8(bytes).expect("replies are UTF-8")),
            ServerAction::StartTls { .. } => {
                said.push_str("<tls>");
                assert!(sink.take_input().is_empty(), "what came unencrypted is dropped");
                sink.tls_started(TlsHandshake { version: None, server_end_point: Some(b"binding".to_vec()) });
            }
            ServerAction::Wait(_) => said.push_str("<wait>"),
            ServerAction::Close | ServerAction::Reset => return said + "<close>",
            other => panic!("the sink never does {other:?}"),
        }
    }
    panic!("the dialogue does not end: {said}");
}

/// Plays `C: ` lines, compares the replies with `S: ` lines; a reply's text may be cut short with `…`. At every
/// chunk size.
fn dialogue_with(options: &SinkOptions, why: &str, lines: &str) -> Vec<(Envelope, Vec<u8>)> {
    let mut sent = Vec::new();
    let mut wanted = vec!["220 …".to_owned()];
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(line) = line.strip_prefix("C:") {
            sent.extend_from_slice(line.strip_prefix(' ').unwrap_or(line).as_bytes());
            sent.extend_from_slice(b"\r\n");
        } else {
            wanted.push(line.strip_prefix("S: ").expect("C: or S:").to_owned());
        }
    }
    let mut result = Vec::new();
    for piece in (1..=16).chain([usize::MAX]) {
        let kept = Kept::default();
        let said = talk(options, &sent, piece, Memory { kept: kept.clone(), ..Memory::default() });
        let heard: Vec<&str> = said.trim_end_matches("<close>").lines().collect();
        let alike = |(heard, wanted): (&&str, &String)| match wanted.strip_suffix('…') {
            Some(start) => heard.starts_with(start),
            None => heard == wanted,
        };
        let fits = heard.len() == wanted.len() && heard.iter().zip(&wanted).all(alike);
        assert!(fits, "{why}, pieces of {piece}:\nheard {heard:#?}\nwanted {wanted:#?}");
        result = kept.take();
    }
    result
}

fn dialogue(why: &str, lines: &str) -> Vec<(Envelope, Vec<u8>)> {
    dialogue_with(&SinkOptions::default(), why, lines)
}

#[test]
fn a_mail_is_kept_byte_for_byte_with_its_envelope() {
    let kept = dialogue(
        "a plain transaction",
        "C: HELO client.example
         S: 250 localhost greets client.example
         C: MAIL FROM:<a@example.com> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=x+2By
         S: 250 2.1.0 <a@example.com> ok
         C: RCPT TO:<b@example.com> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@example.com
         S: 250 2.1.5 <b@example.com> ok
         C: rcpt to: <\"odd > one\"@example.com>
         S: 250 …
         C: DATA
         S: 354 …
         C: Subject: x
         C:
         C: ..stuffed
         C: .
         S: 250 2.0.0 queued as NAME
         C: QUIT
         S: 221 …",
    );
    let [(envelope, content)] = kept.as_slice() else { panic!("one mail, not {}", kept.len()) };
    assert_eq!(content, b"Subject: x\r\n\r\n.stuffed\r\n");
    assert_eq!(envelope.mail_from, "a@example.com");
    assert_eq!(envelope.mail_params["ENVID"].as_deref(), Some("x+2By"));
    assert_eq!(envelope.rcpt[0].params["NOTIFY"].as_deref(), Some("SUCCESS,FAILURE"));
    assert_eq!(envelope.rcpt[1].address, "\"odd > one\"@example.com");
    assert_eq!((envelope.helo.as_str(), envelope.protocol.as_str()), ("client.example", "SMTP"));
    assert_eq!(envelope.size, content.len() as u64);
}

#[test]
fn commands_out_of_order_and_wrong_ones_are_refused() {
    let table = [
        ("MAIL before EHLO", "C: MAIL FROM:<a@b>\nS: 503 5.5.1 …"),
        ("RCPT before MAIL", "C: HELO x\nS: 250 …\nC: RCPT TO:<a@b>\nS: 503 5.5.1 …"),
        ("DATA before RCPT", "C: HELO x\nS: 250 …\nC: MAIL FROM:<>\nS: 250 …\nC: DATA\nS: 503 5.5.1 …"),
        ("two MAILs", "C: HELO x\nS: 250 …\nC: MAIL FROM:<>\nS: 250 …\nC: MAIL FROM:<>\nS: 503 5.5.1 …"),
        ("AUTH before EHLO", "C: AUTH PLAIN\nS: 503 5.5.1 …"),
        ("STARTTLS with an argument", "C: HELO x\nS: 250 …\nC: STARTTLS now\nS: 501 …"),
        ("no brackets", "C: HELO x\nS: 250 …\nC: MAIL FROM:a@b\nS: 501 5.5.4 …"),
        ("an invalid address", "C: HELO x\nS: 250 …\nC: MAIL FROM:<a b@c>\nS: 501 5.1.7 …"),
        ("no domain", "C: HELO x\nS: 250 …\nC: MAIL FROM:<a>\nS: 501 5.1.7 …"),
        ("the bare postmaster", "C: HELO x\nS: 250 …\nC: MAIL FROM:<>\nS: 250 …\nC: RCPT TO:<Postmaster>\nS: 250 …"),
        ("that is a recipient only", "C: HELO x\nS: 250 …\nC: MAIL FROM:<postmaster>\nS: 501 5.1.7 …"),
        ("null recipient", "C: HELO x\nS: 250 …\nC: MAIL FROM:<>\nS: 250 …\nC: RCPT TO:<>\nS: 501 5.1.3 …"),
        ("an unknown parameter", "C: HELO x\nS: 250 …\nC: MAIL FROM:<> COLOUR=red\nS: 555 5.5.4 …"),
        ("a parameter twice", "C: HELO x\nS: 250 …\nC: MAIL FROM:<> SIZE=1 SIZE=1\nS: 501 5.5.4 …"),
        ("too large", "C: HELO x\nS: 250 …\nC: MAIL FROM:<> SIZE=99999999999\nS: 552 5.3.4 …"),
        ("not ASCII without SMTPUTF8", "C: HELO x\nS: 250 …\nC: MAIL FROM:<ä@b.example>\nS: 553 5.6.7 …"),
        ("not ASCII with it", "C: HELO x\nS: 250 …\nC: MAIL FROM:<ä@b.example> SMTPUTF8\nS: 250 …"),
        ("no name", "C: EHLO\nS: 501 …"),
        ("unknown, empty, not implemented", "C: WHAT\nS: 500 5.5.2 …\nC:\nS: 500 5.5.2 …\nC: EXPN x\nS: 502 5.5.1 …"),
        ("RSET, NOOP, HELP, VRFY", "C: RSET\nS: 250 …\nC: noop x\nS: 250 …\nC: HELP\nS: 214 …\nC: VRFY a\nS: 252 …"),
    ];
    for (why, lines) in table {
        dialogue(why, lines);
    }
}

#[test]
fn lines_that_are_none_are_answered_and_skipped() {
    let table: [(&str, Vec<u8>, &str); 4] = [
        ("too long", [&[b'x'; 20_000][..], b"\r\nNOOP\r\n"].concat(), "500 5.5.6 line too long\r\n250 2.0.0 ok\r\n"),
        (
            "a bare LF",
            b"NOOP\nNOOP\r\n".to_vec(),
            "500 5.5.2 a line ends in CRLF, this one in a bare LF\r\n250 2.0.0 ok\r\n",
        ),
        ("not UTF-8", b"NOOP \xff\r\nNOOP\r\n".to_vec(), "500 5.5.2 a line is UTF-8\r\n250 2.0.0 ok\r\n"),
        ("a NUL", b"NOOP \0\r\nNOOP\r\n".to_vec(), "500 5.5.2 a line holds no NUL\r\n250 2.0.0 ok\r\n"),
    ];
    for (why, sent, wanted) in table {
        for piece in [1, 7, 4096, usize::MAX] {
            let said = talk(&SinkOptions::default(), &sent, piece, Memory::default());
            assert_eq!(said, format!("220 localhost ESMTP mailrun sink\r\n{wanted}<close>"), "{why}, {piece}");
        }
    }
}

#[test]
fn bdat_brings_octets_as_they_are() {
    let kept = Kept::default();
    let options = SinkOptions::default();
    let sent = b"EHLO x\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<a@b.example>\r\nDATA\r\nBDAT 7\r\n\r\n.\r\n\0\xffNOOP\r\nMAIL FROM:<>\r\nBDAT 3 LAST\r\nxyzBDAT 4 LAST\r\nQUITQUIT\r\n";
    for piece in (1..=16).chain([usize::MAX]) {
        let said = talk(&options, sent, piece, Memory { kept: kept.clone(), ..Memory::default() });
        let (_, said) = said.split_once("250 2.1.5").expect("RCPT was accepted");
        let codes: Vec<&str> = said.lines().skip(1).map(|line| &line[..9.min(line.len())]).collect();
        assert_eq!(
            codes,
            ["503 5.5.1", "250 2.0.0", "250 2.0.0", "503 5.5.1", "250 2.0.0", "503 5.5.1", "221 2.0.0", "<close>"],
            "DATA, BDAT, NOOP, MAIL amid chunks, LAST, BDAT without MAIL (its octets are no command), QUIT; {piece}"
        );
        let mails = kept.take();
        assert_eq!(mails[0].1, b"\r\n.\r\n\0\xffxyz", "pieces of {piece}");
    }
}

#[test]
fn lmtp_answers_each_recipient() {
    let kept = dialogue_with(
        &SinkOptions {
            rules: ReplyRules::read("rules.toml", "on=[{verb='CONTENT',nth=2,reply='550 5.1.1 no'}]").expect("rules"),
            ..SinkOptions::default()
        },
        "the second recipient is refused",
        "C: LHLO x
         S: 250-localhost greets x
         S: 250-PIPELINING
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-CHUNKING
         S: 250-BINARYMIME
         S: 250-DSN
         S: 250-ENHANCEDSTATUSCODES
         S: 250-PRDR
         S: 250-VRFY
         S: 250-HELP
         S: 250-SIZE 1073741824
         S: 250-STARTTLS
         S: 250-XCLIENT …
         S: 250 AUTH CRAM-MD5 PLAIN LOGIN XOAUTH2 OAUTHBEARER EXTERNAL ANONYMOUS
         C: EHLO x
         S: 500 5.5.1 …
         C: MAIL FROM:<>
         S: 250 …
         C: RCPT TO:<a@b.example>
         S: 250 …
         C: RCPT TO:<c@b.example>
         S: 250 …
         C: DATA
         S: 354 …
         C: .
         S: 250 2.0.0 queued as NAME for <a@b.example>
         S: 550 5.1.1 no
         C: QUIT
         S: 221 …",
    );
    assert!(kept[0].0.lmtp);
    assert_eq!(kept[0].0.protocol, "LMTP");
}

#[test]
fn rules_replace_replies_and_their_effects() {
    let rules = ReplyRules::read(
        "rules.toml",
        "[[on]]\nverb = 'connect'\nreply = '220 mine'\n\
         [[on]]\nverb = 'RCPT'\nnth = 2\nreply = '450 4.2.0 later'\n\
         [[on]]\nverb = 'RCPT'\nargument = 'forward@'\nreply = '251 elsewhere'\n\
         [[on]]\nverb = 'HELO'\nreply = \"250-a\\n250 b\"\ndelay = '1s'\n\
         [[on]]\nverb = 'VRFY'\nclose = true\n",
    );
    let options = SinkOptions { rules: rules.expect("rules"), ..SinkOptions::default() };
    let sent = b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nRCPT TO:<c@b.example>\r\nRCPT TO:<forward@b.example>\r\nDATA\r\n.\r\nVRFY x\r\nNOOP\r\n";
    let kept = Kept::default();
    let said = talk(&options, sent, usize::MAX, Memory { kept: kept.clone(), ..Memory::default() });
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "220 mine",
            "<wait>250-a",
            "250 b",
            "250 2.1.0 <> ok",
            "250 2.1.5 <a@b.example> ok",
            "450 4.2.0 later",
            "251 elsewhere",
            "354 go ahead, and end with a dot",
            "250 2.0.0 queued as NAME",
            "<close>"
        ]
    );
    let kept = kept.take();
    let rcpt: Vec<&str> = kept[0].0.rcpt.iter().map(|rcpt| rcpt.address.as_str()).collect();
    assert_eq!(rcpt, ["a@b.example", "forward@b.example"], "what was refused is not in the envelope");
}

#[test]
fn rules_that_are_wrong_are_told_with_their_place() {
    let table = [
        ("[[on]]\nverb = 'RCPT'\nreplay = '250'\n", 3, "replay"),
        ("[[on]]\nverb = 'RCPT'\n", 1, "a rule has a reply"),
        ("[[on]]\nverb = 'RCPT'\nargument = '('\nreply = '250 x'\n", 3, "argument"),
        ("[[on]]\nverb = 'RCPT TO'\nreply = '250 x'\n", 2, "one word"),
        ("[[on]]\nverb = 'RCPT'\nnth = 0\nreply = '250 x'\n", 3, "from 1"),
        ("[[on]]\nverb = 'RCPT'\ndelay = 'soon'\nreply = '250 x'\n", 3, ""),
        ("", 1, "no rules"),
        ("[[on]\n", 1, ""),
    ];
    for (text, line, why) in table {
        let errors = ReplyRules::read("rules.toml", text).expect_err(text);
        let first = &errors.list[0];
        assert_eq!(errors.sources.place(&first.span).line, line, "{text}: {}", first.message);
        assert!(first.message.contains(why), "{text}: {}", first.message);
    }
}

#[test]
fn prdr_answers_each_of_several_recipients() {
    let envelope = "C: HELO x\nS: 250 …\nC: MAIL FROM:<> PRDR\nS: 250 …\nC: RCPT TO:<a@b.example>\nS: 250 …\n";
    let end = "C: DATA\nS: 354 …\nC: .\n";
    dialogue("one", &format!("{envelope}{end}S: 250 2.0.0 queued as NAME"));
    dialogue(
        "two",
        &format!(
            "{envelope}C: RCPT TO:<c@b.example>\nS: 250 …\n{end}S: 353 …\nS: 250 2.1.5 <a@b.example> ok\nS: 250 2.1.5 <c@b.example> ok\nS: 250 2.0.0 queued as NAME"
        ),
    );
}

#[test]
fn tls_begins_and_what_was_said_before_is_forgotten() {
    let options = SinkOptions { password: Some(Secret::new("pencil")), ..SinkOptions::default() };
    let said = talk(&options, b"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<>\r\n", usize::MAX, Memory::default());
    assert!(said.ends_with("220 2.0.0 go ahead\r\n<tls><close>"), "what was pipelined after is dropped: {said}");
    let said = talk(&options, b"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<>\r\nEHLO x\r\nSTARTTLS\r\n", 1, Memory::default());
    let (_, inside) = said.split_once("<tls>").expect("TLS");
    assert!(inside.starts_with("503 5.5.1"), "{inside}");
    assert!(inside.contains("250 AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN"));
    assert!(!inside.contains("250-STARTTLS") && inside.contains("503 5.5.1 TLS has started already"), "{inside}");
}

#[test]
fn a_proxy_header_may_come_first() {
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x0f\xa0\0\x19";
    let table: [(&[u8], &str); 3] = [
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 4000 25\r\n", "192.0.2.1:4000"),
        (b"PROXY TCP6 2001:db8::1 2001:db8::2 4000 25\r\n", "[2001:db8::1]:4000"),
        (v2, "192.0.2.1:4000"),
    ];
    for (header, source) in table {
        let kept = Kept::default();
        let sent = [header, b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n.\r\n"].concat();
        talk(&SinkOptions::default(), &sent, usize::MAX, Memory { kept: kept.clone(), ..Memory::default() });
        assert_eq!(kept.take()[0].0.proxied_for.as_deref(), Some(source));
    }
}

#[test]
fn mail_that_cannot_be_kept_is_not_accepted() {
    let sent = b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n";
    let said = talk(&SinkOptions::default(), sent, usize::MAX, Memory { broken: true, ..Memory::default() });
    assert!(said.ends_with("451 4.3.0 the mail cannot be stored\r\n250 2.0.0 ok\r\n<close>"), "{said}");
}

proptest! {
    #[test]
    fn no_client_makes_the_sink_panic_or_hang(sent in proptest::collection::vec(
        prop_oneof![
            Just(b"EHLO x\r\n".to_vec()), Just(b"MAIL FROM:<>\r\n".to_vec()), Just(b"RCPT TO:<a@b.c>\r\n".to_vec()),
            Just(b"DATA\r\n".to_vec()), Just(b".\r\n".to_vec()), Just(b"BDAT 3 LAST\r\n".to_vec()), Just(b"BDAT 2\r\n".to_vec()),
            Just(b"AUTH LOGIN\r\n".to_vec()), Just(b"STARTTLS\r\n".to_vec()), Just(b"RSET\r\n".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..30),
        ], 0..20), piece in 1usize..20)
    {
        let sent = sent.concat();
        talk(&SinkOptions::default(), &sent, piece, Memory::default());
    }
}

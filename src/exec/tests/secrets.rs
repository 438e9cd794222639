//! No secret is in what is told of a mail, though it is folded, encoded and cut on its way, nor in what a reader could make
//! of that by unfolding and decoding.

use crate::event::{Event, Fact, Observer};
use crate::exec::events::{ConnectionLabel, EventSink};
use crate::message::{Draft, Source, TextPart, build, parse_address_list};
use crate::smtp::content::ContentEncoder;
use crate::transcript::{ContentWindow, Secrets};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_parser::MessageParser;
use proptest::prelude::*;
use std::io::Read;

use super::run_script;
use super::server::ServerAct::{Hear, Say};
use super::server::VirtualClock;

/// The lines as the transcript shows them.
#[derive(Default)]
struct EmittedLines(Vec<String>);

impl Observer for EmittedLines {
    fn observe(&mut self, event: &Event<'_>) {
        let Fact::Content(block) = &event.fact else { return };
        for line in block.lines() {
            let mut text = String::new();
            line.notation(&mut text);
            self.0.push(text);
        }
    }
}

/// What is told of content that leaves in blocks of about this size, by lines.
fn told(content: &[u8], secret: &str, block: usize) -> Vec<String> {
    let mut secrets = Secrets::default();
    secrets.redactor.add(secret);
    let (time, mut told) = (VirtualClock::new(), EmittedLines::default());
    let mut events = EventSink::new(&mut told, time.as_ref(), secrets, &ConnectionLabel::default());
    let (mut passage, mut rest) = (ContentWindow::default(), content);
    while !rest.is_empty() {
        let end = rest.iter().skip(block).position(|b| *b == b'\n').map_or(rest.len(), |at| block + at + 1);
        let (now, later) = rest.split_at(end.min(rest.len()));
        events.emit_content("main", now, later, &mut passage, &[]);
        rest = later;
    }
    told.0
}

/// All that can be made of a mail's lines.
fn undone(lines: &[String], hidden: &str) -> Vec<String> {
    let text = lines.iter().map(|line| line.replace("\\x20", " ").replace("\\\\", "\\")).collect::<Vec<_>>();
    let unstuffed = text.iter().map(|line| line.strip_prefix('.').unwrap_or(line)).collect::<Vec<_>>().join("\r\n");
    let unfolded = unstuffed.replace("\r\n ", " ").replace("\r\n\t", "\t");
    let soft = unstuffed.replace("=\r\n", "");
    let mail = unstuffed.replace("[secret]", hidden);
    let parsed = MessageParser::new().parse(mail.as_bytes());
    let mut all = vec![unstuffed.clone(), unfolded.clone(), soft, unfolded.replace('_', " ")];
    if let Some(parsed) = parsed {
        all.extend(parsed.subject().map(str::to_owned));
        all.extend(parsed.header_raw("X-Key").map(str::to_owned));
        all.extend(parsed.header("X-Key").and_then(|value| value.as_text()).map(str::to_owned));
        all.extend((0..2).filter_map(|at| parsed.body_text(at)).map(|text| text.into_owned()));
        all.extend((0..2).filter_map(|at| parsed.body_html(at)).map(|text| text.into_owned()));
    }
    // Base64, line by line and whole.
    let base64: Vec<&str> = mail.lines().filter(|line| !line.is_empty() && !line.contains([' ', ':', '-'])).collect();
    for text in base64.iter().map(|line| (*line).to_owned()).chain([base64.concat()]) {
        all.extend(STANDARD.decode(text).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    }
    all
}

fn html(text: &str) -> String {
    let pairs = [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#x27;")];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(*from, to))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_secret_can_be_had_from_what_is_told(
        secret in "[A-Z0-9=_?.&<'äß€😀][A-Z0-9=_?.&<'äß€😀 ]{2,60}[A-Z0-9=_?.&<'äß€😀]",
        before in prop_oneof!["[a-z ]{0,200}", "[a-zöü ]{0,120}", "[ж ]{0,90}", "([a-z ]{0,40}\n){0,9}"],
        after in prop_oneof!["[a-z ]{0,40}", "[a-zöü ]{0,40}", "x{0,1100}"],
        block in 1_usize..400,
    ) {
        let line = format!("{before}{secret}").replace('\n', " ");
        let text = format!("{before}{secret}{after}\n");
        let page = format!("{before}{}{after}\n", html(&secret));
        let id = "1@client.example";
        let part = |text: &str| TextPart::new(Source::in_memory("the text", text.as_bytes()), id).expect("it is held");
        let to = parse_address_list("b@example.com").expect("an address");
        let draft = Draft {
            from: to.clone(),
            to,
            subject: Some(line.clone()),
            message_id: id.to_owned(),
            headers: vec![("X-Key".to_owned(), line)],
            text: Some(part(&text)),
            html: Some(part(&page)),
            ..Draft::default()
        };
        let Ok(mail) = build(draft) else { return Ok(()) }; // a word that no line holds
        let (mut bytes, mut wire, mut encoder) = (Vec::new(), Vec::new(), ContentEncoder::new(true));
        mail.open().read_to_end(&mut bytes).expect("all of it is held");
        encoder.push(&bytes, &mut wire);
        let lines = told(&wire, &secret, block);
        let shown = lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n");
        for text in undone(&lines, "").into_iter().chain(undone(&lines, "[secret]")) {
            prop_assert!(!text.contains(&secret), "{secret:?} is in {text:?}:\n{shown}");
            prop_assert!(!text.contains(&html(&secret)), "{secret:?} is in {text:?}:\n{shown}");
        }
        // What is no secret is shown.
        prop_assert!(lines.iter().any(|line| line == "To: b@example.com"), "{shown}");
    }
}

#[test]
fn a_failed_assert_shows_no_secret_of_a_reply_whole_or_cut() {
    let long = |secret: &str| -> &'static str { format!("250 {} {secret} y\r\n", "x".repeat(143)).leak() };
    // hunter2-Zaphod, and the base64 of it.
    let cases: [(&str, &'static str); 4] = [
        ("over two lines", "250-you said hunter2-\r\n250 Zaphod ok\r\n"),
        ("base64 over two lines", "250-aHVudGVyMi1a\r\n250 YXBob2Q= ok\r\n"),
        ("where the value is cut", long("hunter2-Zaphod")),
        ("base64 where the value is cut", long("aHVudGVyMi1aYXBob2Q=")),
    ];
    let asserts = "['reply.text == \"x\"', 'reply.lines == []', 'reply.lines[0] == 1', 'text == 1']";
    for (why, said) in cases {
        let toml = format!(
            "step = [{{ expect = 220 }}, {{ send = 'NOOP', expect = 250, capture = {{ text = '(?s)(.*)' }}, assert = {asserts} }}]
            [secrets]\npw = {{ env = 'PW' }}"
        );
        let ran = run_script(&toml, &[Say("220 mx ready\r\n"), Hear("NOOP"), Say(said)]);
        assert_eq!(ran.outcome.status.code(), 1, "{why}: {}", ran.log);
        for part in ["hunter", "Zaphod", "aHVudGVy", "YXBob2"] {
            assert!(!ran.log.contains(part), "{why}: {part}: {}", ran.log);
        }
    }
}

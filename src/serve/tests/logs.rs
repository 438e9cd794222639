//! What a server writes down of its dialogues.

use super::*;
use crate::serve::{MatchMode, Script, ServerTranscript, ServerTranscriptOptions};

/// Keeps what a server logs.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no thread panicked").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_log_is_a_script_of_what_happened() {
    let page = Page::default();
    let script = "S: 220-a\nS: 220 x\nC: STARTTLS\nS: 220 go\n*: TLS started\nC: DATA\nS: 354 go\nC: one\nC: .\nS: 250 \\c\nS: ok\nC: QUIT\nS: 221 x\n";
    let log = ServerTranscript::new(page.clone(), ServerTranscriptOptions::default());
    let config = Config { observers: vec![Arc::new(Mutex::new(log))], ..Config::script(script).expect("a script") };
    let server = start(config).expect("it starts");
    let mut client = connect(&server);
    client.hears("220-a").say("STARTTLS").hears("220 go");
    let mut client = client.start_tls(&server);
    client.say("DATA").hears("354").send(b"one\r\n.\r\nQU").hears("250 ok").send(b"IT\r\n").hears("221");
    drop(client);
    passed(&server.stop(LONG));
    let text = String::from_utf8(page.0.lock().expect("no thread panicked").clone()).expect("UTF-8");
    let (first, rest) = text.split_once('\n').expect("lines");
    assert!(first.starts_with("*: connected from 127.0.0.1:"), "{first}");
    assert_eq!(
        rest,
        "S: 220-a\nS: 220 x\nC: STARTTLS\nS: 220 go\n*: TLS started: TLSv1.3\nC: DATA\nS: 354 go\nC: one\nC: .\n\
         C: QU\\c\nS: 250\\x20\\c\nS: ok\nC: IT\nS: 221 x\n*: closed by the server\n"
    );
    assert!(Script::parse(&text, MatchMode::Command).is_ok(), "the log can be played");
}

#[test]
fn the_log_shows_lines_without_an_end_and_a_mismatch_of_the_second_connection() {
    let page = Page::default();
    let log = ServerTranscript::new(page.clone(), ServerTranscriptOptions { hex: true, ..Default::default() });
    let config = Config::script("S: 220 x\nC: QUIT\nS: 221 x\n").expect("a script");
    let server = start(Config { observers: vec![Arc::new(Mutex::new(log))], ..config }).expect("it starts");
    connect(&server).hears("220 x").say("QUIT").hears("221 x").hears_the_end();
    let mut client = connect(&server);
    client.hears("220 x").send(b"NO\xff\n").hears("421").hears_the_end();
    assert!(!server.stop(LONG).passed());
    let text = String::from_utf8(page.0.lock().expect("no thread panicked").clone()).expect("UTF-8");
    let rest = text.split_once("*[2]: connected").expect("the second connection").1;
    let lines: Vec<&str> = rest.lines().skip(3).collect();
    assert_eq!(
        lines,
        [
            "C[2]: NO\\xff\\n",
            "*[2]: 0000  4e 4f ff 0a                                       |NO..|",
            "S[2]: 421 script mismatch",
            "*[2]: 0000  34 32 31 20 73 63 72 69  70 74 20 6d 69 73 6d 61  |421 script misma|",
            "*[2]: 0010  74 63 68 0d 0a                                    |tch..|",
            "*[2]: closed by the server",
            "*[2]: expected \"QUIT\", got \"NO\\xff\\n\"",
        ]
    );
}

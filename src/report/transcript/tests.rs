//! Events in, the contract's text out.

mod long_content;

use super::*;
use crate::event::{
    Cause, ContentBlock, Outcome, RecipientOutcome, ServerResponse, SkipReason, Status, StepId, human_size,
};
use crate::session::{CloseMode, PeerFacts, Place, TlsFacts};
use crate::smtp::lines::{LineEnd, WireLine};
use crate::transcript::{SafeText, TranscriptLine, parse};

const PLAIN: TranscriptOptions =
    TranscriptOptions { timestamps: false, full: false, verbose: false, live: false, hex: false };

fn transcript_of(options: TranscriptOptions, events: &[(&str, u64, Fact<'_>)]) -> String {
    let mut out = Vec::new();
    let mut writer = TranscriptWriter::new(&mut out, options);
    for (connection, ms, fact) in events {
        // Facts are not Clone, and need not be: a reference to each is enough to tell it again.
        writer.observe(&Event { at: Duration::from_millis(*ms), connection, fact: again(fact) });
    }
    writer.finish().expect("a Vec takes everything");
    drop(writer);
    String::from_utf8(out).expect("transcripts are text")
}

fn again<'a>(fact: &Fact<'a>) -> Fact<'a> {
    match fact {
        Fact::SessionStarted { name, server } => Fact::SessionStarted { name: name.clone(), server: server.clone() },
        Fact::HostResolved { host, addresses } => {
            Fact::HostResolved { host: host.clone(), addresses: addresses.clone() }
        }
        Fact::Connected { address } => Fact::Connected { address: address.clone() },
        Fact::TlsStarted { tls, verify } => Fact::TlsStarted { tls, verify: *verify },
        Fact::LineSent(line) => Fact::LineSent(*line),
        Fact::Content(block) => Fact::Content(*block),
        Fact::LineReceived(line) => Fact::LineReceived(*line),
        Fact::ContentSent => Fact::ContentSent,
        Fact::RecipientAnswered { index, code } => Fact::RecipientAnswered { index: *index, code: *code },
        Fact::ContentAnswered { code } => Fact::ContentAnswered { code: *code },
        Fact::Paused { duration } => Fact::Paused { duration: *duration },
        Fact::TlsClosedByClient => Fact::TlsClosedByClient,
        Fact::ClosedByServer => Fact::ClosedByServer,
        Fact::ResetByServer => Fact::ResetByServer,
        Fact::ClosedByClient { how } => Fact::ClosedByClient { how: *how },
        Fact::AttemptStarted { turn } => Fact::AttemptStarted { turn: *turn },
        Fact::RowStarted { row } => Fact::RowStarted { row },
        Fact::RowFinished { row, outcome } => Fact::RowFinished { row, outcome },
        Fact::StepStarted { step } => Fact::StepStarted { step },
        Fact::StepFinished { step, verdict, elapsed } => Fact::StepFinished { step, verdict, elapsed: *elapsed },
        Fact::Noted(note) => Fact::Noted(note.clone()),
        Fact::SessionFinished { outcome } => Fact::SessionFinished { outcome },
    }
}

fn line(text: &str) -> WireLine<'_> {
    WireLine { bytes: text.as_bytes(), end: LineEnd::CrLf }
}

fn sent(text: &str) -> Fact<'_> {
    Fact::LineSent(RedactedLine::new(line(text), &[]))
}

/// Content, with the ends of its lines.
fn content(text: &str) -> Fact<'_> {
    Fact::Content(ContentBlock::new(text.as_bytes(), None))
}

fn received(text: &str) -> Fact<'_> {
    Fact::LineReceived(RedactedLine::new(line(text), &[]))
}

fn unexpected(line: usize) -> Failure {
    Failure::new(
        Status::Failed,
        Place { file: "sessions/smoke.toml".into(), line, column: 1 },
        Cause::Unexpected {
            expected: SafeText::new("250"),
            got: ServerResponse::Reply { code: 550, text: SafeText::new("5.1.1 no") },
        },
    )
}

fn step() -> StepId {
    StepId {
        number: 4,
        title: SafeText::new("NOOP"),
        named: false,
        place: Place::default(),
        repetition: None,
        attempt: 1,
    }
}

fn finished(status: Status, failure: Option<Failure>) -> Outcome {
    Outcome { status, failure, steps_run: 1, skipped: None }
}

#[test]
fn a_dialogue_looks_as_in_the_contract() {
    let tls = TlsFacts {
        version: Some("TLSv1.3".into()),
        peer: Some(PeerFacts {
            subject: "CN=mx.example.com".into(),
            issuer: "CN=ca".into(),
            sans: vec!["mx.example.com".into()],
            not_before: jiff::Timestamp::UNIX_EPOCH,
            not_after: jiff::Timestamp::UNIX_EPOCH,
            sha256: "00".into(),
        }),
        verified: true,
        ..TlsFacts::default()
    };
    let events = [
        ("main", 0, Fact::Connected { address: SafeText::new("127.0.0.1:2525") }),
        ("main", 1, received("220 mx.example.com ESMTP ready")),
        ("main", 2, sent("STARTTLS")),
        ("main", 3, received("220 2.0.0 go ahead")),
        ("main", 4, Fact::TlsStarted { tls: &tls, verify: true }),
        ("main", 5, Fact::LineSent(RedactedLine::new(line("AUTH PLAIN abcd"), std::slice::from_ref(&(11..15))))),
        ("main", 6, content("Subject: hello\r\n")),
        ("main", 7, content("\r\n")),
        ("main", 8, sent(".")),
        ("b", 12_345, received("421 only one\x1b at a time ")),
        ("b", 12_346, Fact::ResetByServer),
        ("main", 12_347, Fact::Paused { duration: Duration::from_secs(2) }),
        ("main", 12_348, Fact::ClosedByServer),
        ("main", 12_349, Fact::ClosedByClient { how: CloseMode::Fin }),
    ];
    let text = "\
*: connected to 127.0.0.1:2525
S: 220 mx.example.com ESMTP ready
C: STARTTLS
S: 220 2.0.0 go ahead
*: TLS started: TLSv1.3, CN=mx.example.com, verified
C: AUTH PLAIN [secret]
C: Subject: hello
C:
C: .
S[b]: 421 only one\\x1b at a time\\x20
*[b]: reset by the server
*: paused for 2s
*: closed by the server
*: closed by the client
";
    assert_eq!(transcript_of(PLAIN, &events), text);
    let timed = transcript_of(TranscriptOptions { timestamps: true, ..PLAIN }, &events);
    assert!(timed.contains("\n   0.007 C:\n"), "{timed}");
    assert!(timed.contains("\n  12.345 S[b]: 421"), "{timed}");
    let records = parse(&timed).expect("what is written can be read");
    assert_eq!(records.len(), events.len());
    assert!(matches!(&records[9], TranscriptLine::Wire { connection: Some(b), .. } if b == "b"));
}

#[test]
fn a_failure_stands_once_behind_its_reply() {
    let verdict = Verdict::Failed(unexpected(14));
    let step = step();
    let outcome = finished(Status::Failed, Some(unexpected(14)));
    let fails = || Fact::StepFinished { step: &step, verdict: &verdict, elapsed: Duration::ZERO };
    let events = [
        ("main", 0, received("550 no")),
        ("main", 0, fails()),
        ("main", 0, fails()), // its group
        ("main", 0, sent("QUIT")),
        ("main", 0, received("221 bye")),
        ("main", 0, Fact::SessionFinished { outcome: &outcome }),
    ];
    let text = "S: 550 no\n*: expected 250, got 550 (sessions/smoke.toml:14)\nC: QUIT\nS: 221 bye\n";
    assert_eq!(transcript_of(PLAIN, &events), text);
    let repeated =
        [("main", 0, received("550 no")), ("main", 0, fails()), ("main", 0, received("550 no")), ("main", 0, fails())];
    assert_eq!(transcript_of(PLAIN, &repeated).matches("expected 250").count(), 2, "a repetition that fails is told");
}

#[test]
fn a_failure_of_no_step_is_told_at_the_end() {
    let refused = Failure::new(
        Status::Unavailable,
        Place::default(),
        Cause::CannotConnect { address: SafeText::new("127.0.0.1:1"), why: SafeText::new("connection refused") },
    );
    let outcome = finished(Status::Unavailable, Some(refused));
    let events = [("main", 0, Fact::SessionFinished { outcome: &outcome })];
    assert_eq!(transcript_of(PLAIN, &events), "*: cannot connect to 127.0.0.1:1: connection refused\n");
}

#[test]
fn details_are_for_verbose() {
    let step = step();
    let skipped = Verdict::Skipped(SkipReason::Condition);
    let recipient = |outcome| Note::RecipientResult {
        address: SafeText::new("b@example.com"),
        outcome,
        reply: SafeText::new("550 5.1.1 one"),
        message: None,
    };
    let events = [
        ("main", 0, Fact::SessionStarted { name: SafeText::new("x.toml"), server: SafeText::new("smtp://localhost") }),
        ("main", 0, Fact::HostResolved { host: SafeText::new("localhost"), addresses: vec![[127, 0, 0, 1].into()] }),
        ("main", 0, Fact::Noted(Note::DecodedChallenge { text: SafeText::new("Username:") })),
        ("main", 0, Fact::Noted(Note::Capabilities { list: vec![SafeText::new("SIZE 5"), SafeText::new("DSN")] })),
        ("main", 0, Fact::StepFinished { step: &step, verdict: &skipped, elapsed: Duration::ZERO }),
        ("main", 0, Fact::Noted(recipient(RecipientOutcome::Refused))),
        ("main", 0, Fact::Noted(recipient(RecipientOutcome::Accepted))),
    ];
    assert_eq!(transcript_of(PLAIN, &events), "*: recipient <b@example.com> refused: 550 5.1.1 one\n");
    let text = "\
*: session x.toml, server smtp://localhost
*: resolved localhost to 127.0.0.1
*: prompt: Username:
*: capabilities: SIZE 5, DSN
*: skipped NOOP: its condition is false
*: recipient <b@example.com> refused: 550 5.1.1 one
*: recipient <b@example.com> accepted: 550 5.1.1 one
";
    assert_eq!(transcript_of(TranscriptOptions { verbose: true, ..PLAIN }, &events), text);
}

#[test]
fn a_certificate_can_forge_no_line() {
    let peer = PeerFacts {
        subject: "CN=x\nS: 250 forged\u{1b}[2J".into(),
        issuer: String::new(),
        sans: Vec::new(),
        not_before: jiff::Timestamp::UNIX_EPOCH,
        not_after: jiff::Timestamp::UNIX_EPOCH,
        sha256: String::new(),
    };
    let tls = TlsFacts { peer: Some(peer), ..TlsFacts::default() };
    let text = transcript_of(
        TranscriptOptions { verbose: true, ..PLAIN },
        &[("main", 0, Fact::TlsStarted { tls: &tls, verify: false })],
    );
    assert!(text.lines().all(|line| line.starts_with("*: ")), "{text}");
    assert!(text.starts_with("*: TLS started: CN=x\\x0aS: 250 forged\\x1b[2J, not verified\n"), "{text}");
}

/// Takes some bytes, then has no room.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_remembered_and_stops_nothing() {
    let mut writer = TranscriptWriter::new(Full(8), TranscriptOptions { live: true, ..PLAIN });
    for _ in 0..3 {
        writer.observe(&Event { at: Duration::ZERO, connection: "main", fact: received("220 x") });
    }
    assert_eq!(writer.error().map(io::Error::kind), Some(io::ErrorKind::StorageFull));
    assert!(writer.finish().is_err());
}

#[test]
fn a_person_sees_each_line_at_once_and_a_file_gets_many_together() {
    let say = |writer: &mut TranscriptWriter<Vec<u8>>| {
        writer.observe(&Event { at: Duration::ZERO, connection: "main", fact: sent("NOOP") });
    };
    let mut live = TranscriptWriter::new(Vec::new(), TranscriptOptions { live: true, ..PLAIN });
    say(&mut live);
    assert_eq!(live.get_ref(), b"C: NOOP\n");
    let mut file = TranscriptWriter::new(Vec::new(), PLAIN);
    say(&mut file);
    assert!(file.get_ref().is_empty());
    for _ in 0..10_000 {
        say(&mut file);
    }
    assert!(file.get_ref().len() >= BUFFER);
}

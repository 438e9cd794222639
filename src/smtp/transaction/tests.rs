//! Dialogues, and what the tracker makes of them.

use super::command::may_end_content;
use super::{Answered, CommandVerb, TransactionTracker};
use proptest::prelude::*;

/// Runs a dialogue of lines between bars: `C ` a client's line, `R ` bytes as they are (`~` is CR, `$` is LF), `S ` the code
/// of a reply. Gives what the tracker said: `end` for the end of content, and for a reply what it answers.
fn run(dialogue: &str, piece: usize) -> (String, TransactionTracker) {
    let (mut tracker, mut log) = (TransactionTracker::default(), Vec::new());
    for line in dialogue.split('|') {
        let (kind, text) = line.split_at(2);
        let bytes = match kind {
            "C " => format!("{text}\r\n"),
            "R " => text.replace('~', "\r").replace('$', "\n"),
            _ => {
                let code =
                    text.split(' ').next().and_then(|code| code.parse().ok()).expect("a reply begins with its code");
                log.push(match tracker.reply(code) {
                    Answered::Nothing => "-".to_owned(),
                    Answered::Command(verb) => match verb {
                        CommandVerb::Mail { .. } => "mail".to_owned(),
                        CommandVerb::Hello { .. } => "hello".to_owned(),
                        verb => format!("{verb:?}").to_lowercase(),
                    },
                    Answered::GoAhead { content_sent: true } => "go+end".to_owned(),
                    Answered::GoAhead { content_sent: false } => "go".to_owned(),
                    Answered::Recipient { index, last } => format!("to{index}{}", if last { "." } else { "" }),
                    Answered::Content => "content".to_owned(),
                });
                continue;
            }
        };
        for bytes in bytes.as_bytes().chunks(piece) {
            log.extend((0..tracker.sent(bytes)).map(|_| "end".to_owned()));
        }
    }
    (log.join(" "), tracker)
}

/// The dialogue, what is said, whether a transaction may be open at the end, why.
type Case = (&'static str, &'static str, bool, &'static str);

const TABLE: [Case; 46] = [
    ("C VRFY a|S 550 no", "other", false, "no transaction"),
    ("C MAIL FROM:<a@x>|S 250 ok|C RCPT TO:<b@x>|S 550 no", "mail rcpt", true, "RCPT is refused"),
    ("C mail from:<a@x>|S 250 ok|C VRFY a|S 550 no", "mail other", true, "in small letters"),
    ("C MAIL FROM:<a@x>|S 550 no", "mail", true, "after a refusal, as after a message's"),
    ("C MAIL FROM:<a@x>|S 250 ok|C RSET|S 250 ok|C VRFY a|S 550 no", "mail rset other", false, "RSET ended it"),
    ("C MAIL FROM:<a@x>|S 250 ok|C RSET|S 500 what|C VRFY a|S 550 no", "mail rset other", true, "RSET did not"),
    ("C MAIL FROM:<a@x>|S 250 ok|C EHLO me|S 250 mx|C VRFY a|S 550 no", "mail hello other", false, "EHLO did"),
    ("C MAIL FROM:<a@x>|S 250 ok|C STARTTLS|S 220 go", "mail starttls", false, "STARTTLS did (RFC 3207 §4.2)"),
    ("C MAIL FROM:<a@x>|S 250 ok|C STARTTLS|S 454 later", "mail starttls", true, "STARTTLS was refused"),
    (
        "C MAIL FROM:<a@x>|S 250 ok|C DATA|S 354 go|C MAIL|C .|S 250 ok|C NOOP|S 500 no",
        "mail go end content other",
        false,
        "content did, whatever its lines look like",
    ),
    ("C DATA|S 354 go|C ..|C .|S 554 no", "go end content", false, "a stuffed dot is no end"),
    ("C MAIL FROM:<a@x>|S 250 ok|C DATA|S 554 no", "mail data", true, "DATA is refused"),
    (
        "C MAIL FROM:<a@x>|S 250|R BDAT 2 LAST~$x$|S 250|C NOOP|S 500",
        "mail end content other",
        false,
        "BDAT LAST ended it",
    ),
    ("C MAIL FROM:<a@x>|S 250 ok|R BDAT 2 LAST~$x$|S 554 no", "mail end content", true, "a BDAT that fails does not"),
    ("C MAIL FROM:<a@x>|S 250 ok|R BDAT 0 LAST~$|S 250 ok", "mail end content", false, "no octets"),
    (
        "C MAIL FROM:<a@x>|S 250|R BDAT 11~$.~$RSET~$.$|S 250|R BDAT 3 last~$.~$|S 250",
        "mail chunk end content",
        false,
        "octets are no lines",
    ),
    ("C BDAT x LAST|S 501 no|C BDAT|S 501 no", "other other", false, "BDAT without a size announces nothing"),
    ("R BDAT 5 LAST~$ab|S 552 full|R cde|C NOOP|S 250", "content other", false, "refused before its end"),
    ("R BDAT 2~$a$|S 552 full|R BDAT 2 LAST~$b$|S 503 no", "chunk end content", false, "the first chunk is refused"),
    ("C RSET|C MAIL FROM:<a@x>|C RCPT TO:<b@x>|S 250|S 250|S 550", "rset mail rcpt", true, "in one write"),
    ("C MAIL FROM:<a@x>|C DATA|C hi|C .|S 250 ok|S 503 no", "mail data", true, "replies are missing"),
    (
        "C MAIL FROM:<a@x>|C DATA|C hi|C .|S 250|S 503|S 500|S 500",
        "mail data other dot",
        true,
        "after DATA's refusal its content is commands",
    ),
    (
        "C DATA|C hi|C BDAT 9|C .|C RSET|S 354 go|S 250 ok|S 250 ok",
        "go+end content rset",
        false,
        "content before its 354",
    ),
    ("C DATA|C hi|R .|S 354 go|R ~$|S 250 ok", "go end content", false, "half of the dot's line before the 354"),
    ("C DATA|C .|C .|S 354|S 250|S 500", "go+end content dot", false, "two dots"),
    (
        "C DATA|C a|C .|C MAIL FROM:<a@x>|C DATA|C b|C .|S 354|S 250|S 250|S 354|S 250",
        "go+end content mail go+end content",
        false,
        "two messages in one write",
    ),
    ("S 220 mx|C NOOP|S 500 no", "- other", false, "the greeting answers nothing"),
    ("C .|S 500 what", "dot", false, "a dot outside of content is a command"),
    ("C DATA|S 354 go|R a$.$|S 250 ok", "go end content", false, "a lenient server takes LF for a line end"),
    ("C DATA|S 354 go|R a~.~b|S 250 ok", "go content", false, "and another one CR"),
    ("C DATA|S 354 go|R a~.~b~$|S 250 ok|C .|S 250", "go content dot", false, "the dot after that is a command"),
    ("C DATA|S 354 go|R a~.~b~$|C .|S 250 ok", "go end content", false, "a server that is not"),
    ("C DATA|S 354 go|R a~.~$|S 250 ok", "go content", false, "lone CR before the dot, and CRLF after it"),
    (
        "C DATA|S 354 go|C a|S 250 huh|C .|S 250 ok",
        "go - end content",
        false,
        "what is said within content is no reply",
    ),
    ("C DATA|S 354 go|C a|S 552 full", "go content", false, "but a refusal is"),
    (
        "C AUTH LOGIN|S 334 x|C DATA|S 334 y|C .|S 235 ok",
        "other other other",
        false,
        "responses of SASL are no commands",
    ),
    (
        "C AUTH LOGIN|S 334 x|C *|S 501 no|C RSET|S 250",
        "other other rset",
        false,
        "nor is giving up, and commands follow",
    ),
    (
        "C LHLO me|S 250|C MAIL FROM:<a@x>|S 250|C RCPT TO:<b@x>|S 250|C RCPT TO:<c@x>|S 550|C RCPT TO:<d@x>|S 250|C DATA|S 354|C .|S 250|S 450",
        "hello mail rcpt rcpt rcpt go end to0 to1.",
        false,
        "LMTP: a reply for each accepted recipient",
    ),
    (
        "C LHLO me|S 250|C MAIL FROM:<a@x>|C RCPT TO:<b@x>|C RCPT TO:<c@x>|R BDAT 1 LAST~$x|S 250|S 250|S 250|S 550|S 250",
        "hello end mail rcpt rcpt to0 to1.",
        false,
        "the same through BDAT, in one write",
    ),
    ("C LHLO me|S 250|C DATA|S 354|C .|S 554", "hello go end to0.", false, "none was accepted: one reply"),
    (
        "C LHLO me|S 250|C MAIL FROM:<a@x>|S 250|C RCPT TO:<b@x>|S 250|C RCPT TO:<c@x>|S 250|R BDAT 2~$a$|S 552|R BDAT 2 LAST~$b$|S 503|C RSET|S 250",
        "hello mail rcpt rcpt chunk end content rset",
        false,
        "after a refused chunk the last one has a single reply",
    ),
    (
        "C LHLO me|S 500|C EHLO me|S 250|C DATA|S 354|C .|S 250",
        "hello hello go end content",
        false,
        "no LMTP after all",
    ),
    (
        "C MAIL FROM:<a@x> PRDR|S 250|C RCPT TO:<b@x>|S 250|C RCPT TO:<c@x>|S 250|C DATA|S 354|C .|S 353|S 250|S 550|S 250",
        "mail rcpt rcpt go end other to0 to1 content",
        false,
        "PRDR: a reply each, and one for all",
    ),
    (
        "C MAIL FROM:<a@x> PRDR|S 250|C RCPT TO:<b@x>|S 250|C DATA|S 354|C .|S 250",
        "mail rcpt go end content",
        false,
        "a server that makes no use of it",
    ),
    (
        "C MAIL FROM:<a@x>|S 250|C DATA|S 354|C .|C MAIL FROM:<b@x>|C RCPT TO:<c@x>|C DATA|S 250|S 250|S 250|S 354|C .|S 250",
        "mail go end content mail rcpt go end content",
        false,
        "the next envelope leaves with the dot",
    ),
    (
        "C LHLO me|S 250|C MAIL FROM:<a@x>|S 250|C RCPT TO:<b@x>|S 250|C MAIL FROM:<a@x>|S 503|C DATA|S 354|C .|S 250",
        "hello mail rcpt mail go end to0.",
        false,
        "a second MAIL that is refused changes nothing",
    ),
];

#[test]
fn replies_are_matched_with_what_they_answer_in_pieces_of_any_size() {
    for (dialogue, expected, open, why) in TABLE {
        for piece in [usize::MAX, 1, 2, 3, 5, 7] {
            let (log, tracker) = run(dialogue, piece);
            assert_eq!(log, expected, "{why}, in pieces of {piece}: {dialogue}");
            assert_eq!(tracker.may_be_open(), open, "{why}, in pieces of {piece}: {dialogue}");
        }
    }
}

#[test]
fn whether_the_end_may_have_left_is_known_at_each_byte() {
    let table = [
        ("C DATA|S 354|R a~$.~$", false, "it has left, and that was said"),
        ("C DATA|S 354|R a~$.~", true, "its last byte is missing"),
        ("C DATA|S 354|R a~$.", true, "the dot may have been the last byte that was counted"),
        ("C DATA|S 354|R a~$", false, "no dot"),
        ("C DATA|S 354|R .", true, "content that begins with it"),
        ("C DATA|S 354|R ..~$", false, "a stuffed dot"),
        ("C DATA|S 354|R a~.~b", true, "lone CRs around it"),
        ("C DATA|S 354|R a~.b", false, "a dot that begins a line for some, and does not end it"),
        ("R .", false, "no content"),
    ];
    for (dialogue, expected, why) in table {
        for piece in [usize::MAX, 1] {
            assert_eq!(run(dialogue, piece).1.end_may_have_left(), expected, "{why}: {dialogue}");
        }
    }
}

#[test]
fn bytes_that_may_end_content_are_found() {
    let table: [(&[u8], bool, &str); 9] = [
        (b".\r\n", true, "a dot"),
        (b"a\n.\nb", true, "between LFs"),
        (b"a\r.\rb", true, "between CRs"),
        (b"a\r\n..\r\n", false, "stuffed"),
        (b"BDAT 3 LAST\r\nabc", true, "the last chunk"),
        (b"bdat 0 last\r\n", true, "in small letters"),
        (b"BDAT 3\r\nabc", false, "a chunk with more to come"),
        (b"NOOP LAST\r\n", false, "another command"),
        (b"", false, "nothing"),
    ];
    for (bytes, expected, why) in table {
        assert_eq!(may_end_content(bytes), expected, "{why}");
    }
}

proptest! {
    #[test]
    fn the_pieces_of_what_is_sent_change_nothing(
        lines in prop::collection::vec(r"(C (MAIL FROM:<a>|RCPT TO:<b>|DATA|\.|RSET|hi|AUTH X|BDAT 2|LHLO x)|R [.~$a]{1,4}|S (250|354|334|550|353))", 1..30),
        piece in 1_usize..5,
    ) {
        let dialogue = lines.join("|");
        prop_assert_eq!(run(&dialogue, usize::MAX).0, run(&dialogue, piece).0);
    }

    #[test]
    fn content_is_answered_at_most_once_for_each_end(
        lines in prop::collection::vec(r"(C (MAIL FROM:<a>|RCPT TO:<b>|DATA|\.|hi|BDAT 0 LAST)|S (250|354))", 1..40),
    ) {
        let (log, _) = run(&lines.join("|"), usize::MAX);
        let mut ends = 0;
        for word in log.split(' ') {
            ends += i32::from(matches!(word, "end" | "go+end"));
            ends -= i32::from(word == "content");
            prop_assert!(ends >= 0, "{}", log);
        }
    }

    #[test]
    fn what_begins_a_transaction_leaves_it_open_until_something_ends_it(
        lines in prop::collection::vec(r"C (RCPT TO:<b>|NOOP|VRFY x)", 0..10),
    ) {
        let mut dialogue = "C MAIL FROM:<a>|S 250".to_owned();
        for line in &lines {
            dialogue += &format!("|{line}|S 250");
        }
        prop_assert!(run(&dialogue, usize::MAX).1.may_be_open());
        prop_assert!(!run(&(dialogue + "|C RSET|S 250"), usize::MAX).1.may_be_open());
    }
}

#[test]
fn replies_that_will_not_come_leave_the_next_one_to_the_next_command() {
    let mut tracker = TransactionTracker::default();
    tracker.sent(b"MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n");
    for code in [250, 250, 354] {
        tracker.reply(code);
    }
    assert_eq!(tracker.sent(b"Subject: x\r\n\r\nx\r\n.\r\n"), 1, "the content ends");
    tracker.forget_replies();
    assert!(tracker.may_be_open(), "nobody knows what became of the transaction");
    tracker.sent(b"STARTTLS\r\n");
    assert_ne!(tracker.reply(454), Answered::Content);
}

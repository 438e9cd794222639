use super::*;
use crate::smtp::address::Mailbox;
use mail_parser::MessageParser;
use proptest::prelude::*;
use std::io::Read;

const ID: &str = "1@client.example";

fn part(text: &str) -> TextPart<'static> {
    TextPart::new(Source::in_memory("the text", text.as_bytes()), ID).expect("it is held")
}

fn draft(text: &str) -> Draft<'static> {
    Draft {
        from: list("Reports <reports@example.com>"),
        to: list("team@example.com"),
        subject: Some("Nightly report".to_owned()),
        date: "Mon, 2 Nov 2026 08:00:00 +0000".to_owned(),
        message_id: ID.to_owned(),
        text: Some(part(text)),
        ..Draft::default()
    }
}

fn list(text: &str) -> Vec<NamedMailbox> {
    parse_address_list(text).expect("the test's own addresses")
}

fn bytes(draft: Draft<'_>) -> Vec<u8> {
    let content = build(draft).expect("a valid draft");
    let mut bytes = Vec::new();
    content.open().read_to_end(&mut bytes).expect("all of it is held");
    assert_eq!(content.size(), bytes.len() as u64, "the size was known beforehand");
    assert_eq!(content.eight_bit(), !bytes.is_ascii());
    assert!(bytes.ends_with(b"\r\n"));
    bytes
}

fn built(draft: Draft<'_>) -> String {
    String::from_utf8(bytes(draft)).expect("addresses are UTF-8, the rest is ASCII")
}

fn header_lines(draft: Draft<'_>, name: &str) -> String {
    let mail = built(draft);
    let (headers, _) = mail.split_once("\r\n\r\n").expect("headers end in an empty line");
    let unfolded = headers.replace("\r\n ", " ").replace("\r\n\t", "\t");
    let prefix = format!("{name}: ");
    unfolded.split("\r\n").filter_map(|line| line.strip_prefix(&prefix)).collect::<Vec<_>>().join("|")
}

#[test]
fn a_plain_mail_is_what_a_person_would_write() {
    assert_eq!(
        built(draft("hello\n.dot\n")),
        "Date: Mon, 2 Nov 2026 08:00:00 +0000\r\n\
         From: Reports <reports@example.com>\r\n\
         To: team@example.com\r\n\
         Subject: Nightly report\r\n\
         Message-ID: <1@client.example>\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 7bit\r\n\
         \r\n\
         hello\r\n.dot\r\n"
    );
}

#[test]
fn text_is_carried_by_what_fits() {
    let long = "x".repeat(999);
    let table = [
        ("", "7bit", "nothing"),
        ("hello\r\n.\r\n..\nRSET\nQUIT\n", "7bit", "ASCII stays as it is"),
        (&long[..998], "7bit", "a line that just fits"),
        (&long, "quoted-printable", "a line that is too long"),
        ("Grüße aus dem Büro in der schönen Stadt am Fluss\n", "quoted-printable", "some umlauts"),
        ("Привет, мир\n", "base64", "hardly any ASCII"),
        ("a long enough text with one NUL\0 in it\n", "quoted-printable", "RFC 5321 §2.3.8 has no NUL"),
        (
            "ü trailing space \nand tab\t\nand = signs, all of it long enough to be quoted printable",
            "quoted-printable",
            "what lines lose",
        ),
    ];
    for (text, encoding, why) in table {
        assert_eq!(header_lines(draft(text), "Content-Transfer-Encoding"), encoding, "{why}");
        let mail = bytes(draft(text));
        let parsed = MessageParser::new().parse(&mail).expect("it is a mail");
        let body = parsed.body_text(0).unwrap_or_default().replace("\r\n", "\n");
        assert_eq!(body.trim_end_matches('\n'), text.replace("\r\n", "\n").trim_end_matches('\n'), "{why}");
        if encoding != "7bit" {
            assert!(mail.is_ascii(), "{why}");
            let text = String::from_utf8_lossy(&mail);
            let (_, body) = text.split_once("\r\n\r\n").expect("two parts");
            assert!(body.split("\r\n").all(|line| line.len() <= 76), "{why}");
        }
    }
}

#[test]
fn headers_are_encoded_and_folded() {
    let subject = ["Grüße:"; 30].join(" ");
    let names =
        "Jürgen Groß <j@example.com>, \"Last, First\" <l@example.com>, plain@example.com, O'Neil J. <o@example.com>";
    let mail = Draft { subject: Some(subject.clone()), cc: list(&format!("{names}, {names}, {names}")), ..draft("x") };
    let bytes = bytes(mail);
    assert!(bytes.is_ascii());
    assert!(bytes.split(|b| *b == b'\n').all(|line| line.len() <= 79), "{}", String::from_utf8_lossy(&bytes));
    let parsed = MessageParser::new().parse(&bytes).expect("it is a mail");
    assert_eq!(parsed.subject(), Some(subject.as_str()));
    let found: Vec<_> =
        parsed.cc().into_iter().flat_map(|list| list.iter()).map(|a| (a.name(), a.address())).take(4).collect();
    assert_eq!(
        found,
        [
            (Some("Jürgen Groß"), Some("j@example.com")),
            (Some("Last, First"), Some("l@example.com")),
            (None, Some("plain@example.com")),
            (Some("O'Neil J."), Some("o@example.com")),
        ]
    );
}

#[test]
fn a_subject_is_folded_at_its_spaces_and_encoded_only_where_it_must_be() {
    let words = "the key is a word of many and each of them stays whole in its line, however long it becomes";
    let spaces = format!("wide{:40}gap{:40}end", "", "");
    let (long, longer) = ("x".repeat(200), "x".repeat(1000));
    let table = [
        ("Nightly report", "Nightly report", "short"),
        (
            words,
            "the key is a word of many and each of them stays whole in its line,\r\n however long it becomes",
            "it goes on in the next line",
        ),
        (&spaces, &format!("wide{:40}gap\r\n{:40}end", "", ""), "all spaces stay"),
        (&long, &long, "a word that is too long to look well, and not for a line"),
        (&longer[..100], &longer[..100], "and a shorter one"),
        ("a\tb", "a\tb", "a tab"),
        ("ends in a space ", "=?us-ascii?Q?ends_in_a_space_?=", "which would be lost"),
        ("=?utf-8?Q?x?=", "=?utf-8?B?PT91dGYtOD9RP3g/PQ==?=", "what looks encoded"),
        ("Grüße aus Köln", "=?utf-8?B?R3LDvMOfZSBhdXMgS8O2bG4=?=", "beyond ASCII"),
    ];
    let subject = |text: &str| {
        let mail = built(Draft { subject: Some(text.to_owned()), ..draft("x") });
        let (_, from) = mail.split_once("\r\nSubject: ").expect("there is one");
        from.split_once("\r\nMessage-ID").expect("which follows").0.to_owned()
    };
    for (text, written, why) in table {
        assert_eq!(subject(text), written, "{why}");
        assert_eq!(subject(text), subject(text), "{why}: the same bytes");
    }
    let encoded = subject(&longer);
    assert!(encoded.starts_with("=?us-ascii?Q?xxx") && encoded.lines().all(|line| line.len() <= 78), "{encoded}");
}

#[test]
fn own_headers_stand_as_they_are_or_take_a_place() {
    let own = |name: &str, value: &str| Draft { headers: vec![(name.into(), value.into())], ..draft("x") };
    let table = [
        ("X-Job", "nightly", "nightly", "ASCII is not touched"),
        ("X-Job", "=?utf-8?Q?x?=", "=?utf-8?Q?x?=", "nor is what is encoded already"),
        ("List-Unsubscribe", "<mailto:a@b>, <https://c/d>", "<mailto:a@b>, <https://c/d>", "nor is structure"),
        ("subject", "mine", "mine", "it takes the place of ours"),
        ("Date", "yesterday", "yesterday", "even a wrong one: testers want it"),
        ("X-Empty", "", "", "an empty value"),
        ("X-Name", "Grüße", "=?utf-8?B?R3LDvMOfZQ==?=", "what is not ASCII is encoded"),
    ];
    for (name, value, written, why) in table {
        assert_eq!(header_lines(own(name, value), name), written, "{why}");
    }
    assert_eq!(header_lines(own("subject", "mine"), "Subject"), "", "no second subject");
}

#[test]
fn a_text_file_beyond_ascii_says_its_charset() {
    let table = [
        ("sales.csv", None, "region\nSüd\n".as_bytes(), "text/csv; charset=\"utf-8\"; name=\"sales.csv\"", "UTF-8"),
        ("sales.csv", None, "region\nSud\n".as_bytes(), "text/csv; name=\"sales.csv\"", "ASCII is the default"),
        ("sales.csv", None, &b"region\nS\xfcd\n"[..], "text/csv; name=\"sales.csv\"", "Latin-1, or another"),
        ("sales.csv", Some("text/csv"), "Süd".as_bytes(), "text/csv; name=\"sales.csv\"", "a type that was given"),
        (
            "sales.csv",
            Some("text/csv; charset=iso-8859-1"),
            &b"S\xfcd"[..],
            "text/csv; charset=iso-8859-1; name=\"sales.csv\"",
            "and one with a charset",
        ),
        ("sales.json", None, "Süd".as_bytes(), "application/json; name=\"sales.json\"", "no text"),
        ("empty.txt", None, "".as_bytes(), "text/plain; name=\"empty.txt\"", "nothing"),
    ];
    for (name, media_type, bytes, written, why) in table {
        let attachment = FilePart {
            source: Source::in_memory(name, bytes).into(),
            name: name.into(),
            media_type: media_type.map(str::to_owned),
            inline: None,
        };
        let mail = built(Draft { text: None, attachments: vec![attachment], ..draft("x") }).replace("\r\n ", " ");
        let line = mail.lines().find_map(|line| line.strip_prefix("Content-Type: "));
        assert_eq!(line, Some(written), "{why}");
    }
}

#[test]
fn a_name_that_looks_like_an_encoded_word_is_encoded() {
    let named =
        |name: &str| NamedMailbox { name: Some(name.into()), mailbox: list("a@example.com")[0].mailbox.clone() };
    for name in ["=?utf-8?q?x?=", "Ann =?utf-8?q?x?= Doe", "=?", &"ü =?utf-8?q?x?= ".repeat(20)] {
        let to = vec![named(name), named("Ann")];
        let mail = bytes(Draft { to, ..draft("x") });
        let parsed = MessageParser::new().parse(&mail).expect("a message");
        let first = parsed.to().and_then(|to| to.first()).expect("a recipient");
        assert_eq!(first.name(), Some(name), "{}", String::from_utf8_lossy(&mail));
        assert_eq!(first.address(), Some("a@example.com"));
        assert!(mail.split(|byte| *byte == b'\n').all(|line| line.len() <= 79), "{}", String::from_utf8_lossy(&mail));
    }
}

#[test]
fn what_would_forge_a_header_is_an_error() {
    let valid = || draft("x");
    let mailbox = |local: &str| Mailbox { local: local.into(), domain: "example.com".into() };
    let from = |name: &str, local: &str| vec![NamedMailbox { name: Some(name.into()), mailbox: mailbox(local) }];
    let own = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let table = [
        (Draft { subject: Some("a\r\nBcc: x@y".into()), ..valid() }, "Subject", "a line break in the subject"),
        (Draft { subject: Some("a\0".into()), ..valid() }, "Subject", "a NUL"),
        (Draft { date: "a\nb".into(), ..valid() }, "Date", "a bare LF"),
        (Draft { message_id: "<a\rb>".into(), ..valid() }, "Message-ID", "a bare CR"),
        (Draft { message_id: "<a@b> <c@d>".into(), ..valid() }, "Message-ID", "two identifiers"),
        (Draft { from: from("a\nb", "a"), ..valid() }, "From", "a line break in a name"),
        (Draft { from: from("a", "a\nb"), ..valid() }, "From", "a line break in an address"),
        (Draft { headers: own("X-A", "a\nb"), ..valid() }, "X-A", "a line break in an own header"),
        (Draft { headers: own("X A", "a"), ..valid() }, "X A", "a space in a name"),
        (Draft { headers: own("X:", "a"), ..valid() }, "X:", "a colon in a name"),
        (Draft { headers: own("Ü", "a"), ..valid() }, "Ü", "a name that is not ASCII"),
        (Draft { headers: own("", "a"), ..valid() }, "", "no name"),
        (Draft { headers: own("BCC", "a@b"), ..valid() }, "BCC", "blind recipients"),
        (Draft { headers: own("content-type", "text/x"), ..valid() }, "content-type", "what follows from the parts"),
        (Draft { headers: own("X-Long", &"x".repeat(1000)), ..valid() }, "X-Long", "a word that no line holds"),
    ];
    for (draft, field, why) in table {
        match build(draft) {
            Err(BuildError::Message(error)) => assert_eq!(error.field, field, "{why}"),
            _ => panic!("{why}: this was built"),
        }
    }
}

#[test]
fn address_lists_are_read() {
    let table = [
        ("a@b", "|a@b", "bare"),
        ("<a@b>", "|a@b", "in brackets"),
        ("Name <a@b>", "Name|a@b", "with a name"),
        ("  First   J. Last\t<a@b> ", "First J. Last|a@b", "spaces and a dot"),
        ("\"Last, First\" <a@b>", "Last, First|a@b", "a comma in quotes"),
        ("\"a \\\" \\\\ b\" <a@b>", "a \" \\ b|a@b", "escapes in quotes"),
        ("\"a\" b \"c\" <a@b>", "a b c|a@b", "words and quotes"),
        ("Jürgen <j@bücher.example>", "Jürgen|j@bücher.example", "UTF-8"),
        ("a@b, C <c@d>,e@[192.0.2.1]", "|a@b; C|c@d; |e@[192.0.2.1]", "several"),
        ("\"x,y\"@b,c@d", "|\"x,y\"@b; |c@d", "a comma in a quoted local part"),
        ("Team: a@b, C <c@d>;, e@f", "|a@b; C|c@d; |e@f", "a group's members"),
        ("undisclosed recipients:;", "", "an empty group"),
        ("<>", "|", "the null path"),
    ];
    for (text, expected, why) in table {
        let found = list(text).into_iter().map(|a| format!("{}|{}", a.name.unwrap_or_default(), a.mailbox));
        assert_eq!(found.collect::<Vec<_>>().join("; "), expected, "{why}");
    }
}

#[test]
fn broken_address_lists_say_where() {
    let table = [
        ("", "an address is missing here (at character 1)"),
        ("a@b,", "an address is missing here (at character 5)"),
        ("a@b,,c@d", "an address is missing here (at character 5)"),
        ("a@b c@d", "the address should end here, or a comma follow (at character 5)"),
        ("a@b; c@d", "the address should end here, or a comma follow (at character 4)"),
        ("Name a@b", "an address cannot contain a space outside quotes (at character 5)"),
        ("Name <a@b", "the address should end here with > (at character 10)"),
        ("Name <a b@c>", "an address cannot contain a space outside quotes (at character 8)"),
        ("\"Name <a@b>", "this quote is not closed (at character 1)"),
        ("a@b (comment)", "an address cannot contain a comment (at character 5)"),
        ("Team: a@b", "a group must end in a semicolon (at character 10)"),
        ("Team: Sub: a@b;;", "this character needs quotes around the part before the @ (at character 10)"),
        ("a@b\r\nBcc: c@d", "an address cannot contain a line break or NUL (at character 4)"),
        ("name", "an address needs an @ and a domain (at character 5)"),
    ];
    for (text, why) in table {
        let error = parse_address_list(text).expect_err(text);
        assert_eq!((error.field.as_str(), error.why.as_str()), (text, why));
    }
}

#[test]
fn addresses_that_are_not_ascii_need_smtputf8() {
    assert!(!draft("ü").is_internationalized(), "text and names are encoded");
    assert!(Draft { cc: list("jürgen@example.com"), ..draft("x") }.is_internationalized());
}

#[test]
fn a_file_that_is_not_as_long_as_it_was_ends_the_mail_with_an_error() {
    let table = [
        (10, 10, None, "as announced"),
        (10, 9, Some("data.bin: 9 bytes came of 10"), "it shrank"),
        (10, 0, Some("data.bin: 0 bytes came of 10"), "it was emptied"),
        (10, 11, Some("data.bin: it grew beyond its 10 bytes while it was read"), "it grew"),
        (200_000, 199_999, Some("data.bin: 199999 bytes came of 200000"), "a long one shrank by one"),
        (0, 1, Some("data.bin: it grew beyond its 0 bytes while it was read"), "it was empty"),
    ];
    for (announced, holds, error, why) in table {
        let source = Source::new(
            "data.bin",
            announced,
            Box::new(move || Ok(Box::new(std::io::Cursor::new(vec![7_u8; holds])) as Box<dyn Read>)),
        );
        let attachment = FilePart { source: source.into(), name: "data.bin".into(), media_type: None, inline: None };
        let content = build(Draft { attachments: vec![attachment], ..draft("x") }).expect("its length is announced");
        let read = content.open().read_to_end(&mut Vec::new());
        assert_eq!(read.err().map(|error| error.to_string()).as_deref(), error, "{why}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_address_parser_panic(text in prop_oneof!["\\PC*", "[a-b@<>\",:;\\\\\\[\\] .(ü]{0,20}"]) {
        let _ = parse_address_list(&text);
    }

    #[test]
    fn a_built_mail_is_read_back(
        subject in "[a-zü=?_\"\\\\,.:<>@ \\t-]{0,90}",
        name in "[a-zü=?_\"\\\\,.:;()<>@ -]{1,60}",
        text in "[a-zü\u{4e00}=. \t\n]{0,300}",
    ) {
        let from = vec![NamedMailbox { name: Some(name.clone()), mailbox: list("a@example.com")[0].mailbox.clone() }];
        let mail = Draft { from, subject: Some(subject.clone()), ..draft(&text) };
        let bytes = bytes(mail);
        let parsed = MessageParser::new().parse(&bytes).expect("it is a mail");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        prop_assert_eq!(words(parsed.subject().unwrap_or_default()), words(&subject));
        let from = parsed.from().and_then(|from| from.first()).expect("there is an author");
        prop_assert_eq!(from.address(), Some("a@example.com"));
        prop_assert_eq!(words(from.name().unwrap_or_default()), words(&name));
        let body = parsed.body_text(0).unwrap_or_default().replace("\r\n", "\n");
        prop_assert_eq!(body.trim_end_matches('\n'), text.trim_end_matches('\n'));
    }
}

#[test]
fn a_signed_message_that_changed_is_not_given_away() {
    let signed_text: &[u8] = b"From: a@x.y\n\none\n";
    for second in [signed_text, b"From: a@x.y\n\ntwo\n", b"From: b@x.y\n\none\n"] {
        let reads = std::cell::Cell::new(0);
        let open = move || -> std::io::Result<Box<dyn std::io::Read>> {
            reads.set(reads.get() + 1);
            // Once to scan it, once to sign it, once to send it.
            Ok(Box::new(if reads.get() <= 2 { signed_text } else { second }))
        };
        let mut content = Eml::new(Source::new("m.eml", 17, Box::new(open))).expect("it can be read").content;
        let signed = content.signable().expect("it can be read");
        content.prepend_signature("DKIM-Signature: b=\r\n".to_owned(), signed);
        let (mut reader, mut sent, mut block) = (content.open(), 0, [0; 7]);
        let result = loop {
            match std::io::Read::read(&mut reader, &mut block) {
                Ok(0) => break Ok(()),
                Ok(count) => sent += count as u64,
                Err(error) => break Err(error),
            }
        };
        assert_eq!(result.is_ok(), second == signed_text);
        assert_eq!(sent == content.size(), second == signed_text, "the last octets come if nothing has changed");
    }
}

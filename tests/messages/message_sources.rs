//! Tables, images, complete mails in files and the starter of a report; invalid messages are refused before anything is
//! sent.

use super::{HEAD, MessageFixture, TO};
use mail_parser::{MessageParser, MimeHeaders};

#[test]
fn tables_of_csv_and_json_files_fill_text_and_html() {
    let session = "server = \"smtp://mail.example.com\"\n[vars]\nsales = { csv = \"sales.csv\" }\nhosts = { json = \"hosts.json\" }\n\
        [message]\nfrom = \"a@example.com\"\nto = \"b@example.com\"\nsubject = \"{{ sales | length }} rows\"\n\
        text = \"{% for row in sales %}{{ row.region }}={{ row.total }};{% endfor %}{% for name, up in hosts|items %}{{ name }}:{{ up.up }};{% endfor %}\"\n\
        html = \"{% for row in sales %}<td>{{ row.region }}</td>{% endfor %}<img src='cid:logo'>\"\n\
        attach = [\"sales.csv\", { file = \"logo.png\", inline = \"logo\" }]\n";
    let sales = "region,total\nNord & <Süd>,3\n\"a, b\",4\n";
    let files: [(&str, &[u8]); 3] = [
        ("sales.csv", sales.as_bytes()),
        ("hosts.json", br#"{"z": {"up": true}, "a": {"up": 1.5}}"#),
        ("logo.png", b"png"),
    ];
    let mail = MessageFixture::new(session, &files).mail("case.toml");
    let parsed = MessageParser::new().parse(&mail).expect("it is a mail");
    assert_eq!(parsed.subject(), Some("2 rows"));
    assert_eq!(parsed.body_text(0).as_deref(), Some("Nord & <Süd>=3;a, b=4;z:True;a:1.5;"));
    let html = "<td>Nord &amp; &lt;Süd&gt;</td><td>a, b</td><img src='cid:logo'>";
    assert_eq!(parsed.body_html(0).as_deref(), Some(html), "values are escaped, what the file says is not");
    let logo = parsed.attachments().find(|part| part.content_id() == Some("logo")).expect("it is there");
    let (kind, disposition) = (logo.content_type(), logo.content_disposition());
    assert_eq!(kind.map(|kind| (kind.ctype(), kind.subtype())), Some(("image", Some("png"))));
    assert_eq!(disposition.map(|how| how.ctype()), Some("inline"));
}

#[test]
fn text_files_are_decoded() {
    let utf16: Vec<u8> = "\u{feff}café\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    /// The keys next to `file`, its bytes, the text that arrives, a word of the transcript, why.
    type Row<'a> = (&'a str, &'a [u8], &'a str, &'a str, &'a str);
    let table: [Row<'_>; 6] = [
        ("", "café\n".as_bytes(), "café", "", "UTF-8"),
        ("", "\u{feff}café\n".as_bytes(), "café", "", "a byte order mark"),
        ("", &utf16, "café", "", "UTF-16 with its mark"),
        (", charset = \"latin1\"", b"caf\xe9\n", "café", "", "a charset that is named"),
        ("", b"one\ncaf\xe9\n", "one\ncaf\u{fffd}", "*: not UTF-8: r.log:2: byte 0xE9 at offset 7", "an invalid byte"),
        (
            ", template = true",
            b"caf\xe9 {{ 1 + 1 }}\n",
            "caf\u{fffd} 2",
            "*: not UTF-8: r.log:1: byte 0xE9",
            "rendered",
        ),
    ];
    for (keys, bytes, expected, remark, why) in table {
        let session = format!("{HEAD}{TO}text = {{ file = \"r.log\"{keys} }}\n");
        let place = MessageFixture::new(&session, &[("r.log", bytes)]);
        let mail = place.mail("case.toml");
        let parsed = MessageParser::new().parse(&mail).expect("it is a mail");
        let text = parsed.body_text(0).unwrap_or_default().replace("\r\n", "\n");
        assert_eq!(text.trim_end(), expected, "{why}");
        let shown = place.mailrun(&["run", "--dry-run", "case.toml"]).stdout;
        assert!(shown.contains(remark), "{why}: {shown}");
    }
    let session = format!("{HEAD}{TO}text = {{ file = \"r.log\", charset = \"shift_jis\" }}\n");
    let place = MessageFixture::new(&session, &[("r.log", b"a\n\xff\n")]);
    let refused = place.mailrun(&["run", "--dry-run", "case.toml"]);
    assert_eq!(refused.status, 65, "with a charset an invalid byte is an error");
    let shown = refused.stdout + &refused.stderr;
    assert!(shown.contains("r.log:2: not Shift_JIS: byte 0xFF at offset 2"), "{shown}");
}

#[test]
fn what_show_prints_sends_the_same_bytes() {
    let more = "html = \"<p>{{ 1 + 1 }} ü</p>\"\nattach = [\"a.csv\", { file = \"l.png\", inline = \"logo\", type = \"image/x-own\" }]\n";
    let session = format!(
        "{HEAD}{TO}cc = ['\"Doe, Ann\" <ann@example.com>', \"Grp: c@example.com;\"]\nsubject = \"ü\"\ntext = \"a\\nb\\n\"\n{more}"
    );
    let place = MessageFixture::new(&session, &[("a.csv", b"a,b\n1,2\n"), ("l.png", b"png")]);
    let shown = place.mailrun(&["show", "case.toml"]);
    place.write("shown.toml", shown.stdout);
    assert_eq!(String::from_utf8_lossy(&place.mail("shown.toml")), String::from_utf8_lossy(&place.mail("case.toml")));
}

#[test]
fn a_complete_mail_is_sent_to_the_addresses_in_its_headers_without_bcc() {
    let eml = b"From: \"Doe, Ann\" <ann@example.com>\nTo: Team: b@example.com,\n  c@example.com;, d@example.com (Dan)\nBcc: e@example.com\nSubject: {{ x }}\n\n.dot\rCR alone, \xc3\xbc";
    let place =
        MessageFixture::new("server = \"smtp://mail.example.com\"\n[message]\neml = \"m.eml\"\n", &[("m.eml", eml)]);
    let output = place.mailrun(&["run", "--dry-run", "case.toml"]);
    let transcript = &output.stdout;
    assert!(transcript.contains("C: MAIL FROM:<ann@example.com> SIZE=141 BODY=8BITMIME"), "{transcript}");
    let rcpt: Vec<_> = transcript.lines().filter_map(|line| line.strip_prefix("C: RCPT TO:")).collect();
    assert_eq!(rcpt, ["<b@example.com>", "<c@example.com>", "<d@example.com>", "<e@example.com>"]);
    let expected =
        String::from_utf8_lossy(eml).replace("Bcc: e@example.com\n", "").replace('\r', "\n").replace('\n', "\r\n")
            + "\r\n";
    assert_eq!(String::from_utf8_lossy(&place.mail("case.toml")), expected);
    assert!(transcript.contains("*: removed the field Bcc of the message"), "{transcript}");
    assert!(output.stderr.contains("the field Bcc of the message is not sent"), "{}", output.stderr);
}

#[test]
fn an_invalid_message_is_an_error_before_anything_is_sent() {
    let table: &[(&str, i32, &str, &str)] = &[
        ("to = []\n", 65, "no recipient", "no recipient"),
        ("to = [\"\"]\n", 65, "", "an empty address"),
        ("to = [\"a b@c\"]\n", 65, "not an address", "no address"),
        ("to = \"{{ 'a@b\\\\r\\\\nRCPT TO:<x@y>' }}\"\n", 65, "case.toml:6", "a line break in an address"),
        ("to = \"a@b\"\nsubject = \"{{ 'a\\\\nBcc: x@y' }}\"\n", 65, "case.toml:7", "a line break in the subject"),
        ("to = \"a@b\"\nheaders = { X-A = \"{{ 'a\\\\nb' }}\" }\n", 65, "case.toml:7", "a line break in a header"),
        ("to = \"a@b\"\nattach = [\"gone.pdf\"]\n", 66, "gone.pdf", "a missing attachment"),
        ("to = \"a@b\"\nattach = [\".\"]\n", 66, "folder", "a folder"),
        ("to = \"a@b\"\nattach = [\"/etc/hostname\"]\n", 65, "--file-root", "a file from elsewhere"),
        ("to = \"a@b\"\nattach = [{ file = \"case.toml\", type = \"csv\" }]\n", 65, "type/subtype", "no type"),
        (
            "to = \"a@b\"\nattach = [{ file = \"case.toml\", name = \"{{ 'a\\\\nb' }}\" }]\n",
            65,
            "LF",
            "a name's line break",
        ),
        (
            "to = \"a@b\"\nattach = [{ file = \"case.toml\", inline = \"a b\" }]\n",
            65,
            "\"inline\": an identifier",
            "a bad Content-ID",
        ),
        (
            "to = \"a@b\"\n[secrets]\np = { file = \"t\" }\n[vars]\nx = { file = \"t\" }\n",
            65,
            "never sent",
            "a variable of a secret's file",
        ),
        ("to = \"a@b\"\ntext = \"fine so far {{ 1 / 0 }}\"\n", 65, "case.toml:7", "a template fails in its middle"),
        ("to = \"a@b\"\ntext = { file = \"t\", template = true }\n", 65, "t:2", "a file's template fails"),
        ("to = \"a@b\"\ntext = { file = \"latin\", charset = \"utf-8\" }\n", 65, "not UTF-8", "Latin-1"),
        ("to = \"a@b\"\neml = \"latin\"\nsubject = \"x\"\n", 65, "cannot be used with", "eml and subject"),
        ("to = \"a@b\"\n[vars]\nx = { csv = \"bad.csv\" }\n", 65, "bad.csv:2", "a short row"),
        ("to = \"a@b\"\n[vars]\nx = { json = \"bad.csv\" }\n", 65, "bad.csv:1", "no JSON"),
        ("to = \"a@b\"\n[vars]\nx = { csv = \"gone.csv\" }\n", 66, "gone.csv", "no file"),
    ];
    let head = "server = \"smtp://mail.example.com\"\n# more\n# lines\n[message]\nfrom = \"a@example.com\"\n";
    for (more, status, words, why) in table {
        let files: [(&str, &[u8]); 3] =
            [("t", b"one\n{{ nothing_defines_this }}\n"), ("latin", b"caf\xe9\n"), ("bad.csv", b"a,b\n1\n")];
        let place = MessageFixture::new(&format!("{head}{more}"), &files);
        let output = place.mailrun(&["run", "--dry-run", "case.toml"]);
        let (sent, errors) = (&output.stdout, &output.stderr);
        assert_eq!(output.status, *status, "{why}:\n{sent}{errors}");
        assert!(!sent.contains("C: "), "{why}: something was sent:\n{sent}");
        assert!(errors.contains(words), "{why}: {words:?} is missing in\n{errors}");
    }
}

#[test]
fn the_starter_of_a_report_works_unchanged_and_overwrites_nothing() {
    let place = MessageFixture::new("", &[]);
    let run = |arguments: &[&str], status| {
        let output = place.mailrun(arguments);
        assert_eq!(output.status, status, "{arguments:?}:\n{output}");
        output.text()
    };
    run(&["new", "report", "nightly.toml"], 0);
    run(&["check", "nightly.toml"], 0);
    let mail = place.mail("nightly.toml");
    let parsed = MessageParser::new().parse(&mail).expect("it is a mail");
    assert!(
        parsed.subject().is_some_and(|subject| subject.starts_with("Nightly report, 20")),
        "{:?}",
        parsed.subject()
    );
    assert!(parsed.body_text(0).is_some_and(|text| text.contains("All is well.")));
    assert!(parsed.body_html(0).is_some_and(|html| html.contains("<h1>Nightly report</h1>")));

    place.write("kept.toml", b"mine");
    assert!(run(&["new", "report", "kept.toml"], 73).contains("kept.toml"));
    assert_eq!(place.0.read("kept.toml"), "mine");
    assert!(run(&["new", "report", "no/such/folder.toml"], 73).contains("folder.toml"));
    assert!(run(&["new", "report"], 0).contains("[message]"));
}

#[test]
fn files_that_match_a_pattern_are_attached() {
    /// The entry of `attach`, the names or the status and a word of the error, why.
    type Row = (&'static str, Result<&'static [&'static str], (i32, &'static str)>, &'static str);
    let table: &[Row] = &[
        ("out/*.pdf", Ok(&["a.pdf", "b.pdf"]), "sorted"),
        ("**/*.pdf", Ok(&["a.pdf", "b.pdf", "c.pdf", "1[x].pdf"]), "folders at any depth"),
        ("{{ folder }}/*.pdf", Ok(&["a.pdf", "b.pdf"]), "a variable"),
        ("{{ star }}", Err((66, "*.pdf")), "a value is no pattern"),
        ("p/1[x].pdf", Ok(&["1[x].pdf"]), "a file that has exactly that name"),
        ("out/*.doc", Err((66, "no file matches")), "no match"),
        ("out/[z-a]", Err((65, "pattern")), "an invalid set"),
        ("/etc/host*", Err((65, "--file-root")), "files from elsewhere"),
        ("out/**/../../../*", Err((65, "--file-root")), "out of the folder"),
        ("link/*", Err((65, "--file-root")), "a link that leads out"),
    ];
    for (entry, expected, why) in table {
        let session = format!(
            "server = \"smtp://mail.example.com\"\n[vars]\nfolder = \"out\"\nstar = \"out/*.pdf\"\n[message]\nfrom = \"a@example.com\"\n\
             to = [\"b@example.com\"]\ntext = \"x\"\nattach = [\"{entry}\"]\n"
        );
        let files: [(&str, &[u8]); 5] = [
            ("out/b.pdf", b"B"),
            ("out/a.pdf", b"A"),
            ("out/c.txt", b"C"),
            ("out/d/c.pdf", b"D"),
            ("p/1[x].pdf", b"P"),
        ];
        let place = MessageFixture::new(&session, &[]);
        for (name, bytes) in files {
            place.write_below(name, bytes);
        }
        place.link("/etc", "link");
        let output = place.mailrun(&["run", "--dry-run", "case.toml"]);
        match expected {
            Ok(names) => {
                let mail = place.mail("case.toml");
                let parsed = mail_parser::MessageParser::new().parse(&mail).expect("a message");
                use mail_parser::MimeHeaders;
                let found: Vec<_> = parsed.attachments().filter_map(|part| part.attachment_name()).collect();
                assert_eq!(found, *names, "{why}: {}", output.stderr);
            }
            Err((status, word)) => {
                assert_eq!(output.status, *status, "{why}: {}", output.stderr);
                assert!(output.stderr.contains(word), "{why}: {}", output.stderr);
                assert!(!output.stdout.contains("MAIL FROM"), "{why}");
            }
        }
        let checked = place.mailrun(&["check", "case.toml"]);
        if !entry.contains("{{") {
            assert_eq!(checked.status == 0, expected.is_ok(), "check, {why}: {}", checked.stderr);
        }
    }
}

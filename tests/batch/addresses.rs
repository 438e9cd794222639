//! Cells are data: whatever characters of the address grammar they have, the recipients on the wire are those of the column.

use crate::fixture::BatchFixture;
use crate::support::{Fault, FaultServer, Point, When};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// Every form of an address that uses two columns or one. Whether it always sends to an address that is valid.
const FORMS: [(&str, bool); 5] = [
    ("{ name = \"{{ row.name }}\", address = \"{{ row.email }}\" }", true),
    ("[{ address = \"{{ row.email }}\" }]", true),
    ("'\"{{ row.name }}\" <{{ row.email }}>'", false),
    ("['{{ row.name }} <{{ row.email }}>']", false),
    ("'{{ row.email }}'", true),
];

/// Cells made of the grammar's own characters.
fn cell() -> impl Strategy<Value = String> {
    let pieces = "\" \\ < > , ; : @ ( ) . a x@evil.example <x@evil.example> \"< >,\" [ ]".split(' ').map(str::to_owned);
    let pieces = prop::sample::select(pieces.chain([" ".to_owned()]).collect::<Vec<_>>());
    prop::collection::vec(pieces, 0..7).prop_map(|pieces| pieces.concat())
}

fn quoted(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

#[test]
fn recipients_are_those_of_the_column() {
    let mut runner = TestRunner::deterministic();
    for key in ["to", "cc", "bcc", "envelope_to"] {
        for (form, sends_each) in FORMS {
            let rows: Vec<(String, String)> = (0..60)
                .map(|number| {
                    let mut any = || cell().new_tree(&mut runner).expect("a cell is generated").current();
                    let name = any();
                    (name, if number % 3 == 0 { any() } else { format!("u{number}@example.com") })
                })
                .collect();
            let table: String = rows
                .iter()
                .enumerate()
                .map(|(number, (name, email))| format!("{number},{},{}\n", quoted(name), quoted(email)))
                .collect();
            let (batch, server) = (BatchFixture::empty(), FaultServer::start());
            batch.write("p.csv", format!("n,name,email\n{table}"));
            batch.write(
                "c.toml",
                format!(
                    "[message]\nfrom = \"a@example.com\"\nmessage_id = \"<{{{{ row.n }}}}@x.example>\"\ntext = \"hi\"\n\
                     {key} = {form}\n[rows]\nfile = \"p.csv\"\n"
                ),
            );
            let ran = batch.mailrun(&["run", "--server", &server.url("smtp"), "c.toml"]).run();
            assert!([0, 65].contains(&ran.status), "{key} = {form}: {}", ran.stderr);
            let accepted = server.accepted();
            for (number, (name, email)) in rows.iter().enumerate() {
                let id = format!("<{number}@x.example>");
                let got: Vec<_> = accepted.iter().filter(|mail| mail.message_id == id).collect();
                let what = format!("{key} = {form}, name {name:?}, email {email:?}: {got:?}");
                assert!(got.len() <= 1, "{what}");
                for mail in &got {
                    let is_of_cell =
                        mail.recipient == email.trim() || email.ends_with(&format!("<{}>", mail.recipient));
                    assert!(is_of_cell, "{what}");
                }
                let is_valid = email.starts_with('u');
                assert!(!is_valid || !sends_each || got.len() == 1, "{what}");
            }
        }
    }
}

/// The addresses in the value of a header, read by the grammar of RFC 5322 without comments.
fn addresses(value: &str) -> Vec<String> {
    let (mut found, mut item, mut path) = (Vec::new(), String::new(), None);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for c in value.chars().chain([',']) {
        if is_escaped {
            is_escaped = false;
        } else if is_quoted {
            (is_quoted, is_escaped) = (c != '"', c == '\\');
        } else {
            assert!(!"();\\".contains(c), "{value}");
            match c {
                '"' => is_quoted = true,
                ',' => {
                    found.push(path.take().unwrap_or_else(|| item.trim().to_owned()));
                    item.clear();
                    continue;
                }
                '<' => {
                    item.clear();
                    continue;
                }
                '>' => path = Some(std::mem::take(&mut item)),
                _ => {}
            }
        }
        item.push(c);
    }
    assert!(!is_quoted, "{value}");
    found
}

/// The address of MAIL and those in the header of each message, by the number in its Message-ID.
fn senders(transcript: &str, header: &str) -> Vec<(usize, String, Vec<String>)> {
    let mut found = Vec::new();
    for part in transcript.split("C: MAIL FROM:<").skip(1) {
        let (line, rest) = part.split_once('\n').expect("the command ends");
        let (sender, _) = line.rsplit_once('>').expect("the path ends");
        let content: Vec<&str> = rest.lines().filter_map(|line| line.strip_prefix("C: ")).collect();
        // The transcript escapes backslashes.
        let unfolded = content.join("\n").replace("\\\\", "\\").replace("\n ", " ").replace("\n\t", " ");
        let value = |name: &str| unfolded.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let Some(id) = value("Message-ID") else { continue };
        let number = id.trim_start_matches('<').split('@').next().and_then(|number| number.parse().ok());
        found.push((number.expect("a number"), sender.to_owned(), value(header).map(addresses).unwrap_or_default()));
    }
    found
}

#[test]
fn senders_are_those_of_the_column() {
    let mut runner = TestRunner::deterministic();
    for key in ["from", "reply_to", "envelope_from"] {
        let forms = FORMS.into_iter().filter(|(form, _)| key == "reply_to" || !form.starts_with('['));
        for (form, sends_each) in forms {
            let rows: Vec<(String, String)> = (0..60)
                .map(|number| {
                    let mut any = || cell().new_tree(&mut runner).expect("a cell is generated").current();
                    (any(), if number % 3 == 0 { any() } else { format!("u{number}@example.com") })
                })
                .collect();
            let table: String = rows
                .iter()
                .enumerate()
                .map(|(number, (name, email))| format!("{number},{},{}\n", quoted(name), quoted(email)))
                .collect();
            let from = if key == "from" { "" } else { "from = \"a@example.com\"\n" };
            let batch = BatchFixture::empty();
            batch.write("p.csv", format!("n,name,email\n{table}"));
            batch.write(
                "c.toml",
                format!(
                    "server = \"smtp://mail.example.com\"\n[message]\n{from}to = \"b@example.com\"\nchunking = false\npipelining = false\n\
                     message_id = \"<{{{{ row.n }}}}@x.example>\"\ntext = \"hi\"\n{key} = {form}\n[rows]\nfile = \"p.csv\"\n"
                ),
            );
            let ran = batch.mailrun(&["run", "--quiet", "--dry-run", "--transcript", "t.log", "c.toml"]).run();
            assert!([0, 65].contains(&ran.status), "{key} = {form}: {}", ran.stderr);
            let header = if key == "reply_to" { "Reply-To" } else { "From" };
            let sent = senders(&batch.read("t.log"), header);
            for (number, (name, email)) in rows.iter().enumerate() {
                let got: Vec<_> = sent.iter().filter(|(other, ..)| *other == number).collect();
                let what = format!("{key} = {form}, name {name:?}, email {email:?}: {got:?}");
                assert!(got.len() <= 1, "{what}");
                let is_of_cell = |address: &str| {
                    address == email.trim()
                        || email.ends_with(&format!("<{address}>"))
                        || (address.is_empty() && email.trim() == "<>")
                };
                for (_, sender, addresses) in &got {
                    let expected = if key == "reply_to" { "a@example.com" } else { sender.as_str() };
                    assert_eq!(sender, expected, "{what}");
                    match key {
                        "envelope_from" => assert!(is_of_cell(sender) && *addresses == ["a@example.com"], "{what}"),
                        "from" => {
                            assert!(is_of_cell(sender) && addresses.len() == 1 && is_of_cell(&addresses[0]), "{what}")
                        }
                        _ => {
                            let is_left_out = email.trim().is_empty() && addresses.is_empty();
                            assert!(is_left_out || (addresses.len() == 1 && is_of_cell(&addresses[0])), "{what}");
                        }
                    }
                }
                let is_valid = email.starts_with('u');
                assert!(!is_valid || !sends_each || got.len() == 1, "{what}");
            }
        }
    }
}

#[test]
fn cells_do_not_choose_recipients_or_senders() {
    let table = [
        (
            "to = '\"{{ row.name }}\" <{{ row.email }}>'",
            "evil\" <x@evil.example>, \"y",
            "k@example.com",
            None,
            "a name that closes its quotes",
        ),
        ("to = '{{ row.email }}'", "", "a@example.com, b@example.com", None, "a list in a cell"),
        ("to = '{{ row.email }}'", "", "a@example.com; b@example.com", None, "with a semicolon"),
        (
            "to = '{{ row.email | addresses }}'",
            "",
            "a@example.com; \"Doe, B\" <b@example.com>",
            Some("a@example.com b@example.com"),
            "a list that the file allows",
        ),
        (
            "to = { name = '{{ row.name }}', address = '{{ row.email }}' }",
            "Doe, \"Ann\" (Sales) C:\\dir; @x",
            "k@example.com",
            Some("k@example.com"),
            "any name in a table",
        ),
        ("to = 'k@example.com'\ncc = '{{ row.email }}'", "K", "", Some("k@example.com"), "an empty optional column"),
        ("to = 'k@example.com'\ncc = { address = '{{ row.email }}' }", "K", " ", Some("k@example.com"), "in a table"),
        ("to = '{{ row.email }}'", "K", "", None, "nobody"),
        (
            "to = ['b@example.com', 'b@EXAMPLE.com', 'B@example.com', '{{ row.email }}']",
            "",
            "b@Example.COM",
            Some("b@example.com B@example.com"),
            "domains are compared without case, local parts exactly",
        ),
        (
            "to = ['{{ row.email }}', 'b@xn--mnchen-3ya.example', 'b@MÜNCHEN.example']",
            "",
            "b@münchen.example",
            Some("b@xn--mnchen-3ya.example"),
            "a domain beyond ASCII needs no SMTPUTF8, and its spellings are one",
        ),
        ("to = '{{ row.email }}'", "", "b@example.com\u{200b}", None, "an invisible character"),
        ("to = '{{ row.email }}'", "", "jürgen\u{ad}@example.com", None, "an invisible character in a local part"),
        (
            "to = 'k@example.com'\nenvelope_from = '{{ row.name }} <{{ row.email }}>'",
            "x@evil.example>, <",
            "k@example.com",
            None,
            "the address of MAIL",
        ),
    ];
    for (keys, name, email, expected, why) in table {
        let (batch, server) = (BatchFixture::empty(), FaultServer::start());
        batch.write("p.csv", format!("name,email\n{},{}\n", quoted(name), quoted(email)));
        batch.write(
            "c.toml",
            format!("[message]\nfrom = \"a@example.com\"\ntext = \"hi\"\n{keys}\n[rows]\nfile = \"p.csv\"\n"),
        );
        let ran = batch.mailrun(&["run", "--server", &server.url("smtp"), "c.toml"]).run();
        assert_eq!(ran.status, if expected.is_some() { 0 } else { 65 }, "{why}: {}", ran.stderr);
        assert_eq!(server.recipients().join(" "), expected.unwrap_or_default(), "{why}: {}", ran.stderr);
        assert_eq!(ran.stderr.contains("p.csv:2"), expected.is_none(), "{why}: the row is named: {}", ran.stderr);
        if why.starts_with("a name that closes") {
            assert!(ran.stderr.contains("{ name = \"{{ … }}\", address"), "the table form is proposed: {}", ran.stderr);
        }
    }
}

#[test]
fn a_recipient_whose_domain_has_capitals_gets_the_mail_once() {
    let again = "[message]\nfrom = \"a@x.example\"\nto = [\"b@Example.COM\", \"c@Example.COM\"]\non_refused = \"skip\"\n\
                 text = \"t\"\n[rows]\nfile = \"p.csv\"\nkey = \"n\"\n";
    for retry in ["", "[retry]\ntimes = 1\nwait = \"10ms\"\n"] {
        let greylists = When::at(Point::Command("RCPT"), Fault::Reply("450 4.2.0 later")).with("c@").on_the_first(1);
        let (batch, server) = (BatchFixture::empty(), FaultServer::builder().fault(greylists).start());
        batch.write("p.csv", "n\n1\n");
        batch.write("c.toml", format!("{again}{retry}"));
        for _ in 0..2 {
            let run = ["run", "--server", &server.url("smtp"), "--ledger", "l.db", "c.toml"];
            // The second run greets over another connection.
            batch.mailrun(&run).run();
            server.heal();
        }
        let mut recipients = server.recipients();
        recipients.sort();
        assert_eq!(recipients, ["b@Example.COM", "c@Example.COM"], "{retry}");
    }
}

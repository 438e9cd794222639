//! `[rows] exclude`: rows and recipients that are skipped, and `key_case`.

use crate::fixture::BatchFixture;
use crate::support::FaultServer;

/// A session whose rows have a key, with more lines in `[rows]`.
fn session(to: &str, rows: &str) -> String {
    format!(
        "client_name = \"t.example\"\n[message]\nfrom = \"a@x.example\"\nto = {to}\ntext = \"hi\"\n\
         [rows]\nfile = \"p.csv\"\nkey = \"email\"\n{rows}"
    )
}

const TO_ROW: &str = "[{ address = \"{{ row.email }}\" }]";
const OPTOUT: &str = "exclude = { file = \"optout.csv\", key = \"email\" }\n";

fn recipients(server: &FaultServer) -> Vec<String> {
    server.recipients()
}

#[test]
fn excluded_rows_are_counted_and_not_recorded() {
    let (batch, server) = (BatchFixture::empty(), FaultServer::start());
    batch.write("c.toml", session(TO_ROW, OPTOUT));
    batch.write("p.csv", "email\na@x.example\nb@x.example\nC@x.example\nd@x.example\n");
    batch.write("optout.csv", "when,email\n2026-01-02, b@X.Example \n2026-01-03,c@x.example\n,\n");
    let run = |expected: &str| {
        let ran = batch.mailrun(&["run", "--server", &server.url("smtp"), "--ledger", "l.db", "c.toml"]).run().exits(0);
        let said = ran.stdout + &ran.stderr;
        assert!(said.contains(expected), "{said}");
    };
    run("2 sent, 2 excluded");
    assert_eq!(recipients(&server), ["a@x.example", "d@x.example"]);
    batch.write("optout.csv", "email\na@x.example\n");
    run("2 sent, 1 excluded, 1 sent before");
    assert_eq!(recipients(&server)[2..], ["b@x.example", "C@x.example"], "each run reads the list again");
    run("1 excluded, 3 sent before");
    batch.write("optout.csv", "email\na@x.example\nb@x.example\nc@x.example\nd@x.example\n");
    run("4 excluded");
}

#[test]
fn excluded_recipients_get_no_message() {
    let (batch, server) = (BatchFixture::empty(), FaultServer::start());
    let lists = "exclude = [{ file = \"optout.csv\", key = \"email\" }, { file = \"old.txt\", key = \"id\", delimiter = \";\" }]\n";
    batch.write(
        "c.toml",
        session("\"{{ row.all | addresses }}\"", lists).replace("key = \"email\"\n", "key = \"id\"\n").replacen(
            "text",
            "cc = \"{{ row.cc }}\"\ntext",
            1,
        ),
    );
    batch.write(
        "p.csv",
        "id,all,cc\n1,\"a@x.example, B@x.example\",c@x.example\n2,b@x.example,\n3,z@x.example,\nFour,y@x.example,\n",
    );
    batch.write("optout.csv", "email\nb@X.example\nc@x.example\n");
    batch.write("old.txt", "id;why\nfour ;moved\n");
    let ran = batch.mailrun(&["run", "--server", &server.url("smtp"), "--ledger", "l.db", "c.toml"]).run().exits(0);
    let said = ran.stdout + &ran.stderr;
    assert_eq!(recipients(&server), ["a@x.example", "z@x.example"], "{said}");
    assert!(said.contains("2 sent, 2 excluded"), "{said}");
    assert!(said.contains("*: recipient <B@x.example> is excluded"), "{said}");
    assert!(said.contains("C: To: a@x.example\n") && !said.contains("C: Cc:"), "the headers do not name them: {said}");
    assert_eq!((batch.count("sent"), batch.count("pending")), (2, 0));
}

#[test]
fn a_list_that_cannot_be_used_stops_the_run() {
    let table = [
        (OPTOUT, "other.csv", "email\n", 66, "optout.csv", "no file"),
        (OPTOUT, "optout.csv", "mail\nb@x.example\n", 65, "its columns are mail", "no such column"),
        (OPTOUT, "optout.csv", "", 65, "has no header row", "an empty file"),
        (OPTOUT, "optout.csv", "email,n\na@x.example,1\nb@x.example\n", 65, "optout.csv:3", "a short line"),
        (OPTOUT, "optout.csv", "email\na@x.example\n\"b@x.example\n", 65, "optout.csv:3", "a quotation mark"),
        (
            "exclude = { file = \"optout.jsonl\", key = \"email\" }\n",
            "optout.jsonl",
            "{\"email\":\"b@x.example\"}\n{\"mail\":\"a\"}\n",
            65,
            "optout.jsonl:2",
            "no value in a line of JSON",
        ),
        (
            "exclude = { file = \"../optout.csv\", key = \"email\" }\n",
            "optout.csv",
            "email\n",
            65,
            "--file-root",
            "outside",
        ),
    ];
    for (rows, file, text, status, words, why) in table {
        let (batch, server) = (BatchFixture::empty(), FaultServer::start());
        batch.write("c.toml", session(TO_ROW, rows));
        batch.write("p.csv", "email\na@x.example\n");
        batch.write(file, text);
        for command in
            [&["run", "--server", &server.url("smtp"), "c.toml"][..], &["check", "--server", "smtp://x", "c.toml"]]
        {
            let ran = batch.mailrun(command).run();
            assert_eq!(ran.status, status, "{why}: {}", ran.stderr);
            assert!(ran.stderr.contains(words) && ran.stderr.contains("c.toml:"), "{why}: {}", ran.stderr);
        }
        assert_eq!(server.accepted().len(), 0, "{why}");
    }
}

#[test]
fn a_ledger_finds_keys_as_key_case_says() {
    let table = [
        ("", "a@x.example", " a@X.EXAMPLE ", true, "white space and the case of a domain"),
        ("", "A@x.example", "a@x.example", false, "the case of a local part"),
        ("key_case = \"ignore\"\n", "A@x.example", "a@X.example", true, "all case, if it is ignored"),
    ];
    for (rows, first, second, is_same, why) in table {
        let (batch, server) = (BatchFixture::empty(), FaultServer::start());
        batch.write("c.toml", session("[\"to@x.example\"]", rows));
        batch.write("p.csv", format!("email\n{first}\n"));
        batch.run(&server, &[]).exits(0);
        batch.write("p.csv", format!("email\n{second}\n"));
        batch.run(&server, &[]).exits(0);
        assert_eq!(server.accepted().len() == 1, is_same, "{why}");
        batch.write("p.csv", format!("email\n{second}\nk@x.example\n{second}\n"));
        let ran = batch.run(&server, &[]);
        assert!(ran.stdout.contains("duplicate key") || ran.stderr.contains("duplicate key"), "{why}: {}", ran.stderr);
    }
}

#[test]
fn case_may_be_ignored_from_the_second_run_on() {
    let (batch, server) = (BatchFixture::empty(), FaultServer::start());
    batch.write("p.csv", "email\nA@x.example\n");
    for (rows, mails, why) in
        [("", 1, "the first run"), ("key_case = \"ignore\"\n", 1, "the same key"), ("", 1, "the same key again")]
    {
        batch.write("c.toml", session(TO_ROW, rows));
        batch.run(&server, &[]).exits(0);
        assert_eq!(server.accepted().len(), mails, "{why}");
    }
}

#[test]
fn cells_that_are_no_plain_addresses_are_named_with_their_lines() {
    let (batch, server) = (BatchFixture::empty(), FaultServer::start());
    batch.write("c.toml", session(TO_ROW, OPTOUT));
    batch.write("p.csv", "email\na@x.example\nb@x.example\n");
    let more: String = (0..5).map(|n| format!("mailto:{n}@x.example\n")).collect();
    batch.write("optout.csv", format!("email\nb@x.example\nAnn <a@x.example>\n{more}"));
    let words = "no plain address, so that no recipient is excluded: optout.csv:3 \"Ann <a@x.example>\", optout.csv:4 \
                 \"mailto:0@x.example\"";
    let checked = batch.mailrun(&["check", "--server", &server.url("smtp"), "c.toml"]).run().exits(0).text();
    assert!(checked.contains(words) && checked.contains(" and 1 more"), "{checked}");
    assert!(checked.contains("warning") && checked.contains("without a name"), "{checked}");
    let ran = batch.mailrun(&["run", "--server", &server.url("smtp"), "--ledger", "l.db", "c.toml"]).run().exits(0);
    let warned = ran.stderr.find(&format!("warning: {words}")).expect("the run warns, too");
    let counts = ran.stderr.find("1 sent").expect("a row was sent");
    assert!(warned < counts, "before it is too late: {ran}");
    assert_eq!(ran.stderr.matches("warning: no plain").count(), 1, "{ran}");
    assert!(ran.stderr.contains("1 excluded"), "{ran}");
    assert_eq!(recipients(&server), ["a@x.example"]);
}

//! Invalid rows: each is an error with its line, and the others are sent. An invalid file is an error before the first
//! row.

use crate::fixture::{BatchFixture, SESSION};
use crate::support::FaultServer;

#[test]
fn an_invalid_row_is_an_error_and_the_others_are_sent() {
    let huge = format!("email,name\na@x.example,{}\nc@x.example,C\n", "x".repeat(3 << 20));
    type Row<'a> = (&'a str, &'a [u8], &'a [&'a str], usize, &'a str);
    let table: [Row<'_>; 12] = [
        ("p.csv", b"email,name\na@x.example\nc@x.example,C\n", &["p.csv:2", "1 field"], 1, "a short row"),
        ("p.csv", b"email,name\na@x.example,A,B\nc@x.example,C\n", &["p.csv:2", "3 fields"], 1, "a long row"),
        ("p.csv", b"email,name\na@x.example,\xff\nc@x.example,C\n", &["p.csv:2", "UTF-8"], 1, "another encoding"),
        ("p.csv", b"email,name\nno address,A\nc@x.example,C\n", &["p.csv:2", "address"], 1, "an invalid address"),
        ("p.csv", b"email,name\n,A\nc@x.example,C\n", &["p.csv:2", "email"], 1, "no key"),
        (
            "p.csv",
            b"email,name\nc@x.example,A\nc@x.example,C\n",
            &["p.csv:3", "duplicate key c@x.example: p.csv:2 has it too"],
            1,
            "a key that comes twice",
        ),
        (
            "p.csv",
            b"email,name\nc@x.example,C\na@x.example,\"A\nd@x.example,D\n",
            &["p.csv:3", "not closed"],
            1,
            "quotes without an end",
        ),
        ("p.csv", b"email,name\r\n\r\na@x.example\r\n\r\nc@x.example,C\r\n", &["p.csv:3"], 1, "CRLF and empty lines"),
        ("p.csv", huge.as_bytes(), &[], 2, "a huge field"),
        ("p.jsonl", b"[1]\n{\"email\":\"c@x.example\"}\n", &["p.jsonl:1", "JSON object"], 1, "no object"),
        ("p.jsonl", b"{\"email\":\n{\"email\":\"c@x.example\"}\n", &["p.jsonl:1", "JSON object"], 1, "half an object"),
        (
            "p.jsonl",
            b"{\"name\":\"A\"}\n{\"email\":\"c@x.example\"}\n",
            &["p.jsonl:1", "email"],
            1,
            "an object without the key",
        ),
    ];
    for (name, bytes, words, sent, why) in table {
        let (batch, server) = (BatchFixture::empty(), FaultServer::start());
        batch.write("c.toml", SESSION.replace("p.csv", name));
        batch.write(name, bytes);
        let ran = batch.run(&server, &[]);
        assert_eq!(ran.status, if words.is_empty() { 0 } else { 65 }, "{why}: {}", ran.stderr);
        assert!(words.iter().all(|word| ran.text().contains(word)), "{why}: {}", ran.text());
        assert_eq!((server.accepted_once(), batch.count("sent")), (sent, sent), "{why}: {}", ran.stderr);
        let again = batch.run(&server, &[]);
        assert_eq!((again.status, server.accepted_once()), (ran.status, sent), "{why}: the same once more");
    }
}

#[test]
fn an_invalid_file_is_an_error_before_anything_is_sent() {
    type File<'a> = (&'a str, &'a [u8], &'a str, i32, &'a str, &'a str);
    let table: [File<'_>; 7] = [
        ("p.csv", b"", SESSION, 65, "no header row", "empty"),
        ("p.csv", b"\n\n", SESSION, 65, "no header row", "empty lines"),
        ("p.csv", b"email,email\n", SESSION, 65, "duplicate column", "a column twice"),
        ("p.csv", b"mail\na@x.example\n", SESSION, 65, "\"email\"", "no column of the key's name"),
        ("q.csv", b"email\n", SESSION, 66, "p.csv", "no file"),
        ("p.csv", b"\xff\xfe\na\n", SESSION, 65, "UTF-8", "another encoding"),
        ("p.csv", b"email,name\n", "nme", 65, "\"nme\"", "an unknown column in a template"),
    ];
    for (name, bytes, session, status, words, why) in table {
        let (batch, server) = (BatchFixture::empty(), FaultServer::start());
        let unknown = SESSION.replace("text = \"t\"", "text = \"{{ row.nme }}\"");
        batch.write("c.toml", if session == "nme" { &unknown } else { session });
        batch.write(name, bytes);
        let ran = batch.run(&server, &[]);
        assert_eq!((ran.status, server.accepted_once()), (status, 0), "{why}: {}", ran.stderr);
        assert!(ran.stderr.contains(words) && ran.stderr.contains("c.toml:"), "{why}: {}", ran.stderr);
    }
}

#[test]
fn a_file_with_only_a_header_has_no_rows() {
    let (batch, server) = (BatchFixture::new(0), FaultServer::start());
    let ran = batch.run(&server, &[]);
    assert_eq!((ran.status, server.accepted_once()), (1, 0), "nothing ran, which is no success: {}", ran.stderr);
}

#[test]
fn rows_from_standard_input_are_recorded_in_a_ledger() {
    let (batch, server) = (BatchFixture::empty(), FaultServer::start());
    batch.write("c.toml", SESSION.replace("p.csv", "-"));
    let feed = |rows: &str| batch.command(&server).stdin(rows).run();
    let ran = feed("email\na@x.example\nb@x.example\n");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let ran = feed("email\nb@x.example\nc@x.example\na@x.example\n");
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert_eq!((server.accepted_once(), batch.count("sent")), (3, 3));
    assert_eq!(feed("{\"email\":\"d@x.example\"}\n").status, 0, "JSON Lines are known by their first line");
    assert_eq!(server.accepted_once(), 4);
}

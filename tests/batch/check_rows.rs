//! `mailrun check --rows`: every row is rendered without a connection.

use crate::fixture::BatchFixture;

const SESSION: &str = "server = \"smtp://127.0.0.1:1\"\n[rows]\nfile = \"p.csv\"\nkey = \"email\"\n[message]\nfrom = \"a@x.example\"\nto = \"{{ row.email }}\"\nsubject = \"s\"\ntext = \"t\"\n";

fn check(batch: &BatchFixture, status: i32) -> String {
    batch.mailrun(&["check", "--rows", "c.toml"]).run().exits(status).text()
}

#[test]
fn twenty_rows_with_errors_are_named_and_the_others_counted() {
    let batch = BatchFixture::empty();
    batch.write("c.toml", SESSION);
    let rows: String =
        (0..30).map(|n| if n % 5 == 0 { format!("u{n}@x.example\n") } else { format!("no {n}@\n") }).collect();
    batch.write("p.csv", format!("email\n{rows}"));
    let said = check(&batch, 65);
    let named = said.lines().filter(|line| line.starts_with("p.csv:")).count();
    assert_eq!(named, 20, "{said}");
    assert!(said.contains("and 4 more errors") && said.contains("p.csv:3: error: "), "{said}");
    assert!(!said.contains("p.csv:2:") && !said.contains("OK"), "a valid row is not named: {said}");
}

#[test]
fn attachments_of_rows_are_looked_for() {
    let batch = BatchFixture::empty();
    batch.write("c.toml", format!("{SESSION}attach = [\"{{{{ row.file }}}}\"]\n"));
    batch.write("a.pdf", "a");
    batch.write("p.csv", "email,file\na@x.example,a.pdf\nb@x.example,b.pdf\n");
    let said = check(&batch, 66);
    assert!(said.contains("p.csv:3: error: ") && said.contains("b.pdf") && !said.contains("p.csv:2"), "{said}");
    batch.write("b.pdf", "b".repeat(10_000));
    let said = check(&batch, 0);
    assert!(said.contains("  rows         2\n") && said.contains("bytes (p.csv:3)"), "the sizes are said: {said}");
}

#[test]
fn steps_that_if_skips_for_a_row_are_not_rendered() {
    let batch = BatchFixture::empty();
    let step = "[[step]]\nif = \"row.due == 'yes'\"\nmessage = true\n";
    batch.write("c.toml", format!("{SESSION}{step}"));
    batch.write("p.csv", "email,due\nnobody@,no\nb@x.example,yes\n");
    check(&batch, 0);
    batch.write("p.csv", "email,due\nnobody@,yes\nb@x.example,yes\n");
    let said = check(&batch, 65);
    assert!(said.contains("p.csv:2: error: "), "{said}");
}

#[test]
fn a_duplicate_key_is_named_with_both_lines() {
    let batch = BatchFixture::empty();
    let optout = "exclude = { file = \"optout.csv\", key = \"email\" }\n";
    batch.write("c.toml", SESSION.replace("[message]", &format!("{optout}[message]")));
    batch.write("optout.csv", "email\nx@x.example\n");
    batch.write(
        "p.csv",
        "email,note\na@x.example,\"two\nlines\"\nx@x.example,\nb@x.example,\n A@X.example,\nx@x.example,\na@X.EXAMPLE ,\n",
    );
    let said = check(&batch, 65);
    assert!(said.contains("p.csv:8: error: duplicate key a@X.EXAMPLE : p.csv:2 has it too"), "{said}");
    assert_eq!(said.matches("error").count(), 1, "excluded rows and other keys are not duplicates: {said}");
    batch.write("p.csv", "email\na@x.example\nx@x.example\nX@x.example\n");
    let said = check(&batch, 0);
    assert!(said.contains("  rows         3\n  excluded     2\n"), "{said}");
    batch.write("c.toml", SESSION.replace("key = \"email\"", "key = \"code\""));
    batch.write("p.csv", "email,code\na@x.example,\nb@x.example,\n");
    check(&batch, 0);
}

#[test]
fn addresses_that_servers_need_not_accept_are_warned_about_and_sent() {
    let batch = BatchFixture::empty();
    batch.write("c.toml", SESSION);
    let long = "l".repeat(65);
    batch.write("p.csv", format!("email\n{}@x.example\n{long}@x.example\n", &long[1..]));
    let said = check(&batch, 0);
    let warning = format!("p.csv:3: warning: {long}@x.example: its local part has 65 octets");
    assert!(said.contains(&warning) && said.contains("RFC 5321") && said.contains("c.toml: OK"), "{said}");
    assert_eq!(said.matches("warning").count(), 1, "64 octets are accepted everywhere: {said}");
    let server = crate::support::FaultServer::start();
    batch.without_ledger(&server).run().exits(0);
    assert_eq!(server.recipients()[1], format!("{long}@x.example"));
}

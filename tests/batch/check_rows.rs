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

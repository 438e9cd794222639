//! `mailrun new batch`: what it writes works as it is.

use crate::fixture::{BatchFixture, CommandResult};
use std::process::{Command, Stdio};

fn mailrun(batch: &BatchFixture, arguments: &[&str]) -> CommandResult {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailrun"));
    CommandResult::of(
        command.args(arguments).current_dir(batch.path(".")).stdin(Stdio::null()).env_remove("SMTP_PASSWORD"),
    )
}

#[test]
fn the_starter_of_a_batch_runs_dry_as_it_is() {
    let batch = BatchFixture::empty();
    let made = mailrun(&batch, &["new", "batch", "news.toml"]);
    assert_eq!((made.status, made.errors.as_str()), (0, "wrote news.toml\nwrote people.csv\n"));
    let checked = mailrun(&batch, &["check", "news.toml"]);
    assert_eq!(checked.status, 0, "{}", checked.errors);
    let ran = mailrun(&batch, &["run", "--dry-run", "--sink", "box", "--ledger", "news.db", "news.toml"]);
    assert_eq!(ran.status, 0, "{}", ran.errors);
    assert!(ran.errors.contains("3 sent"), "{}", ran.errors);
    let mails = std::fs::read_dir(batch.path("box")).expect("the sink is there").flatten();
    let mails = mails.filter(|file| file.path().extension().is_some_and(|extension| extension == "eml"));
    let mails: Vec<_> = mails.map(|file| std::fs::read_to_string(file.path()).expect("it is text")).collect();
    assert_eq!(mails.len(), 3);
    assert!(mails.iter().any(|mail| mail.contains("es gibt Neues.")), "each row has its own words");
    assert!(mails.iter().any(|mail| mail.contains("Dear Zoe \"Z\" Doe,\r\n\r\nthere is news.")), "{mails:?}");
    assert!(!batch.path("news.db").exists(), "a dry run keeps no ledger");
}

#[test]
fn the_starter_overwrites_nothing() {
    let batch = BatchFixture::empty();
    batch.write("people.csv", "email\nmine@example.com\n");
    let made = mailrun(&batch, &["new", "batch", "news.toml"]);
    assert_eq!((made.status, made.errors.as_str()), (0, "wrote news.toml\npeople.csv is there already, and stays\n"));
    assert_eq!(std::fs::read_to_string(batch.path("people.csv")).expect("it is there"), "email\nmine@example.com\n");
    assert_eq!(mailrun(&batch, &["new", "batch", "news.toml"]).status, 73);
    let printed = mailrun(&batch, &["new", "batch", "-"]);
    assert_eq!(printed.output, std::fs::read_to_string(batch.path("news.toml")).expect("it is there"));
}

//! `mailrun new batch`: the files that it writes work without changes.

use crate::fixture::BatchFixture;

#[test]
fn the_starter_of_a_batch_works_in_a_dry_run() {
    let batch = BatchFixture::empty();
    let made = batch.mailrun(&["new", "batch", "news.toml"]).run();
    assert_eq!((made.status, made.stderr.as_str()), (0, "wrote news.toml\nwrote people.csv\n"));
    let checked = batch.mailrun(&["check", "news.toml"]).run();
    assert_eq!(checked.status, 0, "{}", checked.stderr);
    let ran = batch.mailrun(&["run", "--dry-run", "--sink", "box", "--ledger", "news.db", "news.toml"]).run();
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("3 sent"), "{}", ran.stderr);
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
    let made = batch.mailrun(&["new", "batch", "news.toml"]).run();
    assert_eq!(
        (made.status, made.stderr.as_str()),
        (0, "wrote news.toml\npeople.csv exists already and was not changed\n")
    );
    assert_eq!(batch.read("people.csv"), "email\nmine@example.com\n");
    assert_eq!(batch.mailrun(&["new", "batch", "news.toml"]).run().status, 73);
    let printed = batch.mailrun(&["new", "batch", "-"]).run();
    assert_eq!(printed.stdout, batch.read("news.toml"));
}

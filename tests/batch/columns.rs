//! Columns that templates ask for and files do not have are found before anything is sent.

use crate::fixture::{BatchFixture, SESSION};

#[test]
fn a_column_that_is_missing_is_found_without_sending() {
    let batch = BatchFixture::new(1);
    let broken = SESSION.replace("key = \"email\"", "key = \"emial\"");
    assert_ne!(broken, SESSION);
    batch.write("k.toml", broken);
    batch.write("t.toml", SESSION.replace("row.email", "row.emial"));
    for (file, place) in [("k.toml", "k.toml:"), ("t.toml", "t.toml:")] {
        let ran = batch.mailrun(&["check", "--server", "smtp://127.0.0.1:9", file]).run();
        assert_eq!(ran.status, 65, "{file}: {}", ran.stderr);
        assert!(ran.stderr.starts_with(place), "{}", ran.stderr);
        assert!(ran.stderr.contains("the rows have no column \"emial\"; their columns are email"), "{}", ran.stderr);
    }
    assert_eq!(batch.mailrun(&["check", "--server", "smtp://127.0.0.1:9", "c.toml"]).run().status, 0);
}

/// What `check` says about a session with the table `sales`, which has the columns region and total.
fn check(batch: &BatchFixture, text: &str, status: i32, options: &[&str]) -> String {
    batch.write("s.csv", "region;total\nN;1\n");
    let message = "[message]\nfrom = \"a@x.example\"\nto = \"b@x.example\"\nsubject = \"s\"\n";
    let vars = "[vars]\nsales = { csv = \"s.csv\" }\nother = { json = \"o.json\" }\n";
    batch.write("o.json", "[{\"totl\": 1}]");
    batch.write("t.toml", format!("server = \"smtp://127.0.0.1:9\"\n{vars}{message}text = {text}\n"));
    batch.mailrun(&["check", "t.toml"]).args(options).run().exits(status).text()
}

#[test]
fn a_template_that_asks_for_a_column_that_a_table_does_not_have_is_an_error() {
    let batch = BatchFixture::empty();
    batch.write("mail.txt", "Sales\n{% for s in sales %}{{ s.totl }}{% endfor %}\n");
    for (text, place) in [
        ("\"{% for s in sales %}{{ s.totl }}{% endfor %}\"", "t.toml:9:34: error: "),
        ("\"{{ sales[0].totl }}\"", "t.toml:9:21: error: "),
        ("{ file = \"mail.txt\", template = true }", "(mail.txt:2)"),
    ] {
        let said = check(&batch, text, 65, &[]);
        assert!(
            said.contains("\"sales\" (s.csv) has no column \"totl\"; its columns are region, total"),
            "{text}: {said}"
        );
        assert!(said.contains(place) && said.contains("did you mean \"total\"?"), "{text}: {said}");
    }
}

#[test]
fn a_column_that_a_template_tests_or_that_is_of_something_else_is_no_error() {
    let batch = BatchFixture::empty();
    for text in [
        "\"{% for s in sales %}{{ s.totl | default('none') }}{% endfor %}\"",
        "\"{% if sales[0].totl is defined %}{{ sales[0].totl }}{% endif %}\"",
        "\"{% for s in other %}{{ s.totl }}{% endfor %}\"",
        "\"{% for s in sales %}{{ s.region }}{% endfor %} default loop\"",
    ] {
        check(&batch, text, 0, &[]);
    }
    let said = check(&batch, "\"{{ sales[0].totl }}\"", 65, &["--var", "sales=1"]);
    assert!(said.contains("undefined name \"sales[0].totl\"") && !said.contains("no column"), "no table: {said}");
}

#[test]
fn a_table_that_is_not_valid_is_an_error_of_check() {
    let batch = BatchFixture::empty();
    batch.write("b.csv", "region,region\nN,1\n");
    batch.write(
        "t.toml",
        "server = \"smtp://127.0.0.1:9\"\n[vars]\nsales = { csv = \"b.csv\", default = 1 }\n[[step]]\nexpect = 220\n",
    );
    let said = batch.mailrun(&["check", "t.toml"]).run().exits(65).text();
    assert!(said.contains("t.toml:3:") && said.contains("b.csv:1: two columns have the name \"region\""), "{said}");
}

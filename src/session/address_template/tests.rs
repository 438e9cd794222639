use super::*;
use crate::smtp::address_list;
use proptest::prelude::*;

/// Renders a template of literal text, `{n}` for the name and `{e}` for the address.
fn render(template: &str, name: &str, email: &str) -> RenderedText {
    let mut rendered = RenderedText::default();
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        rendered.push_literal(&rest[..at]).expect("it has no mark");
        rendered.push_value(if rest[at..].starts_with("{n}") { name } else { email }).expect("it has no mark");
        rest = &rest[at + 3..];
    }
    rendered.push_literal(rest).expect("it has no mark");
    rendered
}

fn named(name: &str, address: &str) -> NamedMailbox {
    let mailbox = Mailbox::parse(address).expect("it is an address");
    NamedMailbox { name: (!name.is_empty()).then(|| name.to_owned()), mailbox }
}

#[test]
fn strings_are_one_mailbox() {
    let a = "ann@example.com";
    // Template, name, email; the name and the address of what is sent, "" for nothing, "!" for an error; why.
    let table = [
        ("{n} <{e}>", "Ann Doe", a, "Ann Doe", a, "the usual"),
        ("\"{n}\" <{e}>", "Doe, Ann (Sales)", a, "Doe, Ann (Sales)", a, "a name that needs quotes, within quotes"),
        ("{n} <{e}>", "Ann  J. Doe ", a, "Ann J. Doe", a, "white space within and around a name"),
        ("{n} <{e}>", "", a, "", a, "no name"),
        ("\"{n}\" <{e}>", "", a, "", a, "no name within quotes"),
        ("Dr. {n} <{e}>", "Ann", a, "Dr. Ann", a, "a piece of a name"),
        ("{e}", "", a, "", a, "an address"),
        ("{e}", "", " ann@example.com ", "", a, "white space around it"),
        ("{e}", "", "Ann <ann@example.com>", "Ann", a, "one value may be a mailbox of any form"),
        (" {e} ", "", "\"Doe, Ann\" <ann@example.com>", "Doe, Ann", a, "with quotes of its own"),
        ("<{e}>", "", a, "", a, "in brackets"),
        ("{n}@example.com", "ann", "", "", a, "a local part"),
        ("{n}@example.com", "\"a b\"", "", "", "\"a b\"@example.com", "a local part with its quotes"),
        ("ann+{n}@example.com", "x", "", "", "ann+x@example.com", "a piece of a local part"),
        ("ann@{e}", "", "example.com", "", a, "a domain"),
        ("ann@{n}.example.com", "x", "", "", "ann@x.example.com", "a piece of a domain"),
        ("{n}@{e}", "ann", "example.com", "", a, "both parts"),
        ("{e}", "", "", "", "", "nothing"),
        ("{e}", "", "  ", "", "", "white space"),
        ("{n}{e}", "", "", "", "", "two empty values"),
        ("{n} <{e}>", "", "", "", "!", "brackets without an address"),
        ("{n} <{e}>", "Ann", "", "", "!", "a name without an address"),
        ("\"{n}\" <{e}>", "evil\" <x@evil.example>, \"y", a, "", "!", "the issue's"),
        ("\"{n}\" <{e}>", "Bob \"B\" Doe", a, "", "!", "quotes, which would be lost"),
        ("\"{n}\" <{e}>", "C:\\dir", a, "", "!", "a backslash, which would be lost"),
        ("\"{n}\" <{e}>", "\\", a, "", "!", "a backslash before the closing quote"),
        ("{n} <{e}>", "Doe, Ann", a, "", "!", "a comma"),
        ("{n} <{e}>", "Ann (Sales)", a, "", "!", "a parenthesis"),
        ("{n} <{e}>", "\"Doe, Ann\"", a, "", "!", "quotes of the value's own"),
        ("{n} <{e}>", "x@evil.example", a, "", "!", "an address as a name"),
        ("{n} <{e}>", "<x@evil.example>", a, "", "!", "brackets"),
        ("{n} <{e}>", "group:", a, "", "!", "a group"),
        ("{n} <{e}>", "Ann", "a@b, c@d", "", "!", "two addresses"),
        ("{n} <{e}>", "Ann", "a@b>, <c@d", "", "!", "two addresses with brackets"),
        ("{e}", "", "a@b, c@d", "", "!", "a list in one value"),
        ("{e}", "", "a@b; c@d", "", "!", "with a semicolon"),
        ("{e}", "", "<>", "", "!", "the null path"),
        ("{e}", "", "g: a@b;", "", "!", "a group"),
        ("{n}@example.com", "x@evil.example", "", "", "!", "a second @"),
        ("{n}@example.com", "x@evil.example>", "", "", "!", "a bracket"),
        ("<{n}@example.com>", "a@evil.example>, <b", "", "", "!", "two mailboxes"),
        ("{n}{e}", "x", "@evil.example", "", "!", "a value that is more than a local part or a domain"),
        ("\"{n}\" {e} <a@b>", "Ann", "\"x\"", "", "!", "a quoted word as a value"),
        ("{e}", "", "ann@example.com\r\nBcc: x", "", "!", "a line break"),
    ];
    for (template, name, email, expected_name, expected_address, why) in table {
        let found = mailbox_from_string(&render(template, name, email));
        match expected_address {
            "!" => assert!(found.is_err(), "{why}: {found:?}"),
            "" => assert_eq!(found, Ok(None), "{why}"),
            address => assert_eq!(found, Ok(Some(named(expected_name, address))), "{why}"),
        }
    }
}

#[test]
fn tables_take_any_name() {
    let table = [
        ("Doe, \"Ann\" (Sales) C:\\dir; @x", "ann@example.com", Some("ann@example.com"), "the grammar's characters"),
        ("evil\" <x@evil.example>, \"y", "ann@example.com", Some("ann@example.com"), "the issue's"),
        ("", " ann@example.com\t", Some("ann@example.com"), "no name, and white space"),
        ("", "postmaster", Some("postmaster"), "RFC 5321 §4.1.1.3"),
        ("Ann", "\"a b\"@[192.0.2.1]", Some("\"a b\"@[192.0.2.1]"), "all that a Mailbox may be"),
        ("Ann", "", Some(""), "no address"),
        ("Ann", "  ", Some(""), "white space"),
        ("Ann", "<ann@example.com>", None, "brackets"),
        ("Ann", "Ann <ann@example.com>", None, "a name in the address"),
        ("Ann", "a@b, c@d", None, "two addresses"),
        ("Ann", "ann", None, "no domain"),
        ("Ann", "<>", None, "the null path"),
        ("Ann", "ann\u{e4}", None, "a local part only"),
        ("Ann\nBcc: x", "ann@example.com", None, "a line break in the name"),
    ];
    for (name, address, expected, why) in table {
        let found = mailbox_from_table(Some(name), address);
        match expected {
            None => assert!(found.is_err(), "{why}: {found:?}"),
            Some("") => assert_eq!(found, Ok(None), "{why}"),
            Some(address) => assert_eq!(found, Ok(Some(named(name, address))), "{why}"),
        }
    }
}

#[test]
fn a_list_comes_from_the_filter() {
    let table: &[(&str, Option<&[&str]>, &str)] = &[
        ("a@x, b@x; c@x", Some(&["a@x", "b@x", "c@x"]), "commas and semicolons"),
        ("", Some(&[]), "nothing"),
        (" ; ,", Some(&[]), "separators only"),
        ("a@x;", Some(&["a@x"]), "a separator at the end"),
        ("\"Doe; Ann\" <a@x>, Bob <b@x>", Some(&["a@x", "b@x"]), "names"),
        ("\"a,b\"@x", Some(&["\"a,b\"@x"]), "a comma within quotes"),
        ("a@x b@x", None, "no separator"),
        ("a@x, b", None, "one that is no address"),
        ("<>", None, "the null path"),
        ("g: a@x;", None, "a group"),
    ];
    for (text, expected, why) in table {
        let found = mailboxes_from_list(text).ok();
        let found = found.map(|all| all.iter().map(|one| one.mailbox.to_string()).collect::<Vec<_>>());
        assert_eq!(found, expected.map(|all| all.iter().map(|one| (*one).to_owned()).collect()), "{why}");
    }
}

/// Cells made of the grammar's own characters.
fn cell() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "\"",
        "\\",
        "<",
        ">",
        ",",
        ";",
        ":",
        "@",
        "(",
        ")",
        " ",
        ".",
        "a",
        "b",
        "x@evil.example",
        "<x@evil.example>",
        "\" <",
        ">, \"",
        "\u{fc}",
        "[",
        "]",
    ]);
    prop::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat())
}

const TEMPLATES: [&str; 8] = [
    "{n} <{e}>",
    "\"{n}\" <{e}>",
    "<{e}>",
    "Team {n} <{e}>",
    "\"Team\" {n} <{e}>",
    "{n}<{e}>",
    "\"{n}, Team\" <{e}>",
    "\"{n}\" {n} <{e}>",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_recipient_is_that_of_the_column(template in prop::sample::select(&TEMPLATES[..]), name in cell(), email in prop_oneof![Just("ann@example.com".to_owned()), cell()]) {
        if let Ok(Some(found)) = mailbox_from_string(&render(template, &name, &email)) {
            prop_assert_eq!(found.mailbox.to_string(), email, "{} {:?}", template, name);
            let words = |text: &str| text.split([' ', '\t']).filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>();
            let expected = template.split('<').next().unwrap_or_default().replace('"', "").replace("{n}", &name);
            prop_assert_eq!(words(&found.name.unwrap_or_default()), words(&expected), "no character is lost");
        }
    }

    #[test]
    fn parts_are_those_of_the_template(local in cell(), domain in cell()) {
        if let Ok(Some(found)) = mailbox_from_string(&render("{n}@{e}", &local, &domain)) {
            prop_assert_eq!(found, NamedMailbox { name: None, mailbox: Mailbox { local, domain } });
        }
    }

    #[test]
    fn a_table_sends_to_its_address(name in cell(), email in cell()) {
        if let Ok(Some(found)) = mailbox_from_table(Some(&name), &email) {
            prop_assert_eq!(found.mailbox.to_string(), email.trim());
            prop_assert_eq!(found.name.unwrap_or_default(), if name.trim().is_empty() { String::new() } else { name });
        }
        prop_assert!(matches!(mailbox_from_table(Some(&email), "ann@example.com"), Ok(Some(_))), "any name is taken");
    }
}

/// The property above finds what rendering before parsing does, with the same cells.
#[test]
fn parsing_after_rendering_breaks_the_property() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut broken = 0;
    for _ in 0..5_000 {
        let name = cell().new_tree(&mut runner).expect("it is generated").current();
        let rendered = render("\"{n}\" <{e}>", &name, "ann@example.com");
        let naive = address_list::parse(rendered.text()).unwrap_or_default();
        broken += usize::from(naive.iter().any(|one| one.mailbox.to_string() != "ann@example.com"));
    }
    assert!(broken > 10, "{broken}");
}

//! All errors of a file are reported in one run.

use super::wrong;

/// Each `⟦` marks the place of one error.
fn all(table: &[(&str, &[&str], &str)]) {
    for (file, words, why) in table {
        let shown = wrong(&file.replace('⟦', ""));
        let mut places = Vec::new();
        let mut before = String::new();
        for piece in file.split('⟦').take(file.matches('⟦').count()) {
            before.push_str(piece);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            places.push(format!("case.toml:{line}:{column}: error: "));
        }
        let told: Vec<&str> = shown.lines().filter(|line| line.contains(": error: ")).collect();
        assert_eq!(told.len(), places.len(), "{why}\n{shown}");
        for ((told, place), words) in told.iter().zip(&places).zip(*words) {
            assert!(told.starts_with(place) && told.contains(words), "{why}: wanted {place}{words}\n{shown}");
        }
    }
}

#[test]
fn errors_of_one_template_are_all_reported() {
    all(&[
        (
            "[[step]]\nsend = \"{{ ⟦usr1 }} {{ user | ⟦dat }}\"\nexpect = 250\n[vars]\nuser = \"x\"",
            &["the name \"usr1\"", "unknown filter \"dat\""],
            "a name and a filter",
        ),
        (
            "[[step]]\nsend = \"{{ reply | ⟦dat }} {{ reply | ⟦foo }} {{ 1 is ⟦bar }}\"\nexpect = 250",
            &["unknown filter \"dat\"", "unknown filter \"foo\"", "unknown test \"bar\""],
            "filters and tests",
        ),
        (
            "[[step]]\nraw = \"{{ ehlo.⟦capabilties }} {{ tls.peer.⟦subjct }} {{ session.⟦nme }}\"",
            &["\"ehlo\" has no \"capabilties\"", "\"tls.peer\" has no \"subjct\"", "\"session\" has no \"nme\""],
            "attributes",
        ),
        (
            "[[step]]\nexpect = 220\nassert = [\"reply.⟦cod == ⟦x and reply.text is matching(⟦'(')\"]",
            &["\"reply\" has no \"cod\"", "the name \"x\"", "matching: \"(\" is not a regular expression: unclosed"],
            "an attribute, a name and a pattern in an expression",
        ),
        (
            "[[step]]\nexpect = 220\nif = '''reply.text is not matching ⟦\"[\" or 'is matching(\"[\")' == 'a'\n\
             or reply.text is matching(\"[\" ~ 'a]') '''",
            &["matching: \"[\" is not a regular expression"],
            "a pattern without brackets; one in a text, or made of several, is not known yet",
        ),
        (
            "[[step]]\nsend = \"{{ ⟦a }} {{ 'x' | ⟦dat }}\"\nexpect = 250\nassert = [\"⟦b\", \"1 is ⟦odx\"]\n[[step]]\nraw = \"{{ 1 ⟦1 }}\"",
            &["the name \"a\"", "filter \"dat\"", "the name \"b\"", "test \"odx\"", "syntax error"],
            "of several strings",
        ),
    ]);
}

#[test]
fn errors_that_every_run_would_have_are_reported() {
    all(&[
        (
            "client_name = ⟦\"a\\r\\nb\"\n[message]\nfrom = \"a@b.example\"\nto = [\"c@d.example\", ⟦\"\"]\ncc = ⟦3\n\
             envelope_from = ⟦\"x <>\"\nmessage_id = ⟦\"no at\"\ntext = \"x\"\nattach = { file = \"x\", inline = ⟦\"a b\" }",
            &[
                "\"client_name\" is one line",
                "is not an address: it is empty",
                "\"cc\" must be a string, a table with name, address or a list, each a string or a table with name, address, not 3",
                "\"x <>\" is not an address",
                "\"message_id\": an identifier cannot contain a space",
                "\"inline\": an identifier cannot contain a space",
            ],
            "constants",
        ),
        (
            "[message]\nfrom = \"a@b.example\"\nto = \"c@d.example\"\nenvelope_to = ⟦[]",
            &["no recipient"],
            "an envelope to nobody, beside headers to somebody",
        ),
        (
            "[message]\nfrom = \"a@b.example\"\nenvelope_from = ⟦\"a@b.example, c@d.example\"\nto = ⟦[]\ncc = []",
            &["this is more than one address", "no recipient"],
            "two senders in an envelope; lists that are all empty are told once",
        ),
        ("[message]\nfrom = \"a@b.example\"\nto = \"c@d.example\"\nenvelope_from = ⟦\" \"", &["address"], "a space"),
        (
            "[[step]⟦\nexpect = 220\nsend = 1\n[[step]]\nsend = ⟦2",
            &["", "\"send\" must be"],
            "no header, and what is below it",
        ),
        (
            "[[step]]\nexpect = 220\n[vars]\nab = \"x\"\na = \"{{ ⟦a }} {{ ⟦b }}\"\nb = \"{{ ab }}\"",
            &["the name \"a\"", "the name \"b\""],
            "a name that is made of itself, and one that is set below",
        ),
    ]);
    let itself = wrong("[[step]]\nexpect = 220\n[vars]\na = \"{{ a }}\"\n");
    assert!(itself.contains("it refers to itself"), "{itself}");
}

//! Literal secrets are never shown, even in invalid files.

use super::*;

#[test]
fn no_error_or_warning_shows_a_literal_secret() {
    let steps = "step = [{ expect = 220 }]\n";
    let table = [
        ("[secrets]\npw = 'hunter2'", "a literal"),
        ("[secrets]\npw = 4711815", "a number"),
        ("secrets = { pw = 'hunter2', b = 'hunter2' }", "two in a line"),
        ("[secrets]\npw = ['hunter2']", "of the wrong type"),
        ("[secrets]\npw = { env = 'X', default = 'hunter2', bogus = 1 }", "a default beside a key that is not known"),
        ("[secret]\npw = 'hunter2'", "a table that is mistyped"),
        ("[secrets]\npw = 'hunter2", "a quote that is missing"),
        ("[secrets]\npw = 'hunter2' x", "something behind it"),
        ("[secrets]\npw = hunter2", "no quotes at all"),
        ("[auth]\nuser = 'u'\npassword = 'hunter2'", "a password"),
        ("[auth]\nuser = 'u'\ntoken = 'hunter2'", "a token"),
        ("[auth]\nuser = 'u'\npasword = 'hunter2'", "a key that is mistyped"),
        ("[auth]\nuser = 'u'\npassword = 4711815", "a number where a string is wanted"),
        ("[auth]\nuser = 'u'\npassword = 'hunter2", "a password without its quote"),
        ("[auth]\nuser = 'u'\npassword = '{{ hunter2'", "a template that is wrong"),
        ("[[step]]\nexpct = 1\nauth = { user = 'u', password = 'hunter2', typo = 1 }", "in a step"),
        ("[[step]]\nauth = { user = 'u', password = 'hunter2' ", "in a step that is not closed"),
    ];
    for (text, why) in table {
        let text = match text.contains("[[step]]") {
            true => text.to_owned(),
            false => format!("{steps}{text}\n"),
        };
        let shown = match read(&text) {
            Ok(session) => Diagnostics { list: session.warnings, sources: session.source_map }.render(false),
            Err(wrong) => wrong.render(false),
        };
        assert!(!shown.is_empty(), "{why}: nothing was said");
        assert!(!shown.contains("hunter2") && !shown.contains("4711815"), "{why}:\n{shown}");
    }
}

#[test]
fn sources_of_secrets_are_shown() {
    let shown = wrong("step = [{ expect = 220 }]\nsecrets = { pw = { env = 'SMTP_PASSWORD', bogus = 1 } }\n");
    assert!(shown.contains("env = 'SMTP_PASSWORD', bogus = 1"), "{shown}");
    let shown = wrong("step = [{ expct = 1, auth = { user = 'u', password = '{{ pw }}' } }]\n");
    assert!(shown.contains("password = '{{ pw }}'"), "{shown}");
}

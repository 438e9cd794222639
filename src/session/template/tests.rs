use super::super::{Expression, Outside, Scope, Span, Template, Templates, Value};
use std::sync::Arc;

fn scope() -> Scope {
    let now: jiff::Timestamp = "2026-11-03T07:08:09Z".parse().expect("a time");
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(1));
    let outside = Outside { now: Arc::new(move || now), hostname: "client.example".to_owned(), zone };
    let mut scope = Scope::new(Some(7), outside);
    scope.set("user", Value::Text("anna".to_owned()));
    scope.set("count", Value::Integer(3));
    scope.set("at", Value::Text("2026-01-02T23:04:05-05:00".to_owned()));
    scope.set("seconds", Value::Integer(0));
    scope.set("tag", Value::Text("<b>".to_owned()));
    scope
}

/// Compiles a literal string that stands at byte 100.
fn compile(templates: &mut Templates, source: &str) -> Result<Template, super::Diagnostic> {
    let raw = format!("'{source}'");
    templates.compile(source, Span { file: 0, bytes: 100..100 + raw.len() }, &raw)
}

fn render(source: &str) -> Result<String, String> {
    let mut templates = Templates::new();
    let template = compile(&mut templates, source).map_err(|diagnostic| diagnostic.message)?;
    templates.render(&template, &scope()).map_err(|error| error.message)
}

#[test]
fn templates_render() {
    let table = [
        ("plain", "plain", "no markup stands for itself"),
        ("{{ user }}@x", "anna@x", "a variable"),
        ("{{ user }}\n", "anna\n", "the last newline stays"),
        ("{% for i in [1,2] %}{{ loop.index }}{{ i }} {% endfor %}", "11 22 ", "minijinja's own loop"),
        ("{{ now() }}", "2026-11-03T08:08:09+01:00", "the time, RFC 3339, in the zone outside"),
        ("{{ now() | date('%Y-%m-%d') }}", "2026-11-03", "strftime"),
        ("{{ at | date('%H:%M %z') }}", "23:04 -0500", "a written offset is kept"),
        ("{{ '2026-01-02' | date('%d.%m.%y') }}", "02.01.26", "a date alone"),
        ("{{ seconds | date('%Y %H') }}", "1970 01", "seconds since 1970, in the zone outside"),
        ("{{ now() | rfc5322 }}", "Tue, 3 Nov 2026 08:08:09 +0100", "a Date header"),
        ("{{ user | b64encode }}", "YW5uYQ==", "base64"),
        ("{{ 'YW5uYQ' | b64decode }}", "anna", "base64 back, padding or not"),
        ("{{ hostname() }}", "client.example", "the host's name"),
        ("{{ tag }}", "<b>", "nothing is escaped"),
        ("{{ uuid()|length }}", "36", "a UUID"),
        ("{{ random(8)|length }}", "8", "random letters"),
        ("{{ missing | default('x') }}", "x", "a default is allowed to ask"),
        ("{{ 'a.b' is matching('a\\.b') }}", "True", "a regex in a template's string"),
        ("{{ 'ab cd' is matching('\\bcd') }}", "True", r"\b is a word's edge"),
    ];
    for (source, expected, why) in table {
        assert_eq!(render(source).as_deref(), Ok(expected), "{why}: {source}");
    }
}

#[test]
fn expressions_tell_what_they_saw() {
    let mut templates = Templates::new();
    let source = "count > 3 and user == 'x.y'";
    let expression = Expression::compile(source, Span::default(), &format!("\"{source}\""), &mut templates).unwrap();
    let evaluation = expression.evaluate(&templates, &scope()).unwrap();
    assert!(!evaluation.holds);
    assert_eq!(evaluation.values, [("count".to_owned(), "3".to_owned()), ("user".to_owned(), "\"anna\"".to_owned())]);
    assert_eq!(expression.names(&templates), ["count", "user"]);
}

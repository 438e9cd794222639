mod expressions;
mod limits;

use super::super::{
    EhloFacts, Expression, HostEnvironment, PeerFacts, ReplyFacts, Scope, SessionFacts, Span, Template, Templates,
};
use super::super::{TlsFacts, Value};
use super::html::escape_html;
use super::toml_offsets::locate;
use super::{ENGINE_FUNCTIONS, FUNCTIONS, environment};
use crate::smtp::reply::{Reply, ReplyCode};
use crate::transcript::Redactor;
use base64::Engine;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

fn scope() -> Scope {
    let now: jiff::Timestamp = "2026-11-03T07:08:09Z".parse().expect("a time");
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(1));
    let outside = HostEnvironment { now: Arc::new(move || now), hostname: "client.example".to_owned(), zone };
    let mut scope = Scope::new(Some(7), outside);
    scope.set("user", Value::Text("anna".to_owned()));
    scope.set("count", Value::Integer(3));
    scope.set("at", Value::Text("2026-01-02T23:04:05-05:00".to_owned()));
    scope.set("seconds", Value::Integer(0));
    scope.set("tag", Value::Text("<b>".to_owned()));
    scope
}

/// Compiles a literal string at byte 100.
fn compile(templates: &mut Templates, source: &str) -> Result<Template, super::CompileErrors<Template>> {
    let raw = format!("'{source}'");
    templates.compile(source, Span { file: 0, bytes: 100..100 + raw.len() }, &raw)
}

fn render(source: &str) -> Result<String, String> {
    let mut templates = Templates::new();
    let template = compile(&mut templates, source).map_err(|wrong| wrong.diagnostics[0].message.clone())?;
    templates.render(&template, &scope()).map_err(|error| error.message)
}

fn render_html(source: &str) -> Result<String, String> {
    let mut templates = Templates::new();
    let raw = format!("'{source}'");
    let template = templates.compile_html(source, Span { file: 0, bytes: 100..100 + raw.len() }, &raw);
    let template = template.map_err(|wrong| wrong.diagnostics[0].message.clone())?;
    let mut scope = scope();
    scope.set("link", Value::Text("https://x.example/a?b=1&c='\"<d>".to_owned()));
    templates.render(&template, &scope).map_err(|error| error.message)
}

#[test]
fn the_functions_of_the_engine_are_known_without_it() {
    let environment = environment();
    let names = environment.globals().map(|(name, _)| name.to_owned());
    let mut globals: Vec<_> = names.filter(|name| !FUNCTIONS.contains(&name.as_str())).collect();
    globals.sort();
    assert_eq!(globals, ENGINE_FUNCTIONS);
}

#[test]
fn values_in_html_cannot_end_a_text_or_an_attribute_and_links_stay_readable() {
    let link = "https://x.example/a?b=1&amp;c=&#x27;&quot;&lt;d&gt;";
    let table = [
        ("<a href=\"{{ link }}\">", format!("<a href=\"{link}\">"), "an attribute"),
        ("/{{ link | e }}/", format!("/{link}/"), "escaped once"),
        ("{{ link | upper | escape | lower }}", link.to_owned(), "a filter on what is escaped"),
        ("{{ link | safe }}", "https://x.example/a?b=1&c='\"<d>".to_owned(), "what the author vouches for"),
        ("{{ [link, tag] | join('<br>' | safe) }}", format!("{link}<br>&lt;b&gt;"), "a list"),
        ("{{ '<i>%s</i>' | safe | format(link) }}", format!("<i>{link}</i>"), "a format"),
        ("{{ link | replace('/', '<wbr>' | safe) }}", link.replace('/', "<wbr>"), "a replacement"),
        ("{% set part %}<i>{{ link }}</i>{% endset %}{{ part }}", format!("<i>{link}</i>"), "a block"),
        ("{% autoescape false %}{{ tag }}{% endautoescape %}", "<b>".to_owned(), "the author's choice"),
        ("{{ count }} {{ true }} {{ [tag] }}", "3 True [&#x27;&lt;b&gt;&#x27;]".to_owned(), "what is no text"),
    ];
    for (source, expected, why) in table {
        assert_eq!(render_html(source), Ok(expected), "{why}");
    }
    assert_eq!(render("{{ '/<' | e }}").as_deref(), Ok("/&lt;"), "in a text");
    for undefined in ["{{ nobody }}", "{{ nobody | e }}", "{{ nobody | escape }}"] {
        assert!(render_html(undefined).is_err(), "what is undefined is an error in HTML too: {undefined}");
    }
}

#[test]
fn a_secret_is_found_in_the_form_that_templates_write_in_html() {
    for secret in ["pass<word", "pass>word", "pass&word", "pass\"word", "pass'word", "pass/word"] {
        let mut redactor = Redactor::default();
        assert!(redactor.add(secret));
        // In base64 no entity can be read: the search needs the same escapes.
        let sent = base64::engine::general_purpose::STANDARD.encode(escape_html(secret));
        assert!(!redactor.find(sent.as_bytes()).is_empty(), "{secret}");
    }
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
        ("{{ 'a\nb' | indent(2) }} {{ 'aa' | replace('a', 'bc') }}", "a\n  b bcbc", "bounded filters still work"),
        ("{{ '%03d %s' | format(7, user) }} {{ [1,2,3] | batch(2) | list | length }}", "007 anna 2", "these too"),
        ("{{ missing | default('x') }}", "x", "a default is allowed to ask"),
        ("{{ 'a.b' is matching('a\\.b') }}", "True", "a regex in a template's string"),
        ("{{ 'ab cd' is matching('\\bcd') }}", "True", r"\b is a word's edge"),
    ];
    for (source, expected, why) in table {
        assert_eq!(render(source).as_deref(), Ok(expected), "{why}: {source}");
    }
}

/// The error for a TOML string, and the text at its place.
fn error_at(raw: &str) -> (String, String) {
    let file = format!("subject = {raw}\n");
    let source = value_of(&file, "subject");
    let span = Span { file: 0, bytes: 10..10 + raw.len() };
    let mut templates = Templates::new();
    let (message, place) = match templates.compile(&source, span, raw) {
        Err(wrong) => (wrong.diagnostics[0].message.clone(), wrong.diagnostics[0].span.clone()),
        Ok(template) => {
            let error = templates.render(&template, &scope()).expect_err("it was to fail");
            (error.message, error.span)
        }
    };
    (message, file[place.bytes].to_owned())
}

fn value_of(file: &str, key: &str) -> String {
    let table: toml::Table = toml::from_str(file).expect("TOML");
    table[key].as_str().expect("a string").to_owned()
}

#[test]
fn errors_point_into_the_string() {
    let table = [
        (r#""Hello {{ name }}""#, r#"undefined name "name""#, "name", "rendering, in a basic string"),
        (r#"'Hello {{ name }}'"#, r#"undefined name "name""#, "name", "in a literal string"),
        (r#""\u00e4\t\x41\e {{ name }}""#, r#"undefined name "name""#, "name", "behind escapes"),
        ("\"\"\"\n  a \\\n   {{ name }}\"\"\"", r#"undefined name "name""#, "name", "behind a continued line"),
        ("'''\r\na\r\n{{ name }}'''", r#"undefined name "name""#, "name", "behind line ends"),
        (
            r#""{{ user user }}""#,
            "syntax error: unexpected identifier, expected end of variable block",
            "user",
            "syntax",
        ),
        (r#""{% if user %}""#, "syntax error: unexpected end of input, expected end of block", "", "no end"),
        (r#""{{ 'a' + 1 }}""#, "invalid operation", "'a' + 1", "an operation"),
        (r#""{{ user | upcase }}""#, r#"unknown filter "upcase""#, "upcase", "a filter, when the file is read"),
        (r#""{{ user is matchin('x') }}""#, r#"unknown test "matchin""#, "matchin", "a test, when the file is read"),
        (r#""{{ reply.cod }}""#, r#""reply" has no "cod""#, "cod", "an attribute, when the file is read"),
        (r#""{{ tls.peer.subjet }}""#, r#""tls.peer" has no "subjet""#, "subjet", "an attribute of an attribute"),
        (r#""{{ user.name }}""#, r#"undefined name "user.name""#, "user.name", "an attribute that is not there"),
        (r#""{{ reply.code }}""#, r#"undefined name "reply""#, "reply", "a fact before there is one"),
    ];
    for (raw, message, place, why) in table {
        let (got, at) = error_at(raw);
        assert!(got.starts_with(message), "{why}: {raw}: {got}");
        assert!(at.contains(place) && at.len() <= place.len() + 5, "{why}: {raw} points at {at}");
    }
}

#[test]
fn names_are_found_with_their_places() {
    let mut templates = Templates::new();
    let source = "{{ now() }} {% set own = 1 %}{{ own }} {{ reply.user }} {{ 'no' ~ user|upper }} {% for r in rows %}{{ r.a }}\
                  {{ loop.index }}{% endfor %}{{ maybe | default('') }}{% if sure is not defined %}{% endif %}\
                  {% raw %}{{ raw }}{% endraw %}{# {{ comment }} #} {{ dict(key=value) }} {{ user }}";
    let source = source.replace("reply.user", "a.user");
    let template = compile(&mut templates, &source).unwrap();
    let names = templates.names_at(&template);
    let words: Vec<_> = names.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(words, ["a", "user", "rows", "value"]);
    for (name, span) in names {
        // The quote of the literal is at 100.
        assert_eq!(source[span.bytes.start - 101..span.bytes.end - 101], name);
    }
    let first = source.find("~ user").expect("it is there") + 2;
    assert_eq!(templates.names_at(&template)[1].1.bytes.start, 101 + first, "not the attribute of that name");
}

#[test]
fn a_seed_repeats_what_is_random() {
    let render_all = || {
        let mut scope = scope();
        let mut templates = Templates::new();
        let template = compile(&mut templates, "{{ uuid() }} {{ random(20) }}").unwrap();
        (
            templates.render(&template, &scope).unwrap(),
            templates.render(&template, &scope).unwrap(),
            scope.random_letters(5),
        )
    };
    let (first, second, letters) = render_all();
    assert_eq!(render_all(), (first.clone(), second.clone(), letters));
    assert_ne!(first, second, "each call gives another");
    assert_eq!(&first[14..15], "4", "the version");
    assert!(["8", "9", "a", "b"].contains(&&first[19..20]), "the variant");
    assert_ne!(super::super::unseeded_letters(20), super::super::unseeded_letters(20), "no seed");
}

#[test]
fn files_are_templates_too() {
    let mut templates = Templates::new();
    let at = Span { file: 0, bytes: 5..9 };
    let scope = scope();
    assert_eq!(templates.render_text("{{ tag }}\n", "b.txt", &at, &scope).unwrap(), "<b>\n");
    assert_eq!(templates.render_html("{{ tag }}", "b.html", &at, &scope).unwrap(), "&lt;b&gt;");
    let html = templates.compile_html("<p>{{ tag }}", Span::default(), "").unwrap();
    assert_eq!(templates.render(&html, &scope).unwrap(), "<p>&lt;b&gt;");
    for (text, expected) in [
        ("a\n{{ nobody }}", "undefined name \"nobody\" (b.txt:2)"),
        ("a\n\n{{ 1 1 }}", "syntax error: unexpected integer, expected end of variable block (b.txt:3)"),
    ] {
        let error = templates.render_text(text, "b.txt", &at, &scope).unwrap_err();
        assert_eq!((error.message.as_str(), error.span), (expected, at.clone()));
    }
}

/// A character of a value, and a way to write it inside these quotes.
fn quoted_string(multi: bool, basic: bool) -> BoxedStrategy<(String, String)> {
    let plain = prop_oneof!["[a-z {}%ä€]", Just("𝄞".to_owned())].prop_map(|c| (c.clone(), c));
    if !basic {
        let newline = if multi { Just("\n".to_owned()) } else { Just("x".to_owned()) };
        return prop_oneof![4 => plain, 1 => newline.prop_map(|c| (c.clone(), c))].boxed();
    }
    let escapes = proptest::sample::select(vec![
        ("\n", "\\n"),
        ("\t", "\\t"),
        ("\"", "\\\""),
        ("\\", "\\\\"),
        ("\u{1b}", "\\e"),
        ("A", "\\x41"),
        ("ä", "\\u00E4"),
        ("𝄞", "\\U0001D11E"),
    ]);
    let escapes = escapes.prop_map(|(value, written)| (value.to_owned(), written.to_owned()));
    let only_multi = if multi { vec![("\n", "\n"), ("", "\\\n   "), ("", "\\  \n\n ")] } else { vec![("b", "b")] };
    let only_multi =
        proptest::sample::select(only_multi).prop_map(|(value, written)| (value.to_owned(), written.to_owned()));
    prop_oneof![3 => plain, 2 => escapes, 1 => only_multi].boxed()
}

proptest! {
    #[test]
    fn places_are_right_in_all_kinds_of_strings(
        (quotes, pieces) in prop_oneof![
            (Just("\""), proptest::collection::vec(quoted_string(false, true), 0..20)),
            (Just("'"), proptest::collection::vec(quoted_string(false, false), 0..20)),
            (Just("\"\"\""), proptest::collection::vec(quoted_string(true, true), 0..20)),
            (Just("'''"), proptest::collection::vec(quoted_string(true, false), 0..20)),
        ],
        trimmed in any::<bool>(),
        pick in any::<proptest::sample::Index>(),
    ) {
        let open = if trimmed && quotes.len() == 3 { format!("{quotes}\n") } else { format!("{quotes}x") };
        let head = if open.ends_with('x') { "x" } else { "" };
        let value: String = head.to_owned() + &pieces.iter().map(|(value, _)| value.as_str()).collect::<String>();
        let raw: String = open.clone() + &pieces.iter().map(|(_, raw)| raw.as_str()).collect::<String>() + "x" + quotes;
        let value = value + "x";
        // A continued line removes the white space after it, which changes the value.
        prop_assume!(value_of(&format!("a = {raw}"), "a") == value);
        let chosen = pick.index(pieces.len() + 1);
        let (mut in_value, mut in_raw) = (head.len(), open.len());
        for (value, raw) in &pieces[..chosen.min(pieces.len())] {
            in_value += value.len();
            in_raw += raw.len();
        }
        let (value_length, raw_length) = pieces.get(chosen).map_or((1, 1), |(value, raw)| (value.len(), raw.len()));
        if value_length > 0 {
            let place = locate(&raw, &value, in_value..in_value + value_length);
            prop_assert_eq!(place, Some(in_raw..in_raw + raw_length));
        }
    }

    #[test]
    fn no_text_causes_a_panic(
        text in r#"(\{\{|\}\}|\{%|%\}|\{#|#\}|raw|endraw|set|for|in|if|endif|endfor|is|not|user|reply|\.|\||\(|\)|\[|\]|"|'|\\| |=|-|1|ä|\PC){0,24}"#,
        raw in r#"("|'|\\|u|x|\n|\PC){0,12}"#,
    ) {
        let mut templates = Templates::new();
        let scope = expressions::running();
        let span = Span { file: 0, bytes: 0..raw.len() };
        if let Ok(template) = templates.compile(&text, span.clone(), &raw) {
            templates.names_at(&template);
            let _ = templates.render(&template, &scope);
        }
        if let Ok(expression) = Expression::compile(&text, span, &raw, &mut templates) {
            expression.names_at(&templates);
            let _ = expression.evaluate(&templates, &scope);
        }
        let _ = templates.render_text(&text, "x", &Span::default(), &scope);
        locate(&raw, &text, 1..3);
    }
}

//! Expressions of `if` and `assert`.

use super::*;
use std::sync::Arc;

#[test]
fn a_false_expression_returns_its_operands() {
    let mut templates = Templates::new();
    let source = "count > 3 and user == 'x.y'";
    let expression = Expression::compile(source, Span::default(), &format!("\"{source}\""), &mut templates).unwrap();
    let evaluation = expression.evaluate(&templates, &scope()).unwrap();
    assert!(!evaluation.holds);
    assert_eq!(evaluation.values, [("count".to_owned(), "3".to_owned()), ("user".to_owned(), "\"anna\"".to_owned())]);
    assert_eq!(expression.names(&templates), ["count", "user"]);
}

pub(super) fn running() -> Scope {
    let mut scope = scope();
    let lines = vec![b"2.1.5 queued as 4F2A".to_vec(), b"more \xff".to_vec()];
    let reply = Reply { code: ReplyCode::new(250).expect("three digits"), lines };
    scope.set_reply(Some(ReplyFacts { reply, elapsed: Duration::from_millis(730) }));
    let keywords = [("SIZE", "1000"), ("AUTH", "PLAIN LOGIN"), ("STARTTLS", "")];
    let keywords = keywords.map(|(keyword, parameters)| (keyword.to_owned(), parameters.to_owned())).into();
    scope.set_ehlo(Arc::new(EhloFacts { name: Some("mx.example".to_owned()), greeting: "hello".to_owned(), keywords }));
    let peer = PeerFacts {
        subject: "CN=mx.example".to_owned(),
        issuer: "CN=ca".to_owned(),
        sans: vec!["mx.example".to_owned()],
        not_before: "2026-01-01T00:00:00Z".parse().expect("a time"),
        not_after: "2026-11-05T07:08:08Z".parse().expect("a time"),
        sha256: "00ff".to_owned(),
    };
    let version = Some("TLSv1.3".to_owned());
    scope.set_tls(Some(TlsFacts { version, peer: Some(peer), verified: true, ..TlsFacts::default() }));
    let server = "smtp://mx.example".to_owned();
    scope.set_session(SessionFacts { name: "a.toml".to_owned(), server, sent: 10, ..SessionFacts::default() });
    scope.set_loop(Some(2));
    scope
}

fn evaluate(source: &str, scope: &Scope) -> Result<(bool, String), String> {
    let mut templates = Templates::new();
    let expression = Expression::compile(source, Span::default(), "", &mut templates);
    let expression = expression.map_err(|wrong| wrong.diagnostics[0].message.clone())?;
    let evaluation = expression.evaluate_assert(&templates, scope).map_err(|error| error.message)?;
    let values: Vec<_> = evaluation.values.iter().map(|(path, value)| format!("{path} = {value}")).collect();
    Ok((evaluation.holds, values.join(", ")))
}

#[test]
fn expressions_see_the_running_session() {
    let holds = [
        r"reply.code == 250 and reply.enhanced == '2.1.5' and reply.lines | length == 2",
        r"reply.text is matching('queued as \w+') and reply.text is not matching('^queued')",
        r"reply.elapsed < 0.8 and reply.elapsed > 0.7",
        r#""STARTTLS" in ehlo.capabilities and "starttls" in ehlo.capabilities and "X" not in ehlo.capabilities"#,
        r#"ehlo.capabilities.SIZE == "1000" and ehlo.capabilities["AUTH"] == "PLAIN LOGIN""#,
        r#"ehlo.size == 1000 and "LOGIN" in ehlo.auth and ehlo.name == "mx.example" and ehlo.text == "hello""#,
        r#"tls and tls.version == "TLSv1.3" and tls.verified and tls.cipher is none"#,
        r#"tls.peer.subject == "CN=mx.example" and tls.peer.days_left == 1 and "mx.example" in tls.peer.sans"#,
        r#"tls.peer.not_after > now() and tls.peer.not_before | date("%Y") == "2026""#,
        r#"session.sent == 10 and session.received == 0 and session.name == "a.toml""#,
        r"loop.index == 2",
        r"'anna'",
        r"(user == 'anna') if count == 3 else false",
    ];
    for source in holds {
        assert_eq!(evaluate(source, &running()), Ok((true, String::new())), "{source}");
    }
    let fails = [
        ("ehlo.size > 1000", "ehlo.size = 1000", "an attribute"),
        ("reply.lines[0] == 'x'", "reply.lines[0] = \"2.1.5 queued as 4F2A\"", "an index"),
        (
            "ehlo.capabilities['SIZE'] == 'count'",
            "ehlo.capabilities['SIZE'] = \"1000\"",
            "a key, not what a string says",
        ),
        ("not tls.verified", "tls.verified = true", "a truth"),
        ("user | upper == 'anna'", "user = \"anna\"", "not the filter"),
        ("reply.text is matching('^x')", "reply.text = \"2.1.5 queued as 4F2A\nmore \u{fffd}\"", "not the test"),
        ("0", "", "what is no truth counts by its own"),
        ("count == 4 or count == 5", "count = 3", "each once"),
        ("reply.lines[5] == 'x'", "reply.lines[5] = undefined, LINES", "a line that did not come"),
        ("reply.lines[count] == 'x'", "reply.lines[...] = undefined, LINES, count = 3", "an index that has a name"),
        ("reply.lines[count + 1] == 'x'", "reply.lines[count + 1] = undefined, LINES, count = 3", "a reckoned one"),
        ("reply.enhanced.x == 1", "reply.enhanced.x = undefined, reply.enhanced = \"2.1.5\"", "an attribute of text"),
        ("not ehlo.capabilities.X", "ehlo.capabilities.X = undefined, WORDS", "not even its opposite"),
        ("ehlo.capabilities.X | int > 5", "ehlo.capabilities.X = undefined, WORDS", "a filter"),
        ("ehlo.capabilities['X'] + 1 > 5", "ehlo.capabilities['X'] = undefined, WORDS", "an operator"),
        ("ehlo.capabilities.X is matching('a')", "ehlo.capabilities.X = undefined, WORDS", "a test of ours"),
        ("ehlo.capabilities.X | length > 5", "ehlo.capabilities.X = undefined, WORDS", "the engine's own"),
        ("(ehlo.capabilities.X | split)[0] == 'a'", "ehlo.capabilities.X = undefined, WORDS", "one that says little"),
    ];
    let words = "ehlo.capabilities = {'AUTH': 'PLAIN LOGIN', 'SIZE': '1000', 'STARTTLS': ''}";
    let lines = "reply.lines = ['2.1.5 queued as 4F2A', 'more \u{fffd}']";
    for (source, values, why) in fails {
        let values = values.replace("WORDS", words).replace("LINES", lines);
        assert_eq!(evaluate(source, &running()), Ok((false, values)), "{why}: {source}");
    }
}

#[test]
fn attributes_of_none_are_false_and_undefined_names_are_errors() {
    let table = [
        ("tls", Ok((false, "tls = none".to_owned())), "no handshake"),
        ("tls.verified", Ok((false, "tls = none".to_owned())), "an attribute of none"),
        ("tls.peer.days_left > 14", Ok((false, "tls = none".to_owned())), "deeper"),
        ("ehlo.size > 10", Ok((false, "ehlo.size = none".to_owned())), "a size that was not said"),
        ("reply.code == 250", Err("undefined name \"reply\"".to_owned()), "no reply yet"),
        ("usr == 'anna'", Err("undefined name \"usr\"".to_owned()), "a typo compared"),
        ("usr", Err("undefined name \"usr\"".to_owned()), "a typo alone"),
        ("loop.index", Err("undefined name \"loop\"".to_owned()), "outside of repeat"),
        ("user.name == 'x'", Err("undefined name \"user.name\"".to_owned()), "an attribute of a variable"),
        ("1 +", Err("syntax error: unexpected end of input, expected expression".to_owned()), "syntax"),
        ("1 %}{% set it = 2", Err("syntax error: unexpected `}`".to_owned()), "a way out"),
    ];
    for (source, expected, why) in table {
        assert_eq!(evaluate(source, &scope()), expected, "{why}: {source}");
    }
}

#[test]
fn later_layers_hide_earlier_ones() {
    let mut templates = Templates::new();
    let template = compile(&mut templates, "{{ user }}").unwrap();
    let mut scope = scope();
    scope.push_layer(vec![("user".to_owned(), Value::Text("with".to_owned()))]);
    assert_eq!(templates.render(&template, &scope).unwrap(), "with");
    scope.pop_layer();
    scope.set("user", Value::Boolean(true));
    assert_eq!(templates.render(&template, &scope).unwrap(), "True");
    assert!(scope.has("tls") && !scope.has("reply"));
}

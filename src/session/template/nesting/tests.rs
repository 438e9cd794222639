use super::super::lexer::TemplateKind;
use super::super::{DataShape, DataShapes, Templates};
use super::{MAX_NESTING, check_nesting};
use crate::session::{Expression, HostEnvironment, Scope, Span};
use proptest::prelude::*;
use std::sync::Arc;

/// The stack of a worker thread.
const STACK: usize = 2 << 20;

fn scope() -> Scope {
    let now: jiff::Timestamp = "2026-11-03T07:08:09Z".parse().expect("a time");
    let outside =
        HostEnvironment { now: Arc::new(move || now), hostname: String::new(), zone: jiff::tz::TimeZone::UTC };
    Scope::new(Some(7), outside)
}

/// Compiles, inspects and renders a template on a small stack. Returns the error of compiling it.
fn read(source: String) -> Option<String> {
    let run = move || {
        let mut templates = Templates::new();
        let compiled = templates.compile(&source, Span::default(), "");
        let at = Span::default();
        let (rendered, names) = (templates.render_text(&source, "x", &at, &scope()), compiled.as_ref().ok());
        names.into_iter().for_each(|template| drop(templates.names_at(template)));
        templates.column_uses(&DataShapes::from([("a".to_owned(), DataShape::Table)]));
        let wrong = compiled.err().map(|wrong| wrong.diagnostics[0].message.clone());
        if let Some(wrong) = &wrong {
            assert!(rendered.unwrap_err().message.starts_with(wrong.as_str()), "the same error for a file");
        }
        wrong
    };
    on_a_small_stack(run)
}

fn read_expression(source: String) -> Option<String> {
    on_a_small_stack(move || {
        let mut templates = Templates::new();
        match Expression::compile(&source, Span::default(), "", &mut templates) {
            Ok(expression) => {
                expression.names_at(&templates);
                let _ = expression.evaluate(&templates, &scope());
                None
            }
            Err(wrong) => Some(wrong.diagnostics[0].message.clone()),
        }
    })
}

fn on_a_small_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(run).expect("a thread");
    thread.join().expect("it does not panic")
}

/// The text before, the repeated text, the text after, and the operators in one repetition.
const CHAINS: [(&str, &str, &str, usize); 23] = [
    ("", "-", "1", 1),
    ("", "not ", "1", 1),
    ("a", "+1", "", 1),
    ("a", "**1", "", 2),
    ("a", " and a", "", 1),
    ("a", " or a", "", 1),
    ("a", "~1", "", 1),
    ("a", "|int", "", 1),
    ("a", ".a", "", 1),
    ("a", ".0", "", 1),
    ("a", "[0]", "", 1),
    ("a", "[1:]", "", 1),
    ("a", "(1)", "", 1),
    ("a", " is defined", "", 1),
    ("a", " is not defined", "", 2),
    ("a", " in a", "", 1),
    ("a", " == a", "", 2),
    ("", "1 if 0 else ", "1", 1),
    ("", "1if 0 else ", "1", 1),
    ("", "1e5if 0 else ", "1", 1),
    ("", "0xfif 0 else ", "1", 1),
    ("a", " if a", "", 1),
    ("[a", "['}}'].b", ", 1]", 2),
];

#[test]
fn chains_of_operators_have_a_limit() {
    for (before, link, behind, count) in CHAINS {
        let expression = |times: usize| format!("{before}{}{behind}", link.repeat(times));
        let tags = ["{{ _ }}", "{% set x = _ %}", "{% if (_) %}{% endif %}", "{#}#}{%- raw -%}{#{% endraw %}{{-_-}}"];
        let within = MAX_NESTING / count - 3;
        for tag in tags {
            let template = |times| tag.replace('_', &expression(times));
            assert_eq!(read(template(within)), None, "{link}: at the limit in {tag}");
            for times in [MAX_NESTING + 1, 20_000] {
                let wrong = read(template(times)).unwrap_or_default();
                assert!(wrong.contains("250 deep"), "{link} {times} times in {tag}: {wrong:?}");
            }
        }
        assert_eq!(read_expression(expression(within)), None, "{link}: an assert at the limit");
        let wrong = read_expression(expression(100_000)).unwrap_or_default();
        assert!(wrong.contains("250 deep"), "{link}: an assert far beyond: {wrong:?}");
    }
}

#[test]
fn other_nesting_has_a_limit() {
    let many = 20_000;
    let elifs = |times: usize| format!("{{% if 0 %}}{}{{% endif %}}", "{% elif 0 %}".repeat(times));
    let ifs = |times: usize| "{% if 1 %}".repeat(times) + &"{% endif %}".repeat(times);
    let deep = |inside: &str| "{% for a in [1] %}".repeat(70) + inside + &"{% endfor %}".repeat(70);
    let table = [
        (elifs(MAX_NESTING), None, "as many elifs as may be"),
        (elifs(MAX_NESTING + 1), Some("elif"), "one more"),
        (elifs(many), Some("elif"), "far more"),
        (ifs(140), None, "statements"),
        (ifs(many), Some("recursion"), "more statements: the engine counts them"),
        (format!("{{{{ {}1{} }}}}", "(".repeat(many), ")".repeat(many)), Some("deep"), "brackets"),
        (deep(&elifs(MAX_NESTING).replace("elif 0", &format!("elif {}0", "-".repeat(240)))), None, "all together"),
    ];
    for (source, expected, why) in table {
        let wrong = read(source);
        match expected {
            None => assert_eq!(wrong, None, "{why}"),
            Some(words) => assert!(wrong.as_deref().is_some_and(|wrong| wrong.contains(words)), "{why}: {wrong:?}"),
        }
    }
}

#[test]
fn a_mistake_far_to_the_right_is_an_error() {
    for (mistake, words) in [
        ("{#", "comment"),
        ("{{ 1", "end of input"),
        ("{{ ! }}", "unexpected character"),
        ("{% x %}", "unknown statement"),
    ] {
        for columns in [65_533, 65_534, 65_535, 65_536, 200_000] {
            let wrong = read("x".repeat(columns) + mistake).unwrap_or_default();
            assert!(wrong.contains(words), "{mistake} after {columns} columns: {wrong:?}");
        }
    }
}

#[test]
fn items_next_to_each_other_do_not_nest() {
    let table = [
        (format!("{{{{ [{}] | length }}}}", "-1.5, ".repeat(5000)), "a list"),
        (format!("{{{{ {{{}}} | length }}}}", "'a': -x.y, ".repeat(5000)), "a table"),
        ("{{ -x }}".repeat(5000), "tags"),
        (format!("{{{{ '{}' }}}}", "-(".repeat(5000)), "a text"),
        (format!("{{# {} #}}", "{{ -1 ".repeat(5000)), "a comment"),
        (format!("{{% raw %}}{}{{% endraw %}}", "{{ -1 ".repeat(5000)), "raw text"),
        ("-".repeat(5000), "what is no tag"),
    ];
    for (source, why) in table {
        assert!(check_nesting(&source, TemplateKind::Text).is_ok(), "{why}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Any mixture of tokens ends in an error or a result.
    #[test]
    fn no_mixture_overflows_the_stack(
        pieces in proptest::collection::vec(
            (r#"(\{\{|\}\}|\{%-?|%\}|\{#|#\}| raw | endraw |if |elif | else |endif| not |-|\+|~|\(|\)|\[|\]|,|"|'|\\|1|0x|e|_|\.|a| is | in |\|int|é|\{|\}){1,4}"#, 1_usize..3000),
            1..6,
        ),
    ) {
        let source: String = pieces.iter().map(|(piece, times)| piece.repeat(*times)).collect();
        read(format!("{{{{ {source}"));
        read_expression(source);
    }
}

//! The limits of templates.

use super::render;

#[test]
fn limits_are_errors_that_name_them() {
    let table = [
        ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "instructions", "fuel"),
        ("{% for a in range(2) %}{{ 'x' * 9000000 }}{% endfor %}", "16 MiB", "a result in pieces"),
        ("{{ 'x' * 16777217 }}", "16 MiB", "a result in one piece"),
        ("{{ random(99999999) }}", "at most 1048576 letters", "letters"),
        ("{{ 'x' | indent(9223372036854775807) }}", "longer than", "an indentation"),
        ("{{ 'x' | indent(width=99999999999) }}", "longer than", "an indentation by name"),
        ("{{ ('x' * 9000) | replace('x', 'y' * 9000) }}", "longer than", "a replacement"),
        ("{{ [1] | batch(99999999999, 0) }}", "longer than", "a filled batch"),
        ("{{ [1] | slice(99999999999) }}", "longer than", "slices"),
        ("{{ '%099999999999d' | format(1) }}", "longer than", "a width"),
        ("{{ '%*d' | format(99999999999, 1) }}", "longer than", "a width among the arguments"),
        ("{{ now() | date('%99999999999Y') }}", "date: ", "a width in a date"),
        ("{{ range(100000) | map('string') | join('x' * 100000) | length }}", "longer than", "what joins"),
        ("{{ range(100000) | map('string') | join(d='x' * 100000) | length }}", "longer than", "what joins, by name"),
        ("{{ (['x' * 99999] * 99999) | join | length }}", "longer than", "what is joined"),
        ("{{ [['x' * 9999999] * 5] | string | length }}", "longer than", "a list as text"),
        ("{{ ['x' * 9999999, 'x' * 9999999] | tojson | length }}", "longer than", "as JSON"),
        ("{{ ['x' * 9999999, 'x' * 9999999] | b64encode | length }}", "longer than", "in base64"),
        ("{{ ('x' * 20000000) | upper | length }}", "longer than", "a text that is too long before"),
        ("{{ '%s%s' | format('x' * 9999999, 'x' * 9999999) | length }}", "longer than", "what is put into a format"),
        ("{{ ([1] * 9999999) | list | length }}", "longer than", "a list of so many"),
        ("{{ ([1] * 9999999) | batch(2) | list | length }}", "longer than", "lists of them"),
        ("{% set x %}{{ 'x' * 20000000 }}{% endset %}", "16 MiB", "what is captured"),
        (
            "{% set n = namespace(l=[]) %}{% set x = 'x' * 9999999 %}{% for i in range(99999) %}{% set n.l = n.l + [x | upper] \
          %}{% endfor %}",
            "256 MiB",
            "much that filters make",
        ),
        (
            "{% set x = 'x' * 999999 %}{% set y %}{% for i in range(99999) %}{{ x }}{% endfor %}{% endset %}",
            "256 MiB",
            "much that is captured",
        ),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion limit", "endless recursion"),
    ];
    for (source, words, why) in table {
        let error = render(source).expect_err(why);
        assert!(error.contains(words), "{why}: {error}");
    }
    let nested = format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000));
    assert!(render(&nested).expect_err("nesting").contains("250 deep"), "nesting");
    assert_eq!(render("{{ 'x' * 16777216 }}").map(|text| text.len()), Ok(16 << 20), "the limit itself is within");
}

#[test]
fn filters_within_the_limits_are_unchanged() {
    let table = [
        ("{{ ['a', 1, none] | join('-') }} {{ [1, 2] | join(d=', ') }} {{ 'abc' | join('.') }}", "a-1-None 1, 2 a.b.c"),
        ("{{ [{'a': 'x'}, {'a': 'y'}] | join('+', attribute='a') }} {{ [] | join }}|", "x+y |"),
        ("{{ 'aB' | upper }}{{ 'aB' | lower }}{{ 'ab c' | title }}{{ 'ab' | capitalize }}", "ABabAb CAb"),
        ("{{ ' x ' | trim }}{{ 'xyx' | trim('x') }}{{ 1.5 | string }}{{ 'a b' | urlencode }}", "xy1.5a%20b"),
        ("{{ [3, 1] | sort(reverse=true) | tojson }}{{ 'a,b' | split(',') | list | length }}", "[3, 1]2"),
        ("{{ [1, 2] | map('string') | list | length }}{{ [1, 2, 3] | select('odd') | sum }}", "24"),
        ("{{ '<' | escape }}{{ '<' | e }}{{ [{'a': 1}] | map(attribute='a') | first }}", "&lt;&lt;1"),
        ("{% set x %}{{ 1 }}{% endset %}{{ x ~ true ~ none }}", "1TrueNone"),
    ];
    for (source, expected) in table {
        assert_eq!(render(source).as_deref(), Ok(expected), "{source}");
    }
}

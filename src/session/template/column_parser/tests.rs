use super::*;

/// What is found in a template or an expression over the table `t`, the table `u` and the row `row`.
fn found(source: &str, kind: TemplateKind) -> Vec<String> {
    let data = DataShapes::from([
        ("t".to_owned(), DataShape::Table),
        ("u".to_owned(), DataShape::Table),
        ("row".to_owned(), DataShape::Row),
    ]);
    let uses = column_uses(source, kind, &data);
    for found in &uses {
        assert!(source[found.place.clone()].contains(&found.column), "{source}: {found:?}");
    }
    uses.into_iter().map(|found| format!("{}.{}", found.data, found.column)).collect()
}

#[test]
fn columns_are_found_as_far_as_the_text_shows() {
    let table: &[(&str, &[&str], &str)] = &[
        ("{{ row.a }}{{ row['b c'] }}{{ row[\"d\"] }}", &["row.a", "row.b c", "row.d"], "a row's columns"),
        ("{{ t[0].a }}{{ t[-1]['b'] }}{{ t.0.c }}{{ t[i].d }}", &["t.a", "t.b", "t.c", "t.d"], "rows by their number"),
        ("{% for r in t %}{{ r.a }}{{ r['b'] }}{% endfor %}{{ r.c }}", &["t.a", "t.b"], "a loop's variable"),
        ("{%- for r in t -%}{{- r.a -}}{%- endfor -%}", &["t.a"], "white space control"),
        ("{% for r in t if r.a %}{{ r.b }}{% endfor %}", &["t.a", "t.b"], "a loop with a condition"),
        (
            "{% for r in t|sort(attribute='a')|reverse %}{{ r.b }}{% endfor %}",
            &["t.a", "t.b"],
            "filters that keep rows",
        ),
        ("{% for r in t[1:] %}{{ r.a }}{% endfor %}", &["t.a"], "a part of the table"),
        (
            "{% for r in t %}{% for r in u %}{{ r.a }}{% endfor %}{{ r.b }}{% endfor %}",
            &["u.a", "t.b"],
            "loops in loops",
        ),
        ("{{ (t|first).a }}{{ (t | last)['b'] }}{{ t|first|upper }}", &["t.a", "t.b"], "one row of a table"),
        ("{{ t|map(attribute='a')|join }}{{ t|sum('b') }}", &["t.a", "t.b"], "attributes in arguments"),
        ("{{ t|sort(attribute='a, b.c', reverse=true) }}{{ t|groupby('d') }}", &["t.a", "t.b", "t.d"], "several"),
        ("{% set first = t[0] %}{{ first.a }}", &["t.a"], "a name that is set once"),
        ("{% for r in t %}{% set x = r %}{{ x.a }}{% endfor %}", &["t.a"], "a name that is set to the loop's"),
        (
            "{% if row.a > 1 %}{% elif row.b %}{% else %}{{ row.c }}{% endif %}",
            &["row.a", "row.b", "row.c"],
            "conditions",
        ),
        ("{{ row.a|upper }}{{ row.b|default('x') }}{{ row.c | d }}", &["row.a"], "default"),
        ("{% if row.a is defined %}{{ row.a }}{% endif %}{{ row.b }}", &["row.b"], "a column that is tested"),
        ("{% if row['a'] is not defined %}{% else %}{{ row.a }}{% endif %}", &[], "a column that is tested with not"),
        ("{% if 'a' in row %}{{ row.a }}{% endif %}{% if 'b' not in row %}{% else %}{{ row.b }}{% endif %}", &[], "in"),
        (
            "{{ t|map(attribute='a', default='')|join }}{{ t|selectattr('b', 'defined')|list }}",
            &[],
            "tested attributes",
        ),
        ("{{ row.a is none }}{{ row.b is matching('x') }}", &["row.a", "row.b"], "other tests"),
        ("{{ row.a.b }}{{ row.c[0] }}{{ t[0].d.e }}", &["row.a", "row.c", "t.d"], "what is inside a column"),
        ("{{ \"row.a\" }}{# {{ row.b }} #}{% raw %}{{ row.c }}{% endraw %}row.d", &[], "text that is not evaluated"),
        ("{% for k, v in t %}{{ v.a }}{{ k.b }}{% endfor %}", &[], "items that are taken apart"),
        ("{% for r in other %}{{ r.a }}{% endfor %}{% for r in t + u %}{{ r.b }}{% endfor %}", &[], "other lists"),
        (
            "{% for c in row %}{{ c.a }}{% endfor %}{% for g in t|groupby('r') %}{{ g.b }}{% endfor %}",
            &["t.r"],
            "no rows",
        ),
        (
            "{% for t in lists %}{{ t[0].a }}{% endfor %}{% for row in x %}{{ row.b }}{% endfor %}",
            &[],
            "names that are hidden",
        ),
        ("{% for r in t %}{% else %}{{ r.a }}{% endfor %}", &[], "a loop without items"),
        ("{% set t = x %}{{ t[0].a }}{% set r = t[0] %}{% set r = x %}{{ r.b }}", &[], "names that are set again"),
        ("{% for r in t %}{% set r = x %}{{ r.a }}{% endfor %}", &[], "a loop's name that is set"),
        ("{% with row = x %}{{ row.a }}{% endwith %}{% macro m(t) %}{{ t[0].b }}{% endmacro %}", &[], "with and macro"),
        ("{% set row %}x{% endset %}{{ row.a }}", &[], "a block that is set"),
        ("{{ row.items() }}{{ t.a }}{{ f(row=x).a }}{{ x.row.a }}", &[], "what is no column"),
        ("{{ row['a\\'b'] }}{{ row[name] }}", &[], "a column whose name is not in the text"),
        (
            "{{ f(row.a, x=row.b) }}{{ [row.c, {'k': row.d}] }}",
            &["row.a", "row.b", "row.c", "row.d"],
            "arguments and lists",
        ),
        (
            "{{ row.a == row.b }}{{ row.c if row.d else row.e }}",
            &["row.a", "row.b", "row.c", "row.d", "row.e"],
            "operators",
        ),
        ("{{ row.", &[], "a template that does not end"),
        ("{% for", &[], "a statement that does not end"),
    ];
    for (source, expected, why) in table {
        assert_eq!(found(source, TemplateKind::Text), *expected, "{why}: {source}");
    }
    for (source, expected) in [("row.a > 1 and t[0].b", &["row.a", "t.b"][..]), ("row.a is defined and row.a", &[])] {
        assert_eq!(found(source, TemplateKind::Expression), *expected, "{source}");
    }
}

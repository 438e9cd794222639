//! No text makes the reader panic or hang.

use super::read;
use super::valid::EVERY_KEY;
use proptest::prelude::*;

/// Reads any text; the errors of an invalid file must be printable.
fn answers(text: &str) {
    if let Err(wrong) = read(text) {
        assert!(wrong.has_errors());
        assert!(wrong.render(false).contains(": error: "));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_is_parsed_or_refused(text in "(.|\n){0,200}") {
        answers(&text);
    }

    #[test]
    fn words_of_session_files_in_any_order_get_an_answer(
        words in prop::collection::vec(prop::sample::select(vec![
            "[[step]]\n", "[step]\n", "[message]\n", "step", "expect", "send", "steps", "pipeline", "vars", ".", " = ", "\n",
            "{", "}", "[", "]", ",", "250", "\"2xx\"", "'x'", "\"{{ x }}\"", "true", "[vars]\n", "1e999", "2024-01-01",
            "\"\"\"", "include", "#", "-1", "x",
        ]), 0..40)
    ) {
        answers(&words.concat());
    }

    #[test]
    fn a_good_file_with_a_stretch_changed_gets_an_answer(
        at in 0usize..EVERY_KEY.len(), length in 0usize..30, with in "(.|\n){0,10}"
    ) {
        let start = EVERY_KEY.floor_char_boundary(at);
        let end = EVERY_KEY.ceil_char_boundary((start + length).min(EVERY_KEY.len()));
        answers(&[&EVERY_KEY[..start], &with, &EVERY_KEY[end..]].concat());
    }

    #[test]
    fn a_good_file_with_a_line_taken_out_gets_an_answer(line in 0usize..200) {
        let lines: Vec<_> = EVERY_KEY.lines().enumerate().filter(|(index, _)| *index != line).map(|(_, line)| line).collect();
        answers(&lines.join("\n"));
    }
}

#[test]
fn groups_nest_as_deep_as_toml() {
    let deep = |depth| format!("step = [{}{{ expect = 220 }}{}]", "{ steps = [".repeat(depth), "] }".repeat(depth));
    assert!(read(&deep(30)).is_ok());
    answers(&deep(100));
}

//! The errors of the content of a template file that show before it is rendered.

use super::errors::{
    LabelledError, invalid_patterns, translate_error, undefined_message, unknown_attributes, unknown_filters_and_tests,
};
use super::identifiers::{identifiers, is_tested_for_existence, position_of};
use super::lexer::{TemplateKind, has_markup};
use super::nesting::check_nesting;
use super::{Templates, environment, is_function, line_of};

/// An error in the content of a template file.
#[derive(Debug, PartialEq, Eq)]
pub struct TextError {
    pub message: String,
    /// What may be meant.
    pub hint: Option<String>,
    /// From 1.
    pub line: usize,
}

impl Templates {
    /// What is wrong with the content of a template file, whatever values it gets: its syntax, filters, tests and attributes
    /// that do not exist, and names that it does not set and `is_known` does not know. In HTML they are the same.
    pub fn errors_of_text(text: &str, is_known: &dyn Fn(&str) -> bool) -> Vec<TextError> {
        if !has_markup(text) {
            return Vec::new();
        }
        if let Err(deep) = check_nesting(text, TemplateKind::Text) {
            return vec![TextError { message: deep.message(), hint: None, line: line_of(text, deep.bytes.start) }];
        }
        let (mut environment, name) = (environment(), "text");
        if let Err(engine) = environment.add_template_owned(name, text.to_owned()) {
            let error = translate_error(&engine, None, text, 0);
            let line = error.range.map_or(engine.line().unwrap_or(1), |range| line_of(text, range.start));
            return vec![TextError { message: error.message, hint: None, line }];
        }
        let words = identifiers(text, TemplateKind::Text);
        let mut found = unknown_filters_and_tests(&environment, text, &words);
        found.extend(unknown_attributes(&environment, name, text, &words));
        found.extend(invalid_patterns(&environment, text, &words));
        let errors = found.into_iter().map(|LabelledError { error, label }| {
            let line = error.range.map_or(1, |range| line_of(text, range.start));
            TextError { message: error.message, hint: label, line }
        });
        let undeclared = environment.get_template(name).map(|ready| ready.undeclared_variables(false));
        let undefined = undeclared
            .unwrap_or_default()
            .into_iter()
            .filter(|used| !is_known(used) && !is_function(used) && !is_tested_for_existence(text, &words, used));
        let undefined = undefined.map(|used| {
            let line = position_of(text, &words, &used).map_or(1, |at| line_of(text, at));
            TextError { message: undefined_message(&used), hint: None, line }
        });
        let mut all: Vec<TextError> = errors.chain(undefined).collect();
        all.sort_by(|one, other| (one.line, &one.message).cmp(&(other.line, &other.message)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_a_file_are_those_that_no_value_can_mend() {
        /// A text, the lines and words of its errors, why.
        type Case = (&'static str, &'static [(usize, &'static str)], &'static str);
        let table: [Case; 10] = [
            ("plain {", &[], "no template"),
            ("{{ user }}\n{{ now() }}", &[], "what is known"),
            ("a\n{{ usr }}\n{{ zork }}", &[(2, "undefined name \"usr\""), (3, "undefined name \"zork\"")], "undefined"),
            ("{% for n in user %}{{ n }}{{ loop.index }}{% endfor %}", &[], "names that the template sets"),
            ("{% set a = 1 %}{{ a }}", &[], "set"),
            ("{{ zork | default('x') }}", &[], "asked for with a default"),
            ("{% if zork is defined %}{{ zork }}{% endif %}", &[], "tested"),
            ("a\n\n{{ user | uper }}", &[(3, "unknown filter \"uper\"")], "a filter"),
            ("a\n{{ user is zork }}", &[(2, "unknown test \"zork\"")], "a test"),
            ("a\n{% if user %}", &[(2, "syntax error")], "syntax"),
        ];
        for (text, expected, why) in table {
            let found = Templates::errors_of_text(text, &|name| name == "user");
            assert_eq!(found.len(), expected.len(), "{why}: {found:?}");
            for (error, (line, words)) in found.iter().zip(expected) {
                assert!(error.line == *line && error.message.contains(words), "{why}: {error:?}");
            }
        }
    }
}

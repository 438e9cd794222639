//! Rendered text that knows which of its parts are values of expressions.
//!
//! The environment's formatter writes every value between two marks. So literal text and data can be told apart after
//! rendering, whatever `if`, `for` and filters the template has. The marks are noncharacters, which the Unicode
//! Standard (§23.7) reserves for the use within a program; a value that holds one is an error, so that no data can
//! pass for literal text.

use std::fmt;
use std::ops::Range;

/// The prefix of the names of templates whose values are marked.
pub const MARKED: &str = "marked ";

/// Before a value.
pub const VALUE_BEGINS: char = '\u{fdd0}';
/// After a value.
pub const VALUE_ENDS: char = '\u{fdd1}';

/// Whether a value can be written between marks.
pub fn can_be_marked(value: &str) -> bool {
    !value.contains([VALUE_BEGINS, VALUE_ENDS])
}

/// Marks that do not alternate. The formatter makes none such; literal text may have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkError;

impl fmt::Display for MarkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text contains U+FDD0 or U+FDD1, which are not characters")
    }
}

impl std::error::Error for MarkError {}

/// What a template became.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderedText {
    /// Without the marks.
    text: String,
    /// The byte ranges of values that are not empty, in order.
    values: Vec<Range<usize>>,
    /// Where the first value is, even if it is empty.
    first_value: Option<usize>,
}

impl RenderedText {
    /// Takes the marks out of a rendered text.
    ///
    /// # Errors
    /// If a mark is missing.
    pub fn from_marked(marked: &str) -> Result<Self, MarkError> {
        let mut rendered = Self::default();
        let mut rest = marked;
        while let Some((literal, after)) = rest.split_once(VALUE_BEGINS) {
            let (value, after) = after.split_once(VALUE_ENDS).ok_or(MarkError)?;
            rendered.push_literal(literal)?;
            rendered.push_value(value)?;
            rest = after;
        }
        rendered.push_literal(rest)?;
        Ok(rendered)
    }

    /// Appends text of the session file.
    ///
    /// # Errors
    /// If it has a mark.
    pub fn push_literal(&mut self, literal: &str) -> Result<(), MarkError> {
        if !can_be_marked(literal) {
            return Err(MarkError);
        }
        self.text.push_str(literal);
        Ok(())
    }

    /// Appends the value of an expression.
    ///
    /// # Errors
    /// If it has a mark.
    pub fn push_value(&mut self, value: &str) -> Result<(), MarkError> {
        if !can_be_marked(value) {
            return Err(MarkError);
        }
        let start = self.text.len();
        self.text.push_str(value);
        self.first_value.get_or_insert(start);
        if !value.is_empty() {
            self.values.push(start..self.text.len());
        }
        Ok(())
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The whole text.
    pub fn into_text(self) -> String {
        self.text
    }

    /// The byte ranges of the values that are not empty.
    pub fn values(&self) -> &[Range<usize>] {
        &self.values
    }

    /// The literal text before the first value, which may be empty.
    pub fn literal_prefix(&self) -> &str {
        let end = self.first_value.unwrap_or(self.text.len());
        self.text.get(..end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marked(value: &str) -> String {
        format!("{VALUE_BEGINS}{value}{VALUE_ENDS}")
    }

    fn ranges(rendered: &RenderedText) -> Vec<(usize, usize)> {
        rendered.values().iter().map(|range| (range.start, range.end)).collect()
    }

    #[test]
    fn values_are_found() {
        /// Text with marks, text and ranges, why.
        type Row = (String, Result<(&'static str, Vec<(usize, usize)>), MarkError>, &'static str);
        let table: &[Row] = &[
            ("plain".to_owned(), Ok(("plain", vec![])), "no value"),
            (String::new(), Ok(("", vec![])), "nothing"),
            (marked("ab"), Ok(("ab", vec![(0, 2)])), "a value only"),
            (format!("a{}c{}", marked("b"), marked("d")), Ok(("abcd", vec![(1, 2), (3, 4)])), "two values"),
            (marked(""), Ok(("", vec![])), "an empty value"),
            (format!("ü{}", marked("ß")), Ok(("üß", vec![(2, 4)])), "bytes, not characters"),
            (format!("a{VALUE_BEGINS}b"), Err(MarkError), "not closed"),
            (format!("a{VALUE_ENDS}b"), Err(MarkError), "not opened"),
            (marked(&marked("x")), Err(MarkError), "a value within a value, as `{% set %}` makes it"),
            (
                marked(&format!("x{VALUE_ENDS}evil{VALUE_BEGINS}y")),
                Ok(("xevily", vec![(0, 1), (5, 6)])),
                "forged, which only the formatter can refuse",
            ),
        ];
        for (text, expected, why) in table {
            let rendered = RenderedText::from_marked(text);
            let found = rendered.as_ref().map(|rendered| (rendered.text(), ranges(rendered))).map_err(|error| *error);
            assert_eq!(&found, expected, "{why}");
        }
        assert!(
            !can_be_marked(&format!("x{VALUE_ENDS}evil{VALUE_BEGINS}y")),
            "so that the formatter refuses what is forged"
        );
        let rendered = RenderedText::from_marked(&format!("out/{}-*", marked("a*"))).expect("it is marked");
        assert_eq!(rendered.literal_prefix(), "out/");
        let empty = RenderedText::from_marked(&format!("{}/etc", marked(""))).expect("it is marked");
        assert_eq!(empty.literal_prefix(), "", "an empty value is a value");
    }

    proptest! {
        #[test]
        fn pieces_stay_what_they_are(pieces in prop::collection::vec(("[a-c*]{0,3}", any::<bool>()), 0..6)) {
            let text: String = pieces.iter().map(|(piece, is_value)| if *is_value { marked(piece) } else { piece.clone() }).collect();
            let rendered = RenderedText::from_marked(&text).expect("it is marked");
            prop_assert_eq!(rendered.text(), pieces.iter().map(|(piece, _)| piece.as_str()).collect::<String>());
            let values: String = pieces.iter().filter(|(_, is_value)| *is_value).map(|(piece, _)| piece.as_str()).collect();
            let found: String = rendered.values().iter().map(|range| &rendered.text()[range.clone()]).collect();
            prop_assert_eq!(found, values);
        }
    }
}

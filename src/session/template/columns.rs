//! The columns that the strings of a session ask for.

use super::column_parser::{ColumnUse, DataShapes, column_uses};
use super::lexer::TemplateKind;
use super::toml_offsets::locate_span;
use super::{AFTER_EXPRESSION, BEFORE_EXPRESSION, Templates, line_of};
use crate::session::Span;

impl Templates {
    /// The columns of `data` that templates and expressions ask for. Those that they test with `default` or `is defined`
    /// are left out.
    pub fn column_uses(&self, data: &DataShapes) -> Vec<ColumnUse<Span>> {
        let mut all = Vec::new();
        for compiled in &self.compiled {
            let Ok(ready) = self.environment().get_template(&compiled.name) else { continue };
            let source = ready.source();
            let source = match compiled.kind {
                TemplateKind::Expression => &source[BEFORE_EXPRESSION.len()..source.len() - AFTER_EXPRESSION.len()],
                TemplateKind::Text | TemplateKind::Html | TemplateKind::Marked => source,
            };
            for ColumnUse { data, column, place } in column_uses(source, compiled.kind, data) {
                let place = locate_span(&compiled.span, &compiled.raw, source, Some(place));
                all.push(ColumnUse { data, column, place });
            }
        }
        all
    }

    /// The columns of `data` that the content of a template file asks for, each with its line.
    pub fn column_uses_of_text(text: &str, data: &DataShapes) -> Vec<ColumnUse<usize>> {
        let found = column_uses(text, TemplateKind::Text, data).into_iter();
        found
            .map(|ColumnUse { data, column, place }| ColumnUse { data, column, place: line_of(text, place.start) })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::column_parser::DataShape;
    use super::*;

    #[test]
    fn places_in_the_session_file_point_at_the_column() {
        let mut templates = Templates::new();
        let raw = "\"\\u0041 {{ row.nme }}\"";
        let template = templates.compile("A {{ row.nme }}", Span { file: 0, bytes: 10..10 + raw.len() }, raw);
        assert!(template.is_ok());
        let uses = templates.column_uses(&DataShapes::from([("row".to_owned(), DataShape::Row)]));
        let name = raw.find("nme").expect("it is there");
        assert_eq!(uses.len(), 1);
        assert_eq!(uses[0].place.bytes, 10 + name..10 + name + 3);
        let file = Templates::column_uses_of_text(
            "a\n\n{{ row.nme }}",
            &DataShapes::from([("row".to_owned(), DataShape::Row)]),
        );
        assert_eq!(file[0].place, 3, "the line of a file");
    }
}

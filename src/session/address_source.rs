//! Addresses as a session file writes them. Literal text is parsed when the file is read; a value that is rendered later is
//! data, and cannot choose how many addresses there are.

use super::template::lexer::{TemplateKind, TemplateTokens, TokenKind};
use super::{Span, Template};
use crate::smtp::address_list::NamedMailbox;

/// An address of `from`, `to`, `cc`, `bcc`, `reply_to`, `envelope_from` or `envelope_to`.
#[derive(Clone, Debug)]
pub enum AddressSource {
    /// A string without expressions, which may be several addresses.
    Literal { source: Template, mailboxes: Vec<NamedMailbox> },
    /// A string with expressions: exactly one mailbox, or none if it is empty.
    Mailbox(Template),
    /// One expression that ends in the filter `addresses`: any number of mailboxes.
    List(Template),
    /// `{ name = "…", address = "…" }`.
    Table { name: Option<Template>, address: Template, span: Span },
}

impl AddressSource {
    /// A string with expressions.
    pub fn of_template(template: Template) -> Self {
        if is_list(&template.source) { Self::List(template) } else { Self::Mailbox(template) }
    }

    /// All templates that it is made of.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let (first, second) = match self {
            Self::Literal { source, .. } => (Some(source), None),
            Self::Mailbox(template) | Self::List(template) => (Some(template), None),
            Self::Table { name, address, .. } => (name.as_ref(), Some(address)),
        };
        first.into_iter().chain(second)
    }

    /// Where the file writes it.
    pub fn span(&self) -> &Span {
        match self {
            Self::Literal { source, .. } => &source.span,
            Self::Mailbox(template) | Self::List(template) => &template.span,
            Self::Table { span, .. } => span,
        }
    }
}

/// Whether the text is `{{ … | addresses }}` and nothing else.
fn is_list(source: &str) -> bool {
    let trimmed = source.trim();
    let tokens: Vec<_> = TemplateTokens::new(trimmed, TemplateKind::Text).collect();
    let starts = tokens.iter().filter(|token| matches!(token.kind, TokenKind::ValueStart | TokenKind::StatementStart));
    let is_alone = starts.count() == 1
        && tokens.first().is_some_and(|first| first.kind == TokenKind::ValueStart && first.bytes.start == 0)
        && tokens.last().is_some_and(|last| last.kind == TokenKind::TagEnd && last.bytes.end == trimmed.len());
    // `-` or `+` before the end is about white space.
    let mut inside = tokens.iter().rev().skip(1).map(|token| trimmed.get(token.bytes.clone()).unwrap_or_default());
    let last = inside.find(|text| !matches!(*text, "-" | "+"));
    is_alone && last == Some("addresses") && inside.next() == Some("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_one_expression_that_ends_in_the_filter() {
        let table = [
            ("{{ row.copies | addresses }}", true, "the usual"),
            (" {{row.copies|addresses}} ", true, "white space around it, and none within"),
            ("{{- row.copies | addresses -}}", true, "white space control"),
            ("{{ (row.a ~ ', ' ~ row.b) | addresses }}", true, "an expression with operators"),
            ("{{ row.copies | default('') | addresses }}", true, "several filters"),
            ("{{ row.copies | addresses | lower }}", false, "another filter after it"),
            ("{{ row.copies }}", false, "no filter"),
            ("{{ row.addresses }}", false, "a column of that name"),
            ("{{ addresses }}", false, "a variable of that name"),
            ("{{ '| addresses' }}", false, "a text of that name"),
            ("x@example.com, {{ row.copies | addresses }}", false, "literal text before it"),
            ("{{ row.copies | addresses }}, x@example.com", false, "literal text after it"),
            ("{{ row.a | addresses }}{{ row.b | addresses }}", false, "two expressions"),
            ("{% if row.a %}{{ row.a | addresses }}{% endif %}", false, "a statement"),
            ("{# x #}{{ row.a | addresses }}", false, "a comment"),
            ("{{ row.a | addresses", false, "no end"),
            ("", false, "nothing"),
        ];
        for (source, expected, why) in table {
            assert_eq!(is_list(source), expected, "{why}");
        }
    }
}

//! A table of the file: gives access to its declared keys, and reports the others.

use super::key_spec::{KeySpec, TableSpec};
use super::reader::SessionReader;
use crate::session::suggestions::closest_name;
use crate::session::{Diagnostic, Span};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// A TOML value with its span.
pub(super) type SpannedValue<'a> = Spanned<DeValue<'a>>;

/// A key of the file with its value.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    pub key: &'static KeySpec,
    /// The name for messages: that of the key, or of an entry in its table.
    pub name: &'a str,
    key_start: usize,
    key_end: usize,
    pub value: &'a SpannedValue<'a>,
}

impl<'a> Field<'a> {
    pub fn key_bytes(&self) -> Range<usize> {
        self.key_start..self.key_end
    }

    /// The same key with one value of its list.
    pub fn with_value(self, value: &'a SpannedValue<'a>) -> Self {
        Self { value, ..self }
    }

    /// An entry of its table, with the entry's name.
    pub fn entry(self, name: &'a str, value: &'a SpannedValue<'a>) -> Self {
        Self { name, value, ..self }
    }
}

/// The declared keys of a table.
pub(super) struct TableFields<'a> {
    keys: &'static TableSpec,
    table: &'a DeTable<'a>,
    /// Keys that unknown ones probably meant. They are not reported as missing as well.
    meant: Vec<&'static str>,
    pub span: Span,
}

impl<'a> TableFields<'a> {
    pub fn get(&self, name: &'static str) -> Option<Field<'a>> {
        let key = self.keys.find(name)?;
        let (written, value) = self.table.get_key_value(name)?;
        let Range { start: key_start, end: key_end } = written.span();
        Some(Field { key, name, key_start, key_end, value })
    }

    /// Whether the table has the key, or an unknown one that probably means it.
    pub fn has(&self, name: &str) -> bool {
        self.table.contains_key(name) || self.meant.contains(&name)
    }

    /// Those of `names` that the table has, in file order.
    pub fn present(&self, names: &[&'static str]) -> Vec<Field<'a>> {
        let mut there: Vec<_> = names.iter().filter_map(|name| self.get(name)).collect();
        there.sort_by_key(|field| field.key_start);
        there
    }
}

impl SessionReader<'_> {
    /// Opens a table and reports its unknown keys.
    pub(super) fn fields<'a>(
        &mut self,
        table: &'a DeTable<'a>,
        at: Range<usize>,
        keys: &'static TableSpec,
    ) -> TableFields<'a> {
        let mut meant = Vec::new();
        for (name, _) in table.iter().filter(|(name, _)| keys.find(name.get_ref()).is_none()) {
            let names = keys.keys.iter().map(|key| key.name);
            let guess = closest_name(name.get_ref(), names);
            meant.extend(guess);
            let mut unknown = Diagnostic::error(
                self.span(name.span()),
                format!("unknown key \"{}\" in {}", name.get_ref(), keys.title),
            );
            match guess {
                Some(guess) => unknown.label = Some(format!("did you mean \"{guess}\"?")),
                None => unknown.help = Some(known(keys)),
            }
            self.report(unknown);
        }
        TableFields { keys, table, meant, span: self.span(at) }
    }
}

fn known(keys: &TableSpec) -> String {
    let names: Vec<_> = keys.keys.iter().map(|key| key.name).collect();
    format!("{} may have: {}", keys.title, names.join(", "))
}

/// The entries of a table in file order.
pub(super) fn in_order<'a>(table: &'a DeTable<'a>) -> Vec<(&'a Spanned<DeString<'a>>, &'a SpannedValue<'a>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

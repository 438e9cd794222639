//! Reads addresses: strings, tables and lists of both.

use super::reader::SessionReader;
use super::table_fields::{Field, TableFields};
use super::tables;
use crate::session::{AddressSource, AddressTemplateError, Diagnostic, Template, mailbox_from_table};
use crate::smtp::address::{AddressError, Mailbox};
use crate::smtp::address_list::{self, NamedMailbox};
use toml::de::{DeTable, DeValue};

/// What a string with an address stands for, which decides what it may be.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum AddressRole {
    /// The author: exactly one address.
    Author,
    /// One address, or the null path `<>` (RFC 5321 §4.1.2).
    ReversePath,
    /// One address or several.
    Recipients,
}

impl SessionReader<'_> {
    /// The addresses of a key that takes a list.
    pub(super) fn addresses(&mut self, fields: &TableFields<'_>, name: &'static str) -> Vec<AddressSource> {
        let Some(field) = fields.get(name) else { return Vec::new() };
        match field.value.get_ref() {
            DeValue::String(_) | DeValue::Table(_) => {
                self.address(field, AddressRole::Recipients).into_iter().collect()
            }
            _ => self.list(field, |reader, item| reader.address(item, AddressRole::Recipients)).unwrap_or_default(),
        }
    }

    /// A string or a table.
    pub(super) fn address(&mut self, field: Field<'_>, role: AddressRole) -> Option<AddressSource> {
        match field.value.get_ref() {
            DeValue::String(text) => {
                let span = self.value_span(field.value);
                let compiled = self.templates.compile_marked(text, span.clone(), self.map.snippet(&span));
                let template = self.report_compile_errors(compiled)?;
                self.check_one_line(&template, field.name);
                if !template.is_literal() {
                    return Some(AddressSource::of_template(template));
                }
                let mailboxes = self.literal_mailboxes(&template, role)?;
                Some(AddressSource::Literal { source: template, mailboxes })
            }
            DeValue::Table(table) => self.address_table(field, table),
            _ => self.wrong_type(field),
        }
    }

    fn address_table(&mut self, field: Field<'_>, table: &DeTable<'_>) -> Option<AddressSource> {
        let fields = self.fields(table, field.value.span(), &tables::MAILBOX);
        if !fields.has("address") {
            self.report_missing(Diagnostic::error(fields.span.clone(), "an address in a table needs \"address\""));
        }
        let name = self.optional_line(&fields, "name");
        let address = self.optional_line(&fields, "address")?;
        if address.is_literal() && !address.source.contains(['\r', '\n', '\0']) {
            match mailbox_from_table(None, &address.source) {
                Ok(Some(_)) => {}
                Ok(None) => self.not_an_address(&address, "it is empty"),
                Err(AddressTemplateError::Syntax(error)) => {
                    self.not_an_address(&address, &error.within(&address.source));
                }
                Err(error) => self.not_an_address(&address, &error.to_string()),
            }
        }
        Some(AddressSource::Table { name, address, span: fields.span })
    }

    /// The mailboxes of a string without expressions: `local@domain`, `Name <local@domain>`, lists of them, groups.
    fn literal_mailboxes(&mut self, written: &Template, role: AddressRole) -> Option<Vec<NamedMailbox>> {
        // `check_one_line` reports line breaks.
        if written.source.contains(['\r', '\n', '\0']) {
            return None;
        }
        if role == AddressRole::ReversePath && matches!(written.source.as_str(), "" | "<>") {
            return Some(vec![NamedMailbox { name: None, mailbox: Mailbox::NULL }]);
        }
        let text = written.source.trim();
        let before = written.source.len() - written.source.trim_start().len();
        let why = match address_list::parse(text) {
            Ok(list) if list.iter().any(|one| one.mailbox.is_null()) => "it is empty".to_owned(),
            Ok(list) if role != AddressRole::Recipients && list.is_empty() => "it names nobody".to_owned(),
            Ok(list) if role != AddressRole::Recipients && list.len() > 1 => "this is more than one address".to_owned(),
            Ok(list) => return Some(list),
            Err(_) if text.is_empty() => "it is empty".to_owned(),
            Err(error) => AddressError { at: before + error.at, ..error }.within(&written.source),
        };
        self.not_an_address(written, &why);
        None
    }

    fn not_an_address(&mut self, written: &Template, why: &str) {
        let text = format!("\"{}\" is not an address: {why}", written.source);
        self.error(written.span.bytes.clone(), text);
    }
}

//! Reads `[dkim]`.

use super::dkim_keys::DKIM;
use super::reader::SessionReader;
use super::table_fields::Field;
use super::values::VariableTable;
use crate::session::{Diagnostic, DkimSection, Variable};
use crate::smtp::dkim::{DkimKey, DkimSettings, DkimSettingsError};

impl SessionReader<'_> {
    pub(super) fn dkim(&mut self, field: Field<'_>) -> Option<DkimSection> {
        let table = self.table(field)?;
        let fields = self.fields(table, field.value.span(), &DKIM);
        for name in ["domain", "selector", "key"] {
            if !fields.has(name) {
                self.report_missing(Diagnostic::error(fields.span.clone(), format!("[dkim] needs \"{name}\"")));
            }
        }
        let domain = self.optional_line(&fields, "domain");
        let selector = self.optional_line(&fields, "selector");
        let headers = fields.get("headers").map(|field| self.list(field, Self::plain).unwrap_or_default());
        let literal = |template: &Option<crate::session::Template>, other: &str| match template {
            Some(template) if template.is_literal() => template.source.clone(),
            _ => other.to_owned(),
        };
        let (written, label) = (literal(&domain, "example.com"), literal(&selector, "s"));
        if let Err(error) = DkimSettings::new(&written, &label, headers.clone()) {
            let key = match error {
                DkimSettingsError::Domain(_) | DkimSettingsError::DomainSyntax => "domain",
                DkimSettingsError::Selector => "selector",
                DkimSettingsError::HeaderName(_) | DkimSettingsError::FromMissing => "headers",
            };
            let at = fields.get(key).map_or(field.value.span(), |field| field.value.span());
            self.error(at, error.to_string());
        }
        let key = fields.get("key").and_then(|field| {
            let source = self.value_source(field, VariableTable::Secrets)?;
            if let crate::session::ValueSource::Literal(text) = &source
                && let Err(why) = DkimKey::from_pem(text.to_string().as_bytes())
            {
                self.error(field.value.span(), why.to_string());
            }
            Some(Variable { name: "key".to_owned(), span: self.value_span(field.value), source })
        });
        Some(DkimSection { span: fields.span.clone(), domain: domain?, selector: selector?, key: key?, headers })
    }
}

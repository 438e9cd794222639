//! Reads `[message]`, and a `message` step's table.

use super::address::AddressRole;
use super::reader::SessionReader;
use super::table_fields::{Field, in_order};
use super::tables;
use crate::session::{AttachedFile, DATE_HELP, Diagnostic, Message, RefusalPolicy, Template, date_field};
use crate::smtp::msg_id;
use jiff::tz::TimeZone;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Headers that are made from keys, and those keys.
const GENERATED_HEADERS: [(&str, &str); 10] = [
    ("From", "from"),
    ("To", "to"),
    ("Cc", "cc"),
    ("Bcc", "bcc"),
    ("Reply-To", "reply_to"),
    ("Subject", "subject"),
    ("Date", "date"),
    ("Message-ID", "message_id"),
    ("MIME-Version", "text"),
    ("Content-Type", "text"),
];

/// Keys that make a message, and so cannot be used with `eml`.
const COMPOSED_KEYS: [&str; 8] = ["reply_to", "subject", "date", "message_id", "headers", "text", "html", "attach"];

impl SessionReader<'_> {
    pub(super) fn message(&mut self, table: &DeTable<'_>, at: Range<usize>) -> Option<Message> {
        let fields = self.fields(table, at, &tables::MESSAGE);
        let from = fields.get("from").and_then(|field| self.address(field, AddressRole::Author));
        if !fields.has("from") && !fields.has("eml") {
            self.report_missing(Diagnostic::error(fields.span.clone(), "a message needs \"from\""));
        }
        let recipients = ["to", "cc", "bcc", "envelope_to"];
        if !recipients.iter().any(|name| fields.has(name)) && !fields.has("eml") {
            let text = "a message needs recipients: \"to\", \"cc\", \"bcc\" or \"envelope_to\"";
            self.report_missing(Diagnostic::error(fields.span.clone(), text));
        }
        if let Some(eml) = fields.get("eml") {
            for field in fields.present(&COMPOSED_KEYS) {
                let wrong = Diagnostic::error(
                    self.span(field.key_bytes()),
                    format!("\"{}\" cannot be used with \"{}\"", field.name, eml.name),
                );
                self.report(wrong.with_help(
                    "an eml is sent as it is; from, to, cc and bcc set its envelope, as envelope_from and envelope_to do",
                ));
            }
        } else if let Some(html) = fields.get("html").filter(|_| !fields.has("text")) {
            let warning = Diagnostic::warning(self.span(html.key_bytes()), "\"html\" without \"text\"");
            self.report(warning.with_help("text = \"…\" is for readers without HTML; spam filters look for it, too"));
        }
        let to = self.addresses(&fields, "to");
        let cc = self.addresses(&fields, "cc");
        let bcc = self.addresses(&fields, "bcc");
        let reply_to = self.addresses(&fields, "reply_to");
        let envelope_to = fields.get("envelope_to").map(|_| self.addresses(&fields, "envelope_to"));
        let none = to.is_empty() && cc.is_empty() && bcc.is_empty() && envelope_to.is_none();
        let deciding: &[_] = match &envelope_to {
            Some(list) if list.is_empty() => &["envelope_to"],
            _ if none => &recipients,
            _ => &[],
        };
        if let Some(field) = fields.present(deciding).first().filter(|field| is_empty(field)) {
            self.error(field.value.span(), "this message has no recipient");
        }
        let envelope_from = fields.get("envelope_from").and_then(|field| self.address(field, AddressRole::ReversePath));
        let params = fields.get("params").and_then(|field| {
            let table = self.table(field)?;
            Some(self.fields(table, field.value.span(), &tables::PARAMS))
        });
        let mut param = |name| params.as_ref().and_then(|fields| self.optional_line(fields, name));
        let (mail_params, rcpt_params) = (param("mail"), param("rcpt"));
        let message = Message {
            span: fields.span.clone(),
            from,
            to,
            cc,
            bcc,
            reply_to,
            subject: self.optional_line(&fields, "subject"),
            date: fields.get("date").and_then(|field| self.date(field)),
            message_id: self.optional_line(&fields, "message_id"),
            headers: fields.get("headers").map(|field| self.headers(field)).unwrap_or_default(),
            text: fields.get("text").and_then(|field| self.content(field)),
            html: fields.get("html").and_then(|field| self.content(field)),
            attachments: fields.get("attach").map(|field| self.attachments(field)).unwrap_or_default(),
            eml: fields.get("eml").and_then(|field| self.path(field)),
            envelope_from,
            envelope_to,
            mail_params,
            rcpt_params,
            pipelining: self.flag(&fields, "pipelining", true),
            chunking: self.flag(&fields, "chunking", true),
            prdr: self.flag(&fields, "prdr", false),
            on_refused: match fields.get("on_refused").and_then(|field| self.one_of(field, &["abort", "skip"])) {
                Some(1) => RefusalPolicy::Skip,
                _ => RefusalPolicy::Abort,
            },
        };
        message.date.iter().for_each(|date| self.check_date(date));
        message.message_id.iter().for_each(|id| self.check_identifier(id, "message_id"));
        let inline = message.attachments.iter().filter_map(|attachment| attachment.inline.as_ref());
        inline.for_each(|id| self.check_identifier(id, "inline"));
        Some(message)
    }

    /// A path or a table, or a list of them.
    fn attachments(&mut self, field: Field<'_>) -> Vec<AttachedFile> {
        if matches!(field.value.get_ref(), DeValue::String(_) | DeValue::Table(_)) {
            return self.attachment(field).into_iter().collect();
        }
        self.list(field, Self::attachment).unwrap_or_default()
    }

    fn attachment(&mut self, field: Field<'_>) -> Option<AttachedFile> {
        let DeValue::Table(table) = field.value.get_ref() else {
            let path = self.pattern(field)?;
            return Some(AttachedFile { path, can_be_pattern: true, name: None, media_type: None, inline: None });
        };
        let fields = self.fields(table, field.value.span(), &tables::ATTACHMENT);
        if !fields.has("file") {
            self.report_missing(Diagnostic::error(fields.span.clone(), "an attachment needs \"file\""));
        }
        let media_type = self.optional_line(&fields, "type");
        Some(AttachedFile {
            path: fields.get("file").and_then(|field| self.path(field))?,
            can_be_pattern: false,
            name: self.optional_line(&fields, "name"),
            media_type,
            inline: self.optional_line(&fields, "inline"),
        })
    }

    /// A string, or a number or date of TOML that is taken as if it were written in quotes.
    fn date(&mut self, field: Field<'_>) -> Option<Template> {
        let written = match field.value.get_ref() {
            DeValue::Integer(seconds) => i64::from_str_radix(seconds.as_str(), seconds.radix())
                .ok()
                .filter(|seconds| *seconds >= 0)
                .map(|seconds| seconds.to_string()),
            DeValue::Datetime(date) => Some(date.to_string()),
            DeValue::String(_) => {
                let template = self.template(field)?;
                self.check_one_line(&template, field.name);
                return Some(template);
            }
            _ => None,
        };
        match written {
            Some(written) => self.compile(&written, field.value),
            None => self.wrong_type(field),
        }
    }

    fn check_date(&mut self, written: &Template) {
        let is_one_line = !written.source.contains(['\r', '\n', '\0']);
        if written.compiled.is_none() && is_one_line && date_field(&written.source, &TimeZone::UTC).is_none() {
            let text = format!("\"date\": \"{}\" is not a date", written.source);
            self.report(Diagnostic::error(written.span.clone(), text).with_help(DATE_HELP));
        }
    }

    fn check_identifier(&mut self, written: &Template, key: &str) {
        if written.compiled.is_none()
            && !written.source.contains(['\r', '\n', '\0'])
            && msg_id::parse(&written.source).is_none()
        {
            self.error(written.span.bytes.clone(), format!("\"{key}\": {}", msg_id::ERROR));
        }
    }

    fn headers(&mut self, field: Field<'_>) -> Vec<(String, Template)> {
        let Some(table) = self.table(field) else { return Vec::new() };
        let mut headers = Vec::with_capacity(table.len());
        for (name, value) in in_order(table) {
            let field = field.entry(name.get_ref(), value);
            // RFC 5322 §3.6.8: printable ASCII without the colon.
            if name.get_ref().is_empty() || !name.get_ref().bytes().all(|b| b.is_ascii_graphic() && b != b':') {
                let text = format!("\"{}\" is not a header name: use printable ASCII without a colon", name.get_ref());
                self.error(name.span(), text);
            }
            if let Some((_, key)) = GENERATED_HEADERS.iter().find(|(own, _)| own.eq_ignore_ascii_case(name.get_ref())) {
                let text = format!("the header {} is made from \"{key}\"", name.get_ref());
                self.error(name.span(), text);
            }
            let value = match value.get_ref().as_str() {
                Some(text) => self.compile(text, value),
                None => self.must_be(field, "a string"),
            };
            value.iter().for_each(|value| self.check_one_line(value, name.get_ref()));
            headers.extend(value.map(|value| (name.get_ref().to_string(), value)));
        }
        headers
    }
}

fn is_empty(field: &Field<'_>) -> bool {
    field.value.get_ref().as_array().is_some_and(|values| values.is_empty())
}

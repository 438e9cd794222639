//! Reads what a step does.

use super::reader::SessionReader;
use super::step::StepParent;
use super::table_fields::{Field, TableFields};
use super::tables;
use crate::session::{Action, CloseMode, Diagnostic, HelloVerb, ProxySettings, StarttlsMode, Template};
use std::net::SocketAddr;
use toml::de::DeValue;

impl SessionReader<'_> {
    /// `beside`: all keys of the step, for those that belong to one action.
    pub(super) fn action(&mut self, field: Field<'_>, beside: &TableFields<'_>) -> Option<Action> {
        match field.name {
            "send" => {
                let line = self.template(field)?;
                self.check_one_line(&line, "send");
                Some(Action::Send(line))
            }
            "raw" => self.raw(field).map(Action::Raw),
            "ehlo" => self.hello(field, HelloVerb::Ehlo),
            "helo" => self.hello(field, HelloVerb::Helo),
            "lhlo" => self.hello(field, HelloVerb::Lhlo),
            "starttls" => {
                let inject_check = self.flag(beside, "inject_check", true);
                let policy = match field.value.get_ref() {
                    DeValue::Boolean(true) => StarttlsMode::Always,
                    _ => match self.one_of(field, &["required", "opportunistic"])? {
                        0 => StarttlsMode::Required,
                        _ => StarttlsMode::Opportunistic,
                    },
                };
                Some(Action::Starttls { policy, inject_check })
            }
            "tls" => self.only_true(field).map(|()| Action::Tls),
            "login" => self.only_true(field).map(|()| Action::Login),
            "quit" => self.only_true(field).map(|()| Action::Quit),
            "connect" => self.only_true(field).map(|()| Action::Connect),
            "auth" => self.auth(field),
            "message" => self.message_step(field),
            "body" => {
                let dot_stuffing = self.flag(beside, "dot_stuffing", true);
                self.content(field).map(|content| Action::Body { content, dot_stuffing })
            }
            "bdat" => {
                let last = self.flag(beside, "last", false);
                self.octets(field, &tables::BDAT).map(|octets| Action::Bdat { octets, last })
            }
            "pipeline" => self.group(field, StepParent::Pipeline).map(Action::Pipeline),
            "steps" => self.group(field, StepParent::Session).map(Action::Steps),
            "sleep" => self.duration(field).map(Action::Sleep),
            "close" => match field.value.get_ref() {
                DeValue::Boolean(true) => Some(Action::Close(CloseMode::Fin)),
                _ => Some(match self.one_of(field, &["reset", "write", "tls"])? {
                    0 => Action::Close(CloseMode::Reset),
                    1 => Action::Close(CloseMode::Write),
                    _ => Action::EndTls,
                }),
            },
            "proxy" => self.proxy(field),
            "xclient" => self.xclient(field),
            _ => None,
        }
    }

    /// Reports CR, LF and NUL in a literal line now instead of when it is sent.
    pub(super) fn check_one_line(&mut self, line: &Template, key: &str) {
        if line.compiled.is_none() && line.source.contains(['\r', '\n', '\0']) {
            let text = format!("\"{key}\" is one line: CR, LF and NUL are never sent");
            let wrong = Diagnostic::error(line.span.clone(), text);
            self.report(if key == "send" { wrong.with_help("\"raw\" sends any bytes") } else { wrong });
        }
    }

    fn hello(&mut self, field: Field<'_>, verb: HelloVerb) -> Option<Action> {
        let name = match field.value.get_ref() {
            DeValue::Boolean(true) => None,
            _ => {
                let name = self.template(field)?;
                self.check_one_line(&name, field.name);
                Some(name)
            }
        };
        Some(Action::Hello { verb, name })
    }

    fn auth(&mut self, field: Field<'_>) -> Option<Action> {
        match field.value.get_ref() {
            DeValue::Boolean(true) => {
                if !self.has_auth {
                    let span = self.value_span(field.value);
                    self.report_missing(Diagnostic::error(span, "\"auth = true\" needs [auth] in the session file"));
                }
                self.auth.clone().map(Action::Auth)
            }
            DeValue::Table(table) => self.auth_settings(table, field.value.span()).map(Action::Auth),
            _ => self.wrong_type(field),
        }
    }

    fn message_step(&mut self, field: Field<'_>) -> Option<Action> {
        let message = match field.value.get_ref() {
            DeValue::Boolean(true) => {
                if !self.has_message {
                    let span = self.value_span(field.value);
                    self.report_missing(Diagnostic::error(
                        span,
                        "\"message = true\" needs [message] in the session file",
                    ));
                }
                self.message.clone()?
            }
            DeValue::Table(table) => self.message(table, field.value.span())?,
            _ => return self.wrong_type(field),
        };
        Some(Action::Message(Box::new(message)))
    }

    fn group(&mut self, field: Field<'_>, within: StepParent) -> Option<Vec<crate::session::Step>> {
        if field.value.get_ref().as_array().is_some_and(|values| values.is_empty()) {
            self.error(field.value.span(), format!("\"{}\" has no step", field.name));
            return None;
        }
        Some(self.steps(field, within))
    }

    fn proxy(&mut self, field: Field<'_>) -> Option<Action> {
        let table = self.table(field)?;
        let fields = self.fields(table, field.value.span(), &tables::PROXY);
        // UNKNOWN is a word of version 1 alone, LOCAL a command of version 2.
        let (local, unknown) = (self.flag(&fields, "local", false), self.flag(&fields, "unknown", false));
        let default = if unknown { 1 } else { 2 };
        let version = fields.get("version").map_or(Some(default), |field| self.integer(field))?;
        for (name, given, only) in [("local", local, 2), ("unknown", unknown, 1)] {
            if let Some(field) = fields.get(name).filter(|_| given && version != only) {
                self.error(field.key_bytes(), format!("\"{name}\" needs version = {only}"));
                return None;
            }
        }
        if local || unknown {
            let which = if local { "local" } else { "unknown" };
            for field in fields.present(&["source", "destination"]) {
                self.error(field.key_bytes(), format!("\"{}\" has no meaning with \"{which}\"", field.name));
            }
            return Some(Action::Proxy(if local { ProxySettings::Local } else { ProxySettings::Unknown }));
        }
        let source = self.required(&fields, "source", Self::socket_address);
        let destination = self.required(&fields, "destination", Self::socket_address);
        let (version, source, destination) = (u8::try_from(version).ok()?, source?, destination?);
        if source.is_ipv4() != destination.is_ipv4() {
            self.error(field.value.span(), "\"source\" and \"destination\" must both be IPv4 or both be IPv6");
        }
        Some(Action::Proxy(ProxySettings::Addresses { version, source, destination }))
    }

    fn socket_address(&mut self, field: Field<'_>) -> Option<SocketAddr> {
        let text = self.plain(field)?;
        text.parse().ok().or_else(|| self.wrong_type(field))
    }

    fn xclient(&mut self, field: Field<'_>) -> Option<Action> {
        let table = self.table(field)?;
        let fields = self.fields(table, field.value.span(), &tables::XCLIENT);
        if table.is_empty() {
            self.error(field.value.span(), "\"xclient\" is empty: it needs addr, name, helo or another key");
            return None;
        }
        let names: Vec<_> = tables::XCLIENT.keys.iter().map(|key| key.name).collect();
        let mut attributes = Vec::with_capacity(names.len());
        for field in fields.present(&names) {
            let value = match field.value.get_ref() {
                DeValue::String(text) => self.compile(text, field.value),
                DeValue::Integer(number) if field.name.ends_with("port") => {
                    match super::scalars::integer(number).filter(|port| (0..=65535).contains(port)) {
                        Some(port) => self.compile(&port.to_string(), field.value),
                        None => self.wrong_type(field),
                    }
                }
                _ => self.wrong_type(field),
            };
            attributes.extend(value.map(|value| (field.name.to_ascii_uppercase(), value)));
        }
        Some(Action::Xclient(attributes))
    }
}

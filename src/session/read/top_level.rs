//! Reads the top level of a session file.

use super::reader::SessionReader;
use super::step::StepParent;
use super::table_fields::Field;
use super::tables;
use super::values::VariableTable;
use crate::session::{Diagnostic, Server, Session, SourceMap, Template, Templates};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;
use toml::de::DeTable;

/// The default of `connect_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

impl SessionReader<'_> {
    /// Reads everything. The source map and the templates stay in the reader until the end.
    pub(super) fn session(&mut self, table: &DeTable<'_>) -> Session {
        let fields = self.fields(table, 0..0, &tables::SESSION);
        let rows = fields.get("rows").and_then(|field| self.rows(field));
        let retry = fields.get("retry").and_then(|field| self.retry_settings(field));
        let vars = self.variables(fields.get("vars"), VariableTable::Vars);
        let secrets = self.variables(fields.get("secrets"), VariableTable::Secrets);
        for secret in secrets.iter().filter(|secret| vars.iter().any(|var| var.name == secret.name)) {
            let text = format!("\"{}\" is also defined in [vars]", secret.name);
            self.report(Diagnostic::error(secret.span.clone(), text));
        }
        let tls = self.tls_settings(fields.get("tls"));
        if let Some(field) = fields.get("auth") {
            self.has_auth = true;
            self.auth = self.table(field).and_then(|table| self.auth_settings(table, field.value.span()));
        }
        if let Some(field) = fields.get("message") {
            self.has_message = true;
            self.message = self.table(field).and_then(|table| self.message(table, field.value.span()));
        }
        let dkim = fields.get("dkim").and_then(|field| self.dkim(field));
        let open = fields.get("open").map(|field| self.steps(field, StepParent::Session));
        let steps = fields.get("step").map(|field| self.steps(field, StepParent::Session));
        let close = fields.get("close").map(|field| self.steps(field, StepParent::Session));
        let none_read = [&open, &steps, &close].iter().all(|list| list.as_ref().is_none_or(Vec::is_empty));
        let meant = ["open", "step", "close"].iter().any(|name| fields.has(name));
        if none_read && !self.has_message && !fields.has("message") && (!meant || !self.has_errors()) {
            let wrong = Diagnostic::error(self.span(0..0), "this file has no step");
            self.report_missing(wrong.with_help("write [[step]], or [message] for the standard steps"));
        }
        let client_name = self.optional_line(&fields, "client_name");
        let [open, steps, close] = self.add_implied_steps(open, steps, close);
        Session {
            name: Path::new(self.map.name(0)).file_name().unwrap_or_default().to_string_lossy().into_owned(),
            source_map: SourceMap::default(),
            templates: Templates::new(),
            warnings: Vec::new(),
            description: self.optional_template(&fields, "description"),
            server: fields.get("server").and_then(|field| self.server(field)),
            named_servers: self.named_servers.drain(..).map(|(name, server, _)| (name, server)).collect(),
            client_name,
            timeout: fields.get("timeout").and_then(|field| self.deadline(field)),
            connect_timeout: fields
                .get("connect_timeout")
                .and_then(|field| self.deadline(field))
                .unwrap_or(CONNECT_TIMEOUT),
            local_address: fields.get("source").and_then(|field| self.bind_address(field)),
            tags: fields.get("tags").and_then(|field| self.list(field, Self::word)).unwrap_or_default(),
            requires: fields.get("requires").and_then(|field| self.list(field, Self::word)).unwrap_or_default(),
            xfail: fields.get("xfail").and_then(|field| self.word(field)),
            vars,
            secrets,
            overrides: Vec::new(),
            has_tls: fields.get("tls").is_some(),
            tls,
            auth: self.auth.take(),
            message: self.message.take(),
            dkim,
            rows,
            retry,
            open,
            steps,
            close,
        }
    }

    /// Reads a URL and checks it if it is literal.
    pub(super) fn server(&mut self, field: Field<'_>) -> Option<Template> {
        let url = self.template(field)?;
        if url.compiled.is_none()
            && let Err(why) = Server::parse(&url.source)
        {
            self.error(field.value.span(), why);
        }
        Some(url)
    }

    fn bind_address(&mut self, field: Field<'_>) -> Option<IpAddr> {
        let text = self.plain(field)?;
        text.parse().ok().or_else(|| self.wrong_type(field))
    }
}

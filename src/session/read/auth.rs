//! Reads `[auth]` and `[tls]`.

use super::reader::SessionReader;
use super::table_fields::Field;
use super::tables;
use crate::session::suggestions::closest_name;
use crate::session::{AuthSettings, Diagnostic, StarttlsPolicy, TlsSettings, TlsVersion};
use crate::smtp::sasl::Mechanism;
use std::ops::Range;
use toml::de::DeTable;

const VERSIONS: [TlsVersion; 4] = [TlsVersion::Tls10, TlsVersion::Tls11, TlsVersion::Tls12, TlsVersion::Tls13];

impl SessionReader<'_> {
    pub(super) fn auth_settings(&mut self, table: &DeTable<'_>, at: Range<usize>) -> Option<AuthSettings> {
        let fields = self.fields(table, at, &tables::AUTH);
        let mechanism = fields.get("mechanism").and_then(|field| self.mechanism(field));
        let settings = AuthSettings {
            span: fields.span.clone(),
            mechanism,
            user: self.optional_template(&fields, "user"),
            password: self.optional_template(&fields, "password"),
            token: self.optional_template(&fields, "token"),
            authzid: self.optional_template(&fields, "authzid"),
            initial_response: self.flag(&fields, "initial_response", true),
            allow_plaintext: self.flag(&fields, "allow_plaintext", false),
        };
        for (name, value) in [("password", &settings.password), ("token", &settings.token)] {
            if let Some(value) = value.as_ref().filter(|value| value.compiled.is_none() && !value.source.is_empty()) {
                let warning = Diagnostic::warning(value.span.clone(), format!("the {name} is written in the file"));
                self.report(
                    warning.with_help("define it in [secrets] as { env = \"NAME\" }, and write \"{{ … }}\" here"),
                );
            }
        }
        if settings.mechanism.is_some() || !fields.has("mechanism") {
            self.check_auth_keys(&settings, |name| fields.has(name));
        }
        Some(settings)
    }

    fn mechanism(&mut self, field: Field<'_>) -> Option<Mechanism> {
        let name = self.word(field)?;
        Mechanism::parse(&name)
            .map_err(|unknown| {
                let wrong = Diagnostic::error(self.value_span(field.value), unknown.to_string());
                self.report(match closest_name(&unknown.name, Mechanism::ALL.iter().map(|known| known.name())) {
                    Some(meant) if !unknown.is_intentional => wrong.with_label(format!("did you mean \"{meant}\"?")),
                    _ => wrong,
                });
            })
            .ok()
    }

    /// Reports the keys that the mechanism needs and the table lacks.
    fn check_auth_keys(&mut self, settings: &AuthSettings, has: impl Fn(&str) -> bool) {
        use Mechanism::*;
        let needed: &[&str] = match settings.mechanism {
            Some(External | Anonymous) => &[],
            Some(OauthBearer) => &["token"],
            Some(Xoauth2) => &["user", "token"],
            Some(_) => &["user", "password"],
            None if has("token") || !(has("user") || has("password")) => &[],
            None => &["user", "password"],
        };
        for name in needed.iter().filter(|name| !has(name)) {
            let span = settings.span.clone();
            let who = settings.mechanism.map_or("logging in".to_owned(), |mechanism| mechanism.to_string());
            self.report_missing(Diagnostic::error(span, format!("{who} needs \"{name}\"")));
        }
    }

    pub(super) fn tls_settings(&mut self, field: Option<Field<'_>>) -> TlsSettings {
        let mut settings = TlsSettings {
            span: None,
            ca: None,
            system_roots: true,
            verify: true,
            server_name: None,
            min_version: None,
            max_version: None,
            ciphers: None,
            security_level: None,
            client_cert: None,
            client_key: None,
            alpn: Vec::new(),
            starttls: None,
        };
        let Some(field) = field else { return settings };
        let Some(table) = self.table(field) else { return settings };
        let fields = self.fields(table, field.value.span(), &tables::TLS);
        settings.span = Some(fields.span.clone());
        settings.ca = fields.get("ca").and_then(|field| self.path(field));
        settings.system_roots = self.flag(&fields, "system_roots", true);
        settings.verify = self.flag(&fields, "verify", true);
        settings.server_name = self.optional_template(&fields, "server_name");
        settings.min_version = fields.get("min_version").and_then(|field| self.tls_version(field));
        settings.max_version = fields.get("max_version").and_then(|field| self.tls_version(field));
        settings.ciphers = fields.get("ciphers").and_then(|field| {
            let span = self.value_span(field.value);
            self.word(field).map(|list| (list, span))
        });
        settings.security_level = fields
            .get("security_level")
            .and_then(|field| self.integer(field))
            .and_then(|level| u8::try_from(level).ok());
        settings.client_cert = fields.get("client_cert").and_then(|field| self.path(field));
        settings.client_key = fields.get("client_key").and_then(|field| self.path(field));
        settings.alpn = fields.get("alpn").and_then(|field| self.list(field, Self::alpn_protocol)).unwrap_or_default();
        settings.starttls = fields.get("starttls").and_then(|field| {
            let which = self.one_of(field, &["required", "opportunistic", "never"])?;
            [StarttlsPolicy::Required, StarttlsPolicy::Opportunistic, StarttlsPolicy::Never].get(which).copied()
        });
        if let (Some(min), Some(max)) = (settings.min_version, settings.max_version)
            && let Some(field) = fields.get("max_version").filter(|_| min > max)
        {
            self.error(field.value.span(), "\"max_version\" is older than \"min_version\"");
        }
        for (one, other) in [("client_cert", "client_key"), ("client_key", "client_cert")] {
            if let Some(field) = fields.get(one).filter(|_| !fields.has(other)) {
                let span = self.span(field.key_bytes());
                self.report_missing(Diagnostic::error(span, format!("\"{one}\" needs \"{other}\"")));
            }
        }
        if let Some(field) = fields.get("system_roots").filter(|_| !settings.system_roots && settings.verify)
            && !fields.has("ca")
        {
            let span = self.value_span(field.value);
            self.report_missing(Diagnostic::error(
                span,
                "without the system's roots and without \"ca\" no certificate is trusted",
            ));
        }
        settings
    }

    fn tls_version(&mut self, field: Field<'_>) -> Option<TlsVersion> {
        let which = self.one_of(field, &["1.0", "1.1", "1.2", "1.3"])?;
        VERSIONS.get(which).copied()
    }

    /// A protocol name has 1 to 255 bytes (RFC 7301 §3.1).
    fn alpn_protocol(&mut self, field: Field<'_>) -> Option<String> {
        let name = self.plain(field)?;
        if name.is_empty() || name.len() > 255 {
            return self.must_be(field, "of names of 1 to 255 bytes");
        }
        Some(name)
    }
}

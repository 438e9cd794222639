//! Prints a session as a session file that runs the same, with implied and included steps written out.

mod step;
#[cfg(test)]
mod tests;
mod toml;
mod values;

pub use toml::{string as toml_string, text as toml_text};
pub use values::as_template;

use super::visitor::Visitor;
use super::{
    AddressSource, AttachedFile, AuthSettings, DkimSection, Exclusion, KeyCase, Message, RefusalPolicy, RetrySettings,
    RowsSettings, Session, StarttlsPolicy, Step, Template, TlsSettings, TlsVersion, Value, ValueSource, Variable,
};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;
use values::{Pairs, PairsExt, add_csv_options, address, content, env_source, literal_variable, path, source};

/// What the command line gives instead of the file.
#[derive(Clone, Debug, Default)]
pub struct ShowOptions {
    /// `--server`.
    pub server: Option<String>,
    /// `--var` and `--vars`.
    pub variables: Vec<(String, Value)>,
    /// Literal secrets and the defaults of secrets are printed.
    pub reveals_secrets: bool,
}

/// Prints a session file. Unless the options say otherwise, literal secrets become `{ env = "NAME" }`, and defaults of secrets
/// are left out. Paths are relative to the session file's folder.
pub fn show(session: &Session, options: &ShowOptions) -> String {
    let hides_secrets = !options.reveals_secrets;
    let mut printer = SessionPrinter { session, literals: Vec::new(), hides_secrets };
    if hides_secrets {
        printer.visit_session(session);
    }
    let mut out = String::new();
    write_pairs(&printer.top(options), &mut out);
    let mut tables = vec![("vars", printer.vars(options)), ("secrets", printer.secrets())];
    tables.retain(|(_, pairs)| !pairs.is_empty());
    tables.extend(session.has_tls.then(|| ("tls", tls(&session.tls))));
    tables.extend(session.auth.as_ref().map(|auth| ("auth", printer.auth(auth))));
    tables.extend(session.message.as_ref().map(|message| ("message", printer.message(message, toml::text))));
    tables.extend(session.dkim.as_ref().map(|section| ("dkim", dkim(section, hides_secrets))));
    tables.extend(session.rows.as_ref().map(|settings| ("rows", rows(settings))));
    tables.extend(session.retry.as_ref().map(|settings| ("retry", retry(settings))));
    for (name, pairs) in tables {
        write_table(&format!("[{name}]"), &pairs, &mut out);
    }
    for (name, steps) in ["open", "step", "close"].into_iter().zip(session.sections()) {
        steps.iter().for_each(|step| write_table(&format!("[[{name}]]"), &printer.step(step, true), &mut out));
    }
    out
}

fn write_table(header: &str, pairs: &[(String, String)], out: &mut String) {
    let gap = if out.is_empty() { "" } else { "\n" };
    let _ = writeln!(out, "{gap}{header}");
    write_pairs(pairs, out);
}

fn write_pairs(pairs: &[(String, String)], out: &mut String) {
    for (name, value) in pairs {
        let _ = writeln!(out, "{} = {value}", toml::key(name));
    }
}

struct SessionPrinter<'s> {
    session: &'s Session,
    /// The names that literal passwords and tokens get in `[secrets]`, and their values.
    literals: Vec<(String, String)>,
    hides_secrets: bool,
}

/// Names the literal passwords and tokens of the session.
impl<'s> Visitor<'s> for SessionPrinter<'_> {
    fn visit_auth(&mut self, auth: &'s AuthSettings) {
        for (what, value) in [("password", &auth.password), ("token", &auth.token)] {
            let Some(value) = value.as_ref().filter(|value| value.is_literal() && !value.source.is_empty()) else {
                continue;
            };
            if self.literals.iter().any(|(_, known)| *known == value.source) {
                continue;
            }
            let taken = |name: &String| {
                let variables = self.session.vars.iter().chain(&self.session.secrets);
                variables
                    .map(|variable| &variable.name)
                    .chain(self.literals.iter().map(|(known, _)| known))
                    .any(|known| known == name)
            };
            let numbered = (2..).map(|number| format!("{what}_{number}"));
            let mut names = std::iter::once(what.to_owned()).chain(numbered);
            let name = names.find(|name| !taken(name)).unwrap_or_default();
            self.literals.push((name, value.source.clone()));
        }
    }
}

impl SessionPrinter<'_> {
    fn top(&self, options: &ShowOptions) -> Pairs {
        let session = self.session;
        let mut pairs = Pairs::new();
        pairs.template("description", &session.description);
        match &options.server {
            Some(server) => pairs.add("server", toml::string(&as_template(server))),
            None => pairs.template("server", &session.server),
        }
        pairs.template("client_name", &session.client_name);
        pairs.duration("timeout", session.timeout);
        pairs.duration("connect_timeout", Some(session.connect_timeout).filter(|t| *t != Duration::from_secs(30)));
        pairs.add_some("source", session.local_address.map(|source| toml::string(&source.to_string())));
        for (name, words) in [("tags", &session.tags), ("requires", &session.requires)] {
            pairs.add_unless(words.is_empty(), name, toml::list(words.iter().map(|word| toml::string(word))));
        }
        pairs.add_some("xfail", session.xfail.as_deref().map(toml::string));
        // Without an empty list, [message] would imply steps.
        for (name, list) in [("open", &session.open), ("step", &session.steps), ("close", &session.close)] {
            pairs.add_unless(session.message.is_none() || !list.is_empty(), name, "[]".to_owned());
        }
        pairs
    }

    /// Values of the command line come first, since those below may use them.
    fn vars(&self, options: &ShowOptions) -> Pairs {
        let secret = |name: &str| self.session.secrets.iter().any(|secret| secret.name == name);
        let hidden = self.session.secret_names();
        let mut pairs = Pairs::new();
        for (name, given) in options.variables.iter().filter(|(name, _)| !secret(name)) {
            // The last value of a name wins.
            pairs.retain(|(known, _)| known != name);
            let value = if self.hides_secrets && hidden.contains(name) {
                env_source(name)
            } else {
                literal_variable(self.session.typed_override(name, given))
            };
            pairs.push((name.clone(), value));
        }
        for variable in &self.session.vars {
            if !options.variables.iter().any(|(name, _)| *name == variable.name) {
                pairs.push((variable.name.clone(), self.variable(variable, &hidden)));
            }
        }
        pairs
    }

    /// The value of a variable. `hidden` are the names that secrets are made of: what is literal in them is not printed.
    fn variable(&self, variable: &Variable, hidden: &BTreeSet<String>) -> String {
        let is_hidden = self.hides_secrets && hidden.contains(&variable.name);
        match &variable.source {
            ValueSource::Literal(_) if is_hidden => env_source(&variable.name),
            ValueSource::Template(template) if is_hidden && template.is_literal() => env_source(&variable.name),
            other => source(other, is_hidden),
        }
    }

    fn secrets(&self) -> Pairs {
        let env = env_source;
        let mut pairs = Pairs::new();
        for secret in &self.session.secrets {
            let value = match &secret.source {
                ValueSource::Template(template) if template.compiled.is_some() => toml::string(&template.source),
                ValueSource::Literal(_) | ValueSource::Template(_) if self.hides_secrets => env(&secret.name),
                other => source(other, self.hides_secrets),
            };
            pairs.push((secret.name.clone(), value));
        }
        pairs.extend(self.literals.iter().map(|(name, _)| (name.clone(), env(name))));
        pairs
    }

    fn auth(&self, auth: &AuthSettings) -> Pairs {
        let mut pairs = Pairs::new();
        pairs.add_some("mechanism", auth.mechanism.map(|mechanism| toml::string(mechanism.name())));
        pairs.template("user", &auth.user);
        for (name, value) in [("password", &auth.password), ("token", &auth.token)] {
            pairs.add_some(name, value.as_ref().map(|value| self.secret_reference(value)));
        }
        pairs.template("authzid", &auth.authzid);
        pairs.add_unless(auth.initial_response, "initial_response", "false".to_owned());
        pairs.add_unless(!auth.allow_plaintext, "allow_plaintext", "true".to_owned());
        pairs
    }

    /// A password or token. A literal one is printed as the name of its secret.
    fn secret_reference(&self, value: &Template) -> String {
        match self.literals.iter().find(|(_, text)| value.is_literal() && *text == value.source) {
            Some((name, _)) => toml::string(&format!("{{{{ {name} }}}}")),
            None => toml::string(&value.source),
        }
    }

    /// `long` writes texts of several lines.
    fn message(&self, message: &Message, long: fn(&str) -> String) -> Pairs {
        let mut pairs = Pairs::new();
        let addresses = |list: &[AddressSource]| toml::list(list.iter().map(address));
        pairs.add_some("from", message.from.as_ref().map(address));
        let lists = [("to", &message.to), ("cc", &message.cc), ("bcc", &message.bcc), ("reply_to", &message.reply_to)];
        for (name, list) in lists {
            pairs.add_unless(list.is_empty(), name, addresses(list));
        }
        pairs.template("subject", &message.subject);
        pairs.template("date", &message.date);
        pairs.template("message_id", &message.message_id);
        let headers: Pairs =
            message.headers.iter().map(|(name, value)| (name.clone(), toml::string(&value.source))).collect();
        pairs.add_unless(headers.is_empty(), "headers", toml::table(&headers));
        pairs.add_some("text", message.text.as_ref().map(|text| content(text, long)));
        pairs.add_some("html", message.html.as_ref().map(|html| content(html, long)));
        pairs.add_unless(
            message.attachments.is_empty(),
            "attach",
            toml::list(message.attachments.iter().map(attachment)),
        );
        pairs.add_some("eml", message.eml.as_ref().map(path));
        pairs.add_some("envelope_from", message.envelope_from.as_ref().map(address));
        pairs.add_some("envelope_to", message.envelope_to.as_deref().map(addresses));
        let mut params = Pairs::new();
        params.template("mail", &message.mail_params);
        params.template("rcpt", &message.rcpt_params);
        pairs.add_unless(params.is_empty(), "params", toml::table(&params));
        pairs.add_unless(message.pipelining, "pipelining", "false".to_owned());
        pairs.add_unless(message.chunking, "chunking", "false".to_owned());
        pairs.add_unless(!message.prdr, "prdr", "true".to_owned());
        pairs.add_unless(message.on_refused == RefusalPolicy::Abort, "on_refused", "\"skip\"".to_owned());
        pairs
    }
}

fn tls(tls: &TlsSettings) -> Pairs {
    let version = |version: Option<TlsVersion>| {
        version.map(|version| match version {
            TlsVersion::Tls10 => "\"1.0\"".to_owned(),
            TlsVersion::Tls11 => "\"1.1\"".to_owned(),
            TlsVersion::Tls12 => "\"1.2\"".to_owned(),
            TlsVersion::Tls13 => "\"1.3\"".to_owned(),
        })
    };
    let mut pairs = Pairs::new();
    pairs.add_some("ca", tls.ca.as_ref().map(path));
    pairs.add_unless(tls.system_roots, "system_roots", "false".to_owned());
    pairs.add_unless(tls.verify, "verify", "false".to_owned());
    pairs.template("server_name", &tls.server_name);
    pairs.add_some("min_version", version(tls.min_version));
    pairs.add_some("max_version", version(tls.max_version));
    pairs.add_some("ciphers", tls.ciphers.as_ref().map(|(list, _)| toml::string(list)));
    pairs.add_some("security_level", tls.security_level.map(|level| level.to_string()));
    pairs.add_some("client_cert", tls.client_cert.as_ref().map(path));
    pairs.add_some("client_key", tls.client_key.as_ref().map(path));
    pairs.add_unless(tls.alpn.is_empty(), "alpn", toml::list(tls.alpn.iter().map(|name| toml::string(name))));
    let policy = tls.starttls.map(|policy| match policy {
        StarttlsPolicy::Required => "\"required\"".to_owned(),
        StarttlsPolicy::Opportunistic => "\"opportunistic\"".to_owned(),
        StarttlsPolicy::Never => "\"never\"".to_owned(),
    });
    pairs.add_some("starttls", policy);
    pairs
}

/// An attachment without further keys is its path.
fn attachment(attachment: &AttachedFile) -> String {
    let mut pairs = Pairs::new();
    pairs.add("file", path(&attachment.path));
    pairs.template("name", &attachment.name);
    pairs.template("type", &attachment.media_type);
    pairs.template("inline", &attachment.inline);
    if attachment.can_be_pattern { path(&attachment.path) } else { toml::table(&pairs) }
}

fn dkim(dkim: &DkimSection, hides_secrets: bool) -> Pairs {
    let mut pairs = Pairs::new();
    pairs.add("domain", toml::string(&dkim.domain.source));
    pairs.add("selector", toml::string(&dkim.selector.source));
    let key = match &dkim.key.source {
        ValueSource::Literal(_) if hides_secrets => env_source("dkim_key"),
        ValueSource::Template(template) => toml::string(&template.source),
        other => source(other, hides_secrets),
    };
    pairs.add("key", key);
    pairs.add_some("headers", dkim.headers.as_ref().map(|list| toml::list(list.iter().map(|name| toml::string(name)))));
    pairs
}

fn rows(rows: &RowsSettings) -> Pairs {
    let mut pairs = Pairs::new();
    pairs.add("file", path(&rows.file));
    add_csv_options(&mut pairs, &rows.format);
    pairs.add_some("key", rows.key.as_ref().map(|(key, _)| toml::string(key)));
    pairs.add_some("ledger", rows.ledger.as_ref().map(|(path, _)| toml::string(path)));
    pairs.add_unless(rows.key_case == KeyCase::Exact, "key_case", toml::string("ignore"));
    pairs.add_unless(rows.exclude.is_empty(), "exclude", toml::list(rows.exclude.iter().map(exclusion)));
    pairs.add_unless(rows.connections == 1, "connections", rows.connections.to_string());
    pairs.add_unless(rows.per_connection == 100, "per_connection", rows.per_connection.to_string());
    pairs.add_unless(rows.in_flight == 1, "in_flight", rows.in_flight.to_string());
    pairs.add_some("rate", rows.rate.map(|rate| toml::string(&format!("{rate}/s"))));
    pairs
}

fn exclusion(exclusion: &Exclusion) -> String {
    let mut pairs = Pairs::new();
    pairs.add("file", path(&exclusion.file));
    pairs.add("key", toml::string(&exclusion.key.0));
    add_csv_options(&mut pairs, &exclusion.format);
    toml::table(&pairs)
}

fn retry(retry: &RetrySettings) -> Pairs {
    let mut pairs = Pairs::new();
    pairs.add("times", retry.times.to_string());
    pairs.duration("wait", Some(retry.wait));
    pairs.add_unless(retry.backoff == 2.0, "backoff", retry.backoff.to_string());
    pairs.duration("max_wait", retry.max_wait);
    pairs
}

/// Whether both spans are the same table of the file.
fn is_same_table(one: &super::Span, other: Option<&super::Span>) -> bool {
    other == Some(one)
}

/// The steps of a group, with `lines` one per line.
fn group(steps: &[Step], printer: &SessionPrinter<'_>, lines: bool) -> String {
    let tables = steps.iter().map(|step| toml::table(&printer.step(step, false)));
    if lines {
        format!("[\n{}]", tables.map(|table| format!("  {table},\n")).collect::<String>())
    } else {
        toml::list(tables)
    }
}

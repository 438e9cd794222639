//! Prints a session as a session file that runs the is_same_table, with everything implied and included spelled out.

mod step;
#[cfg(test)]
mod tests;
mod toml;

use super::duration::format_duration;
use super::template::lexer::has_markup;
use super::{
    AttachedFile, AuthSettings, Message, RefusalPolicy, RetrySettings, RowsSettings, Session, SourcePath,
    StarttlsPolicy, Step, Template, TextSource, TlsSettings, TlsVersion, Value, ValueSource, Variable,
};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// What the command line gave in place of the file's.
#[derive(Clone, Debug, Default)]
pub struct ShowOptions {
    /// `--server`.
    pub server: Option<String>,
    /// `--var` and `--vars`.
    pub variables: Vec<(String, Value)>,
}

/// TableSpec and their values, written.
type Pairs = Vec<(String, String)>;

/// Literal secrets are not shown: they become `{ env = "NAME" }`, and so do the defaults of secrets. Paths are relative
/// to the session file's folder.
pub fn show(session: &Session, options: &ShowOptions) -> String {
    let mut printer = SessionPrinter { session, literals: Vec::new() };
    // Steps and tables first: the literal passwords in them become secrets.
    let auth = session.auth.as_ref().map(|auth| printer.auth(auth));
    let message = session.message.as_ref().map(|message| printer.message(message, toml::text));
    let mut steps = String::new();
    for (name, list) in [("open", &session.open), ("step", &session.steps), ("close", &session.close)] {
        for step in list {
            let _ = writeln!(steps, "\n[[{name}]]");
            write_pairs(&printer.step(step, true), &mut steps);
        }
    }

    let mut out = String::new();
    write_pairs(&printer.top(options), &mut out);
    let mut tables = vec![("vars", printer.vars(options)), ("secrets", printer.secrets())];
    tables.retain(|(_, pairs)| !pairs.is_empty());
    tables.extend(session.has_tls.then(|| ("tls", tls(&session.tls))));
    tables.extend(auth.map(|auth| ("auth", auth)));
    tables.extend(message.map(|message| ("message", message)));
    tables.extend(session.rows.as_ref().map(|settings| ("rows", rows(settings))));
    tables.extend(session.retry.as_ref().map(|settings| ("retry", retry(settings))));
    for (name, pairs) in tables {
        let gap = if out.is_empty() { "" } else { "\n" };
        let _ = writeln!(out, "{gap}[{name}]");
        write_pairs(&pairs, &mut out);
    }
    let steps = if out.is_empty() { steps.trim_start() } else { &steps };
    out + steps
}

fn write_pairs(pairs: &[(String, String)], out: &mut String) {
    for (name, value) in pairs {
        let _ = writeln!(out, "{} = {value}", toml::key(name));
    }
}

struct SessionPrinter<'s> {
    session: &'s Session,
    /// Passwords and tokens that stood in the file, and the names that they get under `[secrets]`.
    literals: Vec<(String, String)>,
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
        // Without the list [message] would imply one.
        for (name, list) in [("open", &session.open), ("step", &session.steps), ("close", &session.close)] {
            pairs.add_unless(session.message.is_none() || !list.is_empty(), name, "[]".to_owned());
        }
        pairs
    }

    /// What the command line gave stands first: everything below may use it.
    fn vars(&self, options: &ShowOptions) -> Pairs {
        let secret = |name: &str| self.session.secrets.iter().any(|secret| secret.name == name);
        let hidden = self.session.secret_names();
        let mut pairs = Pairs::new();
        for (name, given) in options.variables.iter().filter(|(name, _)| !secret(name)) {
            // The last one given wins.
            pairs.retain(|(known, _)| known != name);
            let value = if hidden.contains(name) {
                env_source(name)
            } else {
                literal_variable(self.session.typed_override(name, given))
            };
            pairs.push((name.clone(), value));
        }
        for variable in &self.session.vars {
            if !options.variables.iter().any(|(name, _)| *name == variable.name) {
                pairs.push((variable.name.clone(), source(&variable.source, false)));
            }
        }
        pairs
    }

    fn secrets(&self) -> Pairs {
        let env = env_source;
        let mut pairs = Pairs::new();
        for secret in &self.session.secrets {
            let value = match &secret.source {
                ValueSource::Template(template) if template.compiled.is_some() => toml::string(&template.source),
                ValueSource::Literal(_) | ValueSource::Template(_) => env(&secret.name),
                other => source(other, true),
            };
            pairs.push((secret.name.clone(), value));
        }
        pairs.extend(self.literals.iter().map(|(name, _)| (name.clone(), env(name))));
        pairs
    }

    fn auth(&mut self, auth: &AuthSettings) -> Pairs {
        let mut pairs = Pairs::new();
        pairs.add_some("mechanism", auth.mechanism.map(|mechanism| toml::string(mechanism.name())));
        pairs.template("user", &auth.user);
        for (name, value) in [("password", &auth.password), ("token", &auth.token)] {
            let value = value.as_ref().map(|value| self.secret_reference(name, value));
            pairs.add_some(name, value);
        }
        pairs.template("authzid", &auth.authzid);
        pairs.add_unless(auth.initial_response, "initial_response", "false".to_owned());
        pairs.add_unless(!auth.allow_plaintext, "allow_plaintext", "true".to_owned());
        pairs
    }

    /// A password or token; one that stands in the file becomes a secret of that name.
    fn secret_reference(&mut self, what: &str, value: &Template) -> String {
        if value.compiled.is_some() || value.source.is_empty() {
            return toml::string(&value.source);
        }
        let known = self.literals.iter().find(|(_, text)| *text == value.source).map(|(name, _)| name.clone());
        let name = known.unwrap_or_else(|| {
            let taken = |name: &str| {
                let named = |variables: &[Variable]| variables.iter().any(|variable| variable.name == name);
                named(&self.session.vars)
                    || named(&self.session.secrets)
                    || self.literals.iter().any(|(known, _)| known == name)
            };
            let numbered = (2..).map(|number| format!("{what}_{number}"));
            let mut names = std::iter::once(what.to_owned()).chain(numbered);
            let name = names.find(|name| !taken(name)).unwrap_or_default();
            self.literals.push((name.clone(), value.source.clone()));
            name
        });
        toml::string(&format!("{{{{ {name} }}}}"))
    }

    /// `long`: how texts of several lines are written.
    fn message(&self, message: &Message, long: fn(&str) -> String) -> Pairs {
        let mut pairs = Pairs::new();
        let addresses = |list: &[Template]| toml::list(list.iter().map(|address| toml::string(&address.source)));
        pairs.template("from", &message.from);
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
        pairs.template("envelope_from", &message.envelope_from);
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

/// What stands for a value that must not be shown.
fn env_source(name: &str) -> String {
    toml::table(&[("env".to_owned(), toml::string(&name.to_uppercase()))])
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

fn content(content: &TextSource, long: fn(&str) -> String) -> String {
    match content {
        TextSource::Text(text) => long(&text.source),
        TextSource::File { path: file, template } => {
            let mut pairs = Pairs::new();
            pairs.add("file", path(file));
            pairs.add_unless(!template, "template", "true".to_owned());
            toml::table(&pairs)
        }
    }
}

/// A file alone is its path.
fn attachment(attachment: &AttachedFile) -> String {
    let mut pairs = Pairs::new();
    pairs.add("file", path(&attachment.path));
    pairs.template("name", &attachment.name);
    pairs.template("type", &attachment.media_type);
    pairs.template("inline", &attachment.inline);
    if pairs.len() == 1 { path(&attachment.path) } else { toml::table(&pairs) }
}

/// As the session file would write it: an include's is rebased.
fn rows(rows: &RowsSettings) -> Pairs {
    let mut pairs = Pairs::new();
    pairs.add("file", path(&rows.file));
    pairs.add_some("key", rows.key.as_ref().map(|(key, _)| toml::string(key)));
    pairs.add_unless(rows.connections == 1, "connections", rows.connections.to_string());
    pairs.add_unless(rows.per_connection == 100, "per_connection", rows.per_connection.to_string());
    pairs.add_unless(rows.in_flight == 1, "in_flight", rows.in_flight.to_string());
    pairs.add_some("rate", rows.rate.map(|rate| toml::string(&format!("{rate}/s"))));
    pairs
}

fn retry(retry: &RetrySettings) -> Pairs {
    let mut pairs = Pairs::new();
    pairs.add("times", retry.times.to_string());
    pairs.duration("wait", Some(retry.wait));
    pairs.add_unless(retry.backoff == 2.0, "backoff", retry.backoff.to_string());
    pairs.duration("max_wait", retry.max_wait);
    pairs
}

fn path(path: &SourcePath) -> String {
    let written = &path.template.source;
    if path.base.as_os_str().is_empty() || Path::new(written).is_absolute() {
        return toml::string(written);
    }
    toml::string(&format!("{}/{written}", path.base.display()))
}

/// `hide`: whether a default is a secret too.
fn source(source: &ValueSource, hide: bool) -> String {
    let (mut pairs, default) = match source {
        ValueSource::Template(template) => return toml::string(&template.source),
        ValueSource::Literal(value) => return literal(value),
        ValueSource::Env { name, default } => (vec![("env".to_owned(), toml::string(name))], default),
        ValueSource::File { path: file, template, default } => {
            let mut pairs = vec![("file".to_owned(), path(file))];
            pairs.add_unless(!template, "template", "true".to_owned());
            (pairs, default)
        }
        ValueSource::Command { argv, default } => {
            (vec![("command".to_owned(), toml::list(argv.iter().map(|word| toml::string(word))))], default)
        }
        ValueSource::Netrc { field, default } => (vec![("netrc".to_owned(), toml::string(field))], default),
        ValueSource::Prompt { text, default } => (vec![("prompt".to_owned(), toml::string(text))], default),
        ValueSource::Csv { path: file, default } => (vec![("csv".to_owned(), path(file))], default),
        ValueSource::Json { path: file, default } => (vec![("json".to_owned(), path(file))], default),
    };
    pairs.add_some("default", default.as_ref().filter(|_| !hide).map(literal));
    toml::table(&pairs)
}

fn literal(value: &Value) -> String {
    match value {
        Value::Text(text) => toml::string(text),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) if number.is_nan() => "nan".to_owned(),
        Value::Float(number) if number.is_infinite() => if *number > 0.0 { "inf" } else { "-inf" }.to_owned(),
        // `1.0` and `1e300`, never `1`: it stays a float.
        Value::Float(number) => format!("{number:?}"),
        Value::Boolean(truth) => truth.to_string(),
        Value::List(values) => toml::list(values.iter().map(literal)),
        Value::Table(entries) => {
            toml::table(&entries.iter().map(|(name, value)| (name.to_string(), literal(value))).collect::<Pairs>())
        }
        // TOML has no nothing; no literal of a session file is one.
        Value::None => "\"\"".to_owned(),
    }
}

/// As `[vars]` writes a value that is no template.
fn literal_variable(value: &Value) -> String {
    match value {
        Value::Text(text) => toml::string(&as_template(text)),
        other => literal(other),
    }
}

/// A template that renders to the text.
fn as_template(text: &str) -> String {
    if !has_markup(text) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 20);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match (c, characters.peek()) {
            ('{', Some('{' | '%' | '#')) => out.push_str("{{ '{' }}"),
            _ => out.push(c),
        }
    }
    out
}

/// Adding to [`Pairs`].
trait PairsExt {
    fn add(&mut self, name: &str, value: String);

    fn add_some(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    fn add_unless(&mut self, not: bool, name: &str, value: String) {
        self.add_some(name, (!not).then_some(value));
    }

    fn template(&mut self, name: &str, template: &Option<Template>) {
        self.add_some(name, template.as_ref().map(|template| toml::string(&template.source)));
    }

    fn duration(&mut self, name: &str, duration: Option<Duration>) {
        self.add_some(name, duration.map(|duration| toml::string(&format_duration(duration))));
    }
}

impl PairsExt for Pairs {
    fn add(&mut self, name: &str, value: String) {
        self.push((name.to_owned(), value));
    }
}

/// Whether both are the same table of the file.
fn is_same_table(one: &super::Span, other: Option<&super::Span>) -> bool {
    other == Some(one)
}

/// The steps of a group, each in a line.
fn group(steps: &[Step], printer: &mut SessionPrinter<'_>, lines: bool) -> String {
    let tables = steps.iter().map(|step| toml::table(&printer.step(step, false)));
    if lines {
        format!("[\n{}]", tables.map(|table| format!("  {table},\n")).collect::<String>())
    } else {
        toml::list(tables)
    }
}

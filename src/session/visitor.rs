//! Visits everything that a session file says: its steps, templates, expressions, paths and credentials.
//!
//! Code that searches a session implements [`Visitor`] and overrides the methods it needs. An overridden method that
//! also visits what is inside calls the `walk_…` function of the same name. The `match` over [`Action`] here is the only
//! exhaustive one of its kind: a new action is added here, and every visitor sees it.

use super::{
    Action, AddressSource, AuthSettings, Capture, DkimSection, Expectation, Expression, Message, RawBytes,
    ReplyPattern, RowsSettings, Session, SourcePath, Step, Template, TextDecoding, TextSource, TlsSettings,
    ValueSource, Variable,
};

/// What a file is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilePurpose {
    /// Certificates and keys of `[tls]`, which may be anywhere.
    Tls,
    /// Text in an encoding.
    Text(TextDecoding),
    /// Rows: CSV, TSV or JSON Lines.
    Rows,
    /// Content that is sent as it is.
    Bytes,
    /// An entry of `attach` that can be a pattern.
    Pattern,
}

/// Called for each part of a session.
///
/// `[auth]` and `[message]` are visited once for their table, and once for each step with `auth = true` or
/// `message = true`, which has a copy.
pub trait Visitor<'s> {
    /// Visits variables first and steps last.
    fn visit_session(&mut self, session: &'s Session) {
        walk_session(self, session);
    }

    /// A value of `[vars]` or `with`.
    fn visit_variable(&mut self, variable: &'s Variable) {
        walk_variable(self, variable);
    }

    /// A value of `[secrets]`.
    fn visit_secret(&mut self, secret: &'s Variable) {
        self.visit_variable(secret);
    }

    fn visit_tls(&mut self, tls: &'s TlsSettings) {
        walk_tls(self, tls);
    }

    fn visit_auth(&mut self, auth: &'s AuthSettings) {
        walk_auth(self, auth);
    }

    fn visit_message(&mut self, message: &'s Message) {
        walk_message(self, message);
    }

    fn visit_dkim(&mut self, dkim: &'s DkimSection) {
        [&dkim.domain, &dkim.selector].into_iter().for_each(|line| self.visit_line(line));
        self.visit_secret(&dkim.key);
    }

    fn visit_rows(&mut self, rows: &'s RowsSettings) {
        walk_rows(self, rows);
    }

    /// A step and the steps inside it. Its keys are visited in the order in which a run uses them.
    fn visit_step(&mut self, step: &'s Step) {
        walk_step(self, step);
    }

    fn visit_action(&mut self, action: &'s Action) {
        walk_action(self, action);
    }

    fn visit_expectation(&mut self, expectation: &'s Expectation) {
        walk_expectation(self, expectation);
    }

    fn visit_capture(&mut self, _capture: &'s Capture) {}

    /// `purpose` applies to a file that is not rendered.
    fn visit_text_source(&mut self, source: &'s TextSource, purpose: FilePurpose) {
        walk_text_source(self, source, purpose);
    }

    fn visit_path(&mut self, path: &'s SourcePath, _purpose: FilePurpose) {
        self.visit_line(&path.template);
    }

    /// A template whose result must be one line.
    fn visit_line(&mut self, template: &'s Template) {
        self.visit_template(template);
    }

    fn visit_template(&mut self, _template: &'s Template) {}

    fn visit_expression(&mut self, _expression: &'s Expression) {}
}

pub fn walk_session<'s, V: Visitor<'s> + ?Sized>(visitor: &mut V, session: &'s Session) {
    session.vars.iter().for_each(|variable| visitor.visit_variable(variable));
    session.secrets.iter().for_each(|secret| visitor.visit_secret(secret));
    let lines = [&session.description, &session.server, &session.client_name];
    lines.into_iter().flatten().for_each(|line| visitor.visit_line(line));
    visitor.visit_tls(&session.tls);
    session.auth.iter().for_each(|auth| visitor.visit_auth(auth));
    session.message.iter().for_each(|message| visitor.visit_message(message));
    session.dkim.iter().for_each(|dkim| visitor.visit_dkim(dkim));
    session.rows.iter().for_each(|rows| visitor.visit_rows(rows));
    session.sections().into_iter().flatten().for_each(|step| visitor.visit_step(step));
}

pub fn walk_rows<'s, V: Visitor<'s> + ?Sized>(visitor: &mut V, rows: &'s RowsSettings) {
    visitor.visit_path(&rows.file, FilePurpose::Rows);
    rows.exclude.iter().for_each(|exclusion| visitor.visit_path(&exclusion.file, FilePurpose::Rows));
}

pub fn walk_variable<'s, V: Visitor<'s> + ?Sized>(visitor: &mut V, variable: &'s Variable) {
    match &variable.source {
        ValueSource::Template(template) => visitor.visit_template(template),
        ValueSource::Csv { path, .. } => visitor.visit_path(path, FilePurpose::Rows),
        ValueSource::File { path, .. } | ValueSource::Json { path, .. } => {
            let charset = if let ValueSource::File { charset, .. } = &variable.source { *charset } else { None };
            visitor.visit_path(path, FilePurpose::Text(TextDecoding::strict(charset)));
        }
        ValueSource::Literal(_)
        | ValueSource::Env { .. }
        | ValueSource::Command { .. }
        | ValueSource::Netrc { .. }
        | ValueSource::Prompt { .. } => {}
    }
}

pub fn walk_tls<'s, V: Visitor<'s> + ?Sized>(visitor: &mut V, tls: &'s TlsSettings) {
    tls.server_name.iter().for_each(|name| visitor.visit_line(name));
    let paths = [&tls.ca, &tls.client_cert, &tls.client_key];
    paths.into_iter().flatten().for_each(|path| visitor.visit_path(path, FilePurpose::Tls));
}

pub fn walk_auth<'s, V: Visitor<'s> + ?Sized>(visitor: &mut V, auth: &'s AuthSettings) {
    let lines = [&auth.user, &auth.password, &auth.token, &auth.authzid];
    lines.into_iter().flatten().for_each(|line| visitor.visit_line(line));
}

pub fn walk_message<'s, V: Visitor<'s> + ?Sized>(visitor: &mut V, message: &'s Message) {
    let addresses = [&message.to, &message.cc, &message.bcc, &message.reply_to].into_iter().flatten();
    let single = message.from.iter().chain(&message.envelope_from);
    single
        .chain(addresses)
        .chain(message.envelope_to.iter().flatten())
        .flat_map(AddressSource::templates)
        .for_each(|template| visitor.visit_line(template));
    message.headers.iter().for_each(|(_, value)| visitor.visit_line(value));
    let lines = [&message.subject, &message.date, &message.message_id, &message.mail_params, &message.rcpt_params];
    lines.into_iter().flatten().for_each(|line| visitor.visit_line(line));
    for content in message.contents() {
        visitor.visit_text_source(content, FilePurpose::Text(content.decoding()));
    }
    for file in &message.attachments {
        let purpose = if file.can_be_pattern { FilePurpose::Pattern } else { FilePurpose::Bytes };
        visitor.visit_path(&file.path, purpose);
        [&file.name, &file.media_type, &file.inline].into_iter().flatten().for_each(|line| visitor.visit_line(line));
    }
    message.eml.iter().for_each(|path| visitor.visit_path(path, FilePurpose::Bytes));
}

impl Message {
    /// Every template that is rendered as one line, including paths. Not `text` and `html`.
    pub fn lines(&self) -> Vec<&Template> {
        let mut collector = TemplateCollector { templates: Vec::new(), skips_contents: true };
        collector.visit_message(self);
        collector.templates
    }

    /// Every template that the message is made of. `None` if a file is one, since the names in it are unknown.
    pub fn templates(&self) -> Option<Vec<&Template>> {
        if self.contents().any(|content| matches!(content, TextSource::File { template: true, .. })) {
            return None;
        }
        let mut collector = TemplateCollector { templates: Vec::new(), skips_contents: false };
        collector.visit_message(self);
        Some(collector.templates)
    }
}

struct TemplateCollector<'s> {
    templates: Vec<&'s Template>,
    skips_contents: bool,
}

impl<'s> Visitor<'s> for TemplateCollector<'s> {
    fn visit_text_source(&mut self, source: &'s TextSource, purpose: FilePurpose) {
        if !self.skips_contents {
            walk_text_source(self, source, purpose);
        }
    }

    fn visit_template(&mut self, template: &'s Template) {
        self.templates.push(template);
    }
}

pub fn walk_step<'s, V: Visitor<'s> + ?Sized>(visitor: &mut V, step: &'s Step) {
    step.with.iter().for_each(|variable| visitor.visit_variable(variable));
    walk_step_after_with(visitor, step);
}

/// Visits a step without its `with`.
pub fn walk_step_after_with<'s, V: Visitor<'s> + ?Sized>(visitor: &mut V, step: &'s Step) {
    step.condition.iter().for_each(|condition| visitor.visit_expression(condition));
    step.name.iter().chain(&step.server).for_each(|line| visitor.visit_line(line));
    visitor.visit_action(&step.action);
    step.expect.iter().for_each(|expect| visitor.visit_expectation(expect));
    step.retry.iter().for_each(|retry| visitor.visit_expectation(&retry.on));
    step.captures.iter().for_each(|capture| visitor.visit_capture(capture));
    step.asserts.iter().for_each(|assert| visitor.visit_expression(assert));
}

pub fn walk_action<'s, V: Visitor<'s> + ?Sized>(visitor: &mut V, action: &'s Action) {
    match action {
        Action::Send(line) => visitor.visit_line(line),
        Action::Raw(octets) | Action::Bdat { octets, .. } => walk_octets(visitor, octets),
        Action::Hello { name, .. } => name.iter().for_each(|name| visitor.visit_line(name)),
        Action::Auth(auth) => visitor.visit_auth(auth),
        Action::Message(message) => visitor.visit_message(message),
        Action::Body { content, .. } => visitor.visit_text_source(content, FilePurpose::Bytes),
        Action::Pipeline(members) | Action::Steps(members) => {
            members.iter().for_each(|member| visitor.visit_step(member));
        }
        Action::Xclient(attributes) => attributes.iter().for_each(|(_, value)| visitor.visit_line(value)),
        Action::Wait
        | Action::Starttls { .. }
        | Action::Tls
        | Action::Login
        | Action::Quit
        | Action::Sleep(_)
        | Action::Close(_)
        | Action::EndTls
        | Action::Connect
        | Action::Proxy(_) => {}
    }
}

fn walk_octets<'s, V: Visitor<'s> + ?Sized>(visitor: &mut V, octets: &'s RawBytes) {
    match octets {
        RawBytes::Text(text) => visitor.visit_template(text),
        RawBytes::File(path) => visitor.visit_path(path, FilePurpose::Bytes),
        RawBytes::Parts(parts) => parts.iter().for_each(|part| walk_octets(visitor, part)),
        RawBytes::Bytes(_) => {}
    }
}

pub fn walk_expectation<'s, V: Visitor<'s> + ?Sized>(visitor: &mut V, expectation: &'s Expectation) {
    for pattern in &expectation.any_of {
        if let ReplyPattern::Reply { text: Some(text), .. } = pattern {
            visitor.visit_template(text);
        }
    }
}

pub fn walk_text_source<'s, V: Visitor<'s> + ?Sized>(visitor: &mut V, source: &'s TextSource, purpose: FilePurpose) {
    match source {
        TextSource::Text(text) => visitor.visit_template(text),
        // A file that is rendered is text, whatever it is used for.
        TextSource::File { path, template: true, .. } if purpose == FilePurpose::Bytes => {
            visitor.visit_path(path, FilePurpose::Text(TextDecoding::strict(None)));
        }
        TextSource::File { path, .. } => visitor.visit_path(path, purpose),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::load;
    use crate::session::read::tests::Files;

    /// A template or an expression over `x` at every key that takes one.
    const TEMPLATES: &str = r#"
description = "{{ x }}"
server = "smtp://{{ x }}"
client_name = "{{ x }}"
[vars]
a = "{{ x }}"
b = { file = "{{ x }}" }
c = { csv = "{{ x }}" }
d = { json = "{{ x }}" }
[secrets]
e = "{{ x }}"
f = { file = "{{ x }}" }
[tls]
ca = "{{ x }}"
server_name = "{{ x }}"
client_cert = "{{ x }}"
client_key = "{{ x }}"
[auth]
user = "{{ x }}"
password = "{{ x }}"
token = "{{ x }}"
authzid = "{{ x }}"
[rows]
file = "{{ x }}"
key = "k"
exclude = [{ file = "{{ x }}", key = "k" }]
[message]
from = "{{ x }}"
to = ["{{ x }}", { name = "{{ x }}", address = "{{ x }}" }]
cc = { address = "{{ x }}" }
bcc = "{{ x }}"
reply_to = "{{ x }}"
subject = "{{ x }}"
date = "{{ x }}"
message_id = "{{ x }}"
headers = { A = "{{ x }}", B = "{{ x }}" }
text = "{{ x }}"
html = { file = "{{ x }}" }
attach = ["{{ x }}", { file = "{{ x }}", name = "{{ x }}", type = "{{ x }}", inline = "{{ x }}" }]
envelope_from = "{{ x }}"
envelope_to = "{{ x }}"
params = { mail = "{{ x }}", rcpt = "{{ x }}" }
[[open]]
expect = { text = "{{ x }}" }
if = "x"
[[step]]
name = "{{ x }}"
send = "{{ x }}"
expect = [250, { text = "{{ x }}" }]
retry = { times = 1, on = { text = "{{ x }}" } }
assert = ["x", "x"]
with = { g = "{{ x }}", h = { file = "{{ x }}" } }
[[step]]
message = { from = "{{ x }}", eml = "{{ x }}" }
[[step]]
auth = { user = "{{ x }}", password = "{{ x }}" }
[[step]]
steps = [
    { raw = "{{ x }}", on = "b", server = "smtp://{{ x }}" },
    { raw = ["{{ x }}", { file = "{{ x }}" }, { hex = "00" }] },
    { bdat = "{{ x }}" },
    { bdat = { file = "{{ x }}" }, last = true },
    { raw = { file = "{{ x }}" } },
    { ehlo = "{{ x }}" },
    { body = "{{ x }}", expect = 250 },
    { body = { file = "{{ x }}" }, expect = 250 },
    { xclient = { addr = "{{ x }}", helo = "{{ x }}" } },
    { pipeline = [{ send = "{{ x }}", expect = 250, if = "x" }] },
]
[[close]]
quit = true
assert = ["x"]
"#;

    #[derive(Default)]
    struct Count {
        templates: usize,
        expressions: usize,
    }

    impl<'s> Visitor<'s> for Count {
        fn visit_template(&mut self, template: &'s Template) {
            self.templates += usize::from(!template.is_literal());
        }

        fn visit_expression(&mut self, _: &'s Expression) {
            self.expressions += 1;
        }
    }

    #[test]
    fn every_template_and_expression_is_visited_once() {
        let session = load("all.toml", TEMPLATES, &Files::default(), &["x".to_owned()]);
        let session = session.map_err(|errors| errors.render(false)).expect("a valid session");
        let mut count = Count::default();
        count.visit_session(&session);
        assert_eq!(count.templates, TEMPLATES.matches("{{ x }}").count());
        assert_eq!(count.expressions, TEMPLATES.matches("\"x\"").count());
        assert_eq!(session.all_steps().count(), 17, "groups and pipelines, and the steps inside them");
    }
}

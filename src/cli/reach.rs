//! What a session reaches: servers, files, environment variables, commands. `mailrun check` lists it.

use crate::session::{
    Action, AuthSettings, Message, RawBytes, Session, SourcePath, Step, Template, TextSource, ValueSource, Variable,
};
use crate::transcript::escape_unprintable;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Names, for people.
#[derive(Debug, Default)]
pub struct Reach {
    pub servers: BTreeSet<String>,
    pub files: BTreeSet<String>,
    pub environment: BTreeSet<String>,
    pub commands: BTreeSet<String>,
    /// Whether a secret stands in the file as it is.
    pub literal_secrets: bool,
}

/// A file that a session names.
pub struct NamedFile<'a> {
    pub path: &'a SourcePath,
    pub purpose: FilePurpose,
}

/// What it is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum FilePurpose {
    Tls,
    /// It has to be UTF-8.
    Text,
    Bytes,
}

impl NamedFile<'_> {
    /// Relative to the session file's folder; `None` where a template makes the name.
    pub fn literal(&self) -> Option<PathBuf> {
        self.path.template.is_literal().then(|| self.path.base.join(&self.path.template.source))
    }
}

/// Walks a session once.
pub fn reach<'a>(session: &'a Session, server: Option<&str>) -> (Reach, Vec<NamedFile<'a>>) {
    let mut walk = ReachCollector::default();
    if let Some(server) = server.or(session.server.as_ref().map(|template| template.source.as_str())) {
        walk.reach.servers.insert(escape_unprintable(server.as_bytes()));
    }
    walk.variables(&session.vars);
    walk.variables(&session.secrets);
    walk.reach.literal_secrets |= session.secrets.iter().any(|secret| match &secret.source {
        ValueSource::Literal(_) => true,
        ValueSource::Template(template) => template.is_literal(),
        _ => false,
    });
    let tls = &session.tls;
    for path in [&tls.ca, &tls.client_cert, &tls.client_key].into_iter().flatten() {
        walk.file(path, FilePurpose::Tls);
    }
    if let Some(auth) = &session.auth {
        walk.auth(auth);
    }
    if let Some(message) = &session.message {
        walk.message(message);
    }
    if let Some(rows) = session.rows.as_ref().filter(|rows| rows.file.template.source != "-") {
        walk.file(&rows.file, FilePurpose::Bytes);
    }
    for steps in [&session.open, &session.steps, &session.close] {
        walk.steps(steps);
    }
    (walk.reach, walk.named)
}

#[derive(Default)]
struct ReachCollector<'a> {
    reach: Reach,
    named: Vec<NamedFile<'a>>,
}

impl<'a> ReachCollector<'a> {
    fn steps(&mut self, steps: &'a [Step]) {
        for step in steps {
            self.variables(&step.with);
            match &step.action {
                Action::Raw(RawBytes::File(path)) => self.file(path, FilePurpose::Bytes),
                Action::Auth(auth) => self.auth(auth),
                Action::Message(message) => self.message(message),
                Action::Body { content, .. } => self.content(content, FilePurpose::Bytes),
                Action::Pipeline(steps) | Action::Steps(steps) => self.steps(steps),
                Action::Raw(RawBytes::Text(_) | RawBytes::Bytes(_))
                | Action::Wait
                | Action::Send(_)
                | Action::Hello { .. }
                | Action::Starttls { .. }
                | Action::Tls
                | Action::Login
                | Action::Quit
                | Action::Sleep(_)
                | Action::Close(_)
                | Action::Connect
                | Action::Proxy { .. }
                | Action::Xclient(_) => {}
            }
        }
    }

    fn variables(&mut self, variables: &'a [Variable]) {
        for variable in variables {
            match &variable.source {
                ValueSource::Template(_) | ValueSource::Literal(_) | ValueSource::Prompt { .. } => {}
                ValueSource::Env { name, .. } => {
                    self.reach.environment.insert(escape_unprintable(name.as_bytes()));
                }
                ValueSource::File { path, default, .. }
                | ValueSource::Csv { path, default }
                | ValueSource::Json { path, default } => {
                    self.list(path);
                    if default.is_none() {
                        self.named.push(NamedFile { path, purpose: FilePurpose::Text });
                    }
                }
                ValueSource::Command { argv, .. } => {
                    self.reach.commands.insert(escape_unprintable(argv.join(" ").as_bytes()));
                }
                ValueSource::Netrc { .. } => {
                    self.reach.files.insert("~/.netrc".to_owned());
                }
            }
        }
    }

    fn auth(&mut self, auth: &AuthSettings) {
        let literal = |template: &Option<Template>| template.as_ref().is_some_and(Template::is_literal);
        self.reach.literal_secrets |= literal(&auth.password) || literal(&auth.token);
    }

    fn message(&mut self, message: &'a Message) {
        message.contents().for_each(|content| self.content(content, FilePurpose::Text));
        message.attachments.iter().for_each(|attachment| self.file(&attachment.path, FilePurpose::Bytes));
        message.eml.iter().for_each(|path| self.file(path, FilePurpose::Bytes));
    }

    fn content(&mut self, content: &'a TextSource, purpose: FilePurpose) {
        match content {
            // What is rendered is text, whatever it is for.
            TextSource::File { path, template: true } => self.file(path, FilePurpose::Text),
            TextSource::File { path, template: false } => self.file(path, purpose),
            TextSource::Text(_) => {}
        }
    }

    fn list(&mut self, path: &SourcePath) {
        self.reach
            .files
            .insert(escape_unprintable(path.base.join(&path.template.source).as_os_str().as_encoded_bytes()));
    }

    fn file(&mut self, path: &'a SourcePath, purpose: FilePurpose) {
        self.list(path);
        self.named.push(NamedFile { path, purpose });
    }
}

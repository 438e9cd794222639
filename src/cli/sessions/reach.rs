//! What a session reaches: servers, files, environment variables, commands. `mailrun check` lists it.

use crate::session::{
    AuthSettings, FilePurpose, RowsSettings, Session, SourcePath, Step, Template, ValueSource, Variable, Visitor,
    walk_step, walk_variable,
};
use crate::transcript::escape_unprintable;
use std::collections::BTreeSet;

/// What a session reaches, as names to print.
#[derive(Debug, Default)]
pub struct Reach {
    pub servers: BTreeSet<String>,
    pub files: BTreeSet<String>,
    pub environment: BTreeSet<String>,
    pub commands: BTreeSet<String>,
    /// Whether the session file contains a secret itself, not its source.
    pub literal_secrets: bool,
}

/// A file that a session names.
pub struct NamedFile<'a> {
    pub path: &'a SourcePath,
    pub purpose: FilePurpose,
}

/// What a session reaches, and the files that must exist. `server` replaces the server of the session.
pub fn reach<'a>(session: &'a Session, server: Option<&str>) -> (Reach, Vec<NamedFile<'a>>) {
    let mut collector = ReachCollector::default();
    if let Some(server) = server.or(session.server.as_ref().map(|template| template.source.as_str())) {
        collector.reach.servers.insert(escape_unprintable(server.as_bytes()));
    }
    collector.visit_session(session);
    (collector.reach, collector.named)
}

#[derive(Default)]
struct ReachCollector<'a> {
    reach: Reach,
    named: Vec<NamedFile<'a>>,
}

impl<'a> Visitor<'a> for ReachCollector<'a> {
    fn visit_variable(&mut self, variable: &'a Variable) {
        match &variable.source {
            ValueSource::Template(_) | ValueSource::Literal(_) | ValueSource::Prompt { .. } => {}
            ValueSource::Env { name, .. } => {
                self.reach.environment.insert(escape_unprintable(name.as_bytes()));
            }
            ValueSource::File { path, default: Some(_), .. }
            | ValueSource::Csv { path, default: Some(_), .. }
            | ValueSource::Json { path, default: Some(_) } => self.list(path),
            ValueSource::File { default: None, .. }
            | ValueSource::Csv { default: None, .. }
            | ValueSource::Json { default: None, .. } => walk_variable(self, variable),
            ValueSource::Command { argv, .. } => {
                self.reach.commands.insert(escape_unprintable(argv.join(" ").as_bytes()));
            }
            ValueSource::Netrc { .. } => {
                self.reach.files.insert("~/.netrc".to_owned());
            }
        }
    }

    fn visit_secret(&mut self, secret: &'a Variable) {
        self.reach.literal_secrets |= match &secret.source {
            ValueSource::Literal(_) => true,
            ValueSource::Template(template) => template.is_literal(),
            _ => false,
        };
        self.visit_variable(secret);
    }

    fn visit_step(&mut self, step: &'a Step) {
        if let Some(server) = &step.server {
            self.reach.servers.insert(escape_unprintable(server.source.as_bytes()));
        }
        walk_step(self, step);
    }

    fn visit_auth(&mut self, auth: &'a AuthSettings) {
        self.reach.literal_secrets |= [&auth.password, &auth.token].into_iter().flatten().any(Template::is_literal);
    }

    fn visit_rows(&mut self, rows: &'a RowsSettings) {
        // Standard input is not a file.
        let files = std::iter::once(&rows.file).chain(rows.exclude.iter().map(|exclusion| &exclusion.file));
        for file in files.filter(|file| file.template.source != "-") {
            self.visit_path(file, FilePurpose::Rows);
        }
    }

    fn visit_path(&mut self, path: &'a SourcePath, purpose: FilePurpose) {
        self.list(path);
        self.named.push(NamedFile { path, purpose });
    }
}

impl ReachCollector<'_> {
    fn list(&mut self, path: &SourcePath) {
        let path = path.base.join(&path.template.source);
        self.reach.files.insert(escape_unprintable(path.as_os_str().as_encoded_bytes()));
    }
}

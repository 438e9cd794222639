//! The files of a session with `template = true`, as far as they can be read without running it.

use super::load::LoadedSession;
use crate::session::{
    Capture, CsvOptions, Diagnostic, FilePurpose, Scope, Session, SourcePath, Sources, Templates, TextDecoding,
    TextSource, Value, ValueSource, Variable, Visitor, decode_text,
};
use crate::transcript::escape_unprintable;
use std::collections::{HashMap, HashSet};
use std::io::Read;

/// How much of a template's file and of a table is read: the limit of a value's file.
const LIMIT: u64 = 1 << 20;

/// The errors of template files that show without any value: their syntax, filters that do not exist, and names that nothing
/// defines. `overridden` are the names that `--var` and `--vars` set.
pub fn template_file_errors(loaded: &LoadedSession, overridden: &[(String, Value)]) -> Vec<Diagnostic> {
    let names = SessionNames::of(&loaded.session);
    let is_known = |name: &str| match name {
        "row" if loaded.session.rows.is_some() => true,
        name if Scope::FACTS.contains(&name) => true,
        name => {
            let is_set = overridden.iter().any(|(set, _)| set == name);
            is_set || names.variables.contains_key(name) || names.captures.contains(name)
        }
    };
    let mut found = Vec::new();
    for (path, text) in template_texts(loaded) {
        let name = escape_unprintable(path.template.source.as_bytes());
        for error in Templates::errors_of_text(&text, &is_known) {
            let diagnostic = Diagnostic::error(path.span.clone(), format!("{} ({name}:{})", error.message, error.line));
            found.push(match error.hint {
                Some(hint) => diagnostic.with_help(hint),
                None => diagnostic,
            });
        }
    }
    found
}

/// The template files whose names are literal, with their text. Those that cannot be read are left out.
pub(super) fn template_texts(loaded: &LoadedSession) -> Vec<(&SourcePath, String)> {
    if !loaded.session.has_file_templates() {
        return Vec::new();
    }
    let mut search = TemplateFiles { files: Vec::new() };
    search.visit_session(&loaded.session);
    let mut seen = HashSet::new();
    // `[message]` occurs twice: in its own section, and in the steps that it implies.
    let files = search.files.into_iter().filter(|(path, _)| seen.insert(&path.span));
    let texts = files.filter_map(|(path, decoding)| {
        let bytes = small_file(loaded, path)?;
        decode_text(&bytes, decoding).ok().map(|(text, _)| (path, text))
    });
    texts.collect()
}

/// The content of a file whose name is literal, if it can be read and is no longer than a value's.
pub(super) fn small_file(loaded: &LoadedSession, path: &SourcePath) -> Option<Vec<u8>> {
    let is_file = path.template.is_literal() && path.template.source != "-";
    let file = loaded.files.open(&path.base.join(&path.template.source)).ok().filter(|_| is_file)?;
    let mut bytes = Vec::new();
    file.reader.take(LIMIT + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= LIMIT).then_some(bytes)
}

/// The files whose content is rendered.
struct TemplateFiles<'s> {
    files: Vec<(&'s SourcePath, TextDecoding)>,
}

impl<'s> Visitor<'s> for TemplateFiles<'s> {
    fn visit_variable(&mut self, variable: &'s Variable) {
        if let ValueSource::File { path, template: true, charset, .. } = &variable.source {
            self.files.push((path, TextDecoding::strict(*charset)));
        }
    }

    fn visit_text_source(&mut self, source: &'s TextSource, _: FilePurpose) {
        if let TextSource::File { path, template: true, .. } = source {
            self.files.push((path, source.decoding()));
        }
    }
}

/// What gives names their values.
#[derive(Default)]
pub(super) struct SessionNames<'s> {
    pub variables: HashMap<&'s str, Vec<&'s Variable>>,
    pub captures: HashSet<&'s str>,
}

impl<'s> SessionNames<'s> {
    pub fn of(session: &'s Session) -> Self {
        let mut names = Self::default();
        names.visit_session(session);
        names
    }

    /// The variables that are tables, if nothing else has their names.
    pub fn tables(&self) -> impl Iterator<Item = (&'s str, &'s SourcePath, &'s CsvOptions)> {
        let single = self.variables.iter().filter_map(|(name, variables)| match variables.as_slice() {
            [Variable { source: ValueSource::Csv { path, format, .. }, .. }] => Some((*name, path, format)),
            _ => None,
        });
        single.filter(|(name, ..)| !self.captures.contains(name))
    }
}

impl<'s> Visitor<'s> for SessionNames<'s> {
    fn visit_variable(&mut self, variable: &'s Variable) {
        self.variables.entry(&variable.name).or_default().push(variable);
    }

    fn visit_capture(&mut self, capture: &'s Capture) {
        self.captures.insert(&capture.name);
    }
}

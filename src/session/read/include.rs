//! Reads included files. Their steps replace the `include`.

use super::reader::SessionReader;
use super::step::StepParent;
use super::table_fields::Field;
use super::table_fields::SpannedValue;
use super::tables;
use super::values::VariableTable;
use crate::session::template::lexer::has_markup;
use crate::session::{Diagnostic, SourceError, Step, TextDecoding, Variable, decode_text};
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use toml::de::{DeTable, DeValue};

/// How deep includes can nest.
const MAX_INCLUDE_DEPTH: usize = 16;
/// The size of all includes of a session, in bytes.
const MAX_INCLUDE_BYTES: usize = 64 << 20;

impl SessionReader<'_> {
    /// The steps of the file, and those of its `[vars]` that `with` does not override.
    pub(super) fn include(&mut self, field: Field<'_>, with: &[Variable]) -> Option<(Vec<Step>, Vec<Variable>)> {
        let written = self.word(field)?;
        if has_markup(&written) {
            self.error(field.value.span(), "an include's path cannot be a template: it is read before anything runs");
            return None;
        }
        let path = self.base.join(&written);
        let key = normalize(&path);
        if let Some(again) = self.open_files.iter().position(|open| *open == key) {
            let chain: Vec<_> =
                self.open_files.iter().skip(again).chain([&key]).map(|p| p.display().to_string()).collect();
            self.error(field.value.span(), format!("include cycle: {}", chain.join(" → ")));
            return None;
        }
        if self.open_files.len() > MAX_INCLUDE_DEPTH {
            self.error(field.value.span(), format!("includes nest more than {MAX_INCLUDE_DEPTH} deep"));
            return None;
        }
        let (file, text) = self.included(&path, &key, field)?;

        let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let outside = (std::mem::replace(&mut self.file, file), std::mem::replace(&mut self.base, base));
        self.open_files.push(key);
        let (table, errors) = DeTable::parse_recoverable(&text);
        self.hide_secrets(table.get_ref());
        self.report_syntax_errors(errors);
        let read = self.included_table(table.get_ref(), with);
        self.open_files.pop();
        (self.file, self.base) = outside;
        Some(read)
    }

    fn included_table(&mut self, table: &DeTable<'_>, with: &[Variable]) -> (Vec<Step>, Vec<Variable>) {
        let fields = self.fields(table, 0..0, &tables::INCLUDE);
        let mut variables = self.variables(fields.get("vars"), VariableTable::With);
        variables.retain(|own| !with.iter().any(|given| given.name == own.name));
        let steps = match fields.get("step") {
            Some(field) if field.value.get_ref().as_array().is_some_and(|values| values.is_empty()) => {
                self.error(field.value.span(), "this included file has no step");
                Vec::new()
            }
            Some(field) => self.steps(field, StepParent::Session),
            None => {
                if !fields.has("step") {
                    let text = "this included file has no [[step]]";
                    self.report_missing(Diagnostic::error(fields.span.clone(), text));
                }
                Vec::new()
            }
        };
        (steps, variables)
    }

    /// The file's index and text. Each file is opened once.
    fn included(&mut self, path: &Path, key: &Path, field: Field<'_>) -> Option<(usize, Rc<str>)> {
        let known = self.included.get(key).cloned();
        if known.is_none() {
            let text = self.read_include(path).map_err(|(why, no_input)| {
                let span = self.value_span(field.value);
                let text = format!("cannot include \"{}\": {why}", path.display());
                self.report(Diagnostic { no_input, ..Diagnostic::error(span, text) });
            });
            let text: Rc<str> = text.ok()?.into();
            // Named as seen from the user's current folder.
            let folder = Path::new(self.map.name(0)).parent().map(Path::to_path_buf).unwrap_or_default();
            let file = self.map.add(folder.join(path).display().to_string(), &*text);
            self.included.insert(key.to_path_buf(), (file, text));
        }
        let (file, text) = self.included.get(key).cloned()?;
        // Counted each time: each include of a file makes steps of its own.
        self.included_bytes = self.included_bytes.saturating_add(text.len());
        if self.included_bytes > MAX_INCLUDE_BYTES {
            self.error(field.value.span(), format!("includes hold more than {} MiB", MAX_INCLUDE_BYTES >> 20));
            return None;
        }
        Some((file, text))
    }

    /// The error says why, and whether the file is unreadable (66).
    fn read_include(&mut self, path: &Path) -> Result<String, (String, bool)> {
        let file = self.sources.open(path).map_err(|error| match error {
            SourceError::Refused(why) => (why, false),
            SourceError::Unreadable(why) => (why, true),
        })?;
        let mut bytes = Vec::new();
        file.reader
            .take(MAX_INCLUDE_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| (error.to_string(), true))?;
        if bytes.len() > MAX_INCLUDE_BYTES {
            return Err((format!("it holds more than {} MiB", MAX_INCLUDE_BYTES >> 20), false));
        }
        let decoded = decode_text(&bytes, TextDecoding::strict(None));
        decoded.map(|(text, _)| text).map_err(|why| (why.to_string(), false))
    }

    /// The tables of a list of steps.
    pub(super) fn step_tables<'a>(&mut self, field: Field<'a>) -> Vec<(&'a DeTable<'a>, &'a SpannedValue<'a>)> {
        let values = match field.value.get_ref() {
            DeValue::Array(values) => values,
            DeValue::Table(_) => {
                let name = field.name;
                let text = format!("\"{name}\" must be a list of steps, not a table");
                let span = self.value_span(field.value);
                self.report(
                    Diagnostic::error(span, text).with_help(format!("write [[{name}]], or {name} = [ {{ … }} ]")),
                );
                return Vec::new();
            }
            _ => return self.wrong_type::<()>(field).map_or(Vec::new(), |()| Vec::new()),
        };
        let mut tables = Vec::with_capacity(values.len());
        for value in values.iter() {
            match value.get_ref() {
                DeValue::Table(table) => tables.push((table, value)),
                _ => {
                    let _: Option<()> = self.must_be(field.with_value(value), "a list of steps, each a table");
                }
            }
        }
        tables
    }
}

/// Removes `.`, and `..` after a name.
fn normalize(path: &Path) -> PathBuf {
    let mut parts: Vec<Component<'_>> = Vec::new();
    for part in path.components() {
        match (part, parts.last()) {
            (Component::CurDir, _) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.iter().collect()
}

//! The text of a session file as a document that parts are removed from. What stays keeps its comments and its form.

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

/// The lists of steps, in the order in which they run.
pub const SECTIONS: [&str; 3] = ["open", "step", "close"];

/// A part of a path into a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathSegment {
    Key(String),
    Index(usize),
}

/// The place of an item in a document.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemPath(Vec<PathSegment>);

impl ItemPath {
    /// A path of keys.
    pub fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| PathSegment::Key((*key).to_owned())).collect())
    }

    /// The value of `key` in this table.
    pub fn key(&self, key: &str) -> Self {
        self.with(PathSegment::Key(key.to_owned()))
    }

    /// An element of this list, counted from 0.
    pub fn index(&self, index: usize) -> Self {
        self.with(PathSegment::Index(index))
    }

    /// The last key of the path.
    pub fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|segment| match segment {
            PathSegment::Key(key) => Some(key.as_str()),
            PathSegment::Index(_) => None,
        })
    }

    fn with(&self, segment: PathSegment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    /// The section and the index of a step that is in no group.
    fn as_step(&self) -> Option<(usize, usize)> {
        let [PathSegment::Key(section), PathSegment::Index(index)] = self.0.as_slice() else { return None };
        Some((SECTIONS.iter().position(|name| name == section)?, *index))
    }
}

/// A session file that can be changed. It knows the numbers that its steps had in the beginning.
#[derive(Clone, Debug)]
pub struct SessionDocument {
    document: DocumentMut,
    /// For each section the numbers of its steps, counted from 1 over all sections.
    numbers: [Vec<usize>; 3],
}

impl SessionDocument {
    /// Reads a session file; `None` if it is not TOML.
    pub fn parse(text: &str) -> Option<Self> {
        let document: DocumentMut = text.parse().ok()?;
        let mut next = 1;
        let numbers = SECTIONS.map(|section| {
            let count = document.get(section).and_then(list_length).unwrap_or(0);
            next += count;
            (next - count..next).collect()
        });
        Some(Self { document, numbers })
    }

    /// The session file.
    pub fn text(&self) -> String {
        self.document.to_string()
    }

    /// The original number of each step that is in no group, in the order in which they run.
    pub fn step_numbers(&self) -> Vec<usize> {
        self.numbers.concat()
    }

    /// The item at `path`.
    pub fn get(&self, path: &ItemPath) -> Option<&Item> {
        path.0.iter().try_fold(self.document.as_item(), |item, segment| match segment {
            PathSegment::Key(key) => item.as_table_like()?.get(key),
            PathSegment::Index(index) => item.get(index),
        })
    }

    /// The string at `path`.
    pub fn string(&self, path: &ItemPath) -> Option<&str> {
        self.get(path)?.as_str()
    }

    /// The number of elements of the list at `path`; 0 if there is none.
    pub fn length(&self, path: &ItemPath) -> usize {
        self.get(path).and_then(list_length).unwrap_or(0)
    }

    /// The keys of the table at `path`; none if it is not a table.
    pub fn keys(&self, path: &ItemPath) -> Vec<String> {
        let table = self.get(path).and_then(Item::as_table_like);
        table.map_or_else(Vec::new, |table| table.iter().map(|(key, _)| key.to_owned()).collect())
    }

    /// The same session without these items.
    pub fn without<'p>(&self, paths: impl IntoIterator<Item = &'p ItemPath>) -> Self {
        let mut changed = self.clone();
        let mut paths: Vec<&ItemPath> = paths.into_iter().collect();
        // From the end, so that the indexes of what is removed later stay valid; what is inside an item goes before it.
        paths.sort_unstable();
        paths.into_iter().rev().for_each(|path| changed.remove(path));
        changed
    }

    /// The same session with the steps of a group in place of the group, or with the one step of a pipeline. `None` if the step
    /// is neither, or has other keys, which apply to the whole group.
    pub fn unwrapped(&self, step: &ItemPath) -> Option<Self> {
        let (section, index) = step.as_step()?;
        let members = match self.keys(step).as_slice() {
            [key] if key == "steps" || (key == "pipeline" && self.length(&step.key(key)) == 1) => {
                let members = self.get(&step.key(key))?.as_array()?.iter();
                members.map(Value::as_inline_table).collect::<Option<Vec<_>>>()?
            }
            _ => return None,
        };
        let mut changed = self.clone();
        match changed.document.get_mut(SECTIONS[section])? {
            Item::ArrayOfTables(tables) => {
                let mut list: Vec<Table> = tables.iter().cloned().collect();
                let decor = list.get(index)?.decor().clone();
                let mut written: Vec<Table> = members.iter().map(|member| to_table(member)).collect();
                if let Some(first) = written.first_mut() {
                    *first.decor_mut() = decor;
                }
                list.splice(index..=index, written);
                *tables = list.into_iter().collect();
            }
            Item::Value(Value::Array(list)) => {
                let decor = list.remove(index).decor().clone();
                for (offset, member) in members.iter().enumerate() {
                    let mut member = Value::InlineTable((*member).clone());
                    member.decor_mut().set_prefix(decor.prefix().cloned().unwrap_or_default());
                    let is_last = offset + 1 == members.len();
                    member.decor_mut().set_suffix(decor.suffix().filter(|_| is_last).cloned().unwrap_or_default());
                    list.insert_formatted(index + offset, member);
                }
            }
            _ => return None,
        }
        let number = *self.numbers[section].get(index)?;
        changed.numbers[section].splice(index..=index, members.iter().map(|_| number));
        Some(changed)
    }

    /// The same session with another value at `path`; `None` if there is no value.
    pub fn with_value(&self, path: &ItemPath, mut value: Value) -> Option<Self> {
        let mut changed = self.clone();
        let old = changed.get_mut(path)?.as_value_mut()?;
        *value.decor_mut() = old.decor().clone();
        *old = value;
        Some(changed)
    }

    /// Sets a key of a table, which is made if it is missing.
    pub fn set(&mut self, table: Option<&str>, key: &str, value: Value) {
        let root = self.document.as_table_mut();
        let table = match table {
            Some(name) => root.entry(name).or_insert_with(toml_edit::table).as_table_like_mut(),
            None => Some(root as &mut dyn TableLike),
        };
        let Some(table) = table else { return };
        match table.get_mut(key) {
            Some(Item::Value(old)) => {
                let decor = old.decor().clone();
                *old = value;
                *old.decor_mut() = decor;
            }
            _ => drop(table.insert(key, Item::Value(value))),
        }
    }

    /// Sets the server's URL.
    pub fn set_server(&mut self, url: &str) {
        self.set(None, "server", Value::from(url));
    }

    /// Writes comment lines at the top.
    pub fn text_with_heading(&self, comments: &[String]) -> String {
        let heading: String = comments.iter().map(|line| format!("# {line}").trim_end().to_owned() + "\n").collect();
        format!("{heading}\n{}", self.text().trim_start_matches(['\u{feff}', '\n', '\r']))
    }

    fn get_mut(&mut self, path: &ItemPath) -> Option<&mut Item> {
        path.0.iter().try_fold(self.document.as_item_mut(), |item, segment| match segment {
            PathSegment::Key(key) => item.as_table_like_mut()?.get_mut(key),
            PathSegment::Index(index) => item.get_mut(index),
        })
    }

    fn remove(&mut self, path: &ItemPath) {
        let Some((last, parent)) = path.0.split_last() else { return };
        let Some(parent) = self.get_mut(&ItemPath(parent.to_vec())) else { return };
        match (last, parent) {
            (PathSegment::Key(key), Item::Value(Value::InlineTable(table))) => remove_entry(table, key),
            (PathSegment::Key(key), parent) => {
                let table = parent.as_table_like_mut();
                table.and_then(|table| table.remove(key));
            }
            (PathSegment::Index(index), Item::ArrayOfTables(list)) if *index < list.len() => drop(list.remove(*index)),
            (PathSegment::Index(index), Item::Value(Value::Array(list))) if *index < list.len() => {
                remove_element(list, *index);
            }
            _ => return,
        }
        if let Some((section, index)) = path.as_step() {
            self.numbers[section].remove(index);
            self.keep_empty_section(section);
        }
    }

    /// Without its list, `[message]` would imply the steps of a section.
    fn keep_empty_section(&mut self, section: usize) {
        let root = self.document.as_table_mut();
        if self.numbers[section].is_empty() && root.contains_key("message") {
            root.insert(SECTIONS[section], toml_edit::value(Array::new()));
        } else if self.numbers[section].is_empty() {
            root.remove(SECTIONS[section]);
        }
    }
}

/// The table of `[[step]]` for an inline one.
fn to_table(member: &InlineTable) -> Table {
    let mut table = Table::new();
    for (key, value) in member.iter() {
        let mut value = value.clone();
        value.decor_mut().clear();
        table.insert(key, Item::Value(value));
    }
    table.decor_mut().set_prefix("\n");
    table
}

/// Removes an element. The space after the opening and before the closing bracket stays.
fn remove_element(list: &mut Array, index: usize) {
    let is_last = index + 1 == list.len();
    let removed = list.remove(index);
    let prefix = removed.decor().prefix().cloned();
    if let (0, Some(prefix), Some(first)) = (index, prefix, list.get_mut(0)) {
        first.decor_mut().set_prefix(prefix);
    }
    let suffix = removed.decor().suffix().cloned();
    let last = list.len().checked_sub(1).and_then(|last| list.get_mut(last));
    if let (true, Some(suffix), Some(last)) = (is_last, suffix, last) {
        last.decor_mut().set_suffix(suffix);
    }
}

/// Removes an entry. The space before the closing brace stays.
fn remove_entry(table: &mut InlineTable, key: &str) {
    let is_last = table.iter().last().is_some_and(|(last, _)| last == key);
    let suffix = table.remove(key).and_then(|removed| removed.decor().suffix().cloned());
    let last = table.iter_mut().last();
    if let (true, Some(suffix), Some((_, last))) = (is_last, suffix, last) {
        last.decor_mut().set_suffix(suffix);
    }
}

fn list_length(item: &Item) -> Option<usize> {
    match item {
        Item::ArrayOfTables(tables) => Some(tables.len()),
        Item::Value(Value::Array(values)) => Some(values.len()),
        _ => None,
    }
}

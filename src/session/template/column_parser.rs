//! Finds the columns of tables that templates and expressions ask for, as far as their text shows.
//!
//! The engine tells which attributes of a name a template uses, but not those of a loop's variable. This follows rows
//! through `for`, `set`, indices and the filters that keep rows. What it cannot follow it leaves out, so each column that
//! it finds is asked for.

mod bindings;
mod token_reader;

use super::identifiers::KEYWORDS;
use super::lexer::{TemplateKind, TokenKind};
use super::nesting::check_nesting;
use bindings::TemplateBindings;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use token_reader::TokenReader;

/// What a name of the session holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataShape {
    /// A list of rows.
    Table,
    Row,
}

/// The names that hold tables and rows.
pub type DataShapes = HashMap<String, DataShape>;

/// A column that a template asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnUse<P> {
    /// The name that holds the table or the row.
    pub data: String,
    pub column: String,
    /// Bytes of a text, or a place of the session file.
    pub place: P,
}

/// The columns of `data` that a template or an expression asks for. Those that it tests with `default` or `is defined` are
/// left out.
pub fn column_uses(source: &str, kind: TemplateKind, data: &DataShapes) -> Vec<ColumnUse<Range<usize>>> {
    // The parser recurses for each bracket.
    if data.is_empty() || check_nesting(source, kind).is_err() {
        return Vec::new();
    }
    let text = TokenReader::new(source, kind);
    let bindings = TemplateBindings::find(source, &text.tokens);
    let (sets, blocks) = (HashMap::new(), Vec::new());
    let mut parser = ColumnParser { text, data, bindings, sets, blocks, uses: Vec::new(), tested: HashSet::new() };
    parser.parse(kind);
    let ColumnParser { uses, tested, .. } = parser;
    uses.into_iter().filter(|found| !tested.contains(&found.column)).collect()
}

/// The name that holds a table or a row, and which of them a value is.
type Shaped<'s> = Option<(&'s str, DataShape)>;

/// A statement that has an end, and the names that it sets inside.
struct TemplateBlock<'s> {
    is_loop: bool,
    names: Vec<(&'s str, Shaped<'s>)>,
}

/// What is between two brackets.
struct Items<'s> {
    /// Of the only item.
    shape: Shaped<'s>,
    has_colon: bool,
}

struct ColumnParser<'s> {
    text: TokenReader<'s>,
    data: &'s DataShapes,
    bindings: TemplateBindings<'s>,
    /// What `set` gave to names that are set once.
    sets: HashMap<&'s str, Shaped<'s>>,
    blocks: Vec<TemplateBlock<'s>>,
    uses: Vec<ColumnUse<Range<usize>>>,
    /// Columns that the template tests, which it may then ask for.
    tested: HashSet<String>,
}

impl<'s> ColumnParser<'s> {
    fn parse(&mut self, kind: TemplateKind) {
        if kind == TemplateKind::Expression {
            self.items();
        }
        while let Some((kind, _)) = self.text.next() {
            match kind {
                TokenKind::ValueStart => drop(self.items()),
                TokenKind::StatementStart => self.statement(),
                _ => {}
            }
        }
    }

    fn statement(&mut self) {
        // White space control.
        let _ = self.text.take("-") || self.text.take("+");
        let Some(keyword) = self.text.take_word() else { return };
        match keyword {
            "for" => self.begin_loop(),
            "else" => {
                // The loop had no items.
                if let Some(block) = self.blocks.last_mut().filter(|block| block.is_loop) {
                    block.names.iter_mut().for_each(|(_, shape)| *shape = None);
                }
            }
            "set" => self.set(),
            "if" | "with" | "macro" | "call" | "filter" | "block" | "autoescape" => {
                self.blocks.push(TemplateBlock { is_loop: false, names: Vec::new() });
            }
            end if end.starts_with("end") => drop(self.blocks.pop()),
            _ => {}
        }
        self.items();
    }

    fn begin_loop(&mut self) {
        let mut targets = Vec::new();
        while let Some((kind, text)) = self.text.peek(0).filter(|(kind, _)| *kind != TokenKind::TagEnd) {
            self.text.at += 1;
            match (kind, text) {
                (TokenKind::Word, "in") => break,
                (TokenKind::Word, name) => targets.push(name),
                _ => {}
            }
        }
        let list = self.term();
        let ahead = usize::from(matches!(self.text.peek(0), Some((TokenKind::Sign, "-" | "+"))));
        let is_whole = match self.text.peek(ahead) {
            None | Some((TokenKind::TagEnd, _)) => true,
            Some((TokenKind::Word, "if" | "recursive")) => ahead == 0,
            _ => false,
        };
        let item = element(list).filter(|_| is_whole && targets.len() == 1);
        self.blocks
            .push(TemplateBlock { is_loop: true, names: targets.into_iter().map(|name| (name, item)).collect() });
    }

    fn set(&mut self) {
        let mut targets = Vec::new();
        while !self.text.is_at_assignment() {
            match self.text.peek(0) {
                None | Some((TokenKind::TagEnd, _)) => {
                    // The value is what follows, up to `endset`.
                    self.blocks.push(TemplateBlock { is_loop: false, names: Vec::new() });
                    return;
                }
                Some((_, text)) => targets.push(text),
            }
            self.text.at += 1;
        }
        self.text.at += 1;
        let value = self.term();
        if let ([name], Some((TokenKind::TagEnd, _))) = (targets.as_slice(), self.text.peek(0)) {
            self.sets.insert(name, value);
        }
    }

    /// Reads up to the end of a tag or a closing bracket, which is left.
    fn items(&mut self) -> Items<'s> {
        let (mut count, mut items) = (0_usize, Items { shape: None, has_colon: false });
        while let Some((kind, text)) = self.text.peek(0) {
            let shape = match kind {
                TokenKind::TagEnd | TokenKind::ClosingBracket => break,
                TokenKind::Sign => {
                    items.has_colon |= text == ":";
                    self.text.at += 1;
                    None
                }
                _ => self.term(),
            };
            count += 1;
            items.shape = if count == 1 { shape } else { None };
        }
        items
    }

    /// As [`Self::items`], with the closing bracket.
    fn bracketed(&mut self) -> Items<'s> {
        let items = self.items();
        self.text.at += 1;
        items
    }

    /// Reads a value with its attributes, indices, calls, filters and tests; or a keyword.
    fn term(&mut self) -> Shaped<'s> {
        let value = match self.text.next() {
            Some((TokenKind::Word, word)) if KEYWORDS.contains(&word) => return None,
            Some((TokenKind::Word, _)) if self.text.is_at_assignment() => {
                self.text.at += 1;
                return None;
            }
            Some((TokenKind::Word, name)) => self.value_of(name),
            Some((TokenKind::OpeningBracket, bracket)) => self.bracketed().shape.filter(|_| bracket == "("),
            Some((TokenKind::Literal, literal)) => {
                // `"column" in row`.
                let ahead = usize::from(matches!(self.text.peek(0), Some((TokenKind::Word, "not"))));
                if let (Some((TokenKind::Word, "in")), Some(column)) = (self.text.peek(ahead), unquoted(literal)) {
                    self.tested.insert(column.to_owned());
                }
                None
            }
            _ => None,
        };
        self.postfixes(value)
    }

    fn value_of(&self, name: &'s str) -> Shaped<'s> {
        if self.bindings.is_set(name) {
            let is_followed = self.bindings.is_set_once(name) && !self.data.contains_key(name);
            return self.sets.get(name).copied().flatten().filter(|_| is_followed);
        }
        let mut inner = self.blocks.iter().rev().flat_map(|block| &block.names);
        match inner.find(|(known, _)| *known == name) {
            Some((_, shape)) => *shape,
            None => self.data.get(name).map(|shape| (name, *shape)),
        }
    }

    fn postfixes(&mut self, mut value: Shaped<'s>) -> Shaped<'s> {
        // What follows decides whether a column is asked for or tested.
        let mut asked = None;
        while let Some((kind, text)) = self.text.peek(0) {
            match (kind, text) {
                (TokenKind::Sign, ".") => {
                    self.text.at += 1;
                    self.uses.extend(asked.take());
                    match self.text.next() {
                        Some((TokenKind::Word, name)) => {
                            let is_call = matches!(self.text.peek(0), Some((_, "(")));
                            asked = column_use(value.filter(|_| !is_call), name, self.text.last_bytes());
                            value = None;
                        }
                        _ => value = element(value),
                    }
                }
                (TokenKind::OpeningBracket, "[") => {
                    self.text.at += 1;
                    self.uses.extend(asked.take());
                    match (self.text.peek(0), self.text.peek(1)) {
                        (Some((TokenKind::Literal, literal)), Some((TokenKind::ClosingBracket, _))) => {
                            self.text.at += 1;
                            let key = unquoted(literal);
                            asked = key.and_then(|key| column_use(value, key, self.text.last_bytes()));
                            self.text.at += 1;
                            value = None;
                        }
                        _ => {
                            let items = self.bracketed();
                            value = if items.has_colon { value.filter(is_table) } else { element(value) };
                        }
                    }
                }
                (TokenKind::OpeningBracket, "(") => {
                    self.text.at += 1;
                    self.uses.extend(asked.take());
                    self.bracketed();
                    value = None;
                }
                (TokenKind::Sign, "|") => {
                    self.text.at += 1;
                    let filter = self.text.take_word().unwrap_or_default();
                    match asked.take() {
                        Some(found) if matches!(filter, "default" | "d") => drop(self.tested.insert(found.column)),
                        other => self.uses.extend(other),
                    }
                    value = self.filtered(filter, value);
                }
                (TokenKind::Word, "is") => {
                    self.text.at += 1;
                    self.text.take("not");
                    let test = self.text.take_word().unwrap_or_default();
                    match asked.take() {
                        Some(found) if is_existence_test(test) => drop(self.tested.insert(found.column)),
                        other => self.uses.extend(other),
                    }
                    value = None;
                }
                _ => break,
            }
        }
        self.uses.extend(asked);
        value
    }

    /// The result of a filter whose arguments come next.
    fn filtered(&mut self, filter: &str, value: Shaped<'s>) -> Shaped<'s> {
        let start = self.text.at;
        if self.text.take("(") {
            self.bracketed();
        }
        let table = value.filter(is_table);
        if let Some((data, _)) = table {
            self.attributes(filter, data, start..self.text.at);
        }
        match filter {
            "first" | "last" | "min" | "max" | "random" => element(value),
            "list" | "reverse" | "sort" | "unique" | "select" | "reject" | "selectattr" | "rejectattr" => table,
            _ => None,
        }
    }

    /// The columns that a filter's arguments name: `sort(attribute="total")`, `groupby("region")`.
    fn attributes(&mut self, filter: &str, data: &str, arguments: Range<usize>) {
        let tokens = self.text.tokens.get(arguments).unwrap_or_default();
        let text = |at: usize| tokens.get(at).map_or("", |token| &self.text.source[token.bytes.clone()]);
        let named = (0..tokens.len()).find(|at| text(*at) == "attribute" && text(at + 1) == "=").map(|at| at + 2);
        let positional = matches!(filter, "groupby" | "selectattr" | "rejectattr" | "sum").then_some(1);
        let Some(at) = named.or(positional) else { return };
        let literal = tokens.get(at).filter(|token| token.kind == TokenKind::Literal);
        let Some((bytes, list)) = literal.and_then(|token| Some((token.bytes.clone(), unquoted(text(at))?))) else {
            return;
        };
        let is_tested = (0..tokens.len()).any(|at| text(at) == "default" && text(at + 1) == "=")
            || unquoted(text(at + 2)).is_some_and(is_existence_test);
        for path in list.split(',') {
            let column = path.trim().split('.').next().unwrap_or_default();
            if is_tested {
                self.tested.insert(column.to_owned());
            } else if !column.bytes().all(|byte| byte.is_ascii_digit()) {
                self.uses.extend(column_use(Some((data, DataShape::Row)), column, bytes.clone()));
            }
        }
    }
}

fn is_table(value: &(&str, DataShape)) -> bool {
    value.1 == DataShape::Table
}

/// An item of a value.
fn element(value: Shaped<'_>) -> Shaped<'_> {
    value.filter(is_table).map(|(data, _)| (data, DataShape::Row))
}

/// The column of a row.
fn column_use(value: Shaped<'_>, column: &str, place: Range<usize>) -> Option<ColumnUse<Range<usize>>> {
    let (data, _) = value.filter(|(_, shape)| *shape == DataShape::Row)?;
    Some(ColumnUse { data: data.to_owned(), column: column.to_owned(), place })
}

fn is_existence_test(test: &str) -> bool {
    matches!(test, "defined" | "undefined")
}

/// A string literal without its quotes, if it has no escapes.
fn unquoted(literal: &str) -> Option<&str> {
    let inside = ['"', '\''].iter().find_map(|quote| literal.strip_prefix(*quote)?.strip_suffix(*quote))?;
    (!inside.contains('\\')).then_some(inside)
}

#[cfg(test)]
mod tests;

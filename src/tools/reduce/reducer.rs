//! The search for the smallest session: steps, then recipients, arguments and bytes, until nothing more can be removed.

use super::addresses::{KnownAddresses, decode_hex};
use super::atoms::{Pieces, has_expression, octet_pieces, pieces};
use super::minimize::{SearchDepth, Stopped, minimize};
use super::parts;
use super::session_document::{ItemPath, SessionDocument};
use crate::session::{toml_string, toml_text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashSet;
use toml_edit::Value;

/// Steps that need each other, such as those of a mail transaction, are removed together if they are no more than this.
const LONGEST_RUN: usize = 6;

/// A string is cut into no more than about this many pieces at a time: a long one is minimized byte by byte only when it is shorter.
const MOST_PIECES: usize = 128;

/// Decides whether a session still shows the fault.
pub trait FaultCheck {
    /// Whether the fault shows. `numbers` are the original numbers of the session's steps.
    ///
    /// # Errors
    /// [`Stopped`] ends the search.
    fn holds(&mut self, session: &str, numbers: &[usize]) -> Result<bool, Stopped>;

    /// The content of a file that the session sends, if it may be written into the session.
    fn content(&mut self, _file: &str) -> Option<Vec<u8>> {
        None
    }
}

/// Reduces a session.
pub struct Reducer<'c> {
    check: &'c mut dyn FaultCheck,
    best: SessionDocument,
    addresses: KnownAddresses,
    /// Sessions for which the check does not hold.
    refuted: HashSet<String>,
}

impl<'c> Reducer<'c> {
    /// `session` shows the fault.
    pub fn new(session: SessionDocument, check: &'c mut dyn FaultCheck) -> Self {
        let addresses = KnownAddresses::of(&session);
        Self { check, best: session, addresses, refuted: HashSet::new() }
    }

    /// Removes what it can. The smallest session found so far is in [`Self::best`] even if it was stopped.
    ///
    /// # Errors
    /// [`Stopped`] if the check was.
    pub fn reduce(&mut self) -> Result<(), Stopped> {
        self.reduce_steps()?;
        loop {
            self.unwrap_groups()?;
            let before = self.best.text();
            self.reduce_recipients()?;
            self.reduce_arguments()?;
            self.reduce_bytes()?;
            if self.best.text() == before {
                return Ok(());
            }
            // A step may have been needed only by what is gone.
            let before = self.best.step_numbers();
            self.reduce_steps()?;
            if self.best.step_numbers() == before {
                // What is gone may have been the only use of a name.
                return self.remove_items(parts::definitions(&self.best), SearchDepth::SINGLE);
            }
        }
    }

    /// The smallest session so far.
    pub fn best(&self) -> &SessionDocument {
        &self.best
    }

    fn reduce_steps(&mut self) -> Result<(), Stopped> {
        let depth = SearchDepth { finest: 1, longest_run: LONGEST_RUN };
        self.remove_items(parts::steps(&self.best), depth)?;
        let mut group = 0;
        while let Some(members) = parts::group_members(&self.best).into_iter().nth(group) {
            self.remove_items(members, depth)?;
            group += 1;
        }
        Ok(())
    }

    /// Writes the steps of groups without the group.
    fn unwrap_groups(&mut self) -> Result<(), Stopped> {
        let mut index = 0;
        while let Some(step) = parts::steps(&self.best).into_iter().nth(index) {
            let unwrapped = self.best.unwrapped(&step);
            if !unwrapped.map_or(Ok(false), |session| self.adopt(session))? {
                index += 1;
            }
        }
        Ok(())
    }

    fn reduce_recipients(&mut self) -> Result<(), Stopped> {
        for index in 0..parts::recipient_lists(&self.best).len() {
            if let Some(list) = parts::recipient_lists(&self.best).into_iter().nth(index) {
                self.remove_items(list, SearchDepth::SINGLE)?;
            }
        }
        for path in parts::recipient_strings(&self.best) {
            self.cut_string(&path, Pieces::ListEntries, 1)?;
        }
        Ok(())
    }

    fn reduce_arguments(&mut self) -> Result<(), Stopped> {
        self.remove_items(parts::arguments(&self.best), SearchDepth::SINGLE)?;
        for path in parts::repetitions(&self.best) {
            self.lower_number(&path)?;
        }
        for path in parts::command_lines(&self.best) {
            self.cut_string(&path, Pieces::Words, 1)?;
        }
        Ok(())
    }

    /// Writes the content of files into the session, so that it can be reduced.
    fn inline_files(&mut self) -> Result<(), Stopped> {
        for path in parts::content_files(&self.best) {
            let file = self.best.string(&path.key("file")).filter(|file| !has_expression(file)).map(str::to_owned);
            let Some(content) = file.and_then(|file| self.check.content(&file)) else { continue };
            let is_body = path.last_key() == Some("body");
            self.addresses.add_text(&content.iter().map(|octet| char::from(*octet)).collect::<String>());
            self.addresses.add_text(&String::from_utf8_lossy(&content));
            let written = match String::from_utf8(content) {
                Ok(text) if has_expression(&text) => continue,
                Ok(text) if is_body => toml_text(&text.replace("\r\n", "\n")),
                Ok(text) => toml_string(&text),
                Err(_) if is_body => continue,
                Err(error) => format!("{{ hex = \"{}\" }}", encode_hex(error.as_bytes())),
            };
            let session = written.parse::<Value>().ok().and_then(|value| self.best.with_value(&path, value));
            session.map_or(Ok(false), |session| self.adopt(session))?;
        }
        Ok(())
    }

    fn reduce_bytes(&mut self) -> Result<(), Stopped> {
        self.inline_files()?;
        for index in 0..parts::raw_lists(&self.best).len() {
            if let Some(list) = parts::raw_lists(&self.best).into_iter().nth(index) {
                self.remove_items(list, SearchDepth::SINGLE)?;
            }
        }
        for path in parts::sent_strings(&self.best) {
            match path.last_key() {
                Some("hex") => self.cut_finer(&path, |own, path| own.cut_octets(path, decode_hex, encode_hex))?,
                Some("base64") => self.cut_finer(&path, |own, path| {
                    own.cut_octets(path, |text| STANDARD.decode(text).ok(), |octets| STANDARD.encode(octets))
                })?,
                _ => {
                    self.cut_string(&path, Pieces::Lines, 1)?;
                    self.cut_finer(&path, |own, path| {
                        let count = own.best.string(path).map_or(0, |text| pieces(text, Pieces::Characters).len());
                        let finest = count / MOST_PIECES;
                        own.cut_string(path, Pieces::Characters, finest)?;
                        Ok(finest)
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Cuts the string at `path` again as long as it becomes shorter: the pieces of a shorter one are smaller. `cut` gives how many
    /// bytes or characters its smallest piece had.
    fn cut_finer(
        &mut self,
        path: &ItemPath,
        cut: fn(&mut Self, &ItemPath) -> Result<usize, Stopped>,
    ) -> Result<(), Stopped> {
        let length = |own: &Self| own.best.string(path).map_or(0, str::len);
        let mut before = length(self);
        while cut(self, path)? > 1 && length(self) < before {
            before = length(self);
        }
        Ok(())
    }

    /// Removes as many of these items as it can.
    fn remove_items(&mut self, items: Vec<ItemPath>, depth: SearchDepth) -> Result<(), Stopped> {
        let base = self.best.clone();
        let greeting = parts::greeting(&base);
        let items: Vec<ItemPath> = items.into_iter().filter(|item| Some(item) != greeting.as_ref()).collect();
        minimize(items.len(), depth, &mut |kept| {
            let gone = (0..items.len()).filter(|index| kept.binary_search(index).is_err());
            self.adopt(base.without(gone.map(|index| &items[index])))
        })
        .map(drop)
    }

    /// Removes pieces of the string at `path`.
    fn cut_string(&mut self, path: &ItemPath, kind: Pieces, finest: usize) -> Result<(), Stopped> {
        let base = self.best.clone();
        let Some(text) = base.string(path) else { return Ok(()) };
        let all = pieces(text, kind);
        let depth = SearchDepth { finest, longest_run: 1 };
        minimize(all.len(), depth, &mut |kept| {
            let shorter: String = kept.iter().map(|index| all[*index]).collect();
            let shorter = if kind == Pieces::ListEntries { shorter.trim().trim_end_matches(',') } else { &shorter };
            self.replace(&base, path, shorter)
        })
        .map(drop)
    }

    /// Removes octets of an encoded value at `path`. Gives how many the smallest piece had.
    fn cut_octets(
        &mut self,
        path: &ItemPath,
        decode: fn(&str) -> Option<Vec<u8>>,
        encode: fn(&[u8]) -> String,
    ) -> Result<usize, Stopped> {
        let base = self.best.clone();
        let Some(octets) = base.string(path).and_then(decode) else { return Ok(0) };
        let all = octet_pieces(&octets);
        let finest = all.len() / MOST_PIECES;
        let depth = SearchDepth { finest, longest_run: 1 };
        minimize(all.len(), depth, &mut |kept| {
            let shorter: Vec<u8> = kept.iter().flat_map(|index| &all[*index]).copied().collect();
            self.replace(&base, path, &encode(&shorter))
        })?;
        Ok(finest)
    }

    /// Finds a smaller number at `path`.
    fn lower_number(&mut self, path: &ItemPath) -> Result<(), Stopped> {
        let base = self.best.clone();
        let Some(number) = base.get(path).and_then(toml_edit::Item::as_integer) else { return Ok(()) };
        let (mut too_low, mut enough) = (1, number);
        while enough - too_low > 1 {
            let middle = too_low + (enough - too_low) / 2;
            let holds = base.with_value(path, Value::from(middle)).map_or(Ok(false), |session| self.adopt(session))?;
            if holds {
                enough = middle;
            } else {
                too_low = middle;
            }
        }
        Ok(())
    }

    fn replace(&mut self, base: &SessionDocument, path: &ItemPath, text: &str) -> Result<bool, Stopped> {
        let is_long = base.string(path).is_some_and(|old| old.contains('\n')) && !text.contains('\r');
        let written = if is_long { toml_text(text) } else { toml_string(text) };
        match written.parse::<Value>().ok().and_then(|value| base.with_value(path, value)) {
            Some(session) => self.adopt(session),
            None => Ok(false),
        }
    }

    /// Takes the session as the smallest one if it shows the fault. One that names an address that the whole session does not is
    /// never run.
    fn adopt(&mut self, session: SessionDocument) -> Result<bool, Stopped> {
        let text = session.text();
        if self.refuted.contains(&text) {
            return Ok(false);
        }
        let is_best = text == self.best.text();
        let holds = is_best || self.addresses.allow(&session) && self.check.holds(&text, &session.step_numbers())?;
        if holds {
            self.best = session;
        } else {
            self.refuted.insert(text);
        }
        Ok(holds)
    }
}

fn encode_hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

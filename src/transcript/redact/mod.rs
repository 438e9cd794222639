//! Finds secrets in what is about to be shown, in every form in which they travel.
//!
//! Each secret is looked for as it is and as base64 at each of the three alignments ([`forms`]), in the text as it
//! is and with other encodings undone ([`views`]). All matches count, overlapping ones too, and are merged, so that a
//! secret inside another leaks nothing of it.

mod folded;
mod forms;
#[cfg(test)]
mod tests;
mod views;

use super::Shown;
use super::escape::SECRET;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use forms::Form;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

/// Text that must not be shown: its `Debug` is `[secret]` in every build, and it has no `Display`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the wire.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SECRET)
    }
}

/// Knows the run's secrets and finds them: plain, base64 (alone and inside something longer), URL-encoded, and the
/// SASL responses made of them.
#[derive(Clone, Default)]
pub struct Redactor {
    off: bool,
    forms: Vec<Form>,
    /// Whether a secret has a space in it.
    spaces: bool,
    /// Made of `forms` when it is first needed.
    automaton: OnceLock<Option<AhoCorasick>>,
}

impl Redactor {
    /// A secret shorter than this many characters is hidden only where it is sent.
    pub const SHORT: usize = 4;

    /// Finds nothing: `--show-secrets`.
    pub fn off() -> Self {
        Self { off: true, ..Self::default() }
    }

    /// Whether it was made by [`Redactor::off`].
    pub fn is_off(&self) -> bool {
        self.off
    }

    /// Learns a secret in all its forms, and each of its lines. Gives false where it is too short to be looked for
    /// everywhere. An empty secret is none: nothing is to be hidden of it.
    pub fn add(&mut self, secret: &str) -> bool {
        if secret.is_empty() || self.off {
            return true;
        }
        if secret.chars().count() < Self::SHORT {
            return false;
        }
        self.spaces |= secret.contains(' ');
        let mut forms = forms::of_secret(secret.as_bytes());
        for line in secret.split(['\r', '\n']).filter(|line| line.len() < secret.len()) {
            // Wire lines are cut before they are looked at, so the secret's lines come one by one.
            if line.chars().count() >= Self::SHORT {
                forms.extend(forms::of_secret(line.as_bytes()));
            }
        }
        self.learn(forms);
        true
    }

    /// Learns a SASL response, given before base64, which is made of a secret.
    pub fn add_response(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() && !self.off {
            self.learn(forms::of_response(bytes));
        }
    }

    fn learn(&mut self, forms: Vec<Form>) {
        for form in forms {
            if !self.forms.contains(&form) {
                self.forms.push(form);
                self.automaton = OnceLock::new();
            }
        }
    }

    /// The ranges of `bytes` that are secret, ascending and apart.
    pub fn find(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        self.search(bytes, &mut found);
        merge(found)
    }

    /// As [`Redactor::find`] for a line that is sent and was made with these secrets: short ones count too.
    pub fn find_sent(&self, bytes: &[u8], used: &[&str]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        self.search(bytes, &mut found);
        if !self.off {
            for secret in used.iter().filter(|s| !s.is_empty() && s.chars().count() < Self::SHORT) {
                forms::find_short(bytes, secret.as_bytes(), &mut found);
                views::each(bytes, secret.contains(' '), |view| {
                    let mut within = Vec::new();
                    forms::find_short(&view.bytes, secret.as_bytes(), &mut within);
                    found.extend(within.into_iter().map(|range| view.outside(range)));
                });
            }
        }
        merge(found)
    }

    /// Text for remarks, errors and reports: secrets hidden, then escaped.
    pub fn shown(&self, text: impl AsRef<[u8]>) -> Shown {
        Shown::new(self.visible(text.as_ref()))
    }

    /// As [`Redactor::shown`] for text of several lines, such as a reply's: ` / ` stands between them.
    pub fn shown_lines(&self, text: impl AsRef<[u8]>) -> Shown {
        let visible = self.visible(text.as_ref());
        let lines: Vec<&[u8]> = visible.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l)).collect();
        Shown::new(lines.join(&b" / "[..]))
    }

    fn visible<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let hidden = self.find(text);
        if hidden.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut visible = Vec::with_capacity(text.len());
        let mut from = 0;
        for range in hidden {
            visible.extend_from_slice(&text[from..range.start]);
            visible.extend_from_slice(SECRET.as_bytes());
            from = range.end;
        }
        visible.extend_from_slice(&text[from..]);
        Cow::Owned(visible)
    }

    fn search(&self, bytes: &[u8], found: &mut Vec<Range<usize>>) {
        let Some(automaton) = self.automaton() else { return };
        self.search_in(automaton, bytes, found);
        if folded::is_candidate(bytes) && self.forms.iter().any(|form| folded::is_part(bytes, form)) {
            found.push(0..bytes.len());
        }
        views::each(bytes, self.spaces, |view| {
            let mut within = Vec::new();
            self.search_in(automaton, &view.bytes, &mut within);
            found.extend(within.into_iter().map(|range| view.outside(range)));
        });
    }

    fn search_in(&self, automaton: &AhoCorasick, bytes: &[u8], found: &mut Vec<Range<usize>>) {
        for hit in automaton.find_overlapping_iter(bytes) {
            // The automaton's patterns are the forms, in their order.
            let extent = self.forms[hit.pattern().as_usize()].extent;
            found.push(extent.around(bytes, hit.start()..hit.end()));
        }
    }

    fn automaton(&self) -> Option<&AhoCorasick> {
        if self.forms.is_empty() {
            return None;
        }
        let build = || {
            let total: usize = self.forms.iter().map(|form| form.bytes.len()).sum();
            // A table per byte is fastest; for keys and long tokens it would take megabytes.
            let kind = if total < 4096 { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
            let patterns = self.forms.iter().map(|form| &form.bytes);
            AhoCorasick::builder().match_kind(MatchKind::Standard).kind(Some(kind)).build(patterns).ok()
        };
        self.automaton.get_or_init(build).as_ref()
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("off", &self.off).field("forms", &self.forms.len()).finish()
    }
}

/// Ranges that overlap or touch become one.
fn merge(mut found: Vec<Range<usize>>) -> Vec<Range<usize>> {
    found.retain(|range| !range.is_empty());
    found.sort_unstable_by_key(|range| range.start);
    found.dedup_by(|next, kept| {
        let touches = next.start <= kept.end;
        if touches {
            kept.end = kept.end.max(next.end);
        }
        touches
    });
    found
}

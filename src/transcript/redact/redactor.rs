//! Knows the secrets of a run and searches text for them.

use super::forms::{self, Extent, Form};
use super::joins;
use super::matches::{Matches, merge};
use super::views::{self, View};
use crate::transcript::SafeText;
use crate::transcript::escape::SECRET;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

/// Knows the run's secrets and finds them: plain, base64 (alone and inside something longer), URL-encoded, and the
/// SASL responses made of them.
#[derive(Clone, Default)]
pub struct Redactor {
    off: bool,
    pub(super) forms: Vec<Form>,
    /// Whether a secret has a space in it.
    pub(super) spaces: bool,
    /// Made of `forms` when it is first needed.
    automaton: OnceLock<Option<AhoCorasick>>,
}

impl Redactor {
    /// A secret shorter than this many characters is hidden only where it is sent.
    pub const SHORT: usize = forms::SHORT;

    /// Finds nothing: `--show-secrets`.
    pub fn off() -> Self {
        Self { off: true, ..Self::default() }
    }

    /// Whether it was made by [`Redactor::off`].
    pub fn is_off(&self) -> bool {
        self.off
    }

    /// Whether it knows nothing that is to be hidden everywhere.
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
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
        for spelling in forms::spellings(secret).iter().filter(|spelling| spelling.chars().count() >= Self::SHORT) {
            self.learn(forms::forms_of_secret(spelling.as_bytes()));
        }
        true
    }

    /// Learns a SASL response, given before base64, which is made of a secret.
    pub fn add_response(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() && !self.off {
            self.learn(forms::forms_of_response(bytes));
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

    /// The ranges of `bytes` that are secret, ascending and apart. They may be several lines.
    pub fn find(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        self.find_sent(bytes, &[])
    }

    /// As [`Redactor::find`] for what is sent and was made with these secrets: short ones count too.
    pub fn find_sent(&self, bytes: &[u8], used: &[&str]) -> Vec<Range<usize>> {
        let mut found = Matches::default();
        self.search(bytes, used, &mut found);
        merge(found.ranges)
    }

    /// Text for remarks, errors and reports: secrets hidden, then escaped.
    pub fn redact(&self, text: impl AsRef<[u8]>) -> SafeText {
        let text = text.as_ref();
        SafeText::new(replace_ranges(text, self.find(text)))
    }

    /// As [`Redactor::redact`] for text of several lines, such as a reply's: ` / ` stands between them.
    pub fn redact_lines(&self, text: impl AsRef<[u8]>) -> SafeText {
        let text = text.as_ref();
        let visible = replace_ranges(text, self.find_in_reply(text));
        let lines: Vec<&[u8]> = visible.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l)).collect();
        SafeText::new(lines.join(&b" / "[..]))
    }

    /// As [`Redactor::redact`] for a value of an expression, `most` characters of it at most. `reply` is what the server said last:
    /// a secret may be cut over its lines, and the value may hold them apart.
    pub fn redact_value(&self, value: &str, reply: &str, most: usize) -> SafeText {
        let (mut value, mut start) = (value.to_owned(), 0);
        let hidden = self.find_in_reply(reply.as_bytes());
        for line in reply.split('\n').filter(|_| !hidden.is_empty()) {
            let end = start + line.len();
            let here = hidden.iter().filter(|range| range.start < end && range.end > start);
            let here: Vec<_> = here.map(|range| range.start.max(start) - start..range.end.min(end) - start).collect();
            // Two bytes tell next to nothing, and would be found everywhere.
            if !here.is_empty() && line.len() > 2 {
                value = value.replace(line, &String::from_utf8_lossy(&replace_ranges(line.as_bytes(), here)));
            }
            start = end + 1;
        }
        let shown = SafeText::new(replace_ranges(value.as_bytes(), self.find_in_reply(value.as_bytes())));
        match shown.as_str().char_indices().nth(most) {
            Some((end, _)) => SafeText::new(format!("{}…", &shown.as_str()[..end])),
            None => shown,
        }
    }

    /// Whether there is nothing to look for: then nothing is looked at.
    pub(super) fn is_idle(&self, used: &[&str]) -> bool {
        self.forms.is_empty() && (self.off || used.iter().all(|secret| !is_short(secret)))
    }

    pub(super) fn search(&self, text: &[u8], used: &[&str], found: &mut Matches) {
        if self.is_idle(used) {
            return;
        }
        let spaces = self.has_spaces(used);
        self.search_characters(text, false, used, found);
        joins::for_each_joined(text, spaces, |view| self.search_views(&[view], used, found));
    }

    /// Looks through a view, of a view perhaps; the last one is of the text itself.
    pub(super) fn search_views(&self, views: &[&View], used: &[&str], found: &mut Matches) {
        let Some(view) = views.first() else { return };
        let mut within = Matches::default();
        self.search_characters(&view.bytes, view.whole, used, &mut within);
        found.merge_from(within, views);
    }

    /// Looks through lines as they are, and with what encodes characters undone.
    fn search_characters(&self, bytes: &[u8], whole: bool, used: &[&str], found: &mut Matches) {
        self.search_in(bytes, whole, used, found);
        if !whole {
            views::for_each_decoded(bytes, self.has_spaces(used), |view| {
                let mut within = Matches::default();
                self.search_in(&view.bytes, false, used, &mut within);
                found.merge_from(within, &[&view]);
            });
        }
    }

    fn search_in(&self, bytes: &[u8], whole: bool, used: &[&str], found: &mut Matches) {
        for hit in self.automaton().into_iter().flat_map(|automaton| automaton.find_overlapping_iter(bytes)) {
            // The automaton's patterns are the forms, in their order.
            let (form, hit) = (&self.forms[hit.pattern().as_usize()], hit.start()..hit.end());
            let range = if whole { form.hidden_in_view(bytes, hit) } else { form.extent.hidden_range(bytes, hit) };
            found.open_ended |=
                range.end == bytes.len() && form.is_truncated && (whole || form.extent == Extent::ToEnd);
            found.ranges.push(range);
        }
        if !self.off {
            for secret in used.iter().filter(|secret| is_short(secret)) {
                forms::find_short(bytes, secret.as_bytes(), &mut found.ranges);
            }
        }
    }

    fn has_spaces(&self, used: &[&str]) -> bool {
        self.spaces || used.iter().any(|secret| secret.contains(' '))
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

fn is_short(secret: &str) -> bool {
    !secret.is_empty() && secret.chars().count() < Redactor::SHORT
}

/// The text with what is hidden shown so.
pub(super) fn replace_ranges(text: &[u8], hidden: Vec<Range<usize>>) -> Cow<'_, [u8]> {
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

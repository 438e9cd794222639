//! Searches text for the secrets of a run.

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
use std::sync::{Arc, OnceLock};

/// The secrets of a run. It finds them in plain text, base64 (alone and inside something longer), URL-encoded and so on, and the
/// SASL responses that were made with them.
#[derive(Clone, Default)]
pub struct Redactor {
    off: bool,
    /// Shared by all copies, until one learns a secret.
    pub(super) forms: Arc<Vec<Form>>,
    /// Whether a secret contains a space.
    pub(super) spaces: bool,
    /// Built from `forms` when it is first needed.
    automaton: OnceLock<Option<AhoCorasick>>,
}

impl Redactor {
    /// A secret with fewer characters is hidden only in the lines that send it.
    pub const SHORT: usize = forms::SHORT;

    /// A redactor that finds nothing, for `--show-secrets`.
    pub fn off() -> Self {
        Self { off: true, ..Self::default() }
    }

    /// Whether it has no secrets that are hidden everywhere.
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Adds a secret in all its forms, and each of its lines. Returns false if it is too short to be hidden everywhere. An empty secret
    /// is ignored.
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

    /// Adds a SASL response that was made with a secret; `bytes` are not in base64.
    pub fn add_response(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() && !self.off {
            self.learn(forms::forms_of_response(bytes));
        }
    }

    fn learn(&mut self, forms: Vec<Form>) {
        for form in forms {
            if !self.forms.contains(&form) {
                Arc::make_mut(&mut self.forms).push(form);
                self.automaton = OnceLock::new();
            }
        }
    }

    /// Returns the ranges of `bytes` that are secret, sorted and without overlaps. `bytes` may be several lines.
    pub fn find(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        self.find_sent(bytes, &[])
    }

    /// Like [`Redactor::find`] for a line that was made with the secrets `used`: short ones count, too.
    pub fn find_sent(&self, bytes: &[u8], used: &[&str]) -> Vec<Range<usize>> {
        let mut found = Matches::default();
        self.search(bytes, used, &mut found);
        merge(found.ranges)
    }

    /// Hides secrets and escapes the rest, for remarks, errors and reports.
    pub fn redact(&self, text: impl AsRef<[u8]>) -> SafeText {
        let text = text.as_ref();
        SafeText::new(replace_ranges(text, self.find(text)))
    }

    /// Like [`Redactor::redact`] for several lines, such as those of a reply, which are joined with ` / `.
    pub fn redact_lines(&self, text: impl AsRef<[u8]>) -> SafeText {
        let text = text.as_ref();
        let visible = replace_ranges(text, self.find_in_reply(text));
        let lines: Vec<&[u8]> = visible.split(|b| *b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l)).collect();
        SafeText::new(lines.join(&b" / "[..]))
    }

    /// Like [`Redactor::redact`] for the value of an expression, cut after `most` characters. `reply` is the last reply: a secret may
    /// be split over its lines, and the value may contain only one of them.
    pub fn redact_value(&self, value: &str, reply: &str, most: usize) -> SafeText {
        let (mut value, mut start) = (value.to_owned(), 0);
        let hidden = self.find_in_reply(reply.as_bytes());
        for line in reply.split('\n').filter(|_| !hidden.is_empty()) {
            let end = start + line.len();
            let here = hidden.iter().filter(|range| range.start < end && range.end > start);
            let here: Vec<_> = here.map(|range| range.start.max(start) - start..range.end.min(end) - start).collect();
            // Two bytes reveal next to nothing, and would match everywhere.
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

    /// Whether there is nothing to search for.
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

    /// Searches a view. With several views, each is a view of the next one, and the last one is a view of the text.
    pub(super) fn search_views(&self, views: &[&View], used: &[&str], found: &mut Matches) {
        let Some(view) = views.first() else { return };
        let mut within = Matches::default();
        self.search_characters(&view.bytes, view.whole, used, &mut within);
        found.merge_from(within, views);
    }

    /// Searches lines as they are, and with encoded characters decoded.
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
            // The patterns of the automaton are the forms, in the same order.
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
            // A DFA is fastest, but for keys and long tokens it takes megabytes.
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

/// Replaces hidden ranges with `[secret]`.
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

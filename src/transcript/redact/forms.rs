//! The forms in which a secret is searched for.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use memchr::memchr;
use std::ops::Range;

/// A secret with fewer characters is hidden only in the lines that send it.
pub(super) const SHORT: usize = 4;
/// The longest form, in bytes. Of a longer one the beginning is searched for, and everything after it is hidden. This keeps the
/// automaton small.
const LONGEST: usize = 16 * 1024;

/// A text to search for, and what a match hides.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Form {
    pub bytes: Vec<u8>,
    pub extent: Extent,
    /// Whether it is only the beginning of the secret.
    pub is_truncated: bool,
}

impl Form {
    /// What a match hides in a view that hides whole pieces: the match, a character on each side that may share bits with it, and
    /// everything after a beginning.
    pub fn hidden_in_view(&self, bytes: &[u8], hit: Range<usize>) -> Range<usize> {
        match self.extent {
            Extent::Run if self.is_truncated => Extent::ToEnd.hidden_range(bytes, hit),
            Extent::Run => hit.start.saturating_sub(1)..(hit.end + 1).min(bytes.len()),
            extent => extent.hidden_range(bytes, hit),
        }
    }
}

/// What a match hides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Exact,
    /// The whole run of base64 around it: the secret is a part of what was encoded, and the characters next to the match contain
    /// bits of it.
    Run,
    /// Everything up to the end of the line.
    ToEnd,
}

impl Extent {
    pub fn hidden_range(self, bytes: &[u8], hit: Range<usize>) -> Range<usize> {
        match self {
            Self::Exact => hit,
            Self::ToEnd => hit.start..memchr(b'\n', &bytes[hit.end..]).map_or(bytes.len(), |end| hit.end + end),
            Self::Run => {
                let before = bytes[..hit.start].iter().rev().take_while(|b| in_base64(**b)).count();
                let after = bytes[hit.end..].iter().take_while(|b| in_base64(**b)).count();
                let padding = bytes[hit.end + after..].iter().take(2).take_while(|b| **b == b'=').count();
                hit.start - before..hit.end + after + padding
            }
        }
    }
}

/// Without `-` of the URL-safe alphabet, so that a run ends at the `250-` of a reply.
fn in_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

/// A secret as it is, and inside base64.
pub(super) fn forms_of_secret(secret: &[u8]) -> Vec<Form> {
    let mut forms = vec![exact(secret.to_vec())];
    let is_truncated = secret.len() > LONGEST;
    let secret = &secret[..secret.len().min(LONGEST)];
    for offset in 0..3 {
        for alphabet in [&STANDARD, &URL_SAFE] {
            // Which characters depend only on the secret is a matter of its position in a group of three bytes.
            let mut padded = vec![0; offset];
            padded.extend_from_slice(secret);
            let encoded = alphabet.encode(&padded);
            let inner = &encoded[(offset * 8).div_ceil(6)..padded.len() * 8 / 6];
            forms.push(Form { bytes: inner.as_bytes().to_vec(), extent: Extent::Run, is_truncated });
        }
    }
    forms
}

/// A SASL response in base64, as it is sent, and decoded if it is long enough to be distinguished from other text.
pub(super) fn forms_of_response(response: &[u8]) -> Vec<Form> {
    let encoded = STANDARD.encode(response);
    let bare = encoded.trim_end_matches('=').len();
    let mut forms = vec![exact(encoded.as_bytes().to_vec())];
    if response.len() >= SHORT {
        forms.push(exact(encoded.as_bytes()[..bare].to_vec()));
        forms.push(exact(response.to_vec()));
    }
    forms
}

fn exact(mut bytes: Vec<u8>) -> Form {
    let is_truncated = bytes.len() > LONGEST;
    let extent = if is_truncated { Extent::ToEnd } else { Extent::Exact };
    bytes.truncate(LONGEST);
    Form { bytes, extent, is_truncated }
}

/// How a secret may be written before it is encoded: as it is, with CRLF, each of its lines, since lines are searched one by one,
/// and all of these escaped for HTML.
pub(super) fn spellings(secret: &str) -> Vec<String> {
    let mut all = vec![secret.to_owned()];
    if secret.contains(['\r', '\n']) {
        let lines: Vec<&str> = secret.lines().map(|line| line.trim_end_matches('\r')).collect();
        all.push(lines.join("\r\n"));
        all.extend(secret.split(['\r', '\n']).map(str::to_owned));
    }
    let escaped: Vec<_> = all.iter().filter(|text| text.contains(HTML)).map(|text| html(text)).collect();
    all.extend(escaped);
    all
}

/// The characters that templates escape in HTML. A test of the templates holds both to the same escapes: this room imports none of them.
const HTML: [char; 5] = ['<', '>', '&', '"', '\''];

fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Finds a short secret as it is, and as base64 of nothing else.
pub(super) fn find_short(bytes: &[u8], secret: &[u8], found: &mut Vec<Range<usize>>) {
    let encoded = STANDARD.encode(secret);
    occurrences(bytes, secret).for_each(|range| found.push(range));
    for range in occurrences(bytes, encoded.as_bytes()) {
        if Extent::Run.hidden_range(bytes, range.clone()) == range {
            found.push(range);
        }
    }
}

fn occurrences<'a>(bytes: &'a [u8], wanted: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
    let starts = bytes.windows(wanted.len()).enumerate().filter(move |(_, window)| *window == wanted);
    starts.map(|(start, window)| start..start + window.len())
}

//! Internationalised domains (RFC 5890, UTS #46) and what is not allowed in local parts.
//!
//! UTS #46 is applied strictly: non-transitional processing, `UseSTD3ASCIIRules`, `CheckHyphens`, `CheckBidi`,
//! `CheckJoiners` and `VerifyDnsLength`. Code points that UTS #46 removes without a word are errors here: what is sent
//! is what was read.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use std::fmt;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

const UTS46: Uts46 = Uts46::new();
/// What no domain of 253 octets in A-labels comes near in UTF-8. Punycode takes quadratic time.
const MAX_INPUT: usize = 4096;
/// RFC 1035 §2.3.4.
const MAX_LABEL: usize = 63;
const MAX_DOMAIN: usize = 253;
const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// Why a domain is invalid. `at` is the byte offset of the code point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DomainError {
    /// A code point that no domain has.
    Disallowed {
        character: char,
        at: usize,
    },
    /// A code point that UTS #46 would remove.
    Removed {
        character: char,
        at: usize,
    },
    /// U+200C or U+200D outside of the contexts of RFC 5892 Appendix A.
    Joiner {
        character: char,
        at: usize,
    },
    /// A code point that the Bidi Rule (RFC 5893 §2) does not allow there.
    Bidi {
        character: char,
        at: usize,
    },
    /// A label begins with a combining mark.
    LeadingMark {
        character: char,
        at: usize,
    },
    /// A label begins or ends with a hyphen, or has two as its third and fourth character.
    Hyphen {
        at: usize,
    },
    /// A label that begins with `xn--` is not valid Punycode, or not the A-label of what it decodes to.
    InvalidALabel {
        label: String,
        at: usize,
    },
    EmptyLabel {
        at: usize,
    },
    LabelTooLong {
        label: String,
        octets: usize,
        at: usize,
    },
    TooLong {
        octets: usize,
    },
}

impl DomainError {
    /// The byte offset of what is wrong.
    pub fn at(&self) -> usize {
        match self {
            Self::Disallowed { at, .. }
            | Self::Removed { at, .. }
            | Self::Joiner { at, .. }
            | Self::Bidi { at, .. }
            | Self::LeadingMark { at, .. }
            | Self::Hyphen { at }
            | Self::InvalidALabel { at, .. }
            | Self::EmptyLabel { at }
            | Self::LabelTooLong { at, .. } => *at,
            Self::TooLong { .. } => 0,
        }
    }
}

/// `U+00AD`, as the Unicode Standard writes code points.
pub fn code_point(character: char) -> String {
    format!("U+{:04X}", u32::from(character))
}

impl fmt::Display for DomainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disallowed { character, .. } => write!(f, "a domain cannot contain {}", code_point(*character)),
            Self::Removed { character, .. } => {
                write!(f, "a domain cannot contain {}, which is invisible", code_point(*character))
            }
            Self::Joiner { character, .. } => {
                write!(f, "{} is not allowed at this place of a domain", code_point(*character))
            }
            Self::Bidi { character, .. } => write!(
                f,
                "{} is not allowed here: the domain mixes writing directions (RFC 5893 §2)",
                code_point(*character)
            ),
            Self::LeadingMark { character, .. } => {
                write!(f, "a label of a domain cannot begin with the combining mark {}", code_point(*character))
            }
            Self::Hyphen { .. } => f.write_str(
                "a label of an internationalised domain cannot begin or end with U+002D (-), or have it as third and \
                 fourth character",
            ),
            Self::InvalidALabel { label, .. } => write!(f, "\"{label}\" is not a valid A-label"),
            Self::EmptyLabel { .. } => {
                f.write_str("a label of the domain is empty: U+002E (.) follows another dot or ends it")
            }
            Self::LabelTooLong { label, octets, .. } => {
                write!(f, "the label \"{label}\" is {octets} octets long as an A-label, and {MAX_LABEL} are allowed")
            }
            Self::TooLong { octets } => {
                write!(f, "the domain is {octets} octets long, and {MAX_DOMAIN} are allowed")
            }
        }
    }
}

impl std::error::Error for DomainError {}

/// The domain as it is sent without SMTPUTF8. One that is ASCII already is returned as it is, in its case and
/// unchecked; address literals are ASCII.
///
/// # Errors
/// If a domain with non-ASCII characters is invalid under UTS #46. The error names the first offending code point.
pub fn to_ascii(domain: &str) -> Result<String, DomainError> {
    if domain.is_ascii() {
        return Ok(domain.to_owned());
    }
    if domain.len() > MAX_INPUT {
        return Err(DomainError::TooLong { octets: domain.len() });
    }
    if let Some((at, character)) = domain.char_indices().find(|(_, character)| is_offending_alone(*character)) {
        return Err(if is_removed(character) {
            DomainError::Removed { character, at }
        } else {
            DomainError::Disallowed { character, at }
        });
    }
    let converted = UTS46.to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Check, DnsLength::Ignore);
    let Ok(ascii) = converted else { return Err(offending_in_context(domain)) };
    let mut at = 0;
    for (label, converted) in labels(domain).zip(ascii.split('.')) {
        if converted.is_empty() {
            return Err(DomainError::EmptyLabel { at });
        }
        if converted.len() > MAX_LABEL {
            return Err(DomainError::LabelTooLong { label: label.to_owned(), octets: converted.len(), at });
        }
        at +=
            label.len() + domain.get(at + label.len()..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    }
    if ascii.len() > MAX_DOMAIN {
        return Err(DomainError::TooLong { octets: ascii.len() });
    }
    Ok(ascii.into_owned())
}

/// What two spellings of a domain have in common: its A-labels in lower case. A domain without A-labels is only put
/// into lower case.
pub fn comparison_key(domain: &str) -> String {
    to_ascii(domain).unwrap_or_else(|_| domain.to_owned()).to_ascii_lowercase()
}

/// The full stops of UTS #46 §2.3.
fn is_dot(character: char) -> bool {
    matches!(character, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}')
}

fn labels(domain: &str) -> impl Iterator<Item = &str> {
    domain.split(is_dot)
}

/// The domain with U+FFFD in place of what is invalid.
fn marked(domain: &str) -> (String, bool) {
    let (text, result) = UTS46.to_unicode(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Check);
    (text.into_owned(), result.is_ok())
}

/// Whether a code point is invalid in every context. The joiners depend on what is around them.
fn is_offending_alone(character: char) -> bool {
    match character {
        ZERO_WIDTH_NON_JOINER | ZERO_WIDTH_JOINER => false,
        ascii if ascii.is_ascii() => !ascii.is_ascii_alphanumeric() && !matches!(ascii, '-' | '.'),
        dot if is_dot(dot) => false,
        // Between letters of either writing direction, so that neither the Bidi Rule nor a leading mark decides.
        other => is_removed(other) || !(marked(&format!("a{other}a")).1 || marked(&format!("\u{627}{other}\u{627}")).1),
    }
}

fn is_removed(character: char) -> bool {
    marked(&format!("a{character}a")) == ("aa".to_owned(), true)
}

/// The first code point that is invalid for what is around it.
fn offending_in_context(domain: &str) -> DomainError {
    let (marked_domain, _) = marked(domain);
    let mut at = 0;
    for (label, marked_label) in labels(domain).zip(marked_domain.split('.')) {
        if let Some(index) = marked_label.chars().position(|character| character == char::REPLACEMENT_CHARACTER) {
            return offending_in_label(label, index, at);
        }
        at +=
            label.len() + domain.get(at + label.len()..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    }
    // ASCII labels are never marked. Only the Bidi Rule refuses one, if it begins with a digit.
    let mut label_begins = true;
    for (at, character) in domain.char_indices() {
        if label_begins && character.is_ascii_digit() {
            return DomainError::Bidi { character, at };
        }
        label_begins = is_dot(character);
    }
    let first = domain.char_indices().find(|(_, character)| !character.is_ascii());
    first.map_or(DomainError::EmptyLabel { at: 0 }, |(at, character)| DomainError::Disallowed { character, at })
}

/// `index` is the place in the mapped label, in code points; `at` is where the label begins.
fn offending_in_label(label: &str, index: usize, at: usize) -> DomainError {
    if label.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("xn--")) {
        return DomainError::InvalidALabel { label: label.to_owned(), at };
    }
    // A code point may map to several: the first one whose mapping reaches the place.
    let reaches = |end: usize| label.get(..end).is_some_and(|prefix| marked(prefix).0.chars().count() > index);
    let found = label.char_indices().find(|(start, character)| reaches(start + character.len_utf8()));
    let (start, character) = found.or_else(|| label.char_indices().last()).unwrap_or((0, '.'));
    let at = at + start;
    match character {
        '-' => DomainError::Hyphen { at },
        ZERO_WIDTH_NON_JOINER | ZERO_WIDTH_JOINER => DomainError::Joiner { character, at },
        mark if start == 0 && mark.general_category_group() == GeneralCategoryGroup::Mark => {
            DomainError::LeadingMark { character, at }
        }
        character => DomainError::Bidi { character, at },
    }
}

/// A format character (category Cf) in a local part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalPartError {
    pub character: char,
    /// Byte offset into the local part.
    pub at: usize,
}

impl fmt::Display for LocalPartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the part before the @ cannot contain {}, which is invisible", code_point(self.character))
    }
}

impl std::error::Error for LocalPartError {}

/// Checks a local part for format characters, which nobody sees: zero-width spaces, direction marks, soft hyphens.
///
/// # Errors
/// If there is one; the first is named.
pub fn check_local_part(local: &str) -> Result<(), LocalPartError> {
    match local.char_indices().find(|(_, character)| character.general_category() == GeneralCategory::Format) {
        Some((at, character)) => Err(LocalPartError { character, at }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;

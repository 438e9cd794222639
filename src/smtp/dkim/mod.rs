//! DKIM signatures (RFC 6376, RFC 8463): relaxed/relaxed canonicalization, rsa-sha256 or ed25519-sha256, no `l=`.
//!
//! A message is read twice. The first pass goes through [`ContentHasher`]; [`DkimSigner::sign`] then makes the field
//! that is sent before the message. The second pass sends it; a [`ContentHasher`] beside it tells whether the content
//! is still the one that was signed, before the final dot is written.

mod body_hash;
mod content_hasher;
mod header;
mod key;
mod signature;
#[cfg(test)]
mod tests;

pub use body_hash::{BodyHash, BodyHasher};
pub use content_hasher::{ContentHasher, HeaderTooLong, SignableContent};
pub use key::{DkimAlgorithm, DkimKey, KeyError, MIN_RSA_BITS, RECOMMENDED_RSA_BITS, SigningFailed};

use crate::smtp::domain::{self, DomainError};
use header::{HeaderField, names_to_sign, parse_fields, write_relaxed, write_signed_fields};
use std::fmt;

/// The keys of `[dkim]`, without the private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DkimSettings {
    /// The tag `d=`, as an A-label.
    domain: String,
    /// The tag `s=`.
    selector: String,
    /// The fields to sign; `None` for the default ones.
    headers: Option<Vec<String>>,
}

/// Which key of `[dkim]` is invalid, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DkimSettingsError {
    Domain(DomainError),
    /// Not a dot-separated list of labels.
    DomainSyntax,
    Selector,
    /// Not the name of a header field.
    HeaderName(String),
    /// RFC 6376 §5.4: From must be signed.
    FromMissing,
}

impl fmt::Display for DkimSettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(error) => write!(f, "\"domain\": {error}"),
            Self::DomainSyntax => f.write_str("\"domain\" must be a domain name: example.com"),
            Self::Selector => f.write_str(
                "\"selector\" must be the label before ._domainkey: letters, digits, hyphens, underscores and dots",
            ),
            Self::HeaderName(name) => {
                write!(f, "\"headers\": \"{}\" is not the name of a header field", name.escape_debug())
            }
            Self::FromMissing => f.write_str("\"headers\" must contain \"From\" (RFC 6376 §5.4)"),
        }
    }
}

impl std::error::Error for DkimSettingsError {}

impl DkimSettings {
    /// Checks the values. A domain with non-ASCII characters becomes its A-label.
    ///
    /// # Errors
    /// If a value cannot stand in a DKIM-Signature field.
    pub fn new(domain: &str, selector: &str, headers: Option<Vec<String>>) -> Result<Self, DkimSettingsError> {
        let domain = domain::to_ascii(domain).map_err(DkimSettingsError::Domain)?;
        if domain.len() > 253 || !domain.split('.').all(|label| is_label(label, false)) {
            return Err(DkimSettingsError::DomainSyntax);
        }
        // RFC 6376 §3.1 allows no underscore; DNS does, and such selectors are in use.
        if selector.len() > 253 || !selector.split('.').all(|label| is_label(label, true)) {
            return Err(DkimSettingsError::Selector);
        }
        if let Some(headers) = &headers {
            // RFC 5322 §3.6.8 allows a semicolon, which would end the tag (RFC 6376 §3.2).
            let is_name = |name: &String| {
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b':' | b';'))
            };
            if let Some(name) = headers.iter().find(|name| !is_name(name)) {
                return Err(DkimSettingsError::HeaderName(name.clone()));
            }
            if !headers.iter().any(|name| name.eq_ignore_ascii_case("From")) {
                return Err(DkimSettingsError::FromMissing);
            }
        }
        Ok(Self { domain, selector: selector.to_owned(), headers })
    }

    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether the signing domain is `domain` or a parent of it, so that the signature can count for an author there
    /// (RFC 7489 §3.1.1). `check` warns if it is not.
    pub fn covers(&self, domain: &str) -> bool {
        let domain = domain::comparison_key(domain);
        let own = self.domain.to_ascii_lowercase();
        domain == own || domain.strip_suffix(&own).is_some_and(|rest| rest.ends_with('.'))
    }
}

/// `Let-dig [Ldh-str]` of RFC 5321 §4.1.2, at most 63 octets (RFC 1035 §2.3.4).
fn is_label(label: &str, with_underscores: bool) -> bool {
    let is_end = |byte: u8| byte.is_ascii_alphanumeric() || (with_underscores && byte == b'_');
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| is_end(byte) || byte == b'-')
        && label.bytes().next().is_some_and(is_end)
        && label.bytes().last().is_some_and(is_end)
}

/// Signs messages.
#[derive(Clone, Debug)]
pub struct DkimSigner {
    settings: DkimSettings,
    key: DkimKey,
}

/// Why a message was not signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignError {
    /// RFC 6376 §5.4: From must be signed, and there is none.
    NoFrom,
    Key(SigningFailed),
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFrom => f.write_str("a message without a From field cannot be signed (RFC 6376 §5.4)"),
            Self::Key(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SignError {}

impl DkimSigner {
    pub fn new(settings: DkimSettings, key: DkimKey) -> Self {
        Self { settings, key }
    }

    pub fn settings(&self) -> &DkimSettings {
        &self.settings
    }

    pub fn key(&self) -> &DkimKey {
        &self.key
    }

    /// The DKIM-Signature field, folded and with its CRLF. It is sent before the first field of the message.
    /// `timestamp` is the tag `t=`, in seconds since 1970.
    ///
    /// # Errors
    /// If there is no From field, and if OpenSSL does not sign.
    pub fn sign(&self, content: &SignableContent, timestamp: u64) -> Result<String, SignError> {
        let fields = parse_fields(&content.header);
        if !fields.iter().any(|field| field.name.eq_ignore_ascii_case(b"From")) {
            return Err(SignError::NoFrom);
        }
        let names = names_to_sign(self.settings.headers.as_deref(), &fields);
        let mut unsigned = signature::UnsignedField::new(&signature::Tags {
            algorithm: self.key.algorithm(),
            domain: &self.settings.domain,
            selector: &self.settings.selector,
            timestamp,
            names: &names,
            body_hash: content.body_hash,
        });
        let data = signed_data(&names, &fields, unsigned.value().as_bytes());
        let signature = self.key.sign(&data).map_err(SignError::Key)?;
        unsigned.append_signature(&signature);
        Ok(unsigned.finish())
    }
}

/// The time of the Date field in seconds since 1970, if it has one.
pub fn date_of(content: &SignableContent) -> Option<i64> {
    let fields = parse_fields(&content.header);
    let date = fields.iter().find(|field| field.name.eq_ignore_ascii_case(b"Date"))?;
    let text = std::str::from_utf8(date.value).ok()?.replace("\r\n", "");
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text.trim());
    parsed.ok().map(|time| time.as_second()).filter(|seconds| *seconds >= 0)
}

/// What the signature covers (RFC 6376 §3.7): the selected fields, then the DKIM-Signature field with an empty `b=`
/// and without a CRLF.
fn signed_data(names: &[String], fields: &[HeaderField<'_>], signature_value: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    write_signed_fields(names, fields, &mut data);
    write_relaxed(b"DKIM-Signature", signature_value, &mut data);
    data
}

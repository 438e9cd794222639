//! The contents of a server's certificate (RFC 5280).

use crate::exec::PeerFacts;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::net::IpAddr;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::{AttributeTypeAndValue, FromDer, GeneralName, X509Certificate, X509Name};

/// A parsed certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    pub facts: PeerFacts,
    /// The subject's common names. They do not identify a server any more (RFC 9525 §2).
    pub common_names: Vec<String>,
    pub names_dns: bool,
    /// Whether it names itself as its issuer.
    pub self_issued: bool,
}

impl PeerCertificate {
    /// `None` if `der` is not a certificate.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let mut sans = Vec::new();
        let mut names_dns = false;
        if let Ok(Some(extension)) = certificate.subject_alternative_name() {
            for name in &extension.value.general_names {
                match name {
                    GeneralName::DNSName(name) => {
                        names_dns = true;
                        sans.push((*name).to_owned());
                    }
                    GeneralName::IPAddress(octets) => sans.extend(ip_address(octets).map(|ip| ip.to_string())),
                    _ => {}
                }
            }
        }
        let names = certificate.subject().iter_common_name();
        Some(Self {
            facts: PeerFacts {
                subject: distinguished_name(certificate.subject()),
                issuer: distinguished_name(certificate.issuer()),
                sans,
                not_before: timestamp(certificate.validity().not_before.timestamp()),
                not_after: timestamp(certificate.validity().not_after.timestamp()),
                sha256: Sha256::digest(der).iter().fold(String::new(), |mut hex, byte| {
                    let _ = write!(hex, "{byte:02x}");
                    hex
                }),
            },
            common_names: names.filter_map(|name| name.as_str().ok()).map(str::to_owned).collect(),
            names_dns,
            self_issued: certificate.subject().as_raw() == certificate.issuer().as_raw(),
        })
    }
}

fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
    }
}

/// Times outside jiff's range become its first or last one.
fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// RFC 4514 §2.1: the last RDN first.
fn distinguished_name(name: &X509Name<'_>) -> String {
    let rdns: Vec<_> = name.iter_rdn().map(|rdn| rdn.iter().map(attribute).collect::<Vec<_>>().join("+")).collect();
    rdns.into_iter().rev().collect::<Vec<_>>().join(",")
}

/// RFC 4514 §2.3 and §2.4: types without a short name and values that are not text are written in their own notation.
fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let kind = oid2abbrev(attribute.attr_type(), oid_registry())
        .map_or_else(|_| attribute.attr_type().to_id_string(), str::to_owned);
    let Ok(text) = attribute.as_str() else {
        return attribute.as_slice().iter().fold(format!("{kind}=#"), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
    };
    let mut written = format!("{kind}=");
    for (at, character) in text.char_indices() {
        let last = at + character.len_utf8() == text.len();
        match character {
            '\0' => written.push_str("\\00"),
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => written.extend(['\\', character]),
            '#' if at == 0 => written.push_str("\\#"),
            ' ' if at == 0 || last => written.push_str("\\ "),
            _ => written.push(character),
        }
    }
    written
}

//! What the errors of TLS libraries mean: who refused what.

use super::certificate_errors::{self, Explanation};
use super::handshake_failure::HandshakeFailure;
use super::openssl_error::reason;
use super::peer_certificate::PeerCertificate;
use super::server_hello::FirstFlight;
use super::socket::HandshakeBytes;
use crate::exec::{TlsError, TlsRefusal};
use jiff::Timestamp;
use socket2::Socket;
use std::io::{self, Read};

/// The error for a failed verification. `chain` are the server's certificates in DER, its own first, as far as they are known.
pub fn certificate_failure(reason: &str, chain: &[Vec<u8>], name: &str, connected_again: bool) -> TlsError {
    let chain: Vec<_> = chain.iter().filter_map(|der| PeerCertificate::from_der(der)).collect();
    let explanation = certificate_errors::explain(reason, &chain, name, Timestamp::now());
    certificate_error(explanation, connected_again)
}

pub fn certificate_error(explanation: Explanation, connected_again: bool) -> TlsError {
    let Explanation { problem, why, details } = explanation;
    TlsError::Certificate { problem, why, details, connected_again }
}

/// The reason for which the library does not trust the certificate, if that is what failed. OpenSSL's text ends in the
/// reason: `error:0A000086:SSL routines:…:certificate verify failed:…:1883: (certificate has expired)`.
pub fn verification_failure(text: &str) -> Option<String> {
    let failed = text.contains("certificate verify failed");
    // The words of other platforms; an alert is the server's complaint about our certificate.
    let other = text.contains("certificate") && text.contains("trust") && !text.contains("alert");
    let inside = || text.strip_suffix(')').and_then(|text| text.rsplit_once('(')).map(|(_, reason)| reason);
    (failed || other).then(|| inside().map_or_else(|| reason(text), str::to_owned))
}

/// The most bytes that are shown of something that is not TLS.
const MAX_SHOWN: usize = 2048;

/// The words for a certificate whose keys or signatures OpenSSL's security level does not allow: it is this side that
/// refuses, whatever else the certificate says.
pub fn weak_certificate(why: &str) -> Option<String> {
    why.ends_with("too weak").then(|| format!("{why} for OpenSSL's security level"))
}

/// The error for any other failure of a handshake.
pub fn handshake_failure(failure: &HandshakeFailure, seen: HandshakeBytes, spare: Option<Socket>) -> TlsError {
    let HandshakeBytes { mut bytes, ended } = seen;
    let said = reason(&failure.text);
    if matches!(failure.system, Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe))
        || failure.text.contains("Broken pipe")
        || failure.text.contains("Connection reset by peer")
    {
        return refused("the server reset the connection in the handshake");
    }
    if is_tls(&bytes) {
        let flight = FirstFlight::parse(&bytes);
        return if said.contains("alert handshake failure") && flight.requests_client_certificate {
            // Up to TLS 1.2 OpenSSL reports a missing certificate this way.
            let why =
                "the server refused the handshake after it requested a client certificate (alert handshake failure)";
            TlsError::Refused(TlsRefusal { why: why.to_owned(), of_certificate: true })
        } else if let Some(refusal) = describe_alert(&said) {
            TlsError::Refused(refusal)
        } else if let Some(refusal) = describe_own_refusal(&said, &flight) {
            refusal
        } else if ended {
            refused("the server closed the connection in the handshake")
        } else {
            TlsError::Other(said)
        };
    }
    let why = match ended {
        true => "the server closed the connection in the handshake".to_owned(),
        false => "what the server sent is not TLS".to_owned(),
    };
    if let Some(mut spare) = spare {
        // OpenSSL reads only a record's header. What else has arrived is shown too.
        let mut rest = [0; MAX_SHOWN];
        let count = spare.set_nonblocking(true).and_then(|()| spare.read(&mut rest)).unwrap_or(0);
        bytes.extend_from_slice(rest.get(..count).unwrap_or_default());
    }
    bytes.truncate(MAX_SHOWN);
    TlsError::NotTls { why, said: bytes }
}

fn refused(why: &str) -> TlsError {
    TlsError::Refused(TlsRefusal { why: why.to_owned(), of_certificate: false })
}

/// Whether the bytes can be TLS: the first one is the type of a record (RFC 8446 §5.1).
pub fn is_tls(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|kind| (20..=23).contains(kind))
}

/// OpenSSL's reasons for refusing what a server chose or offered, with what is wrong in words.
const OWN_REFUSALS: [(&str, &str); 18] = [
    ("unsupported protocol", "no TLS version in common"),
    ("no protocols available", "no TLS version in common"),
    ("wrong ssl version", "no TLS version in common"),
    ("wrong version number", "no TLS version in common"),
    ("bad protocol version number", "no TLS version in common"),
    ("unsupported ssl version", "no TLS version in common"),
    ("no ciphers available", "no cipher in common"),
    ("wrong cipher returned", "no cipher in common"),
    ("unknown cipher returned", "no cipher in common"),
    ("no shared cipher", "no cipher in common"),
    ("too small", "the server's key is too small"),
    ("too weak", "the server's key or signature is too weak"),
    ("bad dh value", "the server's key is not acceptable"),
    ("wrong curve", "the server's curve is not acceptable"),
    ("wrong signature type", "the server's signature algorithm is not acceptable"),
    ("legacy sigalg disallowed", "the server's signature algorithm is not acceptable"),
    ("no suitable signature algorithm", "the server's signature algorithm is not acceptable"),
    ("unsafe legacy renegotiation disabled", "the server does not support secure renegotiation (RFC 5746)"),
];

/// What this side refused, if it did.
fn describe_own_refusal(said: &str, flight: &FirstFlight) -> Option<TlsError> {
    let (_, words) = OWN_REFUSALS.iter().find(|(reason, _)| said.contains(reason))?;
    let chosen_version = flight.version_name().filter(|_| words.contains("version"));
    let cipher = flight.cipher_name().filter(|_| words.contains("cipher"));
    let chosen = chosen_version.as_ref().or(cipher.as_ref());
    let chosen = chosen.map_or_else(String::new, |chosen| format!("the server chose {chosen}; "));
    Some(TlsError::RefusedHere { why: format!("{words} ({chosen}{said})"), chosen_version })
}

/// The alert that the server sent, if any (RFC 8446 §6.2).
fn describe_alert(said: &str) -> Option<TlsRefusal> {
    let (_, alert) = said.split_once("alert ")?;
    let of_certificates = ["certificate", "unknown ca", "access denied"].iter().any(|word| alert.contains(word));
    let why = match alert.trim_start_matches("number ") {
        "protocol version" => "the server refused: no TLS version in common (alert protocol version)".to_owned(),
        _ if of_certificates => format!("the server refused the client's certificate, or its absence (alert {alert})"),
        _ => format!("the server refused the handshake (alert {alert})"),
    };
    Some(TlsRefusal { why, of_certificate: of_certificates })
}

/// The error that ended TLS after the handshake.
pub fn connection_error(error: &io::Error) -> io::Error {
    let said = reason(&error.to_string());
    if let Some(refusal) = describe_alert(&said) {
        return io::Error::new(io::ErrorKind::ConnectionRefused, refusal);
    }
    let why = match said.as_str() {
        "wrong version number" | "packet length too long" | "bad record type" | "unexpected message" => {
            "what the server sent is not TLS"
        }
        other => other,
    };
    io::Error::new(io::ErrorKind::InvalidData, why)
}

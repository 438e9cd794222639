//! TLS by native-tls: connectors, handshakes, and what its errors mean.

use super::certificate_errors::{self, Explanation};
use super::openssl_error::reason;
use super::peer_certificate::PeerCertificate;
use super::private_key;
use super::server_hello::FirstFlight;
use super::socket::{DeadlineSocket, HandshakeBytes, HandshakeRecording};
use crate::exec::{Clock, TlsError, TlsFacts, TlsFile, TlsOptions, TlsVersion};
use jiff::Timestamp;
use native_tls::{Certificate, HandshakeError, Protocol, TlsConnector, TlsStream};
use socket2::Socket;
use std::io::{self, Read};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The most connectors that are kept. A run needs one or two.
const MAX_CONNECTORS: usize = 8;

/// Connectors by their options. Building one takes about 20 ms, because it loads the system's roots: each is built
/// once, at its first use.
#[derive(Clone, Default)]
pub struct ConnectorCache(Arc<Mutex<Vec<(TlsOptions, TlsConnector)>>>);

impl ConnectorCache {
    /// The connector for these options, built if it is not there yet.
    pub fn get(&self, options: &TlsOptions) -> Result<TlsConnector, TlsError> {
        // A connector does not depend on the name.
        let options = TlsOptions { server_name: String::new(), ..options.clone() };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, connector)) = kept.iter().find(|(of, _)| *of == options) {
            return Ok(connector.clone());
        }
        let connector = build_connector(&options).map_err(TlsError::Settings)?;
        if kept.len() >= MAX_CONNECTORS {
            kept.remove(0);
        }
        kept.push((options, connector.clone()));
        Ok(connector)
    }
}

/// Checks PEM files before there is a connection: trusted certificates, or a client certificate with its key. The error
/// does not name the file.
pub fn check_pem(file: TlsFile<'_>) -> Result<(), String> {
    match file {
        TlsFile::Trusted(pem) => match Certificate::stack_from_pem(pem) {
            Ok(found) if found.is_empty() => Err("there is no PEM certificate in it".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("it is not a PEM certificate: {}", reason(&error.to_string()))),
        },
        TlsFile::Client { certificate, key } => {
            let identity = private_key::identity(certificate, key)?;
            if private_key::is_pair(&identity) { Ok(()) } else { Err("the key is not this certificate's".to_owned()) }
        }
    }
}

fn build_connector(options: &TlsOptions) -> Result<TlsConnector, String> {
    let mut builder = TlsConnector::builder();
    builder.danger_accept_invalid_certs(!options.verify).danger_accept_invalid_hostnames(!options.verify);
    builder.disable_built_in_roots(!options.system_roots || !options.verify);
    if !options.ca.is_empty() {
        let trusted = Certificate::stack_from_pem(&options.ca)
            .map_err(|error| format!("the trusted certificates are not PEM: {}", reason(&error.to_string())))?;
        if trusted.is_empty() {
            return Err("there is no PEM certificate among the trusted ones".to_owned());
        }
        for certificate in trusted {
            builder.add_root_certificate(certificate);
        }
    }
    if let (Some(min), Some(max)) = (options.min_version, options.max_version)
        && min > max
    {
        return Err("the minimum version is above the maximum".to_owned());
    }
    // Without a minimum, that of native-tls holds: 1.2 (RFC 8996), or less if the maximum is lower.
    let least = Some(options.min_version.unwrap_or(TlsVersion::Tls12));
    builder.min_protocol_version(least.min(options.max_version.or(least)).map(protocol));
    builder.max_protocol_version(options.max_version.map(protocol));
    if let Some((certificate, key)) = &options.client_cert {
        let identity = private_key::identity(certificate, key);
        let identity = identity.map_err(|why| format!("the client certificate and its key cannot be used: {why}"))?;
        builder.identity(identity);
    }
    if options.alpn.iter().any(|name| name.is_empty() || name.len() > 255) {
        return Err("an ALPN name has 1 to 255 bytes".to_owned());
    }
    let alpn: Vec<&str> = options.alpn.iter().map(String::as_str).collect();
    builder.request_alpns(&alpn);
    builder.build().map_err(|error| match reason(&error.to_string()) {
        mismatch if mismatch.contains("mismatch") => {
            "the client certificate and its key cannot be used: the key is not this certificate's".to_owned()
        }
        other => other,
    })
}

fn protocol(version: TlsVersion) -> Protocol {
    match version {
        TlsVersion::Tls10 => Protocol::Tlsv10,
        TlsVersion::Tls11 => Protocol::Tlsv11,
        TlsVersion::Tls12 => Protocol::Tlsv12,
        TlsVersion::Tls13 => Protocol::Tlsv13,
    }
}

/// The name for SNI and verification: without brackets and final dot. An address is verified as one and never sent as
/// SNI (RFC 6066 §3).
pub fn server_name(given: &str) -> Result<String, TlsError> {
    let name = given.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if name.parse::<IpAddr>().is_ok() || (!name.is_empty() && name.len() <= 253 && name.bytes().all(is_name)) {
        return Ok(name.to_owned());
    }
    let hint = if name.is_ascii() { "" } else { " (write an internationalized name with xn--)" };
    Err(TlsError::Settings(format!("{given:?} is not a valid server name for TLS{hint}")))
}

/// Runs the handshake. If verification fails, `explain_failure` makes the error out of the reason and the certificate,
/// as far as it was sent unencrypted.
pub fn handshake(
    connector: &TlsConnector,
    mut socket: DeadlineSocket,
    name: &str,
    verify: bool,
    deadline: Instant,
    explain_failure: impl FnOnce(&str, Option<Vec<u8>>) -> TlsError,
) -> Result<(TlsStream<DeadlineSocket>, TlsFacts), TlsError> {
    let recording = HandshakeRecording::default();
    // A failed handshake consumes the socket.
    let spare = socket.socket().try_clone().ok();
    socket.record(Some(recording.clone()));
    let clock = socket.clock().clone();
    socket.set_deadline(Instant::now() + clock.wait_slice(deadline));
    let mut result = connector.connect(name, socket);
    let mut stream = loop {
        match result {
            Ok(stream) => break stream,
            // A signal ends it like the deadline; the caller knows which one it was.
            Err(HandshakeError::WouldBlock(_)) if Instant::now() >= deadline || clock.interrupted().is_some() => {
                return Err(TlsError::TimedOut);
            }
            Err(HandshakeError::WouldBlock(mut middle)) => {
                middle.get_mut().set_deadline(Instant::now() + clock.wait_slice(deadline));
                result = middle.handshake();
            }
            Err(HandshakeError::Failure(error)) => {
                let seen = recording.take();
                let text = error.to_string();
                return Err(match verification_failure(&text).filter(|_| verify) {
                    Some(why) => explain_failure(&why, FirstFlight::parse(&seen.bytes).certificate),
                    None => handshake_failure(&error, &text, seen, spare),
                });
            }
        }
    };
    stream.get_mut().record(None);
    let flight = FirstFlight::parse(&recording.take().bytes);
    let certificate = stream.peer_certificate().ok().flatten().and_then(|certificate| certificate.to_der().ok());
    let peer = certificate.as_deref().and_then(PeerCertificate::from_der);
    if verify
        && let Some(objection) = peer.as_ref().and_then(|peer| certificate_errors::reject_common_name_only(peer, name))
    {
        // Nothing but the handshake has been written; dropping the stream closes the connection.
        stream.get_mut().clear_deadline();
        let _ = stream.shutdown();
        return Err(certificate_error(objection, false));
    }
    let facts = TlsFacts {
        version: flight.version_name(),
        cipher: flight.cipher_name(),
        alpn: stream.negotiated_alpn().ok().flatten().map(|alpn| String::from_utf8_lossy(&alpn).into_owned()),
        peer: peer.map(|peer| peer.facts),
        verified: verify,
        server_end_point: stream.tls_server_end_point().ok().flatten(),
    };
    Ok((stream, facts))
}

/// The error for a failed verification.
pub fn certificate_failure(reason: &str, certificate: Option<&[u8]>, name: &str, connected_again: bool) -> TlsError {
    let peer = certificate.and_then(PeerCertificate::from_der);
    let explanation = certificate_errors::explain(reason, peer.as_slice(), name, Timestamp::now());
    certificate_error(explanation, connected_again)
}

fn certificate_error(explanation: Explanation, connected_again: bool) -> TlsError {
    let Explanation { problem, why, details } = explanation;
    TlsError::Certificate { problem, why, details, connected_again }
}

/// The reason for which the library does not trust the certificate, if that is what failed. OpenSSL's text ends in the
/// reason: `error:0A000086:SSL routines:…:certificate verify failed:…:1883: (certificate has expired)`.
fn verification_failure(text: &str) -> Option<String> {
    let failed = text.contains("certificate verify failed");
    // The words of other platforms; an alert is the server's complaint about our certificate.
    let other = text.contains("certificate") && text.contains("trust") && !text.contains("alert");
    let inside = || text.strip_suffix(')').and_then(|text| text.rsplit_once('(')).map(|(_, reason)| reason);
    (failed || other).then(|| inside().map_or_else(|| reason(text), str::to_owned))
}

/// The most bytes that are shown of something that is not TLS.
const MAX_SHOWN: usize = 2048;

/// The error for any other failure of a handshake.
fn handshake_failure(error: &native_tls::Error, text: &str, seen: HandshakeBytes, spare: Option<Socket>) -> TlsError {
    let why = describe_handshake_error(error, text, &seen);
    let HandshakeBytes { mut bytes, .. } = seen;
    if is_tls(&bytes) {
        return TlsError::Other(why);
    }
    if let Some(mut spare) = spare {
        // OpenSSL reads only a record's header. What else has arrived is shown too.
        let mut rest = [0; MAX_SHOWN];
        let count = spare.set_nonblocking(true).and_then(|()| spare.read(&mut rest)).unwrap_or(0);
        bytes.extend_from_slice(rest.get(..count).unwrap_or_default());
    }
    bytes.truncate(MAX_SHOWN);
    TlsError::NotTls { why, said: bytes }
}

/// Whether the bytes can be TLS: the first one is the type of a record (RFC 8446 §5.1).
fn is_tls(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|kind| (20..=23).contains(kind))
}

fn describe_handshake_error(error: &native_tls::Error, text: &str, seen: &HandshakeBytes) -> String {
    let system = std::error::Error::source(error).and_then(system_error);
    let said = reason(text);
    if matches!(system, Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe))
        || text.contains("Broken pipe")
        || text.contains("Connection reset by peer")
    {
        "the server reset the connection in the handshake".to_owned()
    } else if seen.ended {
        "the server closed the connection in the handshake".to_owned()
    } else if said.contains("alert handshake failure") && FirstFlight::parse(&seen.bytes).requests_client_certificate {
        // Up to TLS 1.2 OpenSSL reports a missing certificate this way.
        "the server refused the handshake after it requested a client certificate (alert handshake failure)".into()
    } else if let Some(words) = describe_alert(&said) {
        words
    } else if !is_tls(&seen.bytes) {
        "what the server sent is not TLS".to_owned()
    } else if said.contains("unsupported protocol") || said.contains("no protocols available") {
        format!("no TLS version in common ({said})")
    } else {
        said
    }
}

fn system_error(mut error: &(dyn std::error::Error + 'static)) -> Option<io::ErrorKind> {
    loop {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        error = error.source()?;
    }
}

/// The alert that the server sent, if any (RFC 8446 §6.2).
fn describe_alert(said: &str) -> Option<String> {
    let (_, alert) = said.split_once("alert ")?;
    let of_certificates = ["certificate", "unknown ca", "access denied"].iter().any(|word| alert.contains(word));
    Some(match alert.trim_start_matches("number ") {
        "protocol version" => "the server refused: no TLS version in common (alert protocol version)".to_owned(),
        _ if of_certificates => format!("the server refused the client's certificate, or its absence (alert {alert})"),
        _ => format!("the server refused the handshake (alert {alert})"),
    })
}

/// The error that ended TLS after the handshake.
pub fn connection_error(error: &io::Error) -> io::Error {
    let said = reason(&error.to_string());
    let why = describe_alert(&said).unwrap_or_else(|| match said.as_str() {
        "wrong version number" | "packet length too long" | "bad record type" | "unexpected message" => {
            "what the server sent is not TLS".to_owned()
        }
        other => other.to_owned(),
    });
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
#[path = "tls_tests.rs"]
pub(super) mod tests;

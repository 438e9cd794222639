//! TLS: connectors, and handshakes.

use super::certificate_errors;
use super::openssl_client::{OpensslClient, check_ciphers};
use super::openssl_error::reason;
use super::peer_certificate::PeerCertificate;
use super::private_key;
use super::server_hello::FirstFlight;
use super::socket::{DeadlineSocket, HandshakeRecording};
use super::tls_client::{HandshakeStage, TlsClient, TlsTransport};
use super::tls_failure::{certificate_error, handshake_failure, verification_failure, weak_certificate};
use crate::exec::{Clock, PeerFacts, TlsError, TlsFacts, TlsInput, TlsOptions, TlsVersion};
use native_tls::{Certificate, Identity, Protocol, TlsConnector};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The most connectors that are kept. A run needs one or two.
const MAX_CONNECTORS: usize = 8;

/// Connectors by their options. Building one takes about 20 ms, because it loads the system's roots: each is built
/// once, at its first use.
#[derive(Clone, Default)]
pub struct ConnectorCache(Arc<Mutex<Vec<(TlsOptions, TlsClient)>>>);

impl ConnectorCache {
    /// The connector for these options, built if it is not there yet.
    pub fn get(&self, options: &TlsOptions) -> Result<TlsClient, TlsError> {
        // A connector does not depend on the name.
        let options = TlsOptions { server_name: String::new(), ..options.clone() };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, connector)) = kept.iter().find(|(of, _)| *of == options) {
            return Ok(connector.clone());
        }
        let connector = match options.needs_openssl() {
            true => OpensslClient::new(&options).map(TlsClient::Openssl),
            false => build_connector(&options).map(TlsClient::NativeTls),
        };
        let connector = connector.map_err(TlsError::Settings)?;
        if kept.len() >= MAX_CONNECTORS {
            kept.remove(0);
        }
        kept.push((options, connector.clone()));
        Ok(connector)
    }
}

/// Checks PEM files and a cipher list before there is a connection. The error does not name the file.
pub fn check_tls_input(file: TlsInput<'_>) -> Result<(), String> {
    match file {
        TlsInput::Trusted(pem) => match Certificate::stack_from_pem(pem) {
            Ok(found) if found.is_empty() => Err("there is no PEM certificate in it".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("it is not a PEM certificate: {}", reason(&error.to_string()))),
        },
        TlsInput::Ciphers(list) => check_ciphers(list),
        TlsInput::Client { certificate, key } => private_key::identity(certificate, key).map(drop),
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
    if let (Some(min), Some(max)) = (options.limits.min_version, options.limits.max_version)
        && min > max
    {
        return Err("the minimum version is above the maximum".to_owned());
    }
    // Without a minimum, that of native-tls holds: 1.2 (RFC 8996), or less if the maximum is lower.
    let least = Some(options.limits.min_version.unwrap_or(TlsVersion::Tls12));
    builder.min_protocol_version(least.min(options.limits.max_version.or(least)).map(protocol));
    builder.max_protocol_version(options.limits.max_version.map(protocol));
    if let Some((certificate, key)) = &options.client_cert {
        builder.identity(client_identity(certificate, key)?);
    }
    if options.alpn.iter().any(|name| name.is_empty() || name.len() > 255) {
        return Err("an ALPN name has 1 to 255 bytes".to_owned());
    }
    let alpn: Vec<&str> = options.alpn.iter().map(String::as_str).collect();
    builder.request_alpns(&alpn);
    builder.build().map_err(|error| reason(&error.to_string()))
}

fn client_identity(certificate: &[u8], key: &[u8]) -> Result<Identity, String> {
    let identity = private_key::identity(certificate, key);
    identity.map_err(|why| format!("the client certificate and its key cannot be used: {why}"))
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

/// Runs the handshake. If verification fails, `explain_failure` makes the error out of the reason and the
/// certificates, as far as the library or the server's unencrypted bytes tell it.
pub fn handshake(
    client: &TlsClient,
    mut socket: DeadlineSocket,
    name: &str,
    verify: bool,
    deadline: Instant,
    explain_failure: impl FnOnce(&str, Vec<Vec<u8>>) -> TlsError,
) -> Result<(TlsTransport, TlsFacts), TlsError> {
    let recording = HandshakeRecording::default();
    // A failed handshake consumes the socket.
    let spare = socket.socket().try_clone().ok();
    socket.record(Some(recording.clone()));
    socket.begin_records();
    let clock = socket.clock().clone();
    socket.set_deadline(Instant::now() + clock.wait_slice(deadline));
    let mut stage = client.connect(name, socket);
    let mut stream = loop {
        match stage {
            HandshakeStage::Done(stream) => break stream,
            // A signal ends it like the deadline; the caller knows which one it was.
            HandshakeStage::Waiting(_) if Instant::now() >= deadline || clock.interrupted().is_some() => {
                return Err(TlsError::TimedOut);
            }
            HandshakeStage::Waiting(mut pending) => {
                pending.socket_mut().set_deadline(Instant::now() + clock.wait_slice(deadline));
                stage = pending.resume();
            }
            HandshakeStage::Failed(failure) => {
                let seen = recording.take();
                return Err(match verification_failure(&failure.text).filter(|_| verify) {
                    Some(why) => match weak_certificate(&why) {
                        Some(why) => TlsError::RefusedHere { why, chosen_version: None },
                        None => {
                            // A server may serve one connection after another: this one ends before a second one.
                            drop(spare);
                            let chain = match failure.chain.is_empty() {
                                true => FirstFlight::parse(&seen.bytes).certificates,
                                false => failure.chain,
                            };
                            explain_failure(&why, chain)
                        }
                    },
                    None => handshake_failure(&failure, seen, spare),
                });
            }
        }
    };
    stream.socket_mut().record(None);
    let flight = FirstFlight::parse(&recording.take().bytes);
    let peer = stream.peer_certificate().as_deref().and_then(PeerCertificate::from_der);
    if verify
        && let Some(objection) = peer.as_ref().and_then(|peer| certificate_errors::reject_common_name_only(peer, name))
    {
        // Nothing but the handshake has been written; dropping the stream closes the connection.
        stream.send_close_notify();
        return Err(certificate_error(objection, false));
    }
    let chain = peer_facts(&stream.sent_chain());
    let verified = peer_facts(&stream.verified_chain());
    let judged = if verify && !verified.is_empty() { &verified } else { &chain };
    let cipher = flight
        .cipher_name()
        .filter(|name| !name.starts_with("0x"))
        .or_else(|| stream.cipher())
        .or_else(|| flight.cipher_name());
    let facts = TlsFacts {
        version: flight.version_name(),
        cipher: cipher.map(|name| client.cipher_name(name)),
        alpn: stream.alpn(),
        peer: peer.map(|peer| peer.facts),
        valid_until: judged.iter().map(|certificate| certificate.not_after).min(),
        chain,
        verified: verify,
        server_end_point: stream.server_end_point(),
    };
    Ok((stream, facts))
}

fn peer_facts(chain: &[Vec<u8>]) -> Vec<PeerFacts> {
    chain.iter().filter_map(|der| PeerCertificate::from_der(der)).map(|certificate| certificate.facts).collect()
}

#[cfg(test)]
#[path = "tls_tests.rs"]
pub(super) mod tests;

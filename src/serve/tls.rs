//! The server's side of TLS, with OpenSSL itself: the acceptors of native-tls end at TLS 1.2, and sessions that require
//! 1.3 must be testable.

use crate::net::certificate::ServerCertificate;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::{X509, X509Ref};

/// Accepts handshakes.
pub(super) struct Acceptor {
    pub(super) ssl: SslAcceptor,
    /// `tls-server-end-point` (RFC 5929 §4.1).
    pub(super) server_end_point: Option<Vec<u8>>,
}

impl Acceptor {
    /// Accepts handshakes with this certificate, with TLS 1.2 and 1.3.
    pub(super) fn new(certificate: &ServerCertificate) -> Result<Self, String> {
        build(certificate).map_err(|error| {
            format!("the certificate and key cannot be used: {}", crate::net::tls_reason(&error.to_string()))
        })
    }
}

fn build(certificate: &ServerCertificate) -> Result<Acceptor, ErrorStack> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder.set_private_key(PKey::private_key_from_pem(certificate.key_pem.as_bytes())?.as_ref())?;
    let mut server_end_point = None;
    for (index, x509) in X509::stack_from_pem(certificate.chain_pem.as_bytes())?.into_iter().enumerate() {
        if index == 0 {
            builder.set_certificate(&x509)?;
            server_end_point = end_point(&x509);
        } else {
            builder.add_extra_chain_cert(x509)?;
        }
    }
    builder.check_private_key()?;
    Ok(Acceptor { ssl: builder.build(), server_end_point })
}

/// The certificate's digest by the hash function of its signature, with SHA-256 in place of MD5 and SHA-1 (RFC 5929
/// §4.1).
fn end_point(certificate: &X509Ref) -> Option<Vec<u8>> {
    let signature = certificate.signature_algorithm().object().nid();
    let digest = match signature.signature_algorithms()?.digest {
        Nid::MD5 | Nid::SHA1 => MessageDigest::sha256(),
        other => MessageDigest::from_nid(other)?,
    };
    certificate.digest(digest).ok().map(|digest| digest.to_vec())
}

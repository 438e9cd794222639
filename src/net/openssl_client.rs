//! Handshakes by the `openssl` crate, for what native-tls can neither do nor tell.

use super::handshake_failure::{HandshakeFailure, system_error};
use super::openssl_error::reason;
use super::private_key;
use super::socket::DeadlineSocket;
use crate::exec::{TlsOptions, TlsVersion};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{
    HandshakeError, MidHandshakeSslStream, SslConnector, SslConnectorBuilder, SslMethod, SslRef, SslStream,
    SslVerifyMode, SslVersion,
};
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509Ref, X509VerifyResult};
use std::sync::{Arc, Mutex, PoisonError};

/// A connector of the `openssl` crate.
#[derive(Clone)]
pub struct OpensslClient {
    connector: SslConnector,
    verify: bool,
    /// Whether the session lists ciphers, which it does by OpenSSL's names.
    lists_ciphers: bool,
}

/// The certificate of a server that is not trusted: OpenSSL shows it only while it verifies the chain.
type UntrustedChain = Arc<Mutex<Vec<Vec<u8>>>>;

/// Why a handshake is not done.
pub enum OpensslInterruption {
    /// The socket's deadline passed.
    Waiting(PendingOpenssl),
    Failed(HandshakeFailure),
}

/// A handshake that can go on.
pub struct PendingOpenssl {
    middle: MidHandshakeSslStream<DeadlineSocket>,
    untrusted: UntrustedChain,
}

impl OpensslClient {
    /// Builds a connector. The error says what is wrong with the options.
    pub fn new(options: &TlsOptions) -> Result<Self, String> {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(describe)?;
        if options.system_roots && options.verify {
            let roots = openssl_probe::probe();
            // As in native-tls: a file of roots that cannot be read does not keep the others from being loaded.
            if let Some(file) = &roots.cert_file {
                let _ = builder.load_verify_locations(Some(file), None);
            }
            for folder in &roots.cert_dir {
                let _ = builder.load_verify_locations(None, Some(folder));
            }
        } else {
            builder.set_cert_store(X509StoreBuilder::new().map_err(describe)?.build());
        }
        for certificate in X509::stack_from_pem(&options.ca).map_err(describe)? {
            builder.cert_store_mut().add_cert(certificate).map_err(describe)?;
        }
        builder.set_verify(if options.verify { SslVerifyMode::PEER } else { SslVerifyMode::NONE });
        let least = options.limits.min_version.unwrap_or(TlsVersion::Tls12);
        let least = options.limits.max_version.map_or(least, |newest| least.min(newest));
        builder.set_min_proto_version(Some(version(least))).map_err(describe)?;
        builder.set_max_proto_version(options.limits.max_version.map(version)).map_err(describe)?;
        if let Some(ciphers) = &options.limits.ciphers {
            builder.set_cipher_list(ciphers).map_err(describe)?;
        }
        // After the list, which may have a level of its own.
        if let Some(level) = options.limits.security_level {
            builder.set_security_level(level.into());
        }
        if let Some((certificate, key)) = &options.client_cert {
            let failed = |why: String| format!("the client certificate and its key cannot be used: {why}");
            add_identity(&mut builder, certificate, key).map_err(failed)?;
        }
        if !options.alpn.is_empty() {
            let names = options.alpn.iter().flat_map(|name| {
                let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
                std::iter::once(length).chain(name.bytes().take(length.into()))
            });
            builder.set_alpn_protos(&names.collect::<Vec<u8>>()).map_err(describe)?;
        }
        let lists_ciphers = options.limits.ciphers.is_some();
        Ok(Self { connector: builder.build(), verify: options.verify, lists_ciphers })
    }

    /// The name of a cipher in the notation of the session, given IANA's name: OpenSSL's if it lists ciphers. A name that
    /// OpenSSL does not know stays.
    pub fn cipher_name(&self, iana: String) -> String {
        match openssl::ssl::cipher_name(&iana) {
            "(NONE)" => iana,
            name if self.lists_ciphers => name.to_owned(),
            _ => iana,
        }
    }

    /// Begins a handshake.
    pub fn connect(
        &self,
        name: &str,
        socket: DeadlineSocket,
    ) -> Result<SslStream<DeadlineSocket>, OpensslInterruption> {
        let untrusted = UntrustedChain::default();
        let ssl = self.connector.configure().and_then(|configuration| {
            let mut ssl = configuration.verify_hostname(self.verify).into_ssl(name)?;
            if self.verify {
                let found = untrusted.clone();
                ssl.set_verify_callback(SslVerifyMode::PEER, move |trusted, context| {
                    if !trusted {
                        let chain = context.chain().into_iter().flatten();
                        let chain = chain.filter_map(|certificate| certificate.to_der().ok()).collect();
                        *found.lock().unwrap_or_else(PoisonError::into_inner) = chain;
                    }
                    trusted
                });
            }
            Ok(ssl)
        });
        match ssl {
            Ok(ssl) => stage(ssl.connect(socket), untrusted),
            Err(error) => failed(error.to_string()),
        }
    }
}

impl PendingOpenssl {
    /// The socket, to set a deadline.
    pub fn socket_mut(&mut self) -> &mut DeadlineSocket {
        self.middle.get_mut()
    }

    /// Goes on.
    pub fn resume(self) -> Result<SslStream<DeadlineSocket>, OpensslInterruption> {
        stage(self.middle.handshake(), self.untrusted)
    }
}

fn stage(
    result: Result<SslStream<DeadlineSocket>, HandshakeError<DeadlineSocket>>,
    untrusted: UntrustedChain,
) -> Result<SslStream<DeadlineSocket>, OpensslInterruption> {
    match result {
        Ok(stream) => Ok(stream),
        Err(HandshakeError::WouldBlock(middle)) => {
            Err(OpensslInterruption::Waiting(PendingOpenssl { middle, untrusted }))
        }
        Err(HandshakeError::SetupFailure(error)) => failed(error.to_string()),
        Err(HandshakeError::Failure(middle)) => {
            let verified = middle.ssl().verify_result();
            let error = middle.into_error();
            // The form of native-tls, with the reason of a failed verification at the end.
            let text =
                if verified == X509VerifyResult::OK { error.to_string() } else { format!("{error} ({verified})") };
            let chain = std::mem::take(&mut *untrusted.lock().unwrap_or_else(PoisonError::into_inner));
            Err(OpensslInterruption::Failed(HandshakeFailure { text, system: system_error(&error), chain }))
        }
    }
}

fn failed(text: String) -> Result<SslStream<DeadlineSocket>, OpensslInterruption> {
    Err(OpensslInterruption::Failed(HandshakeFailure { text, system: None, chain: Vec::new() }))
}

fn describe(error: ErrorStack) -> String {
    reason(&error.to_string())
}

fn version(version: TlsVersion) -> SslVersion {
    match version {
        TlsVersion::Tls10 => SslVersion::TLS1,
        TlsVersion::Tls11 => SslVersion::TLS1_1,
        TlsVersion::Tls12 => SslVersion::TLS1_2,
        TlsVersion::Tls13 => SslVersion::TLS1_3,
    }
}

fn add_identity(builder: &mut SslConnectorBuilder, certificate: &[u8], key: &[u8]) -> Result<(), String> {
    // The checks of native-tls's way, so that both say the same.
    private_key::identity(certificate, key)?;
    let pem = private_key::to_pkcs8_pem(key)?;
    // Without a callback OpenSSL would ask for a pass phrase on the terminal.
    let key = PKey::private_key_from_pem_callback(pem.as_bytes(), |_| Ok(0)).map_err(describe)?;
    let mut chain = X509::stack_from_pem(certificate).map_err(describe)?.into_iter();
    let own = chain.next().ok_or("the certificate is not PEM")?;
    builder.set_certificate(&own).map_err(describe)?;
    builder.set_private_key(&key).map_err(describe)?;
    chain.try_for_each(|certificate| builder.add_extra_chain_cert(certificate)).map_err(describe)
}

/// Whether OpenSSL takes this cipher list.
pub fn check_ciphers(list: &str) -> Result<(), String> {
    let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(describe)?;
    builder.set_cipher_list(list).map_err(|error| match describe(error) {
        why if why.contains("no cipher match") => "OpenSSL knows none of these ciphers".to_owned(),
        why => format!("OpenSSL does not take this cipher list: {why}"),
    })
}

/// The certificates that the server sent, in DER, its own first.
pub fn sent_chain(ssl: &SslRef) -> Vec<Vec<u8>> {
    ssl.peer_cert_chain().into_iter().flatten().filter_map(|certificate| certificate.to_der().ok()).collect()
}

/// The chain that was verified, in DER, from the server's certificate to a trusted one. Empty without verification.
pub fn verified_chain(ssl: &SslRef) -> Vec<Vec<u8>> {
    ssl.verified_chain().into_iter().flatten().filter_map(|certificate| certificate.to_der().ok()).collect()
}

/// `tls-server-end-point` (RFC 5929 §4.1): the certificate's hash by its signature's hash function, SHA-256 instead of MD5
/// and SHA-1.
pub fn server_end_point(certificate: &X509Ref) -> Option<Vec<u8>> {
    let digest = certificate.signature_algorithm().object().nid().signature_algorithms()?.digest;
    let digest = match digest {
        Nid::MD5 | Nid::SHA1 => MessageDigest::sha256(),
        other => MessageDigest::from_nid(other)?,
    };
    certificate.digest(digest).ok().map(|bytes| bytes.to_vec())
}

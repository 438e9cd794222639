//! The two libraries that do handshakes, behind one interface: native-tls, and OpenSSL beneath it for what native-tls can
//! neither do nor tell (a version below 1.2, ciphers, the security level, the certificate chain).

use super::handshake_failure::{HandshakeFailure, system_error};
use super::openssl_client::{
    OpensslClient, OpensslInterruption, PendingOpenssl, sent_chain, server_end_point, verified_chain,
};
use super::socket::DeadlineSocket;
use native_tls::{MidHandshakeTlsStream, TlsConnector, TlsStream};
use openssl::ssl::SslStream;
use std::error::Error;
use std::io::{self, Read, Write};

/// What begins handshakes. Building one takes about 20 ms, because it loads the system's roots.
#[derive(Clone)]
pub enum TlsClient {
    NativeTls(TlsConnector),
    Openssl(OpensslClient),
}

/// What has come of a handshake so far.
pub enum HandshakeStage {
    Done(TlsTransport),
    /// The socket's deadline passed.
    Waiting(PendingHandshake),
    Failed(HandshakeFailure),
}

/// A handshake that can go on.
pub enum PendingHandshake {
    NativeTls(MidHandshakeTlsStream<DeadlineSocket>),
    Openssl(PendingOpenssl),
}

/// A connection inside TLS.
pub enum TlsTransport {
    NativeTls(Box<TlsStream<DeadlineSocket>>),
    Openssl(Box<SslStream<DeadlineSocket>>),
}

impl TlsClient {
    /// Begins a handshake. `name` is for SNI and verification.
    pub fn connect(&self, name: &str, socket: DeadlineSocket) -> HandshakeStage {
        match self {
            Self::NativeTls(connector) => native_stage(connector.connect(name, socket)),
            Self::Openssl(client) => openssl_stage(client.connect(name, socket)),
        }
    }

    /// The name of a cipher in the notation of the session, given IANA's name.
    pub fn cipher_name(&self, iana: String) -> String {
        match self {
            Self::NativeTls(_) => iana,
            Self::Openssl(client) => client.cipher_name(iana),
        }
    }
}

impl PendingHandshake {
    /// The socket, to set a deadline.
    pub fn socket_mut(&mut self) -> &mut DeadlineSocket {
        match self {
            Self::NativeTls(middle) => middle.get_mut(),
            Self::Openssl(middle) => middle.socket_mut(),
        }
    }

    /// Goes on.
    pub fn resume(self) -> HandshakeStage {
        match self {
            Self::NativeTls(middle) => native_stage(middle.handshake()),
            Self::Openssl(middle) => openssl_stage(middle.resume()),
        }
    }
}

fn native_stage(
    result: Result<TlsStream<DeadlineSocket>, native_tls::HandshakeError<DeadlineSocket>>,
) -> HandshakeStage {
    match result {
        Ok(stream) => HandshakeStage::Done(TlsTransport::NativeTls(Box::new(stream))),
        Err(native_tls::HandshakeError::WouldBlock(middle)) => {
            HandshakeStage::Waiting(PendingHandshake::NativeTls(middle))
        }
        Err(native_tls::HandshakeError::Failure(error)) => HandshakeStage::Failed(HandshakeFailure {
            text: error.to_string(),
            system: error.source().and_then(system_error),
            chain: Vec::new(),
        }),
    }
}

fn openssl_stage(result: Result<SslStream<DeadlineSocket>, OpensslInterruption>) -> HandshakeStage {
    match result {
        Ok(stream) => HandshakeStage::Done(TlsTransport::Openssl(Box::new(stream))),
        Err(OpensslInterruption::Waiting(middle)) => HandshakeStage::Waiting(PendingHandshake::Openssl(middle)),
        Err(OpensslInterruption::Failed(failure)) => HandshakeStage::Failed(failure),
    }
}

impl TlsTransport {
    pub fn socket(&self) -> &DeadlineSocket {
        match self {
            Self::NativeTls(stream) => stream.get_ref(),
            Self::Openssl(stream) => stream.get_ref(),
        }
    }

    pub fn socket_mut(&mut self) -> &mut DeadlineSocket {
        match self {
            Self::NativeTls(stream) => stream.get_mut(),
            Self::Openssl(stream) => stream.get_mut(),
        }
    }

    /// Sends close_notify, and waits for room for it until the socket's deadline.
    pub fn shut_down(&mut self) -> io::Result<()> {
        match self {
            Self::NativeTls(stream) => stream.shutdown(),
            Self::Openssl(stream) => match stream.shutdown() {
                Ok(_) => Ok(()),
                Err(error) => Err(error.into_io_error().unwrap_or_else(io::Error::other)),
            },
        }
    }

    /// Sends close_notify if there is room for it, and waits for nothing.
    pub fn send_close_notify(&mut self) {
        self.socket_mut().clear_deadline();
        let _ = self.shut_down();
    }

    /// The server's certificate in DER.
    pub fn peer_certificate(&self) -> Option<Vec<u8>> {
        match self {
            Self::NativeTls(stream) => stream.peer_certificate().ok()??.to_der().ok(),
            Self::Openssl(stream) => stream.ssl().peer_certificate()?.to_der().ok(),
        }
    }

    /// `tls-server-end-point` (RFC 5929 §4.1).
    pub fn server_end_point(&self) -> Option<Vec<u8>> {
        match self {
            Self::NativeTls(stream) => stream.tls_server_end_point().ok().flatten(),
            Self::Openssl(stream) => stream.ssl().peer_certificate().and_then(|own| server_end_point(&own)),
        }
    }

    /// The certificates that the server sent, in DER. Empty if native-tls made the connection, which does not tell.
    pub fn sent_chain(&self) -> Vec<Vec<u8>> {
        match self {
            Self::NativeTls(_) => Vec::new(),
            Self::Openssl(stream) => sent_chain(stream.ssl()),
        }
    }

    /// The chain that was verified, in DER; empty without verification, and with native-tls.
    pub fn verified_chain(&self) -> Vec<Vec<u8>> {
        match self {
            Self::NativeTls(_) => Vec::new(),
            Self::Openssl(stream) => verified_chain(stream.ssl()),
        }
    }

    /// IANA's name of the cipher, if the library tells it.
    pub fn cipher(&self) -> Option<String> {
        match self {
            Self::NativeTls(_) => None,
            Self::Openssl(stream) => stream.ssl().current_cipher()?.standard_name().map(str::to_owned),
        }
    }

    /// The protocol that was chosen by ALPN.
    pub fn alpn(&self) -> Option<String> {
        let name = match self {
            Self::NativeTls(stream) => stream.negotiated_alpn().ok().flatten(),
            Self::Openssl(stream) => stream.ssl().selected_alpn_protocol().map(<[u8]>::to_vec),
        };
        name.map(|name| String::from_utf8_lossy(&name).into_owned())
    }
}

impl Read for TlsTransport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::NativeTls(stream) => stream.read(buffer),
            Self::Openssl(stream) => stream.read(buffer),
        }
    }
}

impl Write for TlsTransport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::NativeTls(stream) => stream.write(bytes),
            Self::Openssl(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! Why a handshake failed, as the library says it.

use std::error::Error;
use std::io;

/// Why a handshake failed.
#[derive(Debug)]
pub struct HandshakeFailure {
    /// The library's text: `error:0A000086:SSL routines:…`.
    pub text: String,
    /// The kind of the system's error, if there is one.
    pub system: Option<io::ErrorKind>,
    /// The chain that was judged, in DER, the server's own certificate first; empty if the library does not give it to us.
    pub chain: Vec<Vec<u8>>,
}

/// The kind of the system's error behind a library's error.
pub fn system_error(mut error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    loop {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        error = error.source()?;
    }
}

//! What the shell says of a connection or handshake that failed.

use crate::exec::{ConnectError, TlsError};

/// Why a handshake failed.
pub fn tls_words(error: &TlsError) -> String {
    match error {
        TlsError::Certificate { why, .. } => format!("{why}; --ca trusts a certificate, --insecure any"),
        TlsError::TimedOut => "it took too long".to_owned(),
        TlsError::RefusedHere { why, .. } => format!("this side refused the handshake: {why}"),
        TlsError::Refused(refusal) => refusal.why.clone(),
        TlsError::Settings(why) | TlsError::Other(why) | TlsError::NotTls { why, .. } => why.clone(),
    }
}

/// Why a connection could not be opened.
pub fn connect_words(error: &ConnectError) -> String {
    match error {
        ConnectError::CannotResolve { host, why } => {
            format!("cannot connect to {host}: the name does not resolve: {why}")
        }
        ConnectError::CannotConnect { address, why } => format!("cannot connect to {address}: {why}"),
    }
}

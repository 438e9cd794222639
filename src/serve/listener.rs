//! Listening sockets.

use super::client_connection::ClientSocket;
use super::config::Listen;
use anyhow::Context;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

/// Wakes a waiting listener by connecting to it.
pub(super) enum Waker {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Waker {
    /// An error means that the listener is gone.
    pub(super) fn wake(&self) {
        let _ = match self {
            Self::Tcp(address) => TcpStream::connect_timeout(address, Duration::from_secs(1)).map(drop),
            Self::Unix(path) => UnixStream::connect(path).map(drop),
        };
    }
}

/// A listening socket.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Waits for the next client.
    pub(super) fn accept(&self) -> io::Result<ClientSocket> {
        Ok(match self {
            Self::Tcp(listener) => ClientSocket::Tcp(listener.accept()?.0),
            Self::Unix(listener, _) => ClientSocket::Unix(listener.accept()?.0),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Starts to listen. Also returns the address that is used, and what wakes the listener.
pub(super) fn listen(at: &Listen) -> anyhow::Result<(Listener, String, Waker)> {
    match at {
        Listen::Tcp(address) => {
            let cannot = || format!("cannot listen on {address}");
            let listener = TcpListener::bind(address).map_err(|why| match why.kind() {
                io::ErrorKind::AddrNotAvailable => {
                    io::Error::other(format!("{} is not an address of this machine", address.ip()))
                }
                _ => why,
            });
            let listener = listener.with_context(cannot)?;
            let bound = listener.local_addr().with_context(cannot)?;
            let mut wake = bound;
            if bound.ip().is_unspecified() {
                wake.set_ip(if bound.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
            }
            Ok((Listener::Tcp(listener), bound.to_string(), Waker::Tcp(wake)))
        }
        Listen::Unix(path) => {
            let listener = UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
            Ok((Listener::Unix(listener, path.clone()), path.display().to_string(), Waker::Unix(path.clone())))
        }
    }
}

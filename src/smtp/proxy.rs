//! The PROXY protocol's header, versions 1 and 2 (haproxy's proxy-protocol.txt).

use std::net::SocketAddr;

/// `PROXY TCP4 source destination sport dport CRLF`. Both addresses are of one family.
pub fn header_v1(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let _ = (source, destination);
    todo!()
}

/// The binary header with command PROXY over TCP.
pub fn header_v2(source: SocketAddr, destination: SocketAddr) -> Vec<u8> {
    let _ = (source, destination);
    todo!()
}

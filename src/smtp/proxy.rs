//! Builds headers of the PROXY protocol, versions 1 and 2 (haproxy's proxy-protocol.txt).

use std::fmt;
use std::net::SocketAddr;

/// One address is IPv4, the other IPv6, which neither version can express.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MixedFamilies;

impl fmt::Display for MixedFamilies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a PROXY header's addresses are both IPv4 or both IPv6")
    }
}

impl std::error::Error for MixedFamilies {}

/// `PROXY TCP4 source destination sport dport CRLF` (§2.1).
pub fn header_v1(source: SocketAddr, destination: SocketAddr) -> Result<Vec<u8>, MixedFamilies> {
    let family = match (source, destination) {
        (SocketAddr::V4(_), SocketAddr::V4(_)) => "TCP4",
        (SocketAddr::V6(_), SocketAddr::V6(_)) => "TCP6",
        _ => return Err(MixedFamilies),
    };
    let (from, to) = (source.ip(), destination.ip());
    Ok(format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port()).into_bytes())
}

/// The binary header with command PROXY over TCP (§2.2).
pub fn header_v2(source: SocketAddr, destination: SocketAddr) -> Result<Vec<u8>, MixedFamilies> {
    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    const VERSION_2_PROXY: u8 = 0x21;
    let (family, addresses) = match (source, destination) {
        (SocketAddr::V4(s), SocketAddr::V4(d)) => (0x11, [s.ip().octets(), d.ip().octets()].concat()),
        (SocketAddr::V6(s), SocketAddr::V6(d)) => (0x21, [s.ip().octets(), d.ip().octets()].concat()),
        _ => return Err(MixedFamilies),
    };
    let ports = [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
    let length = if family == 0x11 { 12u16 } else { 36 }.to_be_bytes();
    Ok([SIGNATURE, &[VERSION_2_PROXY, family], &length, &addresses, &ports].concat())
}

/// Version 1 without addresses: `PROXY UNKNOWN` (§2.1).
pub const UNKNOWN_V1: &[u8] = b"PROXY UNKNOWN\r\n";

/// Version 2 with command LOCAL and no addresses (§2.2).
pub const LOCAL_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().expect("the test's own address")
    }

    #[test]
    fn version_1_is_a_line() {
        let table = [
            ("192.0.2.1:4000", "192.0.2.2:25", "PROXY TCP4 192.0.2.1 192.0.2.2 4000 25\r\n"),
            ("[2001:db8::1]:4000", "[::1]:25", "PROXY TCP6 2001:db8::1 ::1 4000 25\r\n"),
        ];
        for (source, destination, line) in table {
            assert_eq!(header_v1(addr(source), addr(destination)).as_deref(), Ok(line.as_bytes()));
        }
    }

    #[test]
    fn version_2_is_binary() {
        let header = header_v2(addr("192.0.2.1:4000"), addr("192.0.2.2:25")).expect("one family");
        assert_eq!(header[..12], *b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a");
        assert_eq!(header[12..], [0x21, 0x11, 0, 12, 192, 0, 2, 1, 192, 0, 2, 2, 0x0f, 0xa0, 0, 25]);

        let header = header_v2(addr("[2001:db8::1]:4000"), addr("[::1]:25")).expect("one family");
        assert_eq!(header[12..16], [0x21, 0x21, 0, 36]);
        assert_eq!(header[16..20], [0x20, 0x01, 0x0d, 0xb8]);
        assert_eq!(header.len(), 16 + 36);
        assert_eq!(header[48..], [0x0f, 0xa0, 0, 25]);
    }

    #[test]
    fn families_do_not_mix() {
        let (four, six) = (addr("192.0.2.1:1"), addr("[::1]:1"));
        for (source, destination) in [(four, six), (six, four)] {
            assert_eq!(header_v1(source, destination), Err(MixedFamilies));
            assert_eq!(header_v2(source, destination), Err(MixedFamilies));
        }
    }
}

//! Detects a PROXY protocol header, versions 1 and 2, at the beginning of a connection.

/// The signature of version 2.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, with its line end.
const V1_MAX: usize = 107;

/// What the beginning of a connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ProxyHeader {
    /// A header of this length, and the client's address in it.
    Complete {
        length: usize,
        source: String,
    },
    /// It may become a header.
    Incomplete,
    Absent,
}

/// Looks for a header at the beginning of `input`.
pub(super) fn detect(input: &[u8]) -> ProxyHeader {
    // An empty line: version 2 arrives as a whole (§2.2 of the specification), not in pieces of two bytes.
    if input == b"\r\n" {
        return ProxyHeader::Absent;
    }
    if b"PROXY ".starts_with(input) || V2.starts_with(input) {
        return ProxyHeader::Incomplete;
    }
    if input.starts_with(b"PROXY ") {
        return v1(input);
    }
    if input.starts_with(V2) { v2(input) } else { ProxyHeader::Absent }
}

fn v1(input: &[u8]) -> ProxyHeader {
    let Some(end) = input.windows(2).take(V1_MAX).position(|pair| pair == b"\r\n") else {
        return if input.len() < V1_MAX { ProxyHeader::Incomplete } else { ProxyHeader::Absent };
    };
    let line = String::from_utf8_lossy(&input[..end]);
    let words: Vec<&str> = line.split(' ').collect();
    let source = match words.as_slice() {
        ["PROXY", "TCP4" | "TCP6", source, _, port, _] => match (source.parse(), port.parse()) {
            (Ok(ip), Ok(port)) => std::net::SocketAddr::new(ip, port).to_string(),
            _ => return ProxyHeader::Absent,
        },
        ["PROXY", "UNKNOWN", ..] => "unknown".to_owned(),
        _ => return ProxyHeader::Absent,
    };
    ProxyHeader::Complete { length: end + 2, source }
}

/// Signature, version and command, family, length, addresses.
fn v2(input: &[u8]) -> ProxyHeader {
    let Some([version, family, high, low]) = input.get(12..16) else { return ProxyHeader::Incomplete };
    if version >> 4 != 2 {
        return ProxyHeader::Absent;
    }
    let length = 16 + usize::from(u16::from_be_bytes([*high, *low]));
    let Some(addresses) = input.get(16..length) else { return ProxyHeader::Incomplete };
    let source = match (family, addresses) {
        (0x11, [a, b, c, d, _, _, _, _, high, low, ..]) => {
            let port = u16::from_be_bytes([*high, *low]);
            std::net::SocketAddr::from(([*a, *b, *c, *d], port)).to_string()
        }
        (0x21, bytes) => match (bytes.first_chunk::<16>(), bytes.get(32..34)) {
            (Some(ip), Some([high, low])) => {
                std::net::SocketAddr::from((*ip, u16::from_be_bytes([*high, *low]))).to_string()
            }
            _ => return ProxyHeader::Absent,
        },
        _ => "unknown".to_owned(),
    };
    ProxyHeader::Complete { length, source }
}

//! Reads the unencrypted part of a server's first flight: version and cipher suite (RFC 8446 §4.1.3, RFC 5246
//! §7.4.1.3), and up to TLS 1.2 its certificates (RFC 5246 §7.4.2). native-tls reports neither version nor suite.
//!
//! Input that is cut short or not TLS yields fewer facts, never an error or a panic.

use super::cipher_suites;

/// What the first flight contains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirstFlight {
    pub version: Option<u16>,
    pub cipher: Option<u16>,
    /// The certificates that the server sent, in DER, its own first; empty in TLS 1.3, which encrypts them.
    pub certificates: Vec<Vec<u8>>,
    /// Whether the server requests a client certificate (RFC 5246 §7.4.4); `false` in TLS 1.3, which encrypts the
    /// request.
    pub requests_client_certificate: bool,
}

const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const CERTIFICATE_REQUEST: u8 = 13;
const SUPPORTED_VERSIONS: u16 = 43;

/// The random by which a ServerHello is a HelloRetryRequest (RFC 8446 §4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11,
    0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

impl FirstFlight {
    /// Parses the bytes that a server sent in a handshake, from the first one.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut flight = Self::default();
        let messages = plaintext_messages(bytes);
        let mut rest = messages.as_slice();
        while let Some((kind, body, after)) = split_message(rest) {
            match kind {
                SERVER_HELLO => flight.hello(body),
                CERTIFICATE_REQUEST => flight.requests_client_certificate = true,
                CERTIFICATE if flight.certificates.is_empty() => flight.certificates = certificates(body),
                _ => {}
            }
            rest = after;
        }
        flight
    }

    fn hello(&mut self, body: &[u8]) {
        if let Some((version, cipher)) = server_hello(body) {
            // A HelloRetryRequest names both too; the ServerHello after it repeats them (RFC 8446 §4.1.4).
            (self.version, self.cipher) = (Some(version), Some(cipher));
        }
    }

    /// `TLSv1.3`; an unknown version in the form `0x7F1C`.
    pub fn version_name(&self) -> Option<String> {
        self.version.map(|version| match version {
            0x0300 => "SSLv3".to_owned(),
            0x0301 => "TLSv1.0".to_owned(),
            0x0302 => "TLSv1.1".to_owned(),
            0x0303 => "TLSv1.2".to_owned(),
            0x0304 => "TLSv1.3".to_owned(),
            other => format!("0x{other:04X}"),
        })
    }

    /// IANA's name of the cipher suite; an unknown suite in the form `0xC02F`.
    pub fn cipher_name(&self) -> Option<String> {
        self.cipher.map(|id| cipher_suites::name(id).map_or_else(|| format!("0x{id:04X}"), str::to_owned))
    }
}

/// The unencrypted handshake messages, taken out of their records (RFC 8446 §5.1), up to the first record of another
/// kind.
fn plaintext_messages(mut bytes: &[u8]) -> Vec<u8> {
    let mut messages = Vec::new();
    while let Some((&[kind, _, _, high, low], after)) = bytes.split_first_chunk::<5>() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (content, after) = after.split_at_checked(length).unwrap_or((after, &[]));
        match kind {
            HANDSHAKE => messages.extend_from_slice(content),
            // A HelloRetryRequest is followed by a change_cipher_spec that means nothing (RFC 8446 §D.4), and then by
            // the ServerHello, unencrypted. After any other change_cipher_spec everything is encrypted.
            CHANGE_CIPHER_SPEC if ends_in_retry(&messages) => {}
            _ => break,
        }
        bytes = after;
    }
    messages
}

fn ends_in_retry(messages: &[u8]) -> bool {
    matches!(split_message(messages), Some((SERVER_HELLO, body, [])) if body.get(2..34) == Some(&RETRY[..]))
}

/// Splits off the first message, `msg_type(1) length(3) body`, and returns what follows it too.
fn split_message(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    let (body, after) = split_vector::<3>(rest)?;
    Some((kind, body, after))
}

/// Splits off a vector that is preceded by its length in `N` bytes, and returns what follows it too.
fn split_vector<const N: usize>(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<N>()?;
    rest.split_at_checked(length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
}

/// `legacy_version(2) random(32) session_id<0..32> cipher_suite(2) compression(1) extensions<0..2^16-1>`: version and suite.
fn server_hello(body: &[u8]) -> Option<(u16, u16)> {
    let (legacy, rest) = body.split_first_chunk::<2>()?;
    let (_random, rest) = rest.split_first_chunk::<32>()?;
    let (_session, rest) = split_vector::<1>(rest)?;
    let (cipher, rest) = rest.split_first_chunk::<2>()?;
    let extensions = rest.get(1..).and_then(split_vector::<2>).map_or(&[][..], |(extensions, _)| extensions);
    let version = selected_version(extensions).unwrap_or(u16::from_be_bytes(*legacy));
    Some((version, u16::from_be_bytes(*cipher)))
}

/// The version in the extension supported_versions (RFC 8446 §4.2.1); without it the legacy field counts.
fn selected_version(mut extensions: &[u8]) -> Option<u16> {
    while let Some((kind, rest)) = extensions.split_first_chunk::<2>() {
        let (data, after) = split_vector::<2>(rest)?;
        if u16::from_be_bytes(*kind) == SUPPORTED_VERSIONS {
            return data.first_chunk::<2>().copied().map(u16::from_be_bytes);
        }
        extensions = after;
    }
    None
}

/// `certificate_list<0..2^24-1>` of `ASN.1Cert<1..2^24-1>` (RFC 5246 §7.4.2); the first is the sender's own.
fn certificates(body: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = split_vector::<3>(body).map_or(&[][..], |(list, _)| list);
    let mut certificates = Vec::new();
    while let Some((certificate, after)) = split_vector::<3>(rest) {
        certificates.push(certificate.to_vec());
        rest = after;
    }
    certificates
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).expect("a short record").to_be_bytes();
        [&[kind, 3, 3][..], &length, content].concat()
    }

    fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).expect("a short message").to_be_bytes();
        [&[kind][..], &length[1..], body].concat()
    }

    fn hello(random: [u8; 32], cipher: u16, extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend(random);
        body.extend([2, 7, 7]);
        body.extend(cipher.to_be_bytes());
        body.push(0);
        if !extensions.is_empty() {
            body.extend(u16::try_from(extensions.len()).expect("few extensions").to_be_bytes());
            body.extend(extensions);
        }
        handshake(SERVER_HELLO, &body)
    }

    const RENEGOTIATION: &[u8] = &[0xff, 0x01, 0, 1, 0];
    const TLS13: &[u8] = &[0, 43, 0, 2, 3, 4];

    #[test]
    fn a_request_for_the_clients_certificate_is_seen() {
        let request = handshake(CERTIFICATE_REQUEST, &[1, 64, 0, 2, 4, 3, 0, 0]);
        let flight = |after: &[u8]| {
            FirstFlight::parse(&record(HANDSHAKE, &[&hello([1; 32], 0xc02f, RENEGOTIATION), after].concat()))
        };
        assert!(flight(&request).requests_client_certificate);
        assert!(!flight(&[]).requests_client_certificate);
    }

    #[test]
    fn version_and_suite_are_read() {
        let certificate = handshake(CERTIFICATE, &[0, 0, 10, 0, 0, 3, 1, 2, 3, 0, 0, 1, 4]);
        let tls12 = [hello([1; 32], 0xc02f, RENEGOTIATION), certificate.clone()].concat();
        let tls13 = hello([1; 32], 0x1302, &[RENEGOTIATION, TLS13].concat());
        let retry = hello(RETRY, 0x1301, TLS13);
        let (first, second) = tls12.split_at(20);
        let ccs = record(CHANGE_CIPHER_SPEC, &[1]);
        let der = vec![vec![1, 2, 3], vec![4]];
        for (bytes, version, cipher, certificates, why) in [
            (record(HANDSHAKE, &tls12), "TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", der.clone(), "one record"),
            (
                [record(HANDSHAKE, first), record(HANDSHAKE, second)].concat(),
                "TLSv1.2",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                der.clone(),
                "a message may be cut over records",
            ),
            (
                record(HANDSHAKE, &hello([1; 32], 0x002f, &[])),
                "TLSv1.2",
                "TLS_RSA_WITH_AES_128_CBC_SHA",
                Vec::new(),
                "no extensions",
            ),
            (
                record(HANDSHAKE, &hello([1; 32], 0xfffe, &[])),
                "TLSv1.2",
                "0xFFFE",
                Vec::new(),
                "a suite without a name",
            ),
            (
                [record(HANDSHAKE, &tls13), ccs.clone(), record(23, &[9; 40])].concat(),
                "TLSv1.3",
                "TLS_AES_256_GCM_SHA384",
                Vec::new(),
                "the rest is encrypted",
            ),
            (
                [record(HANDSHAKE, &retry), ccs.clone(), record(HANDSHAKE, &tls13)].concat(),
                "TLSv1.3",
                "TLS_AES_256_GCM_SHA384",
                Vec::new(),
                "the second ServerHello counts",
            ),
            (
                [record(HANDSHAKE, &tls12), ccs, record(HANDSHAKE, &tls13)].concat(),
                "TLSv1.2",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                der,
                "what looks like a message after change_cipher_spec is encrypted",
            ),
        ] {
            let flight = FirstFlight::parse(&bytes);
            assert_eq!(flight.version_name().as_deref(), Some(version), "{why}");
            assert_eq!(flight.cipher_name().as_deref(), Some(cipher), "{why}");
            assert_eq!(flight.certificates, certificates, "{why}");
        }
    }

    #[test]
    fn what_is_not_tls_tells_nothing() {
        for bytes in [&b""[..], b"220 mx.example.com ESMTP\r\n", &[22, 3, 3, 0, 2, 2, 0], &[21, 3, 3, 0, 2, 2, 40]] {
            assert_eq!(FirstFlight::parse(bytes), FirstFlight::default());
        }
    }

    #[test]
    fn every_cut_is_read_without_trouble() {
        let whole = record(HANDSHAKE, &hello([1; 32], 0x1301, TLS13));
        for end in 0..whole.len() {
            assert_eq!(FirstFlight::parse(&whole[..end]).version, None, "cut at {end}");
        }
        assert_eq!(FirstFlight::parse(&whole).version, Some(0x0304));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = FirstFlight::parse(&bytes);
            let _ = FirstFlight::parse(&record(HANDSHAKE, &bytes));
            let _ = FirstFlight::parse(&record(HANDSHAKE, &handshake(SERVER_HELLO, &bytes)));
            let _ = FirstFlight::parse(&record(HANDSHAKE, &handshake(CERTIFICATE, &bytes)));
        }
    }
}

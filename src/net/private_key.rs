//! Private keys in PEM. native-tls accepts PKCS#8 (RFC 5208) only, so PKCS#1 (RSA) and SEC 1 (EC) keys are converted.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use native_tls::Identity;
use openssl::error::ErrorStack;
use openssl::pkey::PKey;
use openssl::x509::X509;
use x509_parser::pem::Pem;

/// AlgorithmIdentifier of RSA keys: `SEQUENCE { rsaEncryption, NULL }` (RFC 8017 A.1).
const RSA: &[u8] = &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
/// The OID id-ecPublicKey (RFC 5480 §2.1.1).
const EC: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// A certificate, followed by its chain, and its key.
///
/// # Errors
/// If one of them cannot be read, or they do not belong together: a TLS library may say so only in a handshake.
pub fn identity(chain: &[u8], key: &[u8]) -> Result<Identity, String> {
    let key = to_pkcs8_pem(key)?;
    let identity = Identity::from_pkcs8(chain, key.as_bytes()).map_err(|_| "the certificate is not PEM".to_owned())?;
    if is_pair(chain, &key).unwrap_or(false) {
        Ok(identity)
    } else {
        Err("the key is not this certificate's".to_owned())
    }
}

/// Whether the first certificate's public key is that of the private key.
fn is_pair(chain: &[u8], key: &str) -> Result<bool, ErrorStack> {
    let key = PKey::private_key_from_pem(key.as_bytes())?;
    Ok(X509::from_pem(chain)?.public_key()?.public_eq(&key))
}

/// The first private key in these PEM blocks, as a PKCS#8 PEM block.
pub fn to_pkcs8_pem(pem: &[u8]) -> Result<String, String> {
    for block in Pem::iter_from_buffer(pem) {
        // The parser takes no blocks with headers, which encrypted ones have (RFC 1421 §4.6).
        let block = block.map_err(|_| match is_encrypted(pem) {
            true => encrypted_key_error(),
            false => "the key is not PEM".to_owned(),
        })?;
        let der = match block.label.as_str() {
            "PRIVATE KEY" => block.contents,
            "RSA PRIVATE KEY" => pkcs8(RSA, &block.contents),
            "EC PRIVATE KEY" => {
                let curve = curve(&block.contents).ok_or("the EC key does not name its curve")?;
                pkcs8(&der_element(0x30, &[EC, curve].concat()), &block.contents)
            }
            "ENCRYPTED PRIVATE KEY" => return Err(encrypted_key_error()),
            _ => continue,
        };
        return Ok(to_pem(&der));
    }
    Err("the file of the key holds no private key".to_owned())
}

fn encrypted_key_error() -> String {
    "the key is encrypted: decrypt it with `openssl pkey`".to_owned()
}

/// Encryption by PEM headers (RFC 1421), as older versions of OpenSSL wrote it.
fn is_encrypted(pem: &[u8]) -> bool {
    pem.windows(9).any(|window| window == b"ENCRYPTED")
}

/// PrivateKeyInfo (RFC 5208 §5): version 0, the algorithm, the key.
fn pkcs8(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    der_element(0x30, &[&[0x02, 0x01, 0x00], algorithm, &der_element(0x04, key)].concat())
}

/// The curve's OID, with its tag, in an ECPrivateKey (RFC 5915 §3): `parameters [0]`.
fn curve(key: &[u8]) -> Option<&[u8]> {
    let (0x30, mut rest, _) = split_element(key)? else { return None };
    while !rest.is_empty() {
        let (tag, content, after) = split_element(rest)?;
        if tag == 0xa0 {
            return (split_element(content)?.0 == 0x06).then_some(content);
        }
        rest = after;
    }
    None
}

/// One DER element: tag, content, and what follows it.
fn split_element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f)).filter(|(bytes, _)| bytes.len() <= 3)?;
        length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        rest = after;
    }
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

fn der_element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut der = vec![tag];
    let length = content.len();
    if length < 0x80 {
        der.push(u8::try_from(length).unwrap_or_default());
    } else {
        let bytes = length.to_be_bytes();
        let bytes = bytes.get(bytes.iter().position(|byte| *byte != 0).unwrap_or_default()..).unwrap_or_default();
        der.push(0x80 | u8::try_from(bytes.len()).unwrap_or_default());
        der.extend_from_slice(bytes);
    }
    der.extend_from_slice(content);
    der
}

fn to_pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CERTIFICATE: &str = include_str!("testdata/rsa.crt");
    const RSA_PKCS1: &str = include_str!("testdata/rsa.pkcs1.key");
    const RSA_PKCS8: &str = include_str!("testdata/rsa.pkcs8.key");
    const EC_CERTIFICATE: &str = include_str!("testdata/ec.crt");
    const EC_SEC1: &str = include_str!("testdata/ec.sec1.key");

    #[test]
    fn each_kind_of_key_becomes_one_that_native_tls_takes() {
        for (certificate, key, why) in [
            (CERTIFICATE, RSA_PKCS1, "PKCS#1"),
            (CERTIFICATE, RSA_PKCS8, "PKCS#8"),
            (EC_CERTIFICATE, EC_SEC1, "SEC 1 after its parameters, as `openssl ecparam -genkey` writes it"),
        ] {
            let pem = to_pkcs8_pem(key.as_bytes()).expect(why);
            let identity = native_tls::Identity::from_pkcs8(certificate.as_bytes(), pem.as_bytes()).expect(why);
            assert!(native_tls::TlsAcceptor::new(identity).is_ok(), "{why}");
        }
        assert_eq!(to_pkcs8_pem(RSA_PKCS1.as_bytes()), to_pkcs8_pem(RSA_PKCS8.as_bytes()));
        let both = format!("{CERTIFICATE}{RSA_PKCS8}");
        assert!(to_pkcs8_pem(both.as_bytes()).is_ok(), "certificate and key may share a file");
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        for (certificate, key, belongs) in [
            (CERTIFICATE, RSA_PKCS1, true),
            (EC_CERTIFICATE, EC_SEC1, true),
            (CERTIFICATE, EC_SEC1, false),
            (EC_CERTIFICATE, RSA_PKCS8, false),
        ] {
            assert_eq!(identity(certificate.as_bytes(), key.as_bytes()).is_ok(), belongs, "{certificate}");
        }
        // Of the same kind.
        let other = PKey::from_rsa(openssl::rsa::Rsa::generate(2048).expect("a key")).expect("a key");
        let other = other.private_key_to_pem_pkcs8().expect("PEM");
        let refused = identity(CERTIFICATE.as_bytes(), &other).map(drop);
        assert_eq!(refused, Err("the key is not this certificate's".to_owned()));
    }

    #[test]
    fn what_is_no_key_is_said_in_words() {
        for (pem, word) in [
            ("", "no private key"),
            (CERTIFICATE, "no private key"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "encrypted"),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
                "encrypted",
            ),
            ("-----BEGIN EC PRIVATE KEY-----\nMAMCAQE=\n-----END EC PRIVATE KEY-----\n", "curve"),
        ] {
            let error = to_pkcs8_pem(pem.as_bytes()).expect_err(pem);
            assert!(error.contains(word), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = curve(&bytes);
            let _ = to_pkcs8_pem(&bytes);
        }

        #[test]
        fn an_element_splits_into_what_it_was_made_of(content in proptest::collection::vec(any::<u8>(), 0..1_000)) {
            let der = der_element(0x04, &content);
            prop_assert_eq!(split_element(&der), Some((0x04, &content[..], &[][..])));
        }
    }
}

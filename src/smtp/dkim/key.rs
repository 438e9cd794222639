//! Private keys for DKIM: RSA (RFC 6376 §3.3.3, RFC 8301 §3) and Ed25519 (RFC 8463 §3).

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKey, Private};
use openssl::sign::{Signer, Verifier};
use sha2::{Digest, Sha256};
use std::fmt;

/// RFC 8301 §3.2: signers must use RSA keys of at least 1,024 bits.
pub const MIN_RSA_BITS: u32 = 1024;
/// RFC 8301 §3.2: signers should use RSA keys of at least 2,048 bits.
pub const RECOMMENDED_RSA_BITS: u32 = 2048;

/// How a signature is made: the tag `a=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DkimAlgorithm {
    RsaSha256,
    Ed25519Sha256,
}

impl DkimAlgorithm {
    /// The value of the tag `a=` (RFC 6376 §3.5, RFC 8463 §3).
    pub fn tag_value(self) -> &'static str {
        match self {
            Self::RsaSha256 => "rsa-sha256",
            Self::Ed25519Sha256 => "ed25519-sha256",
        }
    }
}

/// A private key that can sign mail.
#[derive(Clone)]
pub struct DkimKey {
    key: PKey<Private>,
    algorithm: DkimAlgorithm,
}

/// Why a text is not a private key for DKIM. No variant holds bytes of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// There is no `-----BEGIN …-----` line.
    NotPem,
    /// There are PEM blocks, but none is a private key. The label is that of the first block.
    NoPrivateKey {
        label: String,
    },
    SeveralKeys {
        count: usize,
    },
    /// The key needs a pass phrase.
    Encrypted,
    OpenSshFormat,
    /// The block cannot be decoded, or its private and public parts do not belong together.
    Invalid,
    /// Neither RSA nor Ed25519.
    UnsupportedType {
        name: &'static str,
    },
    TooShort {
        bits: u32,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPem => {
                f.write_str("the key is not in PEM format: there is no line \"-----BEGIN PRIVATE KEY-----\"")
            }
            Self::NoPrivateKey { label } => {
                write!(f, "there is no private key: the text begins with \"-----BEGIN {label}-----\"")
            }
            Self::SeveralKeys { count } => write!(f, "there are {count} private keys, and one is needed"),
            Self::Encrypted => {
                f.write_str("the key is protected by a pass phrase; `openssl pkey -in FILE -out NEW` removes it")
            }
            Self::OpenSshFormat => f.write_str(
                "the key is in OpenSSH format; `openssl genpkey -algorithm ed25519` makes one in PEM format",
            ),
            Self::Invalid => f.write_str("the private key is damaged: OpenSSL cannot decode it or sign with it"),
            Self::UnsupportedType { name } => {
                write!(f, "DKIM signs with RSA and Ed25519 keys, and this is a key of type {name}")
            }
            Self::TooShort { bits } => {
                write!(f, "the RSA key has {bits} bits; DKIM needs at least {MIN_RSA_BITS} (RFC 8301 §3.2)")
            }
        }
    }
}

impl std::error::Error for KeyError {}

/// The private key does not sign. The text is OpenSSL's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningFailed(pub String);

impl DkimKey {
    /// Reads the one private key of a PEM text: PKCS#8 (RFC 5208) or PKCS#1 (RFC 8017). Lines may be indented, and
    /// other blocks may come before the key. Never asks for a pass phrase.
    ///
    /// # Errors
    /// If there is no such key, and if its private part does not belong to its public part.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let text = String::from_utf8_lossy(pem);
        let labels: Vec<&str> = text.lines().filter_map(pem_label).collect();
        let private: Vec<&str> = labels.iter().copied().filter(|label| label.ends_with("PRIVATE KEY")).collect();
        match (labels.first(), private.as_slice()) {
            (None, _) => return Err(KeyError::NotPem),
            (Some(label), []) => return Err(KeyError::NoPrivateKey { label: (*label).to_owned() }),
            (_, ["OPENSSH PRIVATE KEY"]) => return Err(KeyError::OpenSshFormat),
            (_, ["ENCRYPTED PRIVATE KEY"]) => return Err(KeyError::Encrypted),
            (_, [_]) => {}
            (_, several) => return Err(KeyError::SeveralKeys { count: several.len() }),
        }
        let block: Vec<&str> = text
            .lines()
            .map(str::trim)
            .skip_while(|line| pem_label(line).is_none_or(|label| !label.ends_with("PRIVATE KEY")))
            .collect();
        let mut is_asked = false;
        // With the callback form OpenSSL never reads a pass phrase from the terminal.
        let key = PKey::private_key_from_pem_callback(format!("{}\n", block.join("\n")).as_bytes(), |_| {
            is_asked = true;
            Ok(0)
        });
        match key {
            _ if is_asked => Err(KeyError::Encrypted),
            Ok(key) => Self::from_key(key),
            Err(_) => Err(KeyError::Invalid),
        }
    }

    fn from_key(key: PKey<Private>) -> Result<Self, KeyError> {
        let algorithm = match key.id() {
            Id::RSA if key.bits() < MIN_RSA_BITS => return Err(KeyError::TooShort { bits: key.bits() }),
            Id::RSA => DkimAlgorithm::RsaSha256,
            Id::ED25519 => DkimAlgorithm::Ed25519Sha256,
            other => return Err(KeyError::UnsupportedType { name: type_name(other) }),
        };
        let key = Self { key, algorithm };
        // A key whose parts do not belong together makes signatures that nobody can verify.
        let probe = b"from:probe\r\n";
        let verified = key.sign_raw(probe).and_then(|signature| key.verify_raw(probe, &signature));
        if verified == Ok(true) { Ok(key) } else { Err(KeyError::Invalid) }
    }

    pub fn algorithm(&self) -> DkimAlgorithm {
        self.algorithm
    }

    /// The size of the key: the length of the RSA modulus, or 256.
    pub fn key_bits(&self) -> u32 {
        match self.algorithm {
            DkimAlgorithm::RsaSha256 => self.key.bits(),
            DkimAlgorithm::Ed25519Sha256 => 256,
        }
    }

    /// Whether the key is an RSA key below 2,048 bits, which `check` warns about.
    pub fn is_below_recommendation(&self) -> bool {
        self.algorithm == DkimAlgorithm::RsaSha256 && self.key_bits() < RECOMMENDED_RSA_BITS
    }

    /// Signs the canonical header fields (RFC 6376 §3.7).
    ///
    /// # Errors
    /// If OpenSSL does not sign.
    pub fn sign(&self, data: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        self.sign_raw(data).map_err(|error| SigningFailed::new(&error))
    }

    fn sign_raw(&self, data: &[u8]) -> Result<Vec<u8>, SignatureFault> {
        match self.algorithm {
            DkimAlgorithm::RsaSha256 => {
                let mut signer = Signer::new(MessageDigest::sha256(), &self.key)?;
                Ok(signer.sign_oneshot_to_vec(data)?)
            }
            // RFC 8463 §3: PureEdDSA over the SHA-256 hash.
            DkimAlgorithm::Ed25519Sha256 => {
                let mut signer = Signer::new_without_digest(&self.key)?;
                Ok(signer.sign_oneshot_to_vec(&Sha256::digest(data))?)
            }
        }
    }

    fn verify_raw(&self, data: &[u8], signature: &[u8]) -> Result<bool, SignatureFault> {
        match self.algorithm {
            DkimAlgorithm::RsaSha256 => {
                Ok(Verifier::new(MessageDigest::sha256(), &self.key)?.verify_oneshot(signature, data)?)
            }
            DkimAlgorithm::Ed25519Sha256 => {
                Ok(Verifier::new_without_digest(&self.key)?.verify_oneshot(signature, &Sha256::digest(data))?)
            }
        }
    }
}

/// Shows neither part of the key.
impl fmt::Debug for DkimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DkimKey({}, {} bits)", self.algorithm.tag_value(), self.key_bits())
    }
}

/// An error of OpenSSL that can be compared.
#[derive(Debug, PartialEq, Eq)]
struct SignatureFault(String);

impl From<ErrorStack> for SignatureFault {
    fn from(error: ErrorStack) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for SignatureFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SigningFailed {
    fn new(error: &dyn fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for SigningFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenSSL cannot sign with the DKIM key: {}", self.0)
    }
}

impl std::error::Error for SigningFailed {}

/// `LABEL` of `-----BEGIN LABEL-----` (RFC 7468 §2).
fn pem_label(line: &str) -> Option<&str> {
    let start = line.find("-----BEGIN ")?;
    line.get(start..)?.trim_end().strip_prefix("-----BEGIN ")?.strip_suffix("-----")
}

fn type_name(id: Id) -> &'static str {
    match id {
        Id::EC => "EC",
        Id::DSA => "DSA",
        Id::DH => "DH",
        Id::RSA_PSS => "RSA-PSS",
        Id::ED448 => "Ed448",
        Id::X25519 => "X25519",
        Id::X448 => "X448",
        _ => "unknown",
    }
}

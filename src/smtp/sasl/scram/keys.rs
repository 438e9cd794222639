//! The keys of SCRAM (RFC 5802 §3).

use hmac::{Hmac, KeyInit, Mac};
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The hash function of a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScramHash {
    Sha1,
    Sha256,
}

impl ScramHash {
    /// `H(str)`.
    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(data).to_vec(),
            Self::Sha256 => Sha256::digest(data).to_vec(),
        }
    }

    /// `HMAC(key, str)`.
    fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
            let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
            mac.update(data);
            mac.finalize().into_bytes().to_vec()
        }
        match self {
            Self::Sha1 => mac::<Hmac<Sha1>>(key, data),
            Self::Sha256 => mac::<Hmac<Sha256>>(key, data),
        }
    }

    /// `Hi(str, salt, i)`.
    fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        match self {
            Self::Sha1 => {
                let mut out = [0; 20];
                pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut out);
                out.to_vec()
            }
            Self::Sha256 => {
                let mut out = [0; 32];
                pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut out);
                out.to_vec()
            }
        }
    }
}

/// ClientKey, StoredKey and ServerKey.
pub struct ScramKeys {
    hash: ScramHash,
    client: Vec<u8>,
    stored: Vec<u8>,
    server: Vec<u8>,
}

impl ScramKeys {
    /// `password` is prepared by SASLprep.
    pub fn derive(hash: ScramHash, password: &str, salt: &[u8], iterations: u32) -> Self {
        let salted = hash.salted(password.as_bytes(), salt, iterations);
        let client = hash.hmac(&salted, b"Client Key");
        let stored = hash.digest(&client);
        Self { hash, client, stored, server: hash.hmac(&salted, b"Server Key") }
    }

    /// `ClientProof := ClientKey XOR ClientSignature`.
    pub fn client_proof(&self, auth_message: &str) -> Vec<u8> {
        let signature = self.hash.hmac(&self.stored, auth_message.as_bytes());
        self.client.iter().zip(signature).map(|(a, b)| a ^ b).collect()
    }

    /// `ServerSignature := HMAC(ServerKey, AuthMessage)`.
    pub fn server_signature(&self, auth_message: &str) -> Vec<u8> {
        self.hash.hmac(&self.server, auth_message.as_bytes())
    }
}

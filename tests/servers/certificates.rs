//! A certificate authority and certificates for `localhost`, made anew for each bed.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::path::{Path, PathBuf};

/// The files that a server and its client need.
pub struct Certificates {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Certificates {
    pub fn make(folder: &Path) -> Self {
        let ca_key = KeyPair::generate().expect("a key can be made");
        let mut ca = CertificateParams::new(Vec::new()).expect("no names are valid names");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name.push(DnType::CommonName, "mailrun test authority");
        let ca_pem = ca.self_signed(&ca_key).expect("the authority signs itself").pem();
        let issuer = Issuer::new(ca, ca_key);

        let key = KeyPair::generate().expect("a key can be made");
        let names = ["localhost", "mx.test", "127.0.0.1"].map(String::from).to_vec();
        let mut server = CertificateParams::new(names).expect("the names are valid");
        server.distinguished_name.push(DnType::CommonName, "localhost");
        let pem = server.signed_by(&key, &issuer).expect("the authority signs").pem();

        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).expect("a certificate can be written");
            path
        };
        Self {
            ca: write("ca.pem", &ca_pem),
            certificate: write("server.pem", &pem),
            key: write("server.key", &key.serialize_pem()),
        }
    }
}

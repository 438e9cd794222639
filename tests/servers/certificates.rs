//! A certificate authority, generated for each test, and the good and bad certificates that it issues.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd, string::Ia5String,
};
use std::path::PathBuf;
use std::rc::Rc;

/// The certificate of a server, in files.
pub struct Certificate {
    /// The authority that the client trusts.
    pub ca: PathBuf,
    pub pem: PathBuf,
    pub key: PathBuf,
    _folder: Rc<tempfile::TempDir>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Good,
    Expired,
    NotYetValid,
    WrongName,
    UnknownIssuer,
    SelfSigned,
    NameOnlyInCn,
    NulInName,
    Wildcard,
    IpAddress,
}

pub struct Authority {
    folder: Rc<tempfile::TempDir>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let folder = Rc::new(crate::fixture::folder());
        let (pem, issuer) = authority("mailrun test authority");
        std::fs::write(folder.path().join("ca.pem"), pem).expect("a certificate can be written");
        Self { folder, issuer }
    }

    /// A server certificate with its key, in files.
    pub fn issue(&self, kind: Kind) -> Certificate {
        let key = KeyPair::generate().expect("a key can be made");
        let params = params(kind);
        let certificate = match kind {
            Kind::SelfSigned => params.self_signed(&key),
            Kind::UnknownIssuer => params.signed_by(&key, &authority("another authority").1),
            _ => params.signed_by(&key, &self.issuer),
        };
        let write = |name: &str, text: &str| {
            let path = self.folder.path().join(format!("{kind:?}-{name}"));
            std::fs::write(&path, text).expect("a certificate can be written");
            path
        };
        Certificate {
            ca: self.folder.path().join("ca.pem"),
            pem: write("server.pem", &certificate.expect("the authority signs").pem()),
            key: write("server.key", &key.serialize_pem()),
            _folder: Rc::clone(&self.folder),
        }
    }
}

fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().expect("a key can be made");
    let mut params = CertificateParams::new(Vec::new()).expect("no names are valid names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let pem = params.self_signed(&key).expect("the authority signs itself").pem();
    (pem, Issuer::new(params, key))
}

fn params(kind: Kind) -> CertificateParams {
    let names: &[&str] = match kind {
        Kind::WrongName => &["other.test"],
        Kind::NameOnlyInCn | Kind::NulInName => &[],
        Kind::Wildcard => &["*.localhost.test"],
        Kind::IpAddress => &["127.0.0.1"],
        _ => &["localhost", "mx.test", "127.0.0.1"],
    };
    let mut params =
        CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).expect("the names are valid");
    let common_name = if kind == Kind::WrongName { "other.test" } else { "localhost" };
    params.distinguished_name.push(DnType::CommonName, common_name);
    if kind == Kind::NulInName {
        // CVE-2009-2408: read as a C string this is "localhost".
        let name = Ia5String::try_from("localhost\0.evil.test").expect("NUL is ASCII");
        params.subject_alt_names.push(SanType::DnsName(name));
    }
    (params.not_before, params.not_after) = match kind {
        Kind::Expired => (date_time_ymd(2023, 2, 1), date_time_ymd(2024, 2, 1)),
        Kind::NotYetValid => (date_time_ymd(2040, 1, 1), date_time_ymd(2044, 1, 1)),
        _ => (date_time_ymd(2024, 1, 1), date_time_ymd(2044, 1, 1)),
    };
    params
}

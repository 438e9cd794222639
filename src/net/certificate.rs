//! Certificates for the embedded server, made when it starts and signed by a CA that is made with them, with P-256
//! keys.

use super::private_key;
use anyhow::{Context, Result, anyhow};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use native_tls::{Identity, TlsAcceptor};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};

/// How many days a generated certificate is valid: longer than any run, and more than what `tls.peer.days_left` is
/// usually compared with.
const DAYS: i64 = 365;

/// A server's certificate and key, in PEM.
#[derive(Clone)]
pub struct ServerCertificate {
    /// The server's own certificate first.
    pub chain_pem: String,
    pub key_pem: String,
    /// What a client must trust: the generated CA, or the chain itself if it came from files.
    pub ca_pem: String,
}

/// What is wrong with a certificate, for tests of what clients refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFlaw {
    Expired,
    Future,
    WrongName,
    UnknownIssuer,
    SelfSigned,
}

impl CertificateFlaw {
    /// The names of the flaws.
    pub const NAMES: [&'static str; 5] = ["expired", "future", "wrong-name", "unknown-issuer", "self-signed"];

    /// The flaw of this name.
    pub fn parse(name: &str) -> Option<Self> {
        let flaws = [Self::Expired, Self::Future, Self::WrongName, Self::UnknownIssuer, Self::SelfSigned];
        flaws.into_iter().zip(Self::NAMES).find_map(|(flaw, known)| (known == name).then_some(flaw))
    }
}

/// A certificate authority that exists as long as the program.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl CertificateAuthority {
    /// Generates one. It is valid today: only the certificates that it issues may be out of date.
    pub fn generate() -> Result<Self> {
        Self::generate_valid(-1, DAYS).context("cannot make a certificate")
    }

    fn generate_valid(from: i64, until: i64) -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = common_name("mailrun CA, made at start");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        validity(&mut params, from.min(-1), until.max(DAYS))?;
        let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let pem = params.self_signed(&ca_key)?.pem();
        Ok(Self { issuer: Issuer::new(params, ca_key), pem })
    }

    /// A certificate for these host names and IP addresses (`localhost`, `127.0.0.1`, `::1`).
    pub fn issue<S: AsRef<str>>(&self, names: &[S]) -> Result<ServerCertificate> {
        self.issue_valid(names, -1, DAYS).context("cannot make a certificate")
    }

    /// A certificate that a client is to refuse.
    pub fn issue_flawed<S: AsRef<str>>(&self, names: &[S], flaw: CertificateFlaw) -> Result<ServerCertificate> {
        let made = match flaw {
            CertificateFlaw::Expired => self.issue_valid(names, -30, -2),
            CertificateFlaw::Future => self.issue_valid(names, 30, DAYS),
            CertificateFlaw::WrongName => self.issue_valid(&["wrong-name.example"], -1, DAYS),
            CertificateFlaw::UnknownIssuer => {
                let unknown = Self::generate_valid(-1, DAYS)?.issue_valid(names, -1, DAYS);
                unknown.map(|made| ServerCertificate { ca_pem: self.pem.clone(), ..made })
            }
            CertificateFlaw::SelfSigned => self.self_signed(names),
        };
        made.context("cannot make a certificate")
    }

    fn issue_valid<S: AsRef<str>>(&self, names: &[S], from: i64, until: i64) -> Result<ServerCertificate> {
        let mut params = server_params(names, from, until)?;
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let (chain_pem, key_pem) = (certificate.pem(), key.serialize_pem());
        Ok(ServerCertificate { chain_pem, key_pem, ca_pem: self.pem.clone() })
    }

    fn self_signed<S: AsRef<str>>(&self, names: &[S]) -> Result<ServerCertificate> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = server_params(names, -1, DAYS)?.self_signed(&key)?;
        let (chain_pem, key_pem) = (certificate.pem(), key.serialize_pem());
        Ok(ServerCertificate { chain_pem, key_pem, ca_pem: self.pem.clone() })
    }
}

fn server_params<S: AsRef<str>>(names: &[S], from: i64, until: i64) -> Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(|name| name.as_ref().to_owned()).collect();
    let subject = names.first().map_or("localhost", String::as_str).to_owned();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = common_name(&subject);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    validity(&mut params, from, until)?;
    Ok(params)
}

impl ServerCertificate {
    /// Generates a CA and a certificate for these host names and IP addresses (`localhost`, `127.0.0.1`, `::1`).
    pub fn generate<S: AsRef<str>>(names: &[S]) -> Result<Self> {
        CertificateAuthority::generate()?.issue(names)
    }

    /// As [`Self::generate`], valid from `from` to `until` days after today: for tests of what clients refuse.
    pub fn generate_valid<S: AsRef<str>>(names: &[S], from: i64, until: i64) -> Result<Self> {
        let authority = CertificateAuthority::generate_valid(from, until);
        authority.and_then(|authority| authority.issue_valid(names, from, until)).context("cannot make a certificate")
    }

    /// Reads a certificate, followed by the rest of its chain, and its key.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self> {
        let chain_pem = String::from_utf8(chain.to_vec()).map_err(|_| anyhow!("the certificate is not PEM"))?;
        let key_pem = private_key::to_pkcs8_pem(key).map_err(anyhow::Error::msg)?;
        let made = Self { ca_pem: chain_pem.clone(), chain_pem, key_pem };
        made.identity()?;
        Ok(made)
    }

    /// Certificate and key in the form that native-tls takes.
    pub fn identity(&self) -> Result<Identity> {
        private_key::identity(self.chain_pem.as_bytes(), self.key_pem.as_bytes()).map_err(anyhow::Error::msg)
    }

    /// The server's side of handshakes. Building it is not free: make one per server.
    pub fn acceptor(&self) -> Result<TlsAcceptor> {
        TlsAcceptor::new(self.identity()?).context("the certificate and key cannot be used")
    }
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn validity(params: &mut CertificateParams, from: i64, until: i64) -> Result<()> {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let day = |offset: i64| -> Result<Date> { Ok(today.checked_add(jiff::Span::new().try_days(offset)?)?) };
    let (from, until) = (day(from)?, day(until)?);
    let time = |date: Date| date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs());
    params.not_before = time(from);
    params.not_after = time(until);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_made_at_start_serves() {
        let made = ServerCertificate::generate(&["localhost", "127.0.0.1", "::1"]).expect("names are names");
        made.acceptor().expect("certificate and key belong together");
        let (_, pem) = x509_parser::pem::parse_x509_pem(made.chain_pem.as_bytes()).expect("PEM");
        let certificate = pem.parse_x509().expect("X.509");
        assert_eq!(certificate.subject().to_string(), "CN=localhost");
        assert!(certificate.validity().is_valid());
        let names =
            certificate.subject_alternative_name().expect("well-formed").expect("there").value.general_names.len();
        assert_eq!(names, 3);
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        let (one, other) = (ServerCertificate::generate(&["a.example"]), ServerCertificate::generate(&["b.example"]));
        let (one, other) = (one.expect("a name"), other.expect("a name"));
        let both = ServerCertificate::from_pem(one.chain_pem.as_bytes(), one.key_pem.as_bytes());
        assert!(both.expect("they belong together").acceptor().is_ok());
        let mixed = ServerCertificate::from_pem(one.chain_pem.as_bytes(), other.key_pem.as_bytes());
        assert!(mixed.is_err_and(|error| error.to_string().contains("not this certificate's")));
        assert!(ServerCertificate::from_pem(b"", one.key_pem.as_bytes()).is_err());
        assert!(ServerCertificate::from_pem(one.chain_pem.as_bytes(), b"none").is_err());
    }
}

//! Certificates for the embedded server, made when it starts and signed by a CA that is made with them, with P-256
//! keys.

use super::private_key;
use anyhow::{Context, Result, anyhow, ensure};
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

impl ServerCertificate {
    /// Generates a CA and a certificate for these host names and IP addresses (`localhost`, `127.0.0.1`, `::1`).
    pub fn generate<S: AsRef<str>>(names: &[S]) -> Result<Self> {
        Self::generate_valid(names, -1, DAYS)
    }

    /// As [`Self::generate`], valid from `from` to `until` days after today: for tests of what clients refuse.
    pub fn generate_valid<S: AsRef<str>>(names: &[S], from: i64, until: i64) -> Result<Self> {
        Self::generate_signed(names, from, until).context("cannot make a certificate")
    }

    fn generate_signed<S: AsRef<str>>(names: &[S], from: i64, until: i64) -> Result<Self> {
        let names: Vec<String> = names.iter().map(|name| name.as_ref().to_owned()).collect();
        // The CA is always valid today: only the server's certificate may be asked to be out of date.
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = common_name("mailrun CA, made at start");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        validity(&mut params, from.min(-1), until.max(DAYS))?;
        let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let ca = params.self_signed(&ca_key)?;
        let issuer = Issuer::new(params, ca_key);

        let subject = names.first().map_or("localhost", String::as_str).to_owned();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = common_name(&subject);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        validity(&mut params, from, until)?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Self { chain_pem: certificate.pem(), key_pem: key.serialize_pem(), ca_pem: ca.pem() })
    }

    /// Reads a certificate, followed by the rest of its chain, and its key.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self> {
        let chain_pem = String::from_utf8(chain.to_vec()).map_err(|_| anyhow!("the certificate is not PEM"))?;
        let key_pem = private_key::to_pkcs8_pem(key).map_err(anyhow::Error::msg)?;
        let made = Self { ca_pem: chain_pem.clone(), chain_pem, key_pem };
        ensure!(private_key::is_pair(&made.identity()?), "the key is not this certificate's");
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

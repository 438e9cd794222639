//! The vectors of RFC 8463 Appendix A, keys good and bad, settings.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// RFC 8463 Appendix A.2: the RSA key, as PKCS#1.
const RFC_RSA: &str = "-----BEGIN RSA PRIVATE KEY-----
MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi
Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM
KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB
AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm
6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe
zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy
6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc
uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy
WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd
WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a
licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst
o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe
uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL
-----END RSA PRIVATE KEY-----
";
/// RFC 8463 Appendix A.1: the Ed25519 key, which is that of RFC 8032 §7.1.
const RFC_ED25519: &str = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
/// `PrivateKeyInfo` of RFC 8410 §7 before the 32 octets of a key.
const ED25519_PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

const RFC_FIELDS: &str = "From: Joe SixPack <joe@football.example.com>\r\n\
    To: Suzie Q <suzie@shopping.example.net>\r\n\
    Subject: Is dinner ready?\r\n\
    Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n\
    Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n";
const RFC_BODY: &str = "\r\nHi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";

fn ed25519_pem() -> String {
    let mut der = ED25519_PREFIX.to_vec();
    der.extend(STANDARD.decode(RFC_ED25519).expect("the RFC's key is base64"));
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der))
}

fn content(text: &str) -> SignableContent {
    let mut hasher = ContentHasher::new();
    hasher.push(text.as_bytes()).expect("the header is short");
    hasher.finish()
}

#[test]
fn the_signatures_of_rfc_8463_are_reproduced() {
    // Key, the field up to `b=`, the signature, why.
    let table = [
        (
            ed25519_pem(),
            " v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n \
             q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n \
             subject : date : message-id : from : subject : date;\r\n \
             bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=",
            "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==",
            "Ed25519",
        ),
        (
            RFC_RSA.to_owned(),
            " v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n \
             q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n \
             date : message-id : from : subject : date;\r\n \
             bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b=",
            "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2\
             JzdA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=",
            "RSA, which PKCS#1 v1.5 makes deterministic",
        ),
    ];
    let message = content(&format!("{RFC_FIELDS}{RFC_BODY}"));
    assert_eq!(
        message.body_hash.to_base64(),
        "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=",
        "RFC 8463 and RFC 6376 A.2"
    );
    let names = ["from", "to", "subject", "date", "message-id", "from", "subject", "date"].map(str::to_owned);
    for (pem, field, signature, why) in table {
        let key = DkimKey::from_pem(pem.as_bytes()).expect("the RFC's key is valid");
        let data = signed_data(&names, &header::parse_fields(&message.header), field.as_bytes());
        assert_eq!(STANDARD.encode(key.sign(&data).expect("the key signs")), signature, "{why}");
    }
}

#[test]
fn a_signature_comes_out_of_a_message() {
    let settings = DkimSettings::new("football.example.com", "brisbane", None).expect("they are valid");
    let key = DkimKey::from_pem(ed25519_pem().as_bytes()).expect("it is valid");
    let signer = DkimSigner::new(settings, key);
    let message = content(&format!("{RFC_FIELDS}{RFC_BODY}"));
    let field = signer.sign(&message, 1_528_637_909).expect("it is signed");
    let expected = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n \
                    d=football.example.com; s=brisbane; t=1528637909; h=From:From:Subject:\r\n \
                    Subject:Date:Date:To:To:Cc:Message-ID;\r\n \
                    bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b=";
    assert_eq!(field.get(..expected.len()), Some(expected));
    assert_eq!(signer.sign(&message, 1_528_637_909), Ok(field), "the same message has the same signature");
    let lacking = content("To: b@example.com\r\n\r\nx\r\n");
    assert_eq!(signer.sign(&lacking, 0), Err(SignError::NoFrom));
}

#[test]
fn keys_are_read_or_refused_with_a_reason() {
    let openssl = |pem: Result<Vec<u8>, openssl::error::ErrorStack>| {
        String::from_utf8(pem.expect("it is written")).expect("PEM is ASCII")
    };
    let pkey = |rsa| openssl::pkey::PKey::from_rsa(rsa).expect("it is a key");
    let rsa = |bits| openssl::rsa::Rsa::generate(bits).expect("it is made");
    let short = pkey(rsa(1016));
    let good = pkey(rsa(1024));
    let curve = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).expect("it is known");
    let ec = openssl::ec::EcKey::generate(&curve).expect("it is made");
    let cipher = openssl::symm::Cipher::aes_128_cbc();
    let pkcs8 = openssl(good.private_key_to_pem_pkcs8());
    let pkcs1 = openssl(good.rsa().expect("it is RSA").private_key_to_pem());
    let damaged = RFC_RSA.replace("AoGAH0cx", "AoGAH0cy").replace("8C7Pip", "8C7Piq");
    let table = [
        (pkcs8.clone(), Ok(1024), "RSA in PKCS#8"),
        (pkcs1.clone(), Ok(1024), "RSA in PKCS#1"),
        (RFC_RSA.to_owned(), Ok(1024), "the RFC's"),
        (ed25519_pem(), Ok(256), "Ed25519"),
        (pkcs8.replace('\n', "\r\n"), Ok(1024), "CRLF"),
        (pkcs8.replace('\n', "\n    "), Ok(1024), "indented, as a TOML string may be"),
        (format!("\u{feff}{pkcs8}"), Ok(1024), "a byte order mark"),
        (format!("some words\n{pkcs8}"), Ok(1024), "text before the key"),
        (
            format!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{pkcs8}"),
            Ok(1024),
            "a certificate before it",
        ),
        (String::new(), Err(KeyError::NotPem), "empty"),
        (RFC_ED25519.to_owned(), Err(KeyError::NotPem), "base64 without its frame"),
        (
            openssl(good.public_key_to_pem()),
            Err(KeyError::NoPrivateKey { label: "PUBLIC KEY".to_owned() }),
            "the public key",
        ),
        (format!("{pkcs8}{pkcs1}"), Err(KeyError::SeveralKeys { count: 2 }), "two keys"),
        (
            openssl(good.private_key_to_pem_pkcs8_passphrase(cipher, b"x")),
            Err(KeyError::Encrypted),
            "a pass phrase, PKCS#8",
        ),
        (
            openssl(good.rsa().expect("it is RSA").private_key_to_pem_passphrase(cipher, b"x")),
            Err(KeyError::Encrypted),
            "a pass phrase, in PEM headers (RFC 1421)",
        ),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n".to_owned(),
            Err(KeyError::OpenSshFormat),
            "OpenSSH's own format",
        ),
        (pkcs8.replace("M", "*"), Err(KeyError::Invalid), "not base64"),
        (pkcs8.get(..200).unwrap_or_default().to_owned(), Err(KeyError::Invalid), "cut off"),
        (damaged, Err(KeyError::Invalid), "parts that do not belong together"),
        (openssl(short.private_key_to_pem_pkcs8()), Err(KeyError::TooShort { bits: 1016 }), "too short"),
        (openssl(ec.private_key_to_pem()), Err(KeyError::UnsupportedType { name: "EC" }), "an EC key"),
        (
            openssl(openssl::pkey::PKey::generate_ed448().expect("it is made").private_key_to_pem_pkcs8()),
            Err(KeyError::UnsupportedType { name: "Ed448" }),
            "another Edwards curve",
        ),
    ];
    for (pem, expected, why) in table {
        assert_eq!(DkimKey::from_pem(pem.as_bytes()).map(|key| key.key_bits()), expected, "{why}");
    }
    let key = DkimKey::from_pem(pkcs8.as_bytes()).expect("it is valid");
    assert!(key.is_below_recommendation());
    assert_eq!(format!("{key:?}"), "DkimKey(rsa-sha256, 1024 bits)", "nothing of the key is shown");
    assert_eq!(DkimKey::from_pem(b"\xff\xfe-----BEGIN \0").map(|_| ()), Err(KeyError::NotPem), "bytes");
}

#[test]
fn settings_are_checked() {
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let long = "a".repeat(64);
    use DkimSettingsError::{DomainSyntax, FromMissing, HeaderName, Selector};
    let table = [
        ("example.com", "s2026", None, Ok(()), "the usual"),
        ("example.com", "a.b-c._d", None, Ok(()), "a selector with dots and underscores"),
        ("bücher.example", "s", None, Ok(()), "an internationalised domain"),
        ("example.com", "s", names(&["from", "X-Own"]), Ok(()), "a list, in any case"),
        ("example.com.", "s", None, Err(DomainSyntax), "a dot at the end"),
        ("", "s", None, Err(DomainSyntax), "no domain"),
        ("a_b.example", "s", None, Err(DomainSyntax), "an underscore"),
        ("example.com; x=1", "s", None, Err(DomainSyntax), "another tag"),
        ("example.com", "s; t=1", None, Err(Selector), "another tag"),
        ("example.com", "", None, Err(Selector), "no selector"),
        ("example.com", "s\r\n", None, Err(Selector), "a line break"),
        ("example.com", &long, None, Err(Selector), "a label of 64 octets"),
        ("example.com", "s", names(&["Subject"]), Err(FromMissing), "no From"),
        ("example.com", "s", names(&["From", "a:b"]), Err(HeaderName("a:b".to_owned())), "a colon"),
        ("example.com", "s", names(&["From", "a;b"]), Err(HeaderName("a;b".to_owned())), "a semicolon"),
        ("example.com", "s", names(&["From", ""]), Err(HeaderName(String::new())), "an empty name"),
    ];
    for (domain, selector, headers, expected, why) in table {
        assert_eq!(DkimSettings::new(domain, selector, headers).map(|_| ()), expected, "{why}");
    }
    let removed = DkimSettings::new("exa\u{ad}mple.com", "s", None).expect_err("it has a soft hyphen");
    assert!(removed.to_string().contains("U+00AD"), "{removed}");
}

#[test]
fn a_domain_covers_itself_and_those_below() {
    let settings = DkimSettings::new("Bücher.example", "s", None).expect("they are valid");
    assert_eq!(settings.domain(), "xn--bcher-kva.example");
    let table = [
        ("bücher.example", true, "itself"),
        ("XN--BCHER-KVA.example", true, "its A-label in another case"),
        ("mail.bücher.example", true, "a subdomain"),
        ("xbücher.example", false, "another label that ends the same"),
        ("example", false, "its parent"),
        ("example.com", false, "another domain"),
    ];
    for (domain, expected, why) in table {
        assert_eq!(settings.covers(domain), expected, "{why}");
    }
}

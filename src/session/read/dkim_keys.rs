//! The keys of `[dkim]`.

use super::key_spec::{KeySpec, KeyType, TableSpec};

pub static DKIM: TableSpec = TableSpec {
    title: "[dkim]",
    keys: &[
        KeySpec { name: "domain", kind: KeyType::Template, doc: "the signing domain: the tag d=" },
        KeySpec { name: "selector", kind: KeyType::Template, doc: "the label before ._domainkey in DNS: the tag s=" },
        KeySpec { name: "key", kind: KeyType::Value, doc: "the private key in PEM, RSA or Ed25519: always a secret" },
        KeySpec {
            name: "headers",
            kind: KeyType::List(&KeyType::Plain("a header's name in a string")),
            doc: "the header fields to sign; those of RFC 6376 5.4.1 by default",
        },
    ],
};

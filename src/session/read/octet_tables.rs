//! The keys of `raw` and `bdat`.

use super::key_spec::{KeyType, TableSpec, key};

/// A form of `raw`.
pub const RAW_FORM: KeyType = KeyType::Either(&[KeyType::Template, KeyType::Table(&RAW)]);

pub static BDAT: TableSpec = TableSpec {
    title: "\"bdat\"",
    keys: &[
        key("hex", KeyType::Plain("hexadecimal digits in a string"), "the octets in hexadecimal"),
        key("base64", KeyType::Plain("base64 in a string"), "the octets in base64"),
        key("file", KeyType::Template, "a file with the octets"),
    ],
};

pub static RAW: TableSpec = TableSpec {
    title: "\"raw\"",
    keys: &[
        key("hex", KeyType::Plain("hexadecimal digits in a string"), "the bytes in hexadecimal"),
        key("base64", KeyType::Plain("base64 in a string"), "the bytes in base64"),
        key("file", KeyType::Template, "a file with the bytes"),
    ],
};

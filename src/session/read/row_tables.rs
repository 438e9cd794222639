//! The keys of `[rows]`.

use super::key_spec::{COUNT, DELIMITER, KeyType, LABEL, PATH, TableSpec, key};

pub static ROWS: TableSpec = TableSpec {
    title: "[rows]",
    keys: &[
        key("file", PATH, "CSV with a header row, TSV or JSON Lines; - for standard input"),
        key("key", KeyType::Plain("a column's name in a string"), "the column that names a row"),
        key("key_case", KeyType::Word(&["exact", "ignore"]), "whether case matters in keys; exact by default"),
        key("exclude", EXCLUSIONS, "lists of rows and recipients to skip"),
        key("delimiter", DELIMITER, "what separates the fields; detected by default"),
        key("encoding", LABEL, "the file's encoding; by default UTF-8, or what its byte order mark says"),
        key(
            "ledger",
            KeyType::Plain("a path in a string"),
            "the file that records what was sent; --ledger overrides it",
        ),
        key("connections", COUNT, "connections in parallel; 1 by default"),
        key("per_connection", COUNT, "rows before a fresh connection"),
        key("in_flight", COUNT, "messages sent and not yet answered, per connection; 1 by default"),
        key("rate", KeyType::Plain("a rate such as \"10/s\""), "rows per second"),
    ],
};

const EXCLUSION_TABLE: KeyType = KeyType::Table(&EXCLUSION);
const EXCLUSIONS: KeyType = KeyType::Either(&[EXCLUSION_TABLE, KeyType::List(&EXCLUSION_TABLE)]);

pub static EXCLUSION: TableSpec = TableSpec {
    title: "\"exclude\"",
    keys: &[
        key("file", PATH, "a list: CSV with a header row, TSV or JSON Lines"),
        key("key", KeyType::Plain("a column's name in a string"), "its column with keys or addresses"),
        key("delimiter", DELIMITER, "what separates the fields; detected by default"),
        key("encoding", LABEL, "the file's encoding; by default UTF-8, or what its byte order mark says"),
    ],
};

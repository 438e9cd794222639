//! Delimiters and encodings of files.

use super::wrong;

#[test]
fn delimiters_and_encodings_are_checked() {
    let table = [
        (
            "[rows]\nfile = \"p.csv\"\ndelimiter = \";;\"",
            "case.toml:3:13: error: \";;\" cannot be a delimiter: it must be one ASCII character",
            "two characters",
        ),
        (
            "[rows]\nfile = \"p.csv\"\nencoding = \"utf9\"",
            "case.toml:3:12: error: \"utf9\" is not the label of an encoding",
            "an unknown label",
        ),
        (
            "[vars]\nx = { file = \"x\", encoding = \"latin1\" }",
            "the encoding of a text file is \"charset\"",
            "the key of rows next to a text file",
        ),
        (
            "[vars]\nx = { csv = \"x\", charset = \"latin1\" }",
            "the encoding of a file of rows is \"encoding\"",
            "the key of a text file next to rows",
        ),
        (
            "[[step]]\nbody = { file = \"x\", charset = \"latin1\" }\nexpect = 250",
            "unknown key \"charset\" in \"body\"",
            "the bytes of a body are not decoded",
        ),
    ];
    for (text, words, why) in table {
        let shown = wrong(&format!("{text}\n[[step]]\nexpect = 220\n"));
        assert!(shown.contains(words), "{why}: wanted {words}\n{shown}");
    }
}

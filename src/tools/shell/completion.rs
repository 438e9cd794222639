//! What a line may go on with: verbs, colon commands, and what the server offered.

use super::colon_commands::COMMANDS;
use crate::smtp::capabilities::Capabilities;

/// The verbs of commands, with what follows each of them always.
const VERBS: [&str; 17] = [
    "EHLO ",
    "HELO ",
    "LHLO ",
    "MAIL FROM:<",
    "RCPT TO:<",
    "DATA",
    "BDAT ",
    "RSET",
    "NOOP",
    "QUIT",
    "VRFY ",
    "EXPN ",
    "HELP",
    "AUTH ",
    "STARTTLS",
    "ETRN ",
    "XCLIENT ",
];

/// Parameters of MAIL, and the keyword of the extension that has them.
const MAIL_PARAMETERS: [(&str, &str); 10] = [
    ("SIZE=", "SIZE"),
    ("BODY=8BITMIME", "8BITMIME"),
    ("BODY=BINARYMIME", "BINARYMIME"),
    ("SMTPUTF8", "SMTPUTF8"),
    ("RET=FULL", "DSN"),
    ("RET=HDRS", "DSN"),
    ("ENVID=", "DSN"),
    ("AUTH=", "AUTH"),
    ("REQUIRETLS", "REQUIRETLS"),
    ("BY=", "DELIVERBY"),
];

/// Parameters of RCPT, and the keyword of the extension that has them.
const RCPT_PARAMETERS: [(&str, &str); 3] =
    [("NOTIFY=NEVER", "DSN"), ("NOTIFY=SUCCESS,FAILURE,DELAY", "DSN"), ("ORCPT=rfc822;", "DSN")];

/// Where the word begins that is typed last, and the words that it can become.
pub fn completions(typed: &str, offered: &Capabilities) -> (usize, Vec<String>) {
    let start = typed.rfind(' ').map_or(0, |at| at + 1);
    let upper = typed.to_ascii_uppercase();
    let mechanisms = || offered.auth();
    let with = |parameters: &[(&str, &str)]| -> Vec<String> {
        parameters.iter().filter(|(_, keyword)| offered.has(keyword)).map(|(text, _)| (*text).to_owned()).collect()
    };
    let words: Vec<String> = match typed.get(..start).unwrap_or_default() {
        "" => {
            let extensions = offered.keywords.keys().filter(|keyword| keyword.starts_with('X')).cloned();
            let known = VERBS.iter().chain(&COMMANDS).map(|word| (*word).to_owned());
            known.chain(extensions.filter(|keyword| !VERBS.iter().any(|verb| verb.trim() == keyword))).collect()
        }
        ":auth " => mechanisms(),
        ":hex " => vec!["on".to_owned(), "off".to_owned()],
        ":close " => vec!["reset".to_owned()],
        ":save " => vec!["--clean ".to_owned()],
        _ if upper.get(..start) == Some("AUTH ") => mechanisms(),
        _ if upper.starts_with("MAIL FROM:") => with(&MAIL_PARAMETERS),
        _ if upper.starts_with("RCPT TO:") => with(&RCPT_PARAMETERS),
        _ => Vec::new(),
    };
    let begun = upper.get(start..).unwrap_or_default();
    (start, words.into_iter().filter(|word| word.to_ascii_uppercase().starts_with(begun)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_on_with_verbs_and_with_what_the_server_offered() {
        let keywords = [("AUTH", "PLAIN LOGIN"), ("SIZE", "1000"), ("DSN", ""), ("XFORWARD", "NAME ADDR")];
        let keywords = keywords.iter().map(|(keyword, rest)| ((*keyword).to_owned(), (*rest).to_owned())).collect();
        let offered = Capabilities { keywords, ..Capabilities::default() };
        let table: [(&str, usize, &[&str]); 14] = [
            ("ST", 0, &["STARTTLS"]),
            ("mail", 0, &["MAIL FROM:<"]),
            ("x", 0, &["XCLIENT ", "XFORWARD"]),
            (":b", 0, &[":b64", ":body"]),
            (":au", 0, &[":auth"]),
            ("AUTH ", 5, &["PLAIN", "LOGIN"]),
            ("auth l", 5, &["LOGIN"]),
            (":auth pl", 6, &["PLAIN"]),
            ("MAIL FROM:<a@x> ", 16, &["SIZE=", "RET=FULL", "RET=HDRS", "ENVID=", "AUTH="]),
            ("MAIL FROM:<a@x> SIZE=3 r", 23, &["RET=FULL", "RET=HDRS"]),
            ("rcpt to:<b@x> n", 14, &["NOTIFY=NEVER", "NOTIFY=SUCCESS,FAILURE,DELAY"]),
            ("AUTH PLAIN ", 11, &[]),
            ("NOOP ", 5, &[]),
            (":hex o", 5, &["on", "off"]),
        ];
        for (typed, start, words) in table {
            let (found_start, found) = completions(typed, &offered);
            assert_eq!((found_start, found), (start, words.iter().map(|word| (*word).to_owned()).collect()), "{typed}");
        }
        assert!(completions("MAIL FROM:<a@x> ", &Capabilities::default()).1.is_empty(), "nothing was offered");
        assert!(completions("é", &offered).1.is_empty(), "no word begins so");
    }
}

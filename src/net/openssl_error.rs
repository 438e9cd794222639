//! OpenSSL's error texts without codes, files and functions.

/// Replaces `error:CODE:LIBRARY:FUNCTION:REASON:FILE:LINE:` by its reason and keeps the text before it. Any other text
/// is returned unchanged.
pub fn reason(text: &str) -> String {
    let is_code = |code: &str| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_hexdigit());
    let found = text.split_once("error:").and_then(|(before, after)| {
        let mut parts = after.split(':');
        parts.next().filter(|code| is_code(code))?;
        Some((before, parts.nth(2).filter(|reason| !reason.is_empty())?))
    });
    found.map_or_else(|| text.to_owned(), |(before, reason)| format!("{before}{reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openssl_is_quoted_in_words() {
        let table = [
            (
                "error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca:../ssl/record/rec_layer_s3.c:1586:SSL alert number 48",
                "tlsv1 alert unknown ca",
                "as it is",
            ),
            (
                "cannot read: error:0A000126:SSL routines::unexpected eof while reading:../x.c:1:",
                "cannot read: unexpected eof while reading",
                "after other words, without a function",
            ),
            ("error:00000000:lib(0)::reason(0):x.c:1:", "reason(0)", "unknown to the library"),
            ("error: 3 of 4", "error: 3 of 4", "somebody else's words"),
            ("error:0A000126", "error:0A000126", "nothing after it"),
            ("Connection reset by peer", "Connection reset by peer", "the system's"),
        ];
        for (text, expected, why) in table {
            assert_eq!(reason(text), expected, "{why}");
        }
    }
}

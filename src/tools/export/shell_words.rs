//! Words of a POSIX shell, and formats of its `printf`.

use super::secret_pieces::SecretPiece;

/// A word that the shell takes as it is.
pub fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,[]<>".contains(c);
    let special = |c: char| "[]<>".contains(c);
    match !text.is_empty() && text.chars().all(plain) && !text.contains(special) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// Between two lines of a format: the word goes on in the next line of the script.
const NEXT_LINE: &str = "'\\\n'";

/// The arguments of `printf` for bytes: a format, and a word for each secret. The format has a line of the script for each
/// line that is sent.
pub fn printf_arguments(pieces: &[SecretPiece]) -> String {
    let (mut format, mut words, mut line_ended) = (String::from("'"), String::new(), false);
    for piece in pieces {
        match piece {
            SecretPiece::Bytes(bytes) => {
                for byte in bytes {
                    if std::mem::replace(&mut line_ended, *byte == b'\n') {
                        format.push_str(NEXT_LINE);
                    }
                    push_byte(*byte, &mut format);
                }
            }
            SecretPiece::Variable(name) => {
                format.push_str("%s");
                words += &format!(" \"${name}\"");
            }
            SecretPiece::Base64(inner) => {
                format.push_str("%s");
                words += &format!(" \"$(printf -- {} | base64 | tr -d '\\n')\"", printf_arguments(inner));
            }
        }
    }
    format!("{format}'{words}")
}

/// Escapes a byte for a format in single quotes.
fn push_byte(byte: u8, format: &mut String) {
    match byte {
        b'\r' => format.push_str("\\r"),
        b'\n' => format.push_str("\\n"),
        b'\\' => format.push_str("\\\\"),
        b'%' => format.push_str("%%"),
        b'\'' => format.push_str("\\047"),
        b' '..=b'~' => format.push(char::from(byte)),
        // Octal, with all its digits: another one may follow.
        _ => *format += &format!("\\{byte:03o}"),
    }
}

/// Text for a comment: one line.
pub fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Seconds as `sleep` takes them.
pub fn seconds(duration: std::time::Duration) -> String {
    let text = format!("{}.{:03}", duration.as_secs(), duration.subsec_millis());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

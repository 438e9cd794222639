//! xtext (RFC 3461 §4), used by DSN parameters, AUTH= and XCLIENT:
//!
//! ```abnf
//! xtext = *( xchar / hexchar )
//! xchar = any ASCII CHAR between "!" and "~", except for "+" and "="
//! hexchar = "+" 2HEXDIG
//! ```

fn is_xchar(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && byte != b'+' && byte != b'='
}

/// Encodes bytes as xtext.
pub fn encode(text: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let mut out = String::with_capacity(text.len());
    for &byte in text {
        if is_xchar(byte) {
            out.push(char::from(byte));
        } else {
            out.extend(['+', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
    out
}

/// `None` if `text` is not xtext. Hexadecimal digits in lower case are accepted too.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = match (first, after) {
            (b'+', [high, low, after @ ..]) => {
                out.push(digit(*high)? * 16 + digit(*low)?);
                after
            }
            (byte, after) if is_xchar(*byte) => {
                out.push(*byte);
                after
            }
            _ => return None,
        };
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_xchar_is_written_in_hexadecimal() {
        let table: &[(&[u8], &str)] = &[
            (b"", ""),
            (b"a@b.example", "a@b.example"),
            (b"a+b=c d", "a+2Bb+3Dc+20d"),
            ("ü\n".as_bytes(), "+C3+BC+0A"),
        ];
        for (text, xtext) in table {
            assert_eq!(encode(text), *xtext);
            assert_eq!(decode(xtext).as_deref(), Some(*text));
        }
        assert_eq!(decode("+2b").as_deref(), Some(&b"+"[..]), "lower case is taken");
    }

    #[test]
    fn what_is_no_xtext_is_refused() {
        for text in ["a b", "a=b", "+", "+2", "+2G", "++1", "ü", "a\n"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn bytes_round_trip(bytes: Vec<u8>) {
            let xtext = encode(&bytes);
            prop_assert!(xtext.bytes().all(|b| is_xchar(b) || b == b'+'));
            prop_assert_eq!(decode(&xtext), Some(bytes));
        }
    }
}

//! xtext (RFC 3461 §4), used by DSN parameters, AUTH= and XCLIENT.

pub fn encode(text: &[u8]) -> String {
    let _ = text;
    todo!()
}

/// `None` where `text` is not xtext.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let _ = text;
    todo!()
}

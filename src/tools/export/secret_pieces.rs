//! Finds the places of secrets in what is sent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;

/// A part of what is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretPiece {
    Bytes(Vec<u8>),
    /// The value of an environment variable.
    Variable(String),
    /// These parts in base64.
    Base64(Vec<SecretPiece>),
}

/// A value that stands for a secret while the session is recorded, and the environment variable that the script reads
/// instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretToken {
    pub token: String,
    pub variable: String,
}

/// The base64 of a token is longer than that.
const MIN_WORD: usize = 16;

/// Cuts bytes at the tokens in them: as they are, or in a word of base64.
pub fn cut(bytes: &[u8], tokens: &[SecretToken]) -> Vec<SecretPiece> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while let Some((at, length, piece)) = next_secret(rest, tokens) {
        push_bytes(&mut pieces, &rest[..at]);
        pieces.push(piece);
        rest = &rest[at + length..];
    }
    push_bytes(&mut pieces, rest);
    pieces
}

/// The first place of a token: where it begins, its length, and what stands for it.
fn next_secret(bytes: &[u8], tokens: &[SecretToken]) -> Option<(usize, usize, SecretPiece)> {
    let plain = tokens.iter().filter_map(|token| {
        let at = memmem::find(bytes, token.token.as_bytes())?;
        Some((at, token.token.len(), SecretPiece::Variable(token.variable.clone())))
    });
    let encoded = base64_words(bytes).find_map(|(at, word)| {
        let decoded = STANDARD.decode(word).ok().filter(|_| word.len() >= MIN_WORD)?;
        let pieces = cut(&decoded, tokens);
        has_secret(&pieces).then_some((at, word.len(), SecretPiece::Base64(pieces)))
    });
    plain.chain(encoded).min_by_key(|(at, ..)| *at)
}

/// The words of base64 characters, each with its place.
fn base64_words(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let mut at = 0;
    bytes.split(move |byte| !is_base64(byte)).map(move |word| {
        let start = at;
        at += word.len() + 1;
        (start, word)
    })
}

fn push_bytes(pieces: &mut Vec<SecretPiece>, bytes: &[u8]) {
    if !bytes.is_empty() {
        pieces.push(SecretPiece::Bytes(bytes.to_vec()));
    }
}

/// Whether a secret is among the pieces.
pub fn has_secret(pieces: &[SecretPiece]) -> bool {
    pieces.iter().any(|piece| !matches!(piece, SecretPiece::Bytes(_)))
}

/// Whether something of a token is left in the bytes, in capitals or in parts of a longer word.
pub fn has_remnant(pieces: &[SecretPiece], tokens: &[SecretToken]) -> bool {
    pieces.iter().any(|piece| match piece {
        SecretPiece::Bytes(bytes) => {
            let lower = bytes.to_ascii_lowercase();
            tokens.iter().any(|token| memmem::find(&lower, token.token.as_bytes()).is_some())
        }
        SecretPiece::Variable(_) => false,
        SecretPiece::Base64(inner) => has_remnant(inner, tokens),
    })
}

/// The bytes, if there is no secret among them.
pub fn plain_bytes(pieces: &[SecretPiece]) -> Option<Vec<u8>> {
    pieces.iter().try_fold(Vec::new(), |mut all, piece| match piece {
        SecretPiece::Bytes(bytes) => {
            all.extend_from_slice(bytes);
            Some(all)
        }
        SecretPiece::Variable(_) | SecretPiece::Base64(_) => None,
    })
}

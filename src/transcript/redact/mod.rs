//! Finds secrets in what is about to be shown, in every form in which they travel.
//!
//! Each secret is looked for as it is and as base64 at each of the three alignments ([`forms`]), in the text as it
//! is, with lines joined that a secret may have been cut over ([`joins`]), and with other encodings undone ([`views`]).
//! All matches count, overlapping ones too, and are merged, so that a secret inside another leaks nothing of it.
//!
//! Lines are told one by one, and a secret may stand in several: content is looked through with what stands before and
//! behind it ([`ContentWindow`]), a reply with its lines before ([`ReplyWindow`]).

mod content_window;
mod forms;
mod joins;
mod matches;
mod redactor;
mod reply_window;
mod secret;
#[cfg(test)]
mod tests;
mod views;

pub use content_window::{ContentRedaction, ContentWindow};
pub use redactor::Redactor;
pub use reply_window::ReplyWindow;
pub use secret::Secret;

//! Finds secrets in text that is about to be shown, in every form in which they are sent.
//!
//! Each secret is searched for as it is and as base64 at each of the three alignments ([`forms`]): in the text itself, with lines
//! joined over which a secret may be split ([`joins`]), and with other encodings decoded ([`views`]). All matches count and are
//! merged, overlapping ones too, so that a secret inside another one is hidden completely.
//!
//! A secret may be split over several lines: content is searched together with what comes before and after it
//! ([`ContentWindow`]), a reply with its earlier lines ([`ReplyWindow`]).

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

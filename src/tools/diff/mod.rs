//! `mailrun diff`: where two servers answer differently. The dialogues come from transcripts, from JSON results, or from
//! two runs of a session.

mod align;
mod collector;
mod compare;
mod dialogue;
mod difference;
mod files;
#[cfg(test)]
mod tests;

pub use collector::DialogueCollector;
pub use compare::{DiffOptions, compare};
pub use dialogue::{ObservedConnection, ObservedDialogue, ObservedExchange, ServerAnswer};
pub use difference::{DiffSide, Difference};
pub use files::{DiffFileError, read_dialogues};

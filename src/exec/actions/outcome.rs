//! How an action ended that did not fail.

/// How an action ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActionOutcome {
    Passed,
    /// `opportunistic`, and the server does not offer it.
    NotOffered,
    /// A message that all its recipients have had before.
    AlreadySent,
    /// A message whose recipients are all excluded.
    Excluded,
    /// The server lacks what the session requires.
    SkipSession,
}

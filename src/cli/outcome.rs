//! How a session's end counts, and what is said of it in a line.

use crate::event::{Event, Fact, Note, Observer, Outcome, RecipientOutcome, SkipReason, Status, Verdict};
use crate::transcript::{Shown, printable};

/// How a session counts, and what is remarked on that.
#[derive(Debug, PartialEq, Eq)]
pub struct Counted {
    pub status: Status,
    pub remark: Option<String>,
}

/// Counts a session's end. `outcome` is `None` where the program itself failed.
pub fn judge(outcome: Option<&Outcome>, xfail: Option<&str>, watcher: &Watcher) -> Counted {
    let Some(outcome) = outcome else {
        return Counted { status: Status::Software, remark: Some("ended by an internal error".to_owned()) };
    };
    let counted = |status, remark: String| Counted { status, remark: Some(remark) };
    let why = xfail.map(|why| printable(why.as_bytes())).unwrap_or_default();
    match outcome.status {
        _ if outcome.skipped.is_some() => {
            let why = outcome.skipped.as_ref().map_or("", Shown::as_str);
            counted(Status::Passed, format!("skipped: {why}"))
        }
        Status::Passed if outcome.steps_run == 0 && watcher.conditions > 0 => {
            counted(Status::Passed, "skipped: the `if` of every step was false".to_owned())
        }
        // A run that did nothing is never a success.
        Status::Passed if outcome.steps_run == 0 => counted(Status::Failed, "no step ran".to_owned()),
        Status::Passed if xfail.is_some() => {
            counted(Status::Failed, format!("passed, but xfail says that it should fail: {why}"))
        }
        // What the user or the program itself ended is not the failure that was expected.
        status @ (Status::Passed | Status::Interrupted | Status::Terminated | Status::Software) => {
            Counted { status, remark: None }
        }
        _ if xfail.is_some() => counted(Status::Passed, format!("failed as expected: {why}")),
        status => Counted { status, remark: None },
    }
}

/// Counts what becomes of recipients and conditions.
#[derive(Debug, Default)]
pub struct Watcher {
    /// Steps whose `if` was false.
    conditions: usize,
    accepted: usize,
    refused: usize,
    deferred: usize,
    unknown: usize,
}

impl Watcher {
    /// `sent to 2 recipients, 1 refused`; nothing where no message was sent.
    pub fn summary(&self) -> Option<String> {
        let counts = [
            (self.accepted, "sent to"),
            (self.refused, "refused"),
            (self.deferred, "deferred"),
            (self.unknown, "unknown"),
        ];
        let words = counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| match *word {
            "sent to" => format!("sent to {count} recipient{}", if *count == 1 { "" } else { "s" }),
            word => format!("{count} {word}"),
        });
        let words: Vec<_> = words.collect();
        (!words.is_empty()).then(|| words.join(", "))
    }
}

impl Observer for Watcher {
    fn observe(&mut self, event: &Event<'_>) {
        match &event.fact {
            Fact::StepFinished { verdict: Verdict::Skipped(SkipReason::Condition), .. } => self.conditions += 1,
            Fact::Noted(Note::Recipient { outcome, .. }) => match outcome {
                RecipientOutcome::Accepted => self.accepted += 1,
                RecipientOutcome::Refused => self.refused += 1,
                RecipientOutcome::Deferred => self.deferred += 1,
                RecipientOutcome::Unknown => self.unknown += 1,
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_counted() {
        let ended = |status, steps_run| Outcome { status, failure: None, steps_run, skipped: None };
        let skipped = Outcome { skipped: Some(Shown::new("no CHUNKING")), ..ended(Status::Passed, 2) };
        let table = [
            (Some(ended(Status::Passed, 3)), None, 0, Status::Passed, "passed"),
            (Some(ended(Status::TempFail, 3)), None, 0, Status::TempFail, "failed"),
            (Some(ended(Status::Passed, 0)), None, 0, Status::Failed, "nothing ran"),
            (Some(ended(Status::Passed, 0)), None, 2, Status::Passed, "every `if` was false"),
            (Some(skipped.clone()), None, 0, Status::Passed, "skipped"),
            (Some(skipped), Some("why"), 0, Status::Passed, "skipped is no pass"),
            (Some(ended(Status::Failed, 3)), Some("why"), 0, Status::Passed, "failed as expected"),
            (Some(ended(Status::Passed, 3)), Some("why"), 0, Status::Failed, "a pass that should not be"),
            (Some(ended(Status::Interrupted, 3)), Some("why"), 0, Status::Interrupted, "Ctrl-C is not expected"),
            (None, Some("why"), 0, Status::Software, "a bug is not expected"),
        ];
        for (outcome, xfail, conditions, expected, why) in table {
            let watcher = Watcher { conditions, ..Watcher::default() };
            assert_eq!(judge(outcome.as_ref(), xfail, &watcher).status, expected, "{why}");
        }
    }

    #[test]
    fn recipients_are_summed_up() {
        let table = [
            (Watcher::default(), None, "no message"),
            (Watcher { accepted: 1, ..Watcher::default() }, Some("sent to 1 recipient"), "one"),
            (
                Watcher { accepted: 2, refused: 1, ..Watcher::default() },
                Some("sent to 2 recipients, 1 refused"),
                "some",
            ),
            (Watcher { deferred: 1, unknown: 1, ..Watcher::default() }, Some("1 deferred, 1 unknown"), "none"),
        ];
        for (watcher, expected, why) in table {
            assert_eq!(watcher.summary().as_deref(), expected, "{why}");
        }
    }
}

//! How a session's end counts, and what is said of it in a line.

use super::deliveries::Deliveries;
use crate::event::{Event, Fact, Observer, Outcome, SkipReason, Status, Verdict};
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

/// Counts what became of the mail, and conditions.
#[derive(Debug, Default)]
pub struct Watcher {
    /// Steps whose `if` was false.
    conditions: usize,
    pub deliveries: Deliveries,
}

impl Observer for Watcher {
    fn observe(&mut self, event: &Event<'_>) {
        self.deliveries.hear(&event.fact);
        match &event.fact {
            Fact::StepFinished { verdict: Verdict::Skipped(SkipReason::Condition), .. } => self.conditions += 1,
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
}

//! How a batch ends: its exit status, and the reasons that its summary gives.

use crate::event::{Cause, Failure, ServerResponse, Status};
use crate::smtp::reply::EnhancedCode;

/// The statuses that another run may change, in the order in which they count.
const LEFT: [Status; 5] = [Status::NoHost, Status::Unavailable, Status::TempFail, Status::Config, Status::Failed];

/// The statuses of rows, as far as they decide how the batch ends.
#[derive(Debug, Default)]
pub struct BatchStatuses {
    /// The worst of all.
    worst: Option<Status>,
    /// The first in the order of [`LEFT`] of rows that another run sends.
    left: Option<Status>,
}

impl BatchStatuses {
    /// Adds the status of a row that no other run sends, or of something that is no row.
    pub fn add(&mut self, status: Status) {
        self.worst = Some(Status::worst(self.worst.into_iter().chain([status])));
    }

    /// Adds the status of a row that another run sends.
    pub fn add_left(&mut self, status: Status) {
        self.add(status);
        let place = |status: &Status| LEFT.iter().position(|one| one == status);
        self.left = self.left.into_iter().chain([status]).filter(|status| place(status).is_some()).min_by_key(place);
    }

    /// Whether anything failed.
    pub fn any_failed(&self) -> bool {
        self.worst.is_some_and(|status| status != Status::Passed)
    }

    /// The status of the batch. `open` is that of the `open` that stopped it before all rows were begun. What another run may
    /// change comes first: a refusal must not hide that rows are left.
    pub fn status(&self, open: Option<Status>) -> Status {
        let program = self.worst.filter(|status| matches!(status, Status::Software | Status::CantCreate));
        program.or(open).or(self.left).or(self.worst).unwrap_or(Status::Passed)
    }
}

/// Why rows are left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftReasons {
    /// What was said of the first row that was deferred.
    pub deferred: Option<String>,
    /// The code and the enhanced code of that reply, or the whole reason if it is no reply.
    first_kind: String,
    /// Rows were deferred for other reasons too.
    pub has_others: bool,
    /// Why rows were not begun.
    pub pending: Option<String>,
}

impl LeftReasons {
    /// A row was deferred for this reason.
    pub fn add_deferred(&mut self, reason: &str) {
        // Replies name the recipient, so that their texts differ from row to row.
        let code = reason.get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
        let kind = match code.and_then(|code| Some((code, reason.get(4..)?))) {
            Some((code, text)) => match EnhancedCode::leading(text.as_bytes()) {
                Some(enhanced) => format!("{code} {enhanced}"),
                None => code.to_owned(),
            },
            None => reason.to_owned(),
        };
        match self.deferred {
            None => (self.deferred, self.first_kind) = (Some(reason.to_owned()), kind),
            Some(_) => self.has_others |= kind != self.first_kind,
        }
    }

    /// Rows were not begun because of this failure.
    pub fn set_pending(&mut self, failure: &Failure) {
        self.pending = Some(match &failure.cause {
            Cause::Unexpected { got: ServerResponse::Reply { code, text }, .. } => {
                format!("{code:03} {}", text.as_str().replace('\n', " / "))
            }
            cause => cause.to_string(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_run_may_change_comes_before_what_it_may_not() {
        use Status::{
            CantCreate, Config, DataErr, Failed, IoErr, NoHost, NoPerm, Passed, Protocol, TempFail, Unavailable,
        };
        /// Statuses of rows that are done, of rows that are left, of the `open` that stopped the batch, of the batch, and why.
        type Case<'c> = (&'c [Status], &'c [Status], Option<Status>, Status, &'c str);
        let table: [Case<'_>; 12] = [
            (&[], &[], None, Passed, "nothing to do"),
            (&[Passed, Failed], &[], None, Failed, "a refusal"),
            (&[Failed, IoErr, DataErr], &[TempFail], None, TempFail, "a row is deferred"),
            (&[Failed], &[TempFail, Unavailable], None, Unavailable, "69 comes before 75"),
            (&[], &[TempFail, NoHost], None, NoHost, "68 comes before both"),
            (&[], &[Config, Failed], None, Config, "78 comes before 1"),
            (&[IoErr], &[Failed], None, Failed, "1 of a row that is left comes before 74 of another"),
            (&[Failed], &[], Some(Unavailable), Unavailable, "rows were not begun"),
            (&[], &[TempFail], Some(NoPerm), NoPerm, "the `open` that stopped it"),
            (&[CantCreate], &[TempFail], Some(Unavailable), CantCreate, "the ledger cannot be written"),
            (&[Failed], &[Protocol], None, Protocol, "76 of a row that is left has no precedence"),
            (&[IoErr, Failed], &[], None, Failed, "the order of sessions"),
        ];
        for (done, left, open, expected, why) in table {
            let mut statuses = BatchStatuses::default();
            done.iter().for_each(|status| statuses.add(*status));
            left.iter().for_each(|status| statuses.add_left(*status));
            assert_eq!(statuses.status(open), expected, "{why}");
        }
    }

    #[test]
    fn the_first_reason_is_kept_and_others_are_noticed_by_their_codes() {
        let table: [(&[&str], bool, &str); 5] = [
            (&["450 <a@x> later", "450 <b@x> later"], false, "the same without an enhanced code"),
            (&["450 4.2.0 <a@x> later"], false, "one"),
            (&["450 4.2.0 <a@x> later", "450 4.2.0 <b@x> later"], false, "the same reply to another recipient"),
            (&["450 4.2.0 later", "421 4.3.2 busy"], true, "another reply"),
            (&["timeout: waited 1s", "450 4.2.0 later"], true, "no reply"),
        ];
        for (reasons, others, why) in table {
            let mut left = LeftReasons::default();
            reasons.iter().for_each(|reason| left.add_deferred(reason));
            assert_eq!((left.deferred.as_deref(), left.has_others), (reasons.first().copied(), others), "{why}");
        }
    }
}

//! Turns on their way into the queue: read from where they come from, and claimed in the ledger.

use super::{State, Task, Terms, Turns};
use crate::batch::ledger::Claimed;
use crate::event::{Failure, RowId, Status};
use crate::exec::Row;
use crate::session::SourceError;
use crate::source::SourceRow;
use crate::transcript::Shown;
use std::time::{Duration, Instant};

/// Rows that are taken from the file, and claimed in the ledger, at a time.
const GROUP: usize = 32;

/// How long an interrupted run goes on counting rows.
const COUNTING: Duration = Duration::from_secs(1);

impl State {
    /// Takes more turns from where they come from; whether there were any.
    pub(super) fn fill(&mut self, terms: &Terms, now: Instant) -> bool {
        match &mut self.turns {
            Turns::Over => false,
            Turns::Times { left, number, until } => {
                if *left == 0 || until.is_some_and(|until| now >= until) {
                    self.turns = Turns::Over;
                    return false;
                }
                *left -= 1;
                *number += 1;
                self.taken += 1;
                let repetition = terms.repeats.then_some(*number);
                let task = Task { key: ONLY.to_owned(), repetition, ..Task::default() };
                if terms.ledger.is_some() {
                    return self.claim(vec![(task, 1)], terms);
                }
                self.ready.push_back(task);
                true
            }
            Turns::Rows { .. } => self.fill_rows(terms, now),
        }
    }

    fn fill_rows(&mut self, terms: &Terms, now: Instant) -> bool {
        let mut group = Vec::new();
        let mut over = false;
        {
            let Turns::Rows { reader, key, again, round, reopen, until } = &mut self.turns else { return false };
            if until.is_some_and(|until| now >= until) {
                self.turns = Turns::Over;
                return false;
            }
            let most = if reader.is_stream { 1 } else { GROUP };
            let mut read = 0;
            while read < most && !over {
                match reader.next_row() {
                    Ok(Some(row)) => {
                        read += 1;
                        group.extend(task(row, key.as_deref(), terms, terms.repeats.then_some(*round)));
                    }
                    Ok(None) if *again > 0 && reader.next_number() > 1 => {
                        *again -= 1;
                        *round += 1;
                        match reopen() {
                            Ok(again) => *reader = again,
                            Err(_) => over = true,
                        }
                    }
                    Ok(None) => over = true,
                    Err(error) => {
                        let (status, what) = match error {
                            SourceError::Refused(what) => (Status::DataErr, what),
                            SourceError::Unreadable(what) => (Status::NoInput, what),
                        };
                        self.statuses.push(status);
                        let cause = crate::event::Cause::Unreadable { what: Shown::new(what) };
                        self.failure.get_or_insert(Failure::new(status, crate::session::Place::default(), cause));
                        over = true;
                    }
                }
            }
        }
        if over {
            self.turns = Turns::Over;
        }
        self.taken += group.len();
        if group.is_empty() {
            return !over;
        }
        if terms.ledger.is_some() {
            return self.claim(group, terms);
        }
        self.ready.extend(group.into_iter().map(|(task, _)| task));
        true
    }

    /// Takes those that the ledger leaves to this run.
    fn claim(&mut self, group: Vec<(Task, u64)>, terms: &Terms) -> bool {
        let Some(ledger) = &terms.ledger else { return false };
        let names: Vec<_> = group
            .iter()
            .filter(|(task, _)| task.row.broken.is_none())
            .map(|(task, number)| (task.key.clone(), *number))
            .collect();
        let claimed = match ledger.claim(&terms.session, names, terms.resend_unknown) {
            Ok(claimed) => claimed,
            Err(why) => {
                let cause =
                    crate::event::Cause::BadValue { what: Shown::new(format!("the ledger cannot be written: {why}")) };
                let failure = Failure::new(Status::CantCreate, crate::session::Place::default(), cause);
                self.statuses.push(Status::CantCreate);
                self.failure.get_or_insert(failure);
                self.tally.pending += group.len();
                self.stopped = true;
                return false;
            }
        };
        let mut claimed = claimed.into_iter();
        for (mut task, _) in group {
            if task.row.broken.is_some() {
                self.ready.push_back(task);
                continue;
            }
            match claimed.next().unwrap_or(Claimed::Held) {
                Claimed::Mine { message_id, done, unknown } => {
                    task.unknown = unknown;
                    task.row.message_id = message_id;
                    task.row.done = done;
                    self.ready.push_back(task);
                }
                Claimed::SentBefore => self.tally.sent_before += 1,
                Claimed::RefusedBefore => self.tally.refused_before += 1,
                Claimed::UnknownBefore => self.tally.unknown_before += 1,
                Claimed::Held => self.tally.held += 1,
                Claimed::Twice => {
                    task.row.broken = Some(format!("the key {} came before in this file", Shown::new(&task.key)));
                    self.ready.push_back(task);
                }
            }
        }
        true
    }

    /// Counts the rows that nobody took; whether there were any. Somebody who interrupts waits for no more of a stream, and
    /// not long for the rest of a file: then the rest is only said to be.
    pub(super) fn count_rest(&mut self, terms: &Terms, interrupted: bool) -> bool {
        let Turns::Rows { reader, key, until, .. } = &mut self.turns else { return false };
        if interrupted && (reader.is_stream || until.is_some() || terms.repeats) {
            self.tally.unread = reader.is_stream;
            return false;
        }
        let started = Instant::now();
        let mut count = 0;
        while let Ok(Some(row)) = reader.next_row() {
            count += usize::from(task(row, key.as_deref(), terms, None).is_some());
            if interrupted && count % 1024 == 0 && started.elapsed() > COUNTING {
                self.tally.unread = true;
                break;
            }
        }
        self.tally.pending += count;
        count > 0
    }
}

/// The key of a session's only turn.
const ONLY: &str = "-";

/// A row as a turn; `None` where it is another shard's.
fn task(row: SourceRow, key: Option<&str>, terms: &Terms, repetition: Option<u64>) -> Option<(Task, u64)> {
    let SourceRow { number, place, value } = row;
    let (mut value, mut broken) = match value {
        Ok(value) => (Some(value), None),
        Err(why) => (None, Some(why)),
    };
    let mut name = number.to_string();
    if let (Some(column), Some(row)) = (key, &value) {
        match row.text(column) {
            Some(key) if !key.is_empty() || terms.ledger.is_none() => name = key,
            _ => {
                broken = Some(format!("the row has no {}, which names it", Shown::new(column)));
                value = None;
            }
        }
    }
    if terms.shard.is_some_and(|shard| !shard.has(&name)) {
        return None;
    }
    let id = RowId { number, key: Shown::new(&name), place: Shown::new(&place), attempt: 1, repetition };
    let row = Row { id: Some(id), place, value, broken, ..Row::default() };
    Some((Task { row, key: name, ..Task::default() }, number))
}

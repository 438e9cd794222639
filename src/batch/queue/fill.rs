//! Fills the queue: reads rows, and claims them in the ledger.

use super::{QueueState, RowStream, RowTask};
use crate::batch::ledger::{Claim, ClaimRequest, RecordedState};
use crate::batch::options::BatchOptions;
use crate::batch::row_state::recorded_refusal;
use crate::event::{Failure, RowId, Status};
use crate::exec::Row;
use crate::session::{SourceError, comparison_key};
use crate::source::{SourceRow, duplicate_key_error};
use crate::transcript::SafeText;
use std::time::{Duration, Instant};

/// How many rows are read, and claimed in the ledger, at a time.
const GROUP_SIZE: usize = 32;

/// How many rows that are left are looked up in the ledger at a time.
const COUNT_GROUP: usize = 512;

/// How long an interrupted run counts the rows that are left.
const COUNT_LIMIT: Duration = Duration::from_secs(1);

impl QueueState {
    /// Reads more rows; false if there are none left.
    pub(super) fn fill(&mut self, options: &BatchOptions, now: Instant) -> bool {
        // With a limit no more rows are claimed than may be begun.
        let waiting = self.ready.iter().filter(|task| !task.counted).count() as u64;
        if self.limit.is_some_and(|limit| limit <= waiting) {
            return false;
        }
        let most = self.limit.map_or(u64::MAX, |limit| limit - waiting);
        match &mut self.stream {
            RowStream::Exhausted => false,
            RowStream::Times { remaining, number, until } => {
                if *remaining == 0 || until.is_some_and(|until| now >= until) {
                    self.stream = RowStream::Exhausted;
                    return false;
                }
                *remaining -= 1;
                *number += 1;
                self.taken += 1;
                let repetition = options.counts_repetitions.then_some(*number);
                let task = RowTask { key: SINGLE_RUN_KEY.to_owned(), repetition, ..RowTask::default() };
                if options.ledger.is_some() {
                    return self.claim(vec![task], options);
                }
                self.ready.push_back(task);
                true
            }
            RowStream::Rows { .. } => self.fill_rows(options, now, usize::try_from(most).unwrap_or(usize::MAX)),
        }
    }

    /// Reads up to `most` rows.
    fn fill_rows(&mut self, options: &BatchOptions, now: Instant, most: usize) -> bool {
        let mut group = Vec::new();
        let mut over = false;
        {
            let RowStream::Rows { reader, key, repeats_left, repetition, reopen, until } = &mut self.stream else {
                return false;
            };
            if until.is_some_and(|until| now >= until) {
                self.stream = RowStream::Exhausted;
                return false;
            }
            let most = if reader.is_stream { 1 } else { GROUP_SIZE.min(most) };
            let mut read = 0;
            while read < GROUP_SIZE && group.len() < most && !over {
                match reader.next_row() {
                    Ok(Some(row)) => {
                        read += 1;
                        let repetition = options.counts_repetitions.then_some(*repetition);
                        match row_task(row, key.as_deref(), options, repetition, &mut self.unseen_keys) {
                            RowChoice::Run(task) => group.push(*task),
                            RowChoice::Excluded => self.tally.excluded += 1,
                            RowChoice::NotSelected => {}
                        }
                    }
                    Ok(None) if *repeats_left > 0 && reader.next_number() > 1 => {
                        *repeats_left -= 1;
                        *repetition += 1;
                        match reopen() {
                            Ok(again) => **reader = again,
                            Err(_) => over = true,
                        }
                    }
                    Ok(None) => over = true,
                    Err(error) => {
                        let (status, what) = match error {
                            SourceError::Refused(what) => (Status::DataErr, what),
                            SourceError::Unreadable(what) => (Status::NoInput, what),
                        };
                        self.statuses.add(status);
                        let cause = crate::event::Cause::Unreadable { what: SafeText::new(what) };
                        self.failure.get_or_insert(Failure::new(status, crate::session::Place::default(), cause));
                        over = true;
                    }
                }
            }
        }
        if over {
            self.stream = RowStream::Exhausted;
        }
        self.taken += group.len();
        if group.is_empty() {
            return !over;
        }
        if options.ledger.is_some() {
            return self.claim(group, options);
        }
        self.ready.extend(group);
        true
    }

    /// Queues the rows that the ledger leaves to this run, and counts the others.
    fn claim(&mut self, group: Vec<RowTask>, options: &BatchOptions) -> bool {
        let Some(ledger) = &options.ledger else { return false };
        let names: Vec<_> = group
            .iter()
            .filter(|task| task.row.error.is_none())
            .map(|task| ClaimRequest {
                key: task.key.clone(),
                number: task.row.id.as_ref().map_or(1, |id| id.number),
                line: task.line,
            })
            .collect();
        let claimed = match ledger.claim(&options.session, names, options.key_case, options.resend_unknown) {
            Ok(claimed) => claimed,
            Err(why) => {
                let cause = crate::event::Cause::BadValue {
                    what: SafeText::new(format!("the ledger cannot be written: {why}")),
                };
                let failure = Failure::new(Status::CantCreate, crate::session::Place::default(), cause);
                self.statuses.add(Status::CantCreate);
                self.failure.get_or_insert(failure);
                self.tally.pending += group.len();
                self.stopped = true;
                return false;
            }
        };
        let mut claimed = claimed.into_iter();
        for mut task in group {
            if task.row.error.is_some() {
                self.ready.push_back(task);
                continue;
            }
            match claimed.next().unwrap_or(Claim::Held) {
                Claim::Claimed { key, message_id, excluded, refused, maybe_sent_before } => {
                    task.key = key;
                    task.maybe_sent_before = maybe_sent_before;
                    self.tally.recipients_sent_before += excluded.len().saturating_sub(refused.len());
                    self.tally.recipients_refused_before += refused.len();
                    task.row.earlier_refusal = recorded_refusal(&refused);
                    task.row.message_id = message_id;
                    task.row.excluded = excluded;
                    self.ready.push_back(task);
                }
                Claim::SentBefore => self.tally.sent_before += 1,
                Claim::RefusedBefore => self.tally.refused_before += 1,
                Claim::UnknownBefore => self.tally.unknown_before += 1,
                Claim::Held => self.tally.held += 1,
                Claim::DuplicateKey { line } => {
                    task.row.error = Some(duplicate_key_error(&task.key, &task.row.place, line));
                    self.ready.push_back(task);
                }
            }
        }
        true
    }

    /// Counts the rows that were not read, up to the limit. After an interruption nothing more is read from a stream, and a file
    /// only for a second: the summary then says that there may be more.
    pub(super) fn count_rest(&mut self, options: &BatchOptions, interrupted: bool) {
        let left = self.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let RowStream::Rows { reader, key, until, .. } = &mut self.stream else { return };
        if left == 0 {
            return;
        }
        if interrupted && (reader.is_stream || until.is_some() || options.counts_repetitions) {
            self.tally.has_unread_rows = reader.is_stream;
            return;
        }
        let started = Instant::now();
        let (mut count, mut is_over) = (0, false);
        while !is_over && count < left {
            let mut names = Vec::new();
            let is_late = || interrupted && started.elapsed() > COUNT_LIMIT;
            while names.len() < COUNT_GROUP && !is_over && !is_late() {
                match reader.next_row() {
                    Ok(Some(row)) => match row_task(row, key.as_deref(), options, None, &mut self.unseen_keys) {
                        RowChoice::Run(task) => names.push(task.key),
                        RowChoice::Excluded => self.tally.excluded += 1,
                        RowChoice::NotSelected => {}
                    },
                    Ok(None) | Err(_) => is_over = true,
                }
            }
            // Without an answer of the ledger they count as left.
            let left_rows = vec![RecordedState::Left; names.len()];
            let states = match &options.ledger {
                Some(ledger) => ledger.states(&options.session, names, options.key_case).unwrap_or(left_rows),
                None => left_rows,
            };
            for state in states {
                match state {
                    RecordedState::Left if count < left => count += 1,
                    RecordedState::Left => break,
                    RecordedState::Sent => self.tally.sent_before += 1,
                    RecordedState::Refused => self.tally.refused_before += 1,
                    RecordedState::Unknown => self.tally.unknown_before += 1,
                    RecordedState::Held => self.tally.held += 1,
                }
            }
            if is_late() {
                self.tally.has_unread_rows = !is_over;
                break;
            }
        }
        self.tally.pending += count;
    }
}

/// The key of a session without rows.
const SINGLE_RUN_KEY: &str = "-";

/// What becomes of a row that was read.
enum RowChoice {
    Run(Box<RowTask>),
    /// A list of `[rows] exclude` has it.
    Excluded,
    /// Another shard has it, or `--key` names others.
    NotSelected,
}

/// Makes a task of a row. Its key is no longer one of the `unseen`, whether it is selected or not.
fn row_task(
    row: SourceRow,
    key: Option<&str>,
    options: &BatchOptions,
    repetition: Option<u64>,
    unseen: &mut Vec<String>,
) -> RowChoice {
    let SourceRow { number, place, line, value } = row;
    let (mut value, mut error) = match value {
        Ok(value) => (Some(value), None),
        Err(why) => (None, Some(why)),
    };
    let (mut name, mut has_key) = (number.to_string(), false);
    if let (Some(column), Some(row)) = (key, &value) {
        match row.text(column) {
            Some(key) if !key.is_empty() || options.ledger.is_none() => (name, has_key) = (key, true),
            _ => {
                error = Some(format!("the row has no value for its key {}", SafeText::new(column)));
                value = None;
            }
        }
    }
    let compared = comparison_key(&name, options.key_case);
    unseen.retain(|key| comparison_key(key, options.key_case) != compared);
    let mut wanted = options.keys.iter().map(|key| comparison_key(key, options.key_case));
    let is_selected = options.keys.is_empty() || wanted.any(|key| key == compared);
    if !is_selected || options.shard.is_some_and(|shard| !shard.contains(&compared)) {
        return RowChoice::NotSelected;
    }
    if error.is_none() && options.exclusions.as_ref().is_some_and(|list| list.contains(&name)) {
        return RowChoice::Excluded;
    }
    let (shown, at) = (SafeText::new(&name), SafeText::new(&place));
    let id = RowId { number, key: shown, has_key, place: at, attempt: 1, repetition };
    let row = Row { id: Some(id), place, value, error, ..Row::default() };
    RowChoice::Run(Box::new(RowTask { row, key: name, line, ..RowTask::default() }))
}

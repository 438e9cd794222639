//! Judges the end of a session, and makes the line about its mail.

use super::batch_runner::BatchSummary;
use super::deliveries::{Deliveries, plural};
use super::raw_deliveries::RawDeliveries;
use crate::batch::Tally;
use crate::cli::sessions::load::LoadedSession;
use crate::event::{Cause, Event, Fact, Observer, Outcome, SkipReason, Status, Verdict, group_thousands};
use crate::report::json_events::ALL_CONDITIONS_FALSE;
use crate::report::record::Judgement;
use crate::session::Action;
use crate::transcript::{SafeText, escape_unprintable};

/// How a session counts, and the remark about it.
#[derive(Debug, PartialEq, Eq)]
pub struct JudgedOutcome {
    pub status: Status,
    pub judgement: Judgement,
    pub remark: Option<String>,
}

/// Judges the end of a session. `outcome` is `None` if the program itself failed. `no_skip`: what is skipped counts as failed.
pub fn judge(
    outcome: Option<&Outcome>,
    xfail: Option<&str>,
    observed: &OutcomeObserver,
    no_skip: bool,
) -> JudgedOutcome {
    let judged = judge_end(outcome, xfail, observed);
    match judged.judgement {
        Judgement::Skipped(why) if no_skip => {
            let remark = Some(format!("skipped, which --no-skip counts as failed: {why}"));
            JudgedOutcome { status: Status::Failed, judgement: Judgement::Failed, remark }
        }
        _ => judged,
    }
}

fn judge_end(outcome: Option<&Outcome>, xfail: Option<&str>, observed: &OutcomeObserver) -> JudgedOutcome {
    let Some(outcome) = outcome else {
        let remark = Some("ended by an internal error".to_owned());
        return JudgedOutcome { status: Status::Software, judgement: Judgement::Error, remark };
    };
    let why = xfail.map(|why| escape_unprintable(why.as_bytes())).unwrap_or_default();
    let skipped = |why: String| {
        let remark = Some(format!("skipped: {why}"));
        JudgedOutcome { status: Status::Passed, judgement: Judgement::Skipped(why), remark }
    };
    let judged = |status, judgement: Judgement| JudgedOutcome { status, remark: judgement.reason(), judgement };
    match outcome.status {
        _ if outcome.skipped.is_some() => skipped(outcome.skipped.as_ref().map_or("", SafeText::as_str).to_owned()),
        Status::Passed if outcome.steps_run == 0 && observed.conditions > 0 => skipped(ALL_CONDITIONS_FALSE.to_owned()),
        // A session that ran no step is never a success.
        Status::Passed if outcome.steps_run == 0 => {
            let remark = Some("no step ran".to_owned());
            JudgedOutcome { status: Status::Failed, judgement: Judgement::Failed, remark }
        }
        Status::Passed if xfail.is_some() => judged(Status::Failed, Judgement::UnexpectedPass(why)),
        Status::Passed => judged(Status::Passed, Judgement::Passed),
        // xfail expects a failure of the dialogue, not a signal or a bug.
        status if status.is_signal() || status == Status::Software => judged(status, Judgement::Error),
        _ if xfail.is_some() && is_dialogue_failure(outcome) => judged(Status::Passed, Judgement::ExpectedFailure(why)),
        status if xfail.is_some() => {
            let remark = Some("xfail covers only failures of the dialogue, not this one".to_owned());
            JudgedOutcome { status, judgement: Judgement::Error, remark }
        }
        status => {
            let answered = outcome.failure.as_ref().is_some_and(|failure| failure.cause.has_answer());
            judged(status, if answered { Judgement::Failed } else { Judgement::Error })
        }
    }
}

/// Whether the failure came from the dialogue with the server. Errors of values, files or the ledger did not, nor did a
/// server that was not reached or not in time, nor a handshake that this side refused: they say nothing about the server.
fn is_dialogue_failure(outcome: &Outcome) -> bool {
    let refused_here = matches!(outcome.failure.as_ref().map(|failure| &failure.cause), Some(Cause::TlsRefused { .. }));
    match outcome.status {
        Status::Failed | Status::IoErr | Status::Protocol | Status::NoPerm => true,
        Status::Config => !refused_here,
        _ => false,
    }
}

/// The line about a session's mail. `None` if it has no mail, or if preflight failed.
pub fn delivery_line(loaded: &LoadedSession, outcome: Option<&Outcome>, observed: &OutcomeObserver) -> Option<String> {
    if observed.deliveries.summary().is_some() {
        return observed.summary();
    }
    let unsent = unsent_line(loaded, outcome, &observed.raw_deliveries)?;
    Some(observed.raw_deliveries_line().map_or(unsent.clone(), |others| format!("{others}; {unsent}")))
}

/// The lines about a session's mail: the summary of a batch, or the line about its recipients. Without rows the recipients say
/// more than the count of one row, unless the ledger left none of them to be tried.
pub fn delivery_lines(summary: Option<&BatchSummary>, delivered: Option<String>) -> Vec<String> {
    match (summary, delivered) {
        (Some(summary), Some(delivered)) if !summary.counts_rows => {
            vec![delivered + &earlier_recipients(&summary.tally)]
        }
        (Some(summary), _) => summary.lines.clone(),
        (None, delivered) => delivered.into_iter().collect(),
    }
}

/// `; 2 sent before, 1 refused before`: the recipients that the ledger left out of a session without rows.
fn earlier_recipients(tally: &Tally) -> String {
    let counts = [(tally.recipients_sent_before, "sent"), (tally.recipients_refused_before, "refused")];
    let words = counts.iter().filter(|(count, _)| *count > 0);
    let words: Vec<_> = words.map(|(count, word)| format!("{} {word} before", group_thousands(*count))).collect();
    if words.is_empty() { String::new() } else { format!("; {}", words.join(", ")) }
}

/// The line for a session that has messages and sent none: why.
fn unsent_line(loaded: &LoadedSession, outcome: Option<&Outcome>, raw_deliveries: &RawDeliveries) -> Option<String> {
    outcome.and_then(|outcome| {
        let failure = outcome.failure.as_ref()?;
        let session = &loaded.session;
        let sends = session.all_steps().any(|step| matches!(step.action, Action::Message(_)));
        let looked_through = outcome.steps_run == 0 && matches!(failure.status, Status::DataErr | Status::NoInput);
        let what = match raw_deliveries {
            RawDeliveries { unanswered: 1.., .. } => "content was not answered",
            RawDeliveries { accepted: 1.., .. } => "no other message was sent",
            _ => "not sent",
        };
        (sends && !looked_through).then(|| format!("{what}: {}", failure.cause))
    })
}

/// Counts messages, recipients and skipped steps.
#[derive(Default)]
pub struct OutcomeObserver {
    /// Steps whose `if` was false.
    conditions: usize,
    pub deliveries: Deliveries,
    raw_deliveries: RawDeliveries,
}

impl OutcomeObserver {
    /// The line about the mail that was tried.
    pub fn summary(&self) -> Option<String> {
        let summary = self.deliveries.summary()?;
        Some(self.raw_deliveries_line().map_or(summary.clone(), |others| format!("{summary}; {others}")))
    }

    /// Messages that steps send with `body`. Only the reply to their content is known, not the recipients.
    fn raw_deliveries_line(&self) -> Option<String> {
        let count = self.raw_deliveries.accepted;
        (count > 0).then(|| format!("accepted by hand: {}", plural(count, "message")))
    }
}

impl Observer for OutcomeObserver {
    fn observe(&mut self, event: &Event<'_>) {
        self.deliveries.observe_fact(&event.fact);
        self.raw_deliveries.observe(event);
        if let Fact::StepFinished { verdict: Verdict::Skipped(SkipReason::Condition), .. } = &event.fact {
            self.conditions += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Failure;
    use crate::session::Place;

    #[test]
    fn session_ends_are_judged() {
        let ended = |status, steps_run| Outcome { status, failure: None, steps_run, skipped: None };
        let skipped = Outcome { skipped: Some(SafeText::new("no CHUNKING")), ..ended(Status::Passed, 2) };
        let down = Cause::CannotConnect { address: SafeText::new("a:1"), why: SafeText::new("refused") };
        let failure = Failure::new(Status::Unavailable, Place::default(), down);
        let unreached = Outcome { failure: Some(failure), ..ended(Status::Unavailable, 1) };
        let refused = Cause::TlsRefused { why: SafeText::new("no TLS version in common"), chosen_version: None };
        let refused = Failure::new(Status::Config, Place::default(), refused);
        let refused_here = Outcome { failure: Some(refused), ..ended(Status::Config, 1) };
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
            (Some(ended(Status::DataErr, 0)), Some("why"), 0, Status::DataErr, "nor is a value that is missing"),
            (Some(unreached.clone()), Some("why"), 0, Status::Unavailable, "nor is a server that is down"),
            (Some(refused_here), Some("why"), 0, Status::Config, "nor is a handshake that this side refused"),
            (Some(ended(Status::Unavailable, 3)), Some("why"), 0, Status::Unavailable, "nor that it hung up"),
            (Some(ended(Status::TempFail, 3)), Some("why"), 0, Status::TempFail, "nor a timeout"),
            (Some(ended(Status::Protocol, 3)), Some("why"), 0, Status::Passed, "what it says may be"),
            (None, Some("why"), 0, Status::Software, "a bug is not expected"),
        ];
        for (outcome, xfail, conditions, expected, why) in table {
            let observed = OutcomeObserver { conditions, ..OutcomeObserver::default() };
            let judged = judge(outcome.as_ref(), xfail, &observed, false);
            assert_eq!(judged.status, expected, "{why}");
            let skipped = matches!(judged.judgement, Judgement::Skipped(_));
            let strict = judge(outcome.as_ref(), xfail, &observed, true);
            assert_eq!(strict.status, if skipped { Status::Failed } else { expected }, "--no-skip: {why}");
        }
    }
}

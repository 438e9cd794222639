//! What `mailrun test` shows: a line for each session, a diagnosis for each failure, a summary.
//!
//! Words say everything, so that it reads the same without colour and aloud.

use super::record::{Judgement, Outside, Record, StepRecord, Totals, UNVERIFIED, time};
use super::terminal::{diagnosis, no_commands};
use crate::event::{Failure, thousands};
use crate::session::SourceMap;
use crate::transcript::Redactor;
use anstyle::{AnsiColor, Style};
use std::fmt::Write;
use std::time::Duration;

/// How much of a dialogue is shown around a failure.
const AROUND: usize = 14;
/// How many failures of one session are shown.
const MOST: usize = 25;
/// The width of the verdict's column.
const WIDTH: usize = 8;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::BrightRed.on_default().bold();
const ASIDE: Style = AnsiColor::Yellow.on_default();

/// How it is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    pub colour: bool,
    /// The steps of sessions that passed, too.
    pub verbose: bool,
    /// Nothing of sessions that did not fail.
    pub quiet: bool,
}

/// What the diagnosis of a session needs besides its record.
pub struct Source<'a> {
    pub sources: &'a SourceMap,
    /// Hides the secrets that stand in the file itself.
    pub redactor: &'a dyn Fn() -> Redactor,
    /// The command that runs this session alone.
    pub command: &'a str,
}

/// One session: its line, and where it failed the diagnosis. `source` is `None` where its file could not be read.
pub fn session(record: &Record, source: Option<&Source<'_>>, look: Look) -> String {
    let bad = record.judgement.is_bad();
    if look.quiet && !bad {
        return String::new();
    }
    let mut out = line(record, look);
    if look.verbose {
        record.steps.iter().for_each(|one| step(one, &mut out));
    }
    if look.verbose || bad {
        record.further_remarks().for_each(|remark| put(&mut out, &format!("  {remark}")));
    }
    // All that is wrong with a file stands on standard error: here, where results are kept, the first of it.
    for outside in record.failures.iter().filter(|outside| matches!(outside, Outside::Broken { .. })) {
        put(&mut out, &format!("  {}", outside.message()));
    }
    if bad && let Some(source) = source {
        failures(record, source, look, &mut out);
    }
    no_commands(&out)
}

fn put(out: &mut String, line: &str) {
    let _ = writeln!(out, "{line}"); // writing to a String cannot fail
}

/// `passed   sessions/smoke/banner.toml (3 steps, 12 ms)`.
fn line(record: &Record, look: Look) -> String {
    let (word, style) = match &record.judgement {
        Judgement::Passed => ("passed", GOOD),
        Judgement::Failed | Judgement::UnexpectedPass(_) => ("FAILED", BAD),
        Judgement::Error => ("ERROR", BAD),
        Judgement::Skipped(_) => ("skipped", ASIDE),
        Judgement::ExpectedFailure(_) => ("xfailed", ASIDE),
        Judgement::NotRun(_) => ("not run", ASIDE),
    };
    let word = if look.colour { format!("{style}{word:WIDTH$}{style:#}") } else { format!("{word:WIDTH$}") };
    let mut details = Vec::new();
    if record.steps_run() > 0 {
        details.push(count(record.steps_run(), "step"));
        details.push(time(record.elapsed));
    }
    // Said of every session that it is so of: what passed proves less then.
    details.extend(record.remarks.iter().find(|remark| remark.starts_with(UNVERIFIED)).cloned());
    let details = if details.is_empty() { String::new() } else { format!(" ({})", details.join(", ")) };
    let reason = record.judgement.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{word} {}{details}{reason}\n", record.file)
}

fn step(step: &StepRecord, out: &mut String) {
    let word = match step.skipped() {
        Some(why) => format!("skipped, {why}"),
        None if step.retried => format!("{}, tried again, {}", step.word(), time(step.elapsed)),
        None => format!("{}, {}", step.word(), time(step.elapsed)),
    };
    put(out, &format!("  {:3}. {}: {word}", step.id.number, step.title()));
}

fn failures(record: &Record, source: &Source<'_>, look: Look, out: &mut String) {
    let of_steps = record.steps.iter().enumerate().filter(|(_, step)| step.is_bad());
    let mut shown = 0;
    for (index, one) in of_steps {
        let Some(failure) = one.failure() else { continue };
        shown += 1;
        if shown > MOST {
            continue;
        }
        diagnose(failure, Some((index, one)), record, source, look, out);
    }
    if shown > MOST {
        put(out, &format!("\n  … and {} more", count(shown - MOST, "failure")));
    }
    for outside in &record.failures {
        match outside {
            Outside::Failure(failure) => diagnose(failure, None, record, source, look, out),
            // What is wrong with a file stands on standard error already.
            Outside::Broken { .. } => {}
            Outside::Said(text) => put(out, &format!("  {text}")),
        }
    }
    put(out, &format!("\n  to run it alone:\n    {}\n", source.command));
}

fn diagnose(
    failure: &Failure,
    step: Option<(usize, &StepRecord)>,
    record: &Record,
    source: &Source<'_>,
    look: Look,
    out: &mut String,
) {
    let id = step.map(|(_, step)| &step.id);
    put(out, "");
    out.push_str(&diagnosis(failure, id, source.sources, (source.redactor)(), look.colour));
    let around = record.lines.around(step.map(|(index, _)| index), AROUND);
    let Some(first) = around.first() else { return };
    let on = if &*first.connection == "main" { String::new() } else { format!(" on {}", first.connection) };
    put(out, &format!("\n  the dialogue{on} around it:"));
    for line in around {
        put(out, &format!("  {} {}", if line.failure { ">" } else { " " }, line.text));
    }
}

/// `12 sessions: 10 passed, 1 failed, 1 skipped`, and `57 steps, 1 failure, 1.2 s`.
pub fn summary(totals: &Totals, elapsed: Duration) -> String {
    let counts = [
        (totals.passed, "passed"),
        (totals.failed, "failed"),
        (totals.errors, if totals.errors == 1 { "error" } else { "errors" }),
        (totals.skipped, "skipped"),
        (totals.expected_failures, "failed as expected"),
        (totals.not_run, "not run"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{} {word}", thousands(*number)))
        .collect();
    let counts = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
    format!(
        "{}{counts}\n{}, {}, {}\n",
        count(totals.sessions, "session"),
        count(totals.steps, "step"),
        count(totals.failures, "failure"),
        time(elapsed)
    )
}

fn count(number: usize, word: &str) -> String {
    format!("{} {word}{}", thousands(number), if number == 1 { "" } else { "s" })
}

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
/// Where a line goes on that is too long for the terminal.
const INDENT: usize = 7;
/// How many failures that were tried again are shown.
const MOST_COVERED: usize = 5;
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
    /// How wide the terminal is, where it is one.
    pub columns: Option<usize>,
}

/// What the diagnosis of a session needs besides its record.
pub struct Source<'a> {
    pub sources: &'a SourceMap,
    /// Hides the secrets that stand in the file itself.
    pub redactor: &'a dyn Fn() -> Redactor,
    /// The command that runs this session alone.
    pub command: &'a str,
    /// Whether that sends rows again which were sent.
    pub resends: bool,
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
    if !look.verbose {
        covered(record, &mut out);
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

/// What failed and was tried again: a session that passed so did not pass at once.
fn covered(record: &Record, out: &mut String) {
    for (step, failure) in record.covered().take(MOST_COVERED) {
        put(out, &format!("  tried again: {}: {}", step.title(), failure.cause));
    }
    if let Some(more @ 1..) = record.covered().count().checked_sub(MOST_COVERED) {
        put(out, &format!("  tried again: {} more", thousands(more)));
    }
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
    let resends = if source.resends { ", which sends all its rows again, since there is no --ledger" } else { "" };
    put(out, &format!("\n  to run it alone{resends}:\n    {}\n", source.command));
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
    let row = step.and_then(|(_, step)| step.row.as_ref());
    put(out, "");
    out.push_str(&diagnosis(failure, id, row, source.sources, (source.redactor)(), look.colour, look.columns));
    let around = record.lines.around(step.map(|(index, _)| index), AROUND);
    let Some(first) = around.first() else { return };
    let on = if &*first.connection == "main" { String::new() } else { format!(" on {}", first.connection) };
    put(out, &format!("\n  the dialogue{on} around it:"));
    for line in around {
        let mark = if line.failure { ">" } else { " " };
        put(out, &wrapped(&format!("  {mark} {}", line.text), look.columns));
    }
}

/// A long line in pieces that fit, each below the first one's text.
fn wrapped(line: &str, columns: Option<usize>) -> String {
    let indent = " ".repeat(INDENT);
    let width = columns.unwrap_or(usize::MAX).max(INDENT * 3);
    let mut out = String::new();
    let mut rest = line;
    let mut room = width;
    while let Some((most, _)) = rest.char_indices().nth(room) {
        // At a space where there is one in the second half.
        let at = rest[..most].rfind(' ').filter(|at| *at > most / 2).unwrap_or(most);
        out.push_str(&rest[..at]);
        out.push('\n');
        out.push_str(&indent);
        rest = rest[at..].trim_start_matches(' ');
        room = width - INDENT;
    }
    out.push_str(rest);
    out
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_go_on_below_themselves() {
        let line = format!("  > *: expected 250, got 550 {}", "word ".repeat(40).trim_end());
        let shown = wrapped(&line, Some(80));
        assert!(shown.lines().count() > 2 && shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        assert!(shown.lines().skip(1).all(|line| line.starts_with("       word")), "{shown}");
        assert_eq!(shown.split_whitespace().collect::<Vec<_>>(), line.split_whitespace().collect::<Vec<_>>());
        let solid = wrapped(&format!("    S: {}", "x".repeat(300)), Some(80));
        assert!(solid.lines().all(|line| line.chars().count() <= 80), "{solid}");
        assert_eq!(solid.matches('x').count(), 300, "nothing is lost");
        assert_eq!(wrapped(&line, None), line, "what is no terminal has no width");
        assert_eq!(wrapped("  short", Some(80)), "  short");
    }
}

//! The output of `mailrun test`: a line for each session, a diagnosis for each failure, a summary.
//!
//! Colour adds nothing that the words do not say, so that the output also works without colour and read aloud.

use super::diagnosis::{cut_long_lines, diagnosis, escape_workflow_commands};
use super::duration::format_duration;
use super::record::{Judgement, Record, SessionFailure, StepRecord, Totals};
use crate::event::{Failure, group_thousands};
use crate::session::SourceMap;
use crate::transcript::Redactor;
use anstyle::{AnsiColor, Style};
use std::fmt::Write;
use std::time::Duration;

/// The most lines of the dialogue that are shown up to a failure.
const CONTEXT_LINES: usize = 14;
/// The most failures of one session that are shown.
const MAX_FAILURES: usize = 25;
/// The indentation of continuation lines, in columns.
const INDENT: usize = 7;
/// The most failures shown of those that were retried.
const MAX_RETRIED: usize = 5;
/// The width of the verdict's column, in characters.
const WORD_WIDTH: usize = 8;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::BrightRed.on_default().bold();
const NEUTRAL: Style = AnsiColor::Yellow.on_default();

/// How results are displayed.
#[derive(Clone, Copy, Debug, Default)]
pub struct DisplayOptions {
    pub colour: bool,
    /// Shows the steps of sessions that passed, too.
    pub verbose: bool,
    /// Shows nothing of sessions that did not fail.
    pub quiet: bool,
    /// The width of the terminal; `None` if it is no terminal.
    pub columns: Option<usize>,
}

/// What the diagnosis of a session needs besides its record.
pub struct DiagnosisContext<'a> {
    pub sources: &'a SourceMap,
    /// Hides the literal secrets of the session file.
    pub redactor: &'a dyn Fn() -> Redactor,
    /// The command that runs only this session.
    pub command: &'a str,
    /// Whether that command sends rows again that were sent.
    pub resends: bool,
}

/// The text of one session: its line and, if it failed, the diagnosis. `source` is `None` if its file could not be read.
pub fn session_text(record: &Record, source: Option<&DiagnosisContext<'_>>, options: DisplayOptions) -> String {
    let bad = record.judgement.is_bad();
    if options.quiet && !bad {
        return String::new();
    }
    let mut out = result_line(record, options);
    if let Some(description) = record.description.as_ref().filter(|_| options.verbose || bad) {
        push_line(&mut out, &format!("  {description}"));
    }
    if options.verbose {
        record.steps.iter().for_each(|one| step_line(one, &mut out));
    }
    if !options.verbose {
        push_retried(record, &mut out);
    }
    if options.verbose || bad {
        record.further_remarks().for_each(|remark| push_line(&mut out, &format!("  {remark}")));
    }
    // Standard error has all errors of the file; the results have the first one.
    for outside in record.failures.iter().filter(|outside| matches!(outside, SessionFailure::InvalidFile { .. })) {
        push_line(&mut out, &format!("  {}", outside.message()));
    }
    if bad && let Some(source) = source {
        diagnose_all(record, source, options, &mut out);
    }
    cut_long_lines(&escape_workflow_commands(&out)).into_owned()
}

fn push_line(out: &mut String, line: &str) {
    let _ = writeln!(out, "{line}"); // writing to a String cannot fail
}

/// `passed   sessions/smoke/banner.toml (3 steps, 12 ms)`.
fn result_line(record: &Record, options: DisplayOptions) -> String {
    let (word, style) = match &record.judgement {
        Judgement::Passed => ("passed", GOOD),
        Judgement::Failed | Judgement::UnexpectedPass(_) => ("FAILED", BAD),
        Judgement::Error => ("ERROR", BAD),
        Judgement::Skipped(_) => ("skipped", NEUTRAL),
        Judgement::ExpectedFailure(_) => ("xfailed", NEUTRAL),
        Judgement::NotRun(_) => ("not run", NEUTRAL),
    };
    let word =
        if options.colour { format!("{style}{word:WORD_WIDTH$}{style:#}") } else { format!("{word:WORD_WIDTH$}") };
    let mut details = Vec::new();
    if record.steps_run() > 0 {
        details.push(count(record.steps_run(), "step"));
        details.push(format_duration(record.elapsed));
    }
    // Printed for sessions that passed, too, since passing proves less then.
    details.extend(record.weaknesses().cloned());
    let details = if details.is_empty() { String::new() } else { format!(" ({})", details.join(", ")) };
    let reason = record.judgement.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{word} {}{details}{reason}\n", record.file)
}

/// The failures that were retried: a session that passed in the end did not pass at once.
fn push_retried(record: &Record, out: &mut String) {
    for (step, failure) in record.retried_failures().take(MAX_RETRIED) {
        push_line(out, &format!("  tried again: {}: {}", step.title(), failure.cause));
    }
    if let Some(more @ 1..) = record.retried_failures().count().checked_sub(MAX_RETRIED) {
        push_line(out, &format!("  tried again: {} more", group_thousands(more)));
    }
}

fn step_line(step: &StepRecord, out: &mut String) {
    let word = match step.skip_reason() {
        Some(why) => format!("skipped, {why}"),
        None if step.retried => format!("{}, tried again, {}", step.as_str(), format_duration(step.elapsed)),
        None => format!("{}, {}", step.as_str(), format_duration(step.elapsed)),
    };
    push_line(out, &format!("  {:3}. {}: {word}", step.id.number, step.title()));
}

fn diagnose_all(record: &Record, source: &DiagnosisContext<'_>, options: DisplayOptions, out: &mut String) {
    let of_steps = record.steps.iter().enumerate().filter(|(_, step)| step.is_bad());
    let mut shown = 0;
    for (index, one) in of_steps {
        let Some(failure) = one.failure() else { continue };
        shown += 1;
        if shown > MAX_FAILURES {
            continue;
        }
        diagnose(failure, Some((index, one)), record, source, options, out);
    }
    if shown > MAX_FAILURES {
        push_line(out, &format!("\n  … and {} more", count(shown - MAX_FAILURES, "failure")));
    }
    for outside in &record.failures {
        match outside {
            SessionFailure::Failure(failure) => diagnose(failure, None, record, source, options, out),
            // Standard error has the errors of the file already.
            SessionFailure::InvalidFile { .. } => {}
            SessionFailure::Message(text) => push_line(out, &format!("  {text}")),
        }
    }
    let resends = if source.resends { ", which sends all its rows again, since there is no --ledger" } else { "" };
    push_line(out, &format!("\n  to run it alone{resends}:\n    {}\n", source.command));
}

fn diagnose(
    failure: &Failure,
    step: Option<(usize, &StepRecord)>,
    record: &Record,
    source: &DiagnosisContext<'_>,
    options: DisplayOptions,
    out: &mut String,
) {
    let id = step.map(|(_, step)| &step.id);
    let row = step.and_then(|(_, step)| step.row.as_ref());
    push_line(out, "");
    out.push_str(&diagnosis(failure, id, row, source.sources, (source.redactor)(), options.colour, options.columns));
    let around = record.lines.context_of(step.map(|(index, _)| index), CONTEXT_LINES);
    let Some(first) = around.first() else { return };
    let on = if &*first.connection == "main" { String::new() } else { format!(" on {}", first.connection) };
    push_line(out, &format!("\n  the dialogue{on} around it:"));
    for line in around {
        let mark = if line.failure { ">" } else { " " };
        push_line(out, &wrap_line(&cut_long_lines(&format!("  {mark} {}", line.text)), options.columns));
    }
}

/// Wraps a long line at the terminal's width. Continuation lines are indented.
fn wrap_line(line: &str, columns: Option<usize>) -> String {
    let indent = " ".repeat(INDENT);
    let width = columns.unwrap_or(usize::MAX).max(INDENT * 3);
    let mut out = String::new();
    let mut rest = line;
    let mut room = width;
    while let Some((most, _)) = rest.char_indices().nth(room) {
        // At a space, if there is one in the second half.
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
        .map(|(number, word)| format!("{} {word}", group_thousands(*number)))
        .collect();
    let counts = if counts.is_empty() { String::new() } else { format!(": {}", counts.join(", ")) };
    format!(
        "{}{counts}\n{}, {}, {}\n",
        count(totals.sessions, "session"),
        count(totals.steps, "step"),
        count(totals.failures, "failure"),
        format_duration(elapsed)
    )
}

fn count(number: usize, word: &str) -> String {
    format!("{} {word}{}", group_thousands(number), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_go_on_below_themselves() {
        let line = format!("  > *: expected 250, got 550 {}", "word ".repeat(40).trim_end());
        let shown = wrap_line(&line, Some(80));
        assert!(shown.lines().count() > 2 && shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        assert!(shown.lines().skip(1).all(|line| line.starts_with("       word")), "{shown}");
        assert_eq!(shown.split_whitespace().collect::<Vec<_>>(), line.split_whitespace().collect::<Vec<_>>());
        let solid = wrap_line(&format!("    S: {}", "x".repeat(300)), Some(80));
        assert!(solid.lines().all(|line| line.chars().count() <= 80), "{solid}");
        assert_eq!(solid.matches('x').count(), 300, "nothing is lost");
        assert_eq!(wrap_line(&line, None), line, "what is no terminal has no width");
        assert_eq!(wrap_line("  short", Some(80)), "  short");
    }
}

//! A self-contained HTML file: summary, a waterfall of each session's steps, transcripts with the failed lines marked. It loads
//! nothing from the network, and its content security policy forbids it.
//!
//! Servers such as Jenkins' forbid the page's style and script, too. So what happened is said in words and elements, colours of the
//! charts are attributes, and what needs the script is hidden until the script runs.

use super::duration::format_duration;
use super::record::{Record, RecordedLine, RecordedLines, RunRecord, SessionFailure, StepPhase, StepRecord};
use crate::event::{Cause, Failure, ServerResponse};
use crate::session::push_escaped_html;
use crate::transcript::escape_unprintable;
use std::io::{self, Write};
use std::time::Duration;

const CSS: &str = include_str!("page.css");
const JS: &str = include_str!("page.js");

/// A word of more characters may be broken.
const LONG_WORD: usize = 50;

/// The states to filter by, and their labels.
const STATES: [(&str, &str); 6] = [
    ("failed", "failed"),
    ("error", "errors"),
    ("passed", "passed"),
    ("skipped", "skipped"),
    ("xfailed", "failed as expected"),
    ("not-run", "not run"),
];

/// Writes the report.
pub fn write(run: &RunRecord, mut out: impl Write) -> io::Result<()> {
    let totals = run.totals();
    let bad = run.records.iter().filter(|record| record.judgement.is_bad()).count();
    let title = match bad {
        0 => format!("{} sessions, none failed", totals.sessions),
        _ => format!("{bad} of {} sessions failed", totals.sessions),
    };
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <title>mailrun: {title}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n\
         <p>{}</p>\n<p class=\"dim\">mailrun {}, {}, exit status {}</p>\n</header>\n<main>\n",
        text(super::suite_text::summary(&totals, run.elapsed).trim_end()).replace('\n', "<br>"),
        env!("CARGO_PKG_VERSION"),
        text(&run.started.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()),
        run.status.code()
    )?;
    filter(run, &mut out)?;
    for record in &run.records {
        session(record, &mut out)?;
    }
    write!(
        out,
        "<p id=\"none\" hidden>No session is in this state.</p>\n\
         <p class=\"dim keys\" hidden>Keys: j and k walk through the sessions, o opens them, f goes to the next failed line.</p>\n\
         </main>\n<script>\n{JS}</script>\n</body>\n</html>\n"
    )?;
    out.flush()
}

/// Writes the filter, with the states that occur.
fn filter(run: &RunRecord, out: &mut impl Write) -> io::Result<()> {
    write!(
        out,
        "<fieldset hidden>\n<legend>Show</legend>\n\
         <label><input type=\"radio\" name=\"state\" value=\"all\" checked> all ({})</label>\n",
        run.records.len()
    )?;
    for (state, words) in STATES {
        let count = run.records.iter().filter(|record| record.judgement.as_str() == state).count();
        if count > 0 {
            writeln!(out, "<label><input type=\"radio\" name=\"state\" value=\"{state}\"> {words} ({count})</label>")?;
        }
    }
    writeln!(out, "</fieldset>")
}

fn session(record: &Record, out: &mut impl Write) -> io::Result<()> {
    let word = record.judgement.as_str();
    let open = if record.judgement.is_bad() { " open" } else { "" };
    let steps = match record.steps_run() {
        0 => String::new(),
        1 => format!(" <span class=\"dim\">1 step, {}</span>", format_duration(record.elapsed)),
        many => format!(" <span class=\"dim\">{many} steps, {}</span>", format_duration(record.elapsed)),
    };
    write!(
        out,
        "<details class=\"session\" data-state=\"{word}\"{open}>\n\
         <summary><strong class=\"word {word}\">{}</strong> {}{steps}</summary>\n<div>\n",
        word.replace('-', " "),
        text(record.file.as_str())
    )?;
    let about = [
        record.description.as_ref().map(|description| description.to_string()),
        record.judgement.reason(),
        (!record.server.is_empty()).then(|| format!("{}, status {}", record.server, record.status.code())),
    ];
    for line in about.iter().flatten().chain(record.further_remarks()) {
        writeln!(out, "<p>{}</p>", text(line))?;
    }
    for step in record.steps.iter().filter(|step| step.is_bad()) {
        if let Some(one) = step.failure() {
            failure(one, Some(step), out)?;
        }
    }
    for outside in &record.failures {
        match outside {
            SessionFailure::Failure(one) => failure(one, None, out)?,
            SessionFailure::InvalidFile { text: broken, .. } => lines_of(broken, out)?,
            SessionFailure::Message(said) => writeln!(out, "<p class=\"failure\">{}</p>", text(said))?,
        }
    }
    waterfall(record, out)?;
    transcript(&record.lines, out)?;
    writeln!(out, "</div>\n</details>")
}

fn failure(failure: &Failure, step: Option<&StepRecord>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<div class=\"failure\">\n<p><strong>{}</strong></p>", text(&failure.cause.to_string()))?;
    if let Some(step) = step {
        writeln!(out, "<p>step {}: {}</p>", step.id.number, text(&step.title()))?;
    }
    if let Cause::Unexpected { got: ServerResponse::Reply { code, text: reply }, .. } = &failure.cause {
        writeln!(out, "<p>got: <code>{code:03} {}</code></p>", text(reply.as_str()))?;
    }
    if let Cause::AssertsFailed(failed) = &failure.cause {
        // If there is only one, the cause names it.
        for one in failed.iter().filter(|_| failed.len() > 1) {
            writeln!(out, "<p><code>{}</code></p>", text(&one.to_string()))?;
        }
    }
    for part in &failure.details.mismatches {
        writeln!(out, "<p>{}</p>", text(part.as_str()))?;
    }
    for other in &failure.details.others {
        writeln!(out, "<p>{}</p>", text(&other.to_string()))?;
    }
    let place = &failure.place;
    if !place.file.is_empty() {
        let file = text(&escape_unprintable(place.file.as_bytes()));
        writeln!(out, "<p class=\"dim\">{file}:{}:{}</p>", place.line, place.column)?;
    }
    writeln!(out, "</div>")
}

fn lines_of(broken: &str, out: &mut impl Write) -> io::Result<()> {
    write!(out, "<pre>")?;
    for line in broken.lines() {
        write!(out, "<span>{}\n</span>", escape(line))?;
    }
    writeln!(out, "</pre>")
}

/// Writes the steps as a table with a timeline.
fn waterfall(record: &Record, out: &mut impl Write) -> io::Result<()> {
    if record.steps.is_empty() {
        return Ok(());
    }
    let whole = record.steps.iter().map(|step| step.started + step.elapsed).chain([record.elapsed]).max();
    let whole = whole.unwrap_or_default().max(Duration::from_micros(1));
    write!(
        out,
        "<table>\n<caption>Steps</caption>\n<thead><tr><th scope=\"col\">#</th>\
         <th scope=\"col\">step</th><th scope=\"col\">verdict</th>\
         <th scope=\"col\" class=\"number\">time</th>\
         <th scope=\"col\" class=\"chart\">0 to {}</th></tr></thead>\n<tbody>\n",
        format_duration(whole)
    )?;
    for step in &record.steps {
        let word = step.as_str();
        let verdict = match step.skip_reason() {
            Some(why) => format!("skipped: {why}"),
            None if step.is_bad() => format!("<strong>{word}</strong>"),
            None => word.to_owned(),
        };
        let retried = if step.retried { ", tried again" } else { "" };
        write!(
            out,
            "<tr{}><td class=\"number\">{}</td><td>{}</td><td class=\"verdict {word}\">{verdict}{retried}</td>\
             <td class=\"number\">{}</td><td class=\"chart\">",
            if step.is_bad() { " class=\"bad\"" } else { "" },
            step.id.number,
            text(&step.title()),
            if step.skip_reason().is_some() { String::new() } else { format_duration(step.elapsed) },
        )?;
        bars(step, whole, out)?;
        writeln!(out, "</td></tr>")?;
    }
    writeln!(out, "</tbody>\n</table>")?;
    legend(out)?;
    if record.omitted_steps > 0 {
        writeln!(out, "<p class=\"dim\">and {} more steps that passed</p>", record.omitted_steps)?;
    }
    Ok(())
}

/// Explains the colours of the timelines.
fn legend(out: &mut impl Write) -> io::Result<()> {
    write!(out, "<p class=\"key dim\">")?;
    for (class, words) in [
        ("connect", "connecting"),
        ("tls", "TLS handshake"),
        ("reply", "waiting for a reply"),
        ("pause", "paused"),
        ("whole", "other"),
    ] {
        write!(out, "<span><svg width=\"10\" height=\"10\" aria-hidden=\"true\">")?;
        rect(class, 0.0, 10.0, out)?;
        write!(out, "</svg> {words}</span> ")?;
    }
    writeln!(out, "</p>")
}

fn bars(step: &StepRecord, whole: Duration, out: &mut impl Write) -> io::Result<()> {
    if step.skip_reason().is_some() {
        return Ok(());
    }
    let told = step.phases.iter().map(|phase| format!("{} {}", phase.kind.as_str(), format_duration(phase.elapsed)));
    let told: Vec<String> = told.take(50).collect();
    let label = if told.is_empty() { format_duration(step.elapsed) } else { told.join(", ") };
    write!(
        out,
        "<svg width=\"300\" height=\"10\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{label}\"><title>{label}</title>"
    )?;
    bar("whole", step.started, step.elapsed, whole, out)?;
    for StepPhase { kind, started, elapsed } in step.phases.iter().take(500) {
        bar(kind.as_str(), *started, *elapsed, whole, out)?;
    }
    write!(out, "</svg>")
}

fn bar(class: &str, started: Duration, elapsed: Duration, whole: Duration, out: &mut impl Write) -> io::Result<()> {
    let scale = |duration: Duration| duration.as_secs_f64() / whole.as_secs_f64() * 1000.0;
    // Even the shortest step is visible.
    let (x, width) = (scale(started).min(996.0), scale(elapsed).max(4.0));
    let width = width.min(1000.0 - x);
    rect(class, x, width, out)
}

/// Writes a rectangle with its colour on a white page; the style changes it on a dark one.
fn rect(class: &str, x: f64, width: f64, out: &mut impl Write) -> io::Result<()> {
    let colour = match class {
        "connect" => "#8250df",
        "tls" => "#0969da",
        "reply" => "#1a7f37",
        "pause" => "#9a9a9a",
        _ => "#d1d9e0",
    };
    write!(out, "<rect class=\"{class}\" fill=\"{colour}\" x=\"{x:.1}\" width=\"{width:.1}\" height=\"10\"/>")
}

fn transcript(lines: &RecordedLines, out: &mut impl Write) -> io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    write!(out, "<h2>Transcript</h2>\n<pre>")?;
    for one in lines.head() {
        line(one, out)?;
    }
    if let Some(gap) = lines.omission_remark() {
        write!(out, "<span class=\"r\">{}\n</span>", escape(&gap))?;
    }
    for one in lines.tail() {
        line(one, out)?;
    }
    writeln!(out, "</pre>")
}

fn line(line: &RecordedLine, out: &mut impl Write) -> io::Result<()> {
    let shown = escape(&line.text);
    if line.failure {
        return write!(out, "<mark class=\"f\" tabindex=\"-1\">{shown}\n</mark>");
    }
    let class = match line.text.as_bytes().first() {
        Some(b'C') => "c",
        Some(b'*') => "r",
        _ => "s",
    };
    // The line end is inside the block; between two blocks it would add an empty line.
    write!(out, "<span class=\"{class}\">{shown}\n</span>")
}

/// Escapes text of a transcript, whose lines the style breaks.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    text.chars().for_each(|c| push_escaped_html(c, &mut out));
    out
}

/// Escapes text of other elements, where long words can be broken also without the style.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut word = 0;
    for c in text.chars() {
        word = if c.is_whitespace() { 0 } else { word + 1 };
        if word > LONG_WORD {
            out.push_str("<wbr>");
            word = 1;
        }
        push_escaped_html(c, &mut out);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::record::Judgement;
    use super::*;

    #[test]
    fn long_words_can_be_broken_and_stay_whole() {
        let word = "<".repeat(120);
        let lengths: Vec<_> = text(&word).split("<wbr>").map(|part| part.matches("&lt;").count()).collect();
        assert_eq!(lengths, [50, 50, 20]);
        assert_eq!(text(&"short words ".repeat(20)), "short words ".repeat(20));
        assert_eq!(escape(&word), "&lt;".repeat(120));
    }

    #[test]
    fn every_judgement_can_be_filtered() {
        let why = || "x".to_owned();
        let all = [
            Judgement::Passed,
            Judgement::Failed,
            Judgement::Error,
            Judgement::Skipped(why()),
            Judgement::ExpectedFailure(why()),
            Judgement::UnexpectedPass(why()),
            Judgement::NotRun(why()),
        ];
        for judgement in all {
            assert!(STATES.iter().any(|(state, _)| *state == judgement.as_str()), "{judgement:?}");
        }
    }
}

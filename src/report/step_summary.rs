//! The Markdown table that GitHub Actions shows on the page of a job.

use super::duration::format_duration;
use super::record::{Judgement, Record};
use crate::event::{Cause, ServerResponse, group_thousands};

/// How long the table may get, in bytes: GitHub takes one MiB for each step of a job.
const MAX_BYTES: usize = 900_000;

/// Gathers a row for each session.
#[derive(Debug, Default)]
pub struct StepSummary {
    rows: String,
    omitted: usize,
}

impl StepSummary {
    /// Adds a session.
    pub fn add(&mut self, record: &Record) {
        let result = match &record.judgement {
            Judgement::NotRun(_) => "not run",
            other => other.as_str(),
        };
        let row = format!(
            "| {} | {result} | {} | {} | {} |\n",
            cell(record.file.as_str()),
            group_thousands(record.steps_run()),
            format_duration(record.elapsed),
            cell(&first_failure(record)),
        );
        if self.rows.len() + row.len() > MAX_BYTES {
            self.omitted += 1;
        } else {
            self.rows.push_str(&row);
        }
    }

    /// The table.
    pub fn finish(&self) -> String {
        let head =
            "### mailrun\n\n| session | result | steps | time | first failure |\n| --- | --- | ---: | ---: | --- |\n";
        let more = match self.omitted {
            0 => String::new(),
            more => format!("\n… and {} more sessions\n", group_thousands(more)),
        };
        format!("{head}{}{more}\n", self.rows)
    }
}

fn first_failure(record: &Record) -> String {
    let of_step = record.steps.iter().find(|step| step.is_bad());
    if let Some((step, failure)) = of_step.and_then(|step| step.failure().map(|failure| (step, failure))) {
        let got = match &failure.cause {
            Cause::Unexpected { got: ServerResponse::Reply { text, .. }, .. } => format!(" {text}"),
            _ => String::new(),
        };
        return format!("{}: {}{got} (line {})", step.title(), failure.cause, failure.place.line);
    }
    let outside = record.failures.first().map(super::record::SessionFailure::message);
    outside.or_else(|| record.reason()).unwrap_or_default()
}

/// Text that Markdown and HTML take literally, on one line.
fn cell(text: &str) -> String {
    let mut out = String::new();
    for (index, line) in text.lines().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        for c in line.chars() {
            match c {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                '\\' | '|' | '`' | '*' | '[' | ']' | '~' | '$' => {
                    out.push('\\');
                    out.push(c);
                }
                c => out.push(c),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Status;
    use crate::report::record::SessionFailure;
    use crate::transcript::SafeText;

    #[test]
    fn nothing_in_a_name_or_a_reply_ends_the_cell() {
        let mut record = Record::not_started(SafeText::new("a|b_c.toml"), Judgement::Failed, Status::Failed);
        record.failures.push(SessionFailure::Message("<b> `x` | y\nz @me".to_owned()));
        let mut summary = StepSummary::default();
        summary.add(&record);
        let last = "| a\\|b_c.toml | failed | 0 | under 1 ms | &lt;b&gt; \\`x\\` \\| y z @me |";
        let text = summary.finish();
        assert!(text.lines().any(|line| line == last), "{text}");
    }
}

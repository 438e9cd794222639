//! The text exposition format of Prometheus, for the node exporter's textfile collector.

use super::record::{Judgement, Record, RunRecord, StepRecord};
use std::collections::{HashMap, HashSet};
use std::io::{self, Write};

/// The metrics of one name: `# HELP`, `# TYPE`, and the samples, each with its labels and value.
struct Metric {
    name: &'static str,
    help: &'static str,
    samples: Vec<(String, String)>,
}

impl Metric {
    fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, samples: Vec::new() }
    }

    fn add(&mut self, labels: &[(&str, &str)], value: String) {
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        self.samples.push((labels.join(","), value));
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        if self.samples.is_empty() {
            return Ok(());
        }
        writeln!(out, "# HELP {} {}\n# TYPE {} gauge", self.name, self.help, self.name)?;
        for (labels, value) in &self.samples {
            match labels.as_str() {
                "" => writeln!(out, "{} {value}", self.name)?,
                labels => writeln!(out, "{}{{{labels}}} {value}", self.name)?,
            }
        }
        Ok(())
    }
}

/// Writes the report.
pub fn write(run: &RunRecord, mut out: impl Write) -> io::Result<()> {
    let mut success = Metric::new("mailrun_session_success", "Whether the session's status is 0.");
    let mut skipped = Metric::new("mailrun_session_skipped", "Whether the session was skipped.");
    let mut duration = Metric::new("mailrun_session_duration_seconds", "The session's time.");
    let mut status = Metric::new("mailrun_session_status", "The session's exit status.");
    let mut code = Metric::new("mailrun_step_reply_code", "The code of the step's last reply.");
    let mut step_duration = Metric::new("mailrun_step_duration_seconds", "The step's time.");
    let mut ends = Metric::new(
        "mailrun_tls_certificate_not_after_timestamp_seconds",
        "When the first of the server's certificates ends.",
    );
    let mut last_run = Metric::new("mailrun_last_run_timestamp_seconds", "When the run ended.");
    for (record, session) in run.records.iter().zip(session_names(&run.records)) {
        let session = ("session", session.as_str());
        let is_skipped = matches!(record.judgement, Judgement::Skipped(_) | Judgement::NotRun(_));
        success.add(&[session, ("file", record.file.as_str())], flag(record.status.code() == 0));
        skipped.add(&[session], flag(is_skipped));
        duration.add(&[session], seconds(record.elapsed));
        status.add(&[session], record.status.code().to_string());
        for (step, one) in last_of_each_step(record) {
            let labels = [session, ("step", step.as_str())];
            if let Some(last) = one.reply_code {
                code.add(&labels, last.to_string());
            }
            step_duration.add(&labels, seconds(one.elapsed));
        }
        if let Some(end) = record.certificates_end {
            ends.add(&[session], end.as_second().to_string());
        }
    }
    let ended = run.started.as_duration().as_secs_f64() + run.elapsed.as_secs_f64();
    last_run.add(&[], format!("{ended:.3}"));
    for metric in [success, skipped, duration, status, code, step_duration, ends, last_run] {
        metric.write(&mut out)?;
    }
    out.flush()
}

fn flag(is_so: bool) -> String {
    u8::from(is_so).to_string()
}

fn seconds(duration: std::time::Duration) -> String {
    format!("{:.6}", duration.as_secs_f64())
}

/// Escapes the value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// The files' names without folder and `.toml`; the paths without `.toml` of those that share a name.
fn session_names(records: &[Record]) -> Vec<String> {
    let path = |record: &Record| {
        let path = record.file.as_str();
        path.strip_suffix(".toml").unwrap_or(path).to_owned()
    };
    let name = |record: &Record| path(record).rsplit('/').next().unwrap_or_default().to_owned();
    let mut seen: HashMap<String, usize> = HashMap::new();
    records.iter().for_each(|record| *seen.entry(name(record)).or_default() += 1);
    let pick = |record: &Record| Some(name(record)).filter(|name| seen.get(name) == Some(&1)).unwrap_or(path(record));
    // Two samples of one name and labels would make the whole file invalid. A name that is picked keeps its session.
    let picked: Vec<String> = records.iter().map(pick).collect();
    let mut given: HashSet<String> = HashSet::new();
    let mut distinct = |name: &String| {
        let numbered = (2..).map(|number| format!("{name} ({number})")).filter(|name| !picked.contains(name));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !given.contains(name)).unwrap_or_default();
        given.insert(free.clone());
        free
    };
    picked.iter().map(&mut distinct).collect()
}

/// The last run of each step that ran, in order, with what the step is called. A session with rows has none.
fn last_of_each_step(record: &Record) -> Vec<(String, &StepRecord)> {
    if record.steps.iter().any(|step| step.row.is_some()) {
        return Vec::new();
    }
    // Steps of a group have its number, and places of their own.
    let mut steps: Vec<&StepRecord> = Vec::new();
    for step in record.steps.iter().filter(|step| step.skip_reason().is_none()) {
        match steps.iter_mut().find(|other| other.id.number == step.id.number && other.id.place == step.id.place) {
            Some(earlier) => *earlier = step,
            None => steps.push(step),
        }
    }
    let mut named: HashMap<&str, usize> = HashMap::new();
    steps.iter().filter(|step| step.id.named).for_each(|step| *named.entry(step.id.title.as_str()).or_default() += 1);
    let numbers: HashSet<String> = steps.iter().map(|step| step.id.number.to_string()).collect();
    let mut samples: Vec<(String, &StepRecord)> = Vec::new();
    for step in steps {
        let name = step.id.title.as_str();
        // A name that is the number of a step would hide that step.
        let is_unique = step.id.named && named.get(name) == Some(&1) && !numbers.contains(name);
        let label = if is_unique { name.to_owned() } else { step.id.number.to_string() };
        // A group without names has one sample: that of its last step.
        match samples.iter_mut().find(|(other, _)| *other == label) {
            Some(sample) => sample.1 = step,
            None => samples.push((label, step)),
        }
    }
    samples
}

#[cfg(test)]
mod tests;

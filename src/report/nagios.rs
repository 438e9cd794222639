//! One line for Nagios, Icinga and compatible systems, by the Monitoring Plugins' guidelines.

use super::record::{Judgement, NO_SESSION, Record, SessionFailure};
use crate::event::{Cause, Failure, ServerResponse, Status};
use crate::session::days_until;
use jiff::Timestamp;
use std::time::Duration;

/// The longest text that is printed in front of the performance data, in characters.
const MAX_TEXT: usize = 1_000;

/// How many days a certificate must have left.
#[derive(Clone, Copy, Debug)]
pub struct CertificateLimits {
    pub warning_days: u32,
    pub critical_days: u32,
    /// A limit was asked for, so that it is unknown whether all is well if no server showed a certificate.
    pub needs_certificate: bool,
}

/// What monitoring systems know of states, with their exit statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceState {
    Ok = 0,
    Warning = 1,
    Critical = 2,
    Unknown = 3,
}

impl ServiceState {
    /// The exit status.
    pub fn code(self) -> u8 {
        self as u8
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// What the status of a session says about the server: nothing, if mailrun or its input failed.
    fn of(status: Status) -> Self {
        match status {
            Status::Passed => Self::Ok,
            Status::Failed
            | Status::NoHost
            | Status::Unavailable
            | Status::IoErr
            | Status::TempFail
            | Status::Protocol
            | Status::NoPerm
            | Status::Config => Self::Critical,
            Status::Usage
            | Status::DataErr
            | Status::NoInput
            | Status::Software
            | Status::CantCreate
            | Status::HungUp
            | Status::Interrupted
            | Status::Terminated => Self::Unknown,
        }
    }
}

/// What a run says about the server. Sessions are added as they end.
#[derive(Debug, Default)]
pub struct ServiceCheck {
    passed: usize,
    skipped: usize,
    critical: usize,
    unknown: usize,
    /// The first failure of the sessions that make the state critical, and of those that make it unknown.
    first_critical: Option<String>,
    first_unknown: Option<String>,
    certificates_end: Option<Timestamp>,
    /// Why there is no session, if there is none.
    no_session: Option<String>,
}

impl ServiceCheck {
    /// Adds a session.
    pub fn add(&mut self, record: &Record) {
        if record.file.as_str() == NO_SESSION {
            self.no_session = record.failures.first().map(SessionFailure::message);
        }
        self.certificates_end = self.certificates_end.into_iter().chain(record.certificates_end).min();
        match (&record.judgement, ServiceState::of(record.status)) {
            (Judgement::Skipped(_) | Judgement::NotRun(_), _) => self.skipped += 1,
            (_, ServiceState::Ok | ServiceState::Warning) => self.passed += 1,
            (_, ServiceState::Critical) => {
                self.critical += 1;
                self.first_critical.get_or_insert_with(|| first_failure(record));
            }
            (_, ServiceState::Unknown) => {
                self.unknown += 1;
                self.first_unknown.get_or_insert_with(|| first_failure(record));
            }
        }
    }

    /// The state and its line. `status` is that of the whole run.
    pub fn finish(
        &self,
        status: Status,
        elapsed: Duration,
        limits: CertificateLimits,
        now: Timestamp,
    ) -> (ServiceState, String) {
        let days = self.certificates_end.map(|end| days_until(end, now));
        let (state, text) = self.judge(status, days, limits);
        let mut data = format!("time={:.3}s;;;0", elapsed.as_secs_f64());
        if let Some(days) = days {
            data.push_str(&format!(" cert_days={days};{};{};", limits.warning_days, limits.critical_days));
        }
        (state, line(state, &text, Some(&data)))
    }

    fn judge(&self, status: Status, days: Option<i64>, limits: CertificateLimits) -> (ServiceState, String) {
        let all = self.passed + self.skipped + self.critical + self.unknown;
        let sessions = |count: usize| if count == 1 { "session" } else { "sessions" };
        let skipped = if self.skipped > 0 { format!(", {} skipped", self.skipped) } else { String::new() };
        let passed = format!("{} {} passed{skipped}", self.passed, sessions(self.passed));
        let ends = |days: i64| match days {
            ..=-1 => format!("a certificate has ended, {passed}"),
            0 => format!("a certificate ends today, {passed}"),
            1 => format!("a certificate ends in 1 day, {passed}"),
            _ => format!("a certificate ends in {days} days, {passed}"),
        };
        let below = |limit: u32| days.filter(|days| *days < i64::from(limit));
        let failed = |count: usize, first: &str| format!("{count} of {all} {} failed{skipped}: {first}", sessions(all));
        if let Some(first) = &self.first_critical {
            return (ServiceState::Critical, failed(self.critical + self.unknown, first));
        }
        if let Some(days) = below(limits.critical_days) {
            return (ServiceState::Critical, ends(days));
        }
        if let Some(why) = &self.no_session {
            return (ServiceState::Unknown, why.clone());
        }
        if let Some(first) = &self.first_unknown {
            return (ServiceState::Unknown, failed(self.unknown, first));
        }
        let unknown = match status {
            _ if ServiceState::of(status) == ServiceState::Ok && self.passed == 0 => {
                Some(format!("no session ran{skipped}"))
            }
            Status::HungUp | Status::Interrupted | Status::Terminated => Some("the run was interrupted".to_owned()),
            _ if ServiceState::of(status) != ServiceState::Ok => Some(format!("mailrun ended with {}", status.code())),
            _ if limits.needs_certificate && days.is_none() => {
                Some(format!("no server showed a certificate, {passed}"))
            }
            _ => None,
        };
        match (unknown, below(limits.warning_days)) {
            (Some(why), _) => (ServiceState::Unknown, why),
            (None, Some(days)) => (ServiceState::Warning, ends(days)),
            (None, None) => (ServiceState::Ok, passed),
        }
    }
}

/// The line for a run that could not begin.
pub fn not_begun(why: &str) -> String {
    line(ServiceState::Unknown, why, None)
}

fn line(state: ServiceState, text: &str, data: Option<&str>) -> String {
    let mut short: String = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/");
    if let Some((at, _)) = short.char_indices().nth(MAX_TEXT) {
        short.truncate(at);
        short.push('…');
    }
    let data = data.map(|data| format!(" | {data}")).unwrap_or_default();
    format!("SMTP {} - {short}{data}\n", state.word())
}

/// `smoke/relay.toml:8: expected 5xx, got 250 2.1.5 ok`.
fn first_failure(record: &Record) -> String {
    let of_step = record.steps.iter().find(|step| step.is_bad()).and_then(|step| step.failure());
    match (of_step, record.failures.first()) {
        (Some(failure), _) | (None, Some(SessionFailure::Failure(failure))) => describe(record, failure),
        (None, Some(outside)) => {
            let message = outside.message();
            if message.contains(record.file.as_str()) { message } else { format!("{}: {message}", record.file) }
        }
        (None, None) => {
            format!("{}: {}", record.file, record.reason().as_deref().unwrap_or("it did not pass"))
        }
    }
}

fn describe(record: &Record, failure: &Failure) -> String {
    let place = match failure.place.file.is_empty() {
        true => record.file.to_string(),
        false => format!("{}:{}", failure.place.file, failure.place.line),
    };
    match &failure.cause {
        Cause::Unexpected { got: ServerResponse::Reply { text, .. }, .. } => {
            format!("{place}: {} {text}", failure.cause)
        }
        cause => format!("{place}: {cause}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::SafeText;

    fn record(judgement: Judgement, status: Status, days: Option<i64>, now: Timestamp) -> Record {
        let hours = |days: i64| jiff::SignedDuration::from_hours(days * 24 + 1);
        Record {
            certificates_end: days.map(|days| now + hours(days)),
            ..Record::not_started(SafeText::new("a|b.toml"), judgement, status)
        }
    }

    #[test]
    fn the_first_rule_that_applies_decides() {
        use Judgement::{Error, Failed, Passed};
        let now = Timestamp::UNIX_EPOCH;
        let passed = |days| record(Passed, Status::Passed, days, now);
        let skipped = || record(Judgement::Skipped("no CHUNKING".to_owned()), Status::Passed, None, now);
        let failed = || record(Failed, Status::Failed, None, now);
        let broken = || record(Error, Status::DataErr, None, now);
        let table = [
            (vec![passed(None)], Status::Passed, "SMTP OK - 1 session passed | time=0.250s;;;0\n"),
            (
                vec![passed(Some(63)), passed(Some(90)), skipped()],
                Status::Passed,
                "SMTP OK - 2 sessions passed, 1 skipped | time=0.250s;;;0 cert_days=63;14;7;\n",
            ),
            (
                vec![passed(Some(13))],
                Status::Passed,
                "SMTP WARNING - a certificate ends in 13 days, 1 session passed | time=0.250s;;;0 cert_days=13;14;7;\n",
            ),
            (
                vec![passed(Some(6)), broken()],
                Status::DataErr,
                "SMTP CRITICAL - a certificate ends in 6 days, 1 session passed | time=0.250s;;;0 cert_days=6;14;7;\n",
            ),
            (
                vec![broken(), failed(), passed(None)],
                Status::DataErr,
                "SMTP CRITICAL - 2 of 3 sessions failed: a/b.toml: it did not pass | time=0.250s;;;0\n",
            ),
            (
                vec![broken(), passed(Some(10))],
                Status::DataErr,
                "SMTP UNKNOWN - 1 of 2 sessions failed: a/b.toml: it did not pass | time=0.250s;;;0 cert_days=10;14;7;\n",
            ),
            (vec![skipped()], Status::Passed, "SMTP UNKNOWN - no session ran, 1 skipped | time=0.250s;;;0\n"),
            (vec![passed(None)], Status::CantCreate, "SMTP UNKNOWN - mailrun ended with 73 | time=0.250s;;;0\n"),
            (vec![passed(None)], Status::Interrupted, "SMTP UNKNOWN - the run was interrupted | time=0.250s;;;0\n"),
        ];
        let limits = CertificateLimits { warning_days: 14, critical_days: 7, needs_certificate: false };
        for (records, status, expected) in table {
            let mut check = ServiceCheck::default();
            records.iter().for_each(|record| check.add(record));
            let (state, line) = check.finish(status, Duration::from_millis(250), limits, now);
            assert_eq!(line, expected);
            assert!(line.contains(state.word()));
        }
        let mut check = ServiceCheck::default();
        check.add(&passed(None));
        let limits = CertificateLimits { needs_certificate: true, ..limits };
        let (state, _) = check.finish(Status::Passed, Duration::ZERO, limits, now);
        assert_eq!(state, ServiceState::Unknown, "a limit for certificates, and none was shown");
    }
}

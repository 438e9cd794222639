//! Runs the sessions of a probe, and makes the report.

use super::connection::ProbeConnection;
use super::report::{
    CertificateTrust, ProbeReport, StarttlsState, TlsView, TrialOutcome, VersionTrial, version_number,
};
use super::script::{ProbePurpose, script, step};
use super::warnings::warnings;
use crate::event::{Cause, Failure, Outcome, ServerResponse, Status};
use crate::exec::{self, Clock, Network, RunOptions};
use crate::session::{Place, Scheme, Server, ServerAddress, Session, Sources, TlsVersion, load};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The versions of TLS, the newest first.
const VERSIONS: [TlsVersion; 4] = [TlsVersion::Tls13, TlsVersion::Tls12, TlsVersion::Tls11, TlsVersion::Tls10];

/// How long a reply is awaited by default: servers that delay their greeting on purpose take less.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);

/// The port of `smtps://` (RFC 8314 §3.3).
const SUBMISSIONS: u16 = 465;

/// How a probe connects.
pub struct ProbeOptions {
    /// Its target is the server. Its only variable can be `client_name`, for EHLO.
    pub run: RunOptions,
    /// Whether certificates are verified.
    pub verify: bool,
    /// For each reply; a minute without it.
    pub timeout: Option<Duration>,
    /// For connecting, and for each handshake.
    pub connect_timeout: Duration,
}

/// Probes a server: up to seven connections, one after the other.
///
/// # Errors
/// If the server's URL is not valid.
pub fn run_probe(
    options: ProbeOptions,
    sources: &dyn Sources,
    network: &mut dyn Network,
    clock: &dyn Clock,
) -> Result<ProbeReport, String> {
    let url = match (&options.run.target.url, &options.run.target.mx) {
        (Some(url), _) => url.clone(),
        (None, Some(domain)) => format!("smtp://{domain}"),
        (None, None) => return Err("there is no server to probe".to_owned()),
    };
    let server = Server::parse(&url)?;
    let mut prober = Prober { options, server, sources, network, clock };
    prober.options.run.target.url = Some(url);
    prober.options.run.trust.details = true;
    Ok(prober.probe())
}

struct Prober<'p> {
    options: ProbeOptions,
    server: Server,
    sources: &'p dyn Sources,
    network: &'p mut dyn Network,
    clock: &'p dyn Clock,
}

/// The TLS settings of a connection.
#[derive(Clone, Copy)]
struct ProbeTls {
    verify: bool,
    /// Only this version is offered.
    only: Option<TlsVersion>,
}

impl Prober<'_> {
    fn probe(mut self) -> ProbeReport {
        let at = self.clock.timestamp();
        let tls = ProbeTls { verify: self.options.verify, only: None };
        let (seen, outcome) = self.connect(ProbePurpose::Dialogue, tls);
        self.stay_with(&seen);
        let mut report = self.report_of_dialogue(&seen, outcome, at);
        report.help = self.other_scheme(&seen);
        let in_tls =
            if is_tls_failure(&seen) || seen.tls.is_some() { self.try_versions(&seen, &mut report) } else { None };
        if let Some(facts) = &seen.tls {
            let not_verified = || CertificateTrust::NotVerified("--insecure".to_owned());
            let trust = if facts.verified { CertificateTrust::Verified } else { not_verified() };
            report.tls = Some(TlsView::new(facts, trust, at));
        }
        if report.failure.is_none() && report.tls.is_none() && is_tls_failure(&seen) {
            report.failure = seen.failure(step::HANDSHAKE).map(without_place);
        }
        if report.failure.is_none() && self.clock.interrupted().is_none() {
            self.try_commands(in_tls, &mut report);
        }
        report.status = match (self.clock.interrupted(), &report.failure) {
            (Some(interrupt), _) => Status::of_signal(interrupt.name),
            (None, Some(failure)) => failure.status,
            (None, None) => Status::Passed,
        };
        report.warnings = warnings(&report, matches!(self.server.address, ServerAddress::Unix(_)));
        report
    }

    /// What the dialogue of a usual client showed.
    fn report_of_dialogue(&self, seen: &ProbeConnection, outcome: Outcome, at: jiff::Timestamp) -> ProbeReport {
        let hello = seen.reply(step::HELLO);
        let helo = seen.reply(step::HELO).filter(|helo| helo.is_positive());
        let (hello, refused_hello) = match hello {
            Some(refused) if !refused.is_positive() => (helo, Some(refused)),
            hello => (hello, None),
        };
        let times = [
            ("connect", seen.connect_time()),
            ("greeting", seen.round_trip(step::GREETING)),
            ("EHLO", seen.round_trip(step::HELLO).or_else(|| seen.round_trip(step::HELLO_IN_TLS))),
            ("STARTTLS", seen.round_trip(step::HANDSHAKE)),
            ("handshake", seen.handshake_time()),
            ("QUIT", seen.round_trip(step::QUIT)),
        ];
        let failed = dialogue_failure(seen);
        let outside = outcome.failure.as_ref().filter(|_| seen.failures.is_empty());
        let lost = seen.failure(step::HANDSHAKE).filter(|_| !is_tls_failure(seen) && refusal(seen).is_none());
        ProbeReport {
            server: self.server.to_string(),
            address: seen.address.clone(),
            resolved: seen.resolved.clone(),
            at,
            status: Status::Passed,
            failure: failed.or(lost).or(outside).map(without_place),
            help: None,
            greeting: seen.reply(step::GREETING),
            starttls: self.starttls_state(seen, hello.is_some()),
            hello,
            refused_hello,
            hello_in_tls: seen.reply(step::HELLO_IN_TLS),
            injected: seen.injected(),
            versions: Vec::new(),
            tls: None,
            vrfy: None,
            expn: None,
            times: times.into_iter().filter_map(|(name, time)| Some((name, time?))).collect(),
            warnings: Vec::new(),
        }
    }

    fn starttls_state(&self, seen: &ProbeConnection, greeted: bool) -> StarttlsState {
        let failure = seen.failure(step::HANDSHAKE);
        let untrusted = failure.is_some_and(|failure| matches!(failure.cause, Cause::Certificate { .. }));
        match failure {
            _ if seen.tls.is_some() || untrusted => match self.server.scheme {
                Scheme::Smtps => StarttlsState::Implicit,
                Scheme::Smtp | Scheme::Lmtp => StarttlsState::Used,
            },
            Some(failure) if is_tls_failure(seen) => StarttlsState::Failed(failure.cause.to_string()),
            Some(_) => refusal(seen).map_or(StarttlsState::Unknown, StarttlsState::Refused),
            None if greeted => StarttlsState::NotOffered,
            None => StarttlsState::Unknown,
        }
    }

    /// Tries each version that the dialogue did not use. Gives the settings for another connection inside TLS, if one is
    /// possible; what a usual client cannot see is completed from the newest version that is accepted.
    fn try_versions(&mut self, seen: &ProbeConnection, report: &mut ProbeReport) -> Option<ProbeTls> {
        let mut only = None;
        for version in VERSIONS {
            let used = seen.tls.as_ref().filter(|facts| facts.version.as_deref() == Some(name(version)));
            if let Some(facts) = used {
                let outcome = TrialOutcome::Accepted { cipher: facts.cipher.clone() };
                report.versions.push(VersionTrial { version, outcome });
                continue;
            }
            if self.clock.interrupted().is_some() {
                break;
            }
            if self.meets_plain_smtp(seen) {
                let outcome = TrialOutcome::NotTried("the server speaks SMTP without TLS here".to_owned());
                report.versions.push(VersionTrial { version, outcome });
                continue;
            }
            let (trial, ended) =
                self.connect(ProbePurpose::Version(version), ProbeTls { verify: false, only: Some(version) });
            if let Some(facts) = trial.tls.as_ref().filter(|_| seen.tls.is_none() && only.is_none()) {
                only = Some(version);
                report.tls = Some(TlsView::new(facts, self.trust(seen), report.at));
                report.hello_in_tls = trial.reply(step::HELLO_IN_TLS);
                report.greeting = report.greeting.take().or_else(|| trial.reply(step::GREETING));
                // What a usual client cannot see is what this one failed at.
                report.failure = report.failure.take().or_else(|| dialogue_failure(&trial).map(without_place));
            }
            report.versions.push(VersionTrial { version, outcome: trial_outcome(version, &trial, &ended) });
        }
        if seen.tls.is_some() {
            return Some(ProbeTls { verify: self.options.verify, only: None });
        }
        // A certificate that is not trusted was seen with the settings of a usual client.
        let untrusted = matches!(self.trust(seen), CertificateTrust::NotTrusted(..));
        only.map(|version| match untrusted {
            true => ProbeTls { verify: false, only: None },
            false => ProbeTls { verify: self.options.verify, only: Some(version) },
        })
    }

    /// Whether the certificate is trusted, as far as the dialogue shows.
    fn trust(&self, seen: &ProbeConnection) -> CertificateTrust {
        match seen.failure(step::HANDSHAKE).map(|failure| &failure.cause) {
            Some(Cause::Certificate { problem, why, .. }) => CertificateTrust::NotTrusted(*problem, why.to_string()),
            _ if !self.options.verify => CertificateTrust::NotVerified("--insecure".to_owned()),
            _ => CertificateTrust::NotVerified("the handshake failed".to_owned()),
        }
    }

    /// VRFY and EXPN, and whether the certificate of an old server is trusted.
    fn try_commands(&mut self, in_tls: Option<ProbeTls>, report: &mut ProbeReport) {
        let tls = in_tls.unwrap_or(ProbeTls { verify: self.options.verify, only: None });
        let purpose = ProbePurpose::Commands { tls: in_tls.is_some() };
        let (mut seen, _) = self.connect(purpose, tls);
        if let Some(view) = &mut report.tls
            && tls.verify
        {
            match (&seen.tls, seen.failure(step::HANDSHAKE).map(|failure| &failure.cause)) {
                (Some(facts), _) if facts.verified => view.trust = CertificateTrust::Verified,
                (_, Some(Cause::Certificate { problem, why, .. })) => {
                    view.trust = CertificateTrust::NotTrusted(*problem, why.to_string());
                }
                _ => {}
            }
            // As in the dialogue of a usual client, what comes after a certificate that is not trusted is shown, too.
            if matches!(view.trust, CertificateTrust::NotTrusted(..)) {
                (seen, _) = self.connect(purpose, ProbeTls { verify: false, ..tls });
            }
        }
        report.vrfy = seen.reply(step::VRFY);
        report.expn = seen.reply(step::EXPN);
        // The first handshake of the program also loads the system's certificates, or found one that is not trusted.
        if let Some(again) = seen.handshake_time() {
            match report.times.iter_mut().find(|(name, _)| *name == "handshake") {
                Some((_, time)) => *time = again.min(*time),
                None => report.times.push(("handshake", again)),
            }
        }
    }

    /// Whether unencrypted SMTP came where TLS should begin.
    fn meets_plain_smtp(&self, seen: &ProbeConnection) -> bool {
        let cause = seen.failure(step::HANDSHAKE).map(|failure| &failure.cause);
        let failed = matches!(cause, Some(Cause::TlsFailed { after_handshake: false, .. }));
        self.server.scheme == Scheme::Smtps && failed && seen.replies_unencrypted
    }

    /// The question whether the other scheme is meant, if the server's answers do not fit that of the URL.
    fn other_scheme(&self, seen: &ProbeConnection) -> Option<String> {
        let ServerAddress::Tcp { port, .. } = &self.server.address else { return None };
        let (scheme, why) = match (self.server.scheme, seen.failure(step::GREETING).map(|failure| &failure.cause)) {
            (Scheme::Smtps, _) if self.meets_plain_smtp(seen) => {
                (Scheme::Smtp, "the server speaks SMTP without TLS here")
            }
            (Scheme::Smtp, Some(_)) if seen.greets_in_tls => (Scheme::Smtps, "the server speaks TLS here"),
            (Scheme::Smtp, Some(Cause::TimedOut { may_expect_tls: true, .. })) => {
                (Scheme::Smtps, "a server that expects TLS from the first byte sends no greeting before it")
            }
            (Scheme::Smtp, Some(Cause::ConnectionLost { .. })) if *port == SUBMISSIONS => {
                (Scheme::Smtps, "port 465 is that of TLS from the first byte")
            }
            _ => return None,
        };
        let url = Server { scheme, ..self.server.clone() };
        Some(format!("{why}: did you mean {url}?"))
    }

    /// Further connections go to the same mail exchanger and the same address.
    fn stay_with(&mut self, seen: &ProbeConnection) {
        if let Some(host) = &seen.exchanger {
            self.server = self.server.at(host);
            self.options.run.target.mx = None;
            self.options.run.target.url = Some(self.server.to_string());
        }
        let address = seen.address.as_ref().and_then(|address| address.parse::<SocketAddr>().ok());
        if let (ServerAddress::Tcp { host, port }, Some(address)) = (&self.server.address, address)
            && host.parse::<IpAddr>().is_err()
            && !host.contains('%')
        {
            let resolve = &mut self.options.run.connect.resolve;
            resolve.retain(|(name, at, _)| !(name.eq_ignore_ascii_case(host) && at == port));
            resolve.push((host.clone(), *port, address.ip()));
        }
    }

    /// Runs one session.
    fn connect(&mut self, purpose: ProbePurpose, tls: ProbeTls) -> (ProbeConnection, Outcome) {
        let mut seen = ProbeConnection::default();
        let session = self.session(purpose, tls);
        let outcome = exec::run(&session, &self.options.run, self.sources, self.network, self.clock, &mut seen);
        (seen, outcome)
    }

    fn session(&self, purpose: ProbePurpose, tls: ProbeTls) -> Session {
        let names: Vec<String> = self.options.run.variables.iter().map(|(name, _)| name.clone()).collect();
        let is_for_tls = matches!(&self.server.address, ServerAddress::Tcp { port: SUBMISSIONS, .. });
        let hurried = is_for_tls && self.options.timeout.is_none();
        let text = script(purpose, self.server.scheme, !names.is_empty(), hurried);
        let mut session = load("probe", &text, self.sources, &names).unwrap_or_else(|wrong| {
            unreachable!("the scripts of a probe are tested to be sessions: {}", wrong.render(false))
        });
        session.timeout = Some(self.options.timeout.unwrap_or(REPLY_TIMEOUT));
        session.connect_timeout = self.options.connect_timeout;
        // As with [tls]: certificates of servers on this machine are verified, too.
        session.has_tls = true;
        session.tls.verify = tls.verify;
        session.tls.min_version = tls.only;
        session.tls.max_version = tls.only;
        session
    }
}

/// As [`crate::session::TlsFacts`] names it.
fn name(version: TlsVersion) -> &'static str {
    match version {
        TlsVersion::Tls10 => "TLSv1.0",
        TlsVersion::Tls11 => "TLSv1.1",
        TlsVersion::Tls12 => "TLSv1.2",
        TlsVersion::Tls13 => "TLSv1.3",
    }
}

/// Whether the handshake failed, so that another version of TLS may do better. The server accepted STARTTLS before.
fn is_tls_failure(seen: &ProbeConnection) -> bool {
    match seen.failure(step::HANDSHAKE).map(|failure| &failure.cause) {
        Some(Cause::Certificate { .. } | Cause::TlsFailed { .. } | Cause::TlsRefused { .. }) => true,
        // The reply to STARTTLS came in time; the handshake did not.
        Some(Cause::TimedOut { .. }) => seen.reply(step::HANDSHAKE).is_some(),
        _ => false,
    }
}

/// How the dialogue failed. What TLS and QUIT came to is no reason to give up.
fn dialogue_failure(seen: &ProbeConnection) -> Option<&Failure> {
    let stops = |name: &str| name != step::QUIT && name != step::HANDSHAKE;
    seen.failures.iter().find(|(name, _)| stops(name)).map(|(_, failure)| failure)
}

/// The reply with which the server refused STARTTLS.
fn refusal(seen: &ProbeConnection) -> Option<super::report::ProbeReply> {
    match seen.failure(step::HANDSHAKE).map(|failure| &failure.cause) {
        Some(Cause::Unexpected { got: ServerResponse::Reply { .. }, .. }) => seen.reply(step::HANDSHAKE),
        _ => None,
    }
}

fn trial_outcome(version: TlsVersion, trial: &ProbeConnection, ended: &Outcome) -> TrialOutcome {
    if let Some(facts) = &trial.tls {
        return TrialOutcome::Accepted { cipher: facts.cipher.clone() };
    }
    if let Some(refusal) = &trial.refused {
        // A server that wants a certificate of the client says nothing about the version.
        return match refusal.of_certificate {
            true => TrialOutcome::NotTried(refusal.why.clone()),
            false => TrialOutcome::NotAccepted(refusal.why.clone()),
        };
    }
    let failure = trial.failures.first().map(|(_, failure)| failure).or(ended.failure.as_ref());
    match failure.map(|failure| &failure.cause) {
        // The server answered with another version than the one that was offered: it does not speak that one.
        Some(Cause::TlsRefused { chosen_version: Some(chosen), .. }) if chosen.as_str() != name(version) => {
            TrialOutcome::NotAccepted(format!("the server chose {chosen}"))
        }
        Some(Cause::TlsRefused { why, .. }) => TrialOutcome::NotTried(format!("this side refuses: {why}")),
        Some(cause) => TrialOutcome::NotTried(cause.to_string()),
        None => TrialOutcome::NotTried(format!("TLS {} was not reached", version_number(version))),
    }
}

/// The sessions of a probe are in no file.
fn without_place(failure: &Failure) -> Failure {
    let mut failure = failure.clone();
    failure.place = Place::default();
    failure.details.others.iter_mut().for_each(|other| other.place = Place::default());
    failure
}

#[cfg(test)]
mod tests {
    use super::super::connection::HandshakeRefusal;
    use super::*;
    use crate::transcript::SafeText;

    fn refused_here(chosen: Option<&str>) -> Outcome {
        let why = SafeText::new("a certificate of the client (the server chose SSLv3; x)");
        let cause = Cause::TlsRefused { why, chosen_version: chosen.map(SafeText::new) };
        let failure = Failure::new(Status::Config, Place::default(), cause);
        Outcome { status: Status::Config, failure: Some(failure), steps_run: 1, skipped: None }
    }

    #[test]
    fn a_version_is_judged_by_what_happened_and_not_by_words() {
        let passed = Outcome { status: Status::Passed, failure: None, steps_run: 1, skipped: None };
        for (refused, ended, expected, why) in [
            (Some(false), passed.clone(), "not accepted", "the server refuses the version"),
            (Some(true), passed.clone(), "not tried", "the server wants a certificate"),
            (None, refused_here(Some("TLSv1.1")), "not accepted", "the server chose another version"),
            (None, refused_here(Some("TLSv1.2")), "not tried", "this side refuses the version that it offered"),
            (None, refused_here(None), "not tried", "this side refuses something else"),
            (None, passed.clone(), "not tried", "the handshake was not reached"),
        ] {
            // Words of the other kind: they do not decide.
            let words = if refused == Some(true) { "no version" } else { "the client's certificate" };
            let refused = refused.map(|of_certificate| HandshakeRefusal { why: words.to_owned(), of_certificate });
            let mut trial = ProbeConnection::default();
            trial.refused = refused;
            let outcome = match trial_outcome(TlsVersion::Tls12, &trial, &ended) {
                TrialOutcome::Accepted { .. } => "accepted",
                TrialOutcome::NotAccepted(_) => "not accepted",
                TrialOutcome::NotTried(_) => "not tried",
            };
            assert_eq!(outcome, expected, "{why}");
        }
    }
}

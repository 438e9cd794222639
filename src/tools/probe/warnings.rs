//! What is remarkable about a server, and why.

use super::report::{
    CertificateTrust, ProbeReport, ProbeWarning, StarttlsState, TlsView, TrialOutcome, VersionTrial, version_number,
};
use crate::event::CertificateProblem;
use crate::session::TlsVersion;
use crate::smtp::capabilities::Capabilities;

/// A certificate with fewer days left is remarkable.
const FEW_DAYS: i64 = 14;

/// Mechanisms that send the password, or a token in its place, as it is.
const READABLE_MECHANISMS: [&str; 4] = ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"];

/// Everything that is remarkable, in the order of the dialogue. `local`: over a UNIX socket.
pub fn warnings(report: &ProbeReport, local: bool) -> Vec<ProbeWarning> {
    let mut out = Vec::new();
    let mut warn = |kind, text: String, why: &str| out.push(ProbeWarning { kind, text, why: why.to_owned() });
    if let Some(greeting) = report.greeting.as_ref().filter(|greeting| greeting.code != 220) {
        let text = format!("the greeting is {:03}, not 220", greeting.code);
        warn(
            "greeting",
            text,
            "220 is the code of a server that is ready (RFC 5321 §4.3.2); clients give up at others.",
        );
    }
    if let Some(refused) = &report.refused_hello {
        let text = format!("EHLO is refused: {}", refused.first_line());
        warn("ehlo-refused", text, "Without EHLO there is no TLS, no AUTH and no limit of size (RFC 5321 §3.2).");
    }
    let before = report.hello.as_ref().map(|hello| hello.capabilities()).unwrap_or_default();
    match &report.starttls {
        StarttlsState::NotOffered if !local => {
            let why =
                "Mail and passwords cross the network in plain text, which anyone on the way can read and change.";
            warn("starttls-missing", "STARTTLS is not offered".to_owned(), why);
        }
        StarttlsState::Refused(reply) => {
            let text = format!("STARTTLS is offered and refused: {}", reply.first_line());
            warn("starttls-refused", text, "Clients that require TLS give up, and the others continue in plain text.");
        }
        // With help the URL may be wrong, and not the server.
        StarttlsState::Failed(why) if !is_too_old(report) && report.help.is_none() => {
            let text = format!("no TLS with the settings of a usual client: {why}");
            let reason = match report.server.starts_with("smtps:") {
                true => "Clients cannot connect.",
                false => "Clients that require TLS give up, and the others continue in plain text.",
            };
            warn("tls-failed", text, reason);
        }
        _ => {}
    }
    if let Some(bytes) = &report.injected {
        let text = format!("unencrypted bytes follow the reply to STARTTLS: {bytes}");
        warn("starttls-injection", text, "A client that keeps them takes them for replies inside TLS (CVE-2011-0411).");
    }
    let readable = readable_mechanisms(&before);
    if !local && !readable.is_empty() {
        let text = format!("AUTH offers {} without TLS", list(&readable));
        let why =
            "They send the password, or a token, so that anyone on the way can read it; offer them inside TLS only.";
        warn("auth-unencrypted", text, why);
    }
    warn_of_versions(report, &mut warn);
    if let Some(tls) = &report.tls {
        warn_of_certificates(tls, &mut warn);
    }
    for (kind, verb, reply) in [("vrfy", "VRFY", &report.vrfy), ("expn", "EXPN", &report.expn)] {
        // 252 says nothing about the address, and 221 that the server has had enough (RFC 5321 §4.2.2).
        if let Some(reply) = reply.as_ref().filter(|reply| matches!(reply.code, 250 | 251)) {
            let text = format!("{verb} is answered: {}", reply.first_line());
            warn(kind, text, "Strangers can find out which addresses exist (RFC 5321 §7.3).");
        }
    }
    out
}

fn readable_mechanisms(offered: &Capabilities) -> Vec<String> {
    offered.auth().into_iter().filter(|mechanism| READABLE_MECHANISMS.contains(&mechanism.as_str())).collect()
}

fn warn_of_versions(report: &ProbeReport, warn: &mut impl FnMut(&'static str, String, &str)) {
    let accepted = report.versions.iter().filter(|trial| trial.outcome.is_accepted());
    let old: Vec<String> = accepted
        .filter(|trial| is_old(trial.version))
        .map(|trial| format!("TLS {}", version_number(trial.version)))
        .collect();
    if old.is_empty() {
        return;
    }
    let (verb, why) = match old.len() {
        1 => ("is", "Its protection can be broken, and RFC 8996 forbids it; 1.2 is the oldest version in use."),
        _ => ("are", "Their protection can be broken, and RFC 8996 forbids them; 1.2 is the oldest version in use."),
    };
    warn("tls-old", format!("{} {verb} accepted", list(&old)), why);
    if is_too_old(report) {
        let text = "no version of TLS from 1.2 on is accepted".to_owned();
        warn(
            "tls-too-old",
            text,
            "Today's clients speak no older version, and reach this server without TLS or not at all.",
        );
    }
}

fn is_old(version: TlsVersion) -> bool {
    version < TlsVersion::Tls12
}

/// Whether the server accepts versions below 1.2 and no other.
fn is_too_old(report: &ProbeReport) -> bool {
    let (old, new): (Vec<_>, Vec<_>) = report.versions.iter().partition(|trial| is_old(trial.version));
    let refused = |trial: &&VersionTrial| matches!(trial.outcome, TrialOutcome::NotAccepted(_));
    old.iter().any(|trial| trial.outcome.is_accepted()) && new.iter().all(refused)
}

fn warn_of_certificates(tls: &TlsView, warn: &mut impl FnMut(&'static str, String, &str)) {
    if let CertificateTrust::NotTrusted(problem, why) = &tls.trust {
        let (kind, reason) = match problem {
            CertificateProblem::Name => {
                ("certificate-name", "Clients that verify the name give up: it may be another server's certificate.")
            }
            CertificateProblem::Date => ("certificate-date", "Clients that verify certificates give up."),
            CertificateProblem::Chain => (
                "certificate-chain",
                "Clients that verify certificates give up. The server must send its intermediate certificates, too; \
                 `--ca FILE` trusts an authority of your own.",
            ),
            CertificateProblem::Issuer => (
                "certificate-issuer",
                "Clients that verify certificates give up. `--ca FILE` trusts an authority of your own.",
            ),
        };
        warn(kind, format!("the certificate is not trusted: {why}"), reason);
    }
    let Some(days) = tls.days_left.filter(|days| *days < FEW_DAYS) else { return };
    let ending = tls.chain.iter().position(|one| one.days_left == days);
    let which = match ending {
        Some(0) => "the certificate".to_owned(),
        Some(index) => format!("certificate {} of the chain, {},", index + 1, tls.chain[index].subject),
        None => "a certificate of the verified chain".to_owned(),
    };
    let text = format!("{which} {}", days_words(days));
    warn("certificate-ends", text, "After that clients that verify certificates give up; renew it in time.");
}

/// `ends in 5 days`.
pub fn days_words(days: i64) -> String {
    match days {
        1 => "ends in 1 day".to_owned(),
        0 => "ends today".to_owned(),
        -1 => "ended within the last day".to_owned(),
        -2 => "ended 1 day ago".to_owned(),
        ..0 => format!("ended {} days ago", -(days + 1)),
        _ => format!("ends in {days} days"),
    }
}

/// `A, B and C`.
fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::{days_words, list};

    #[test]
    fn an_end_is_told_in_days() {
        for (days, words) in [
            (30, "ends in 30 days"),
            (1, "ends in 1 day"),
            (0, "ends today"),
            (-1, "ended within the last day"),
            (-2, "ended 1 day ago"),
            (-3, "ended 2 days ago"),
        ] {
            assert_eq!(days_words(days), words);
        }
    }

    #[test]
    fn the_last_of_a_list_follows_an_and() {
        let words = |words: &[&str]| list(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(words(&["A"]), "A");
        assert_eq!(words(&["A", "B"]), "A and B");
        assert_eq!(words(&["A", "B", "C"]), "A, B and C");
    }
}

//! Explains why a certificate is not trusted. The verdict is that of OpenSSL (or the platform) alone; this module only
//! puts it into words, with details from the certificate if it is available.

use super::peer_certificate::PeerCertificate;
use crate::exec::CertificateProblem;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::net::IpAddr;

/// The most names that are shown.
const MAX_NAMES: usize = 8;

/// `why` is one line; `details` are lines with subject, names, issuer and dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    pub problem: CertificateProblem,
    pub why: String,
    pub details: Vec<String>,
}

/// Explains `reason`, the text of the TLS library. `chain` are the certificates that the server sent, its own first, as
/// far as they are known; `wanted` is the name that the server should have.
pub fn explain(reason: &str, chain: &[PeerCertificate], wanted: &str, now: Timestamp) -> Explanation {
    let lower = reason.to_lowercase();
    let is = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let peer = chain.first();
    let (mut problem, why) = if is(&["expired"]) {
        (CertificateProblem::Date, first_of(chain, |one| expired(one, now), "has expired"))
    } else if is(&["not yet valid", "not valid yet"]) {
        (CertificateProblem::Date, first_of(chain, |one| not_yet_valid(one, now), "is not yet valid"))
    } else if is(&["hostname mismatch", "host name mismatch", "ip address mismatch", "name mismatch"]) {
        let why =
            peer.map_or_else(|| format!("the certificate is not for {wanted}"), |peer| name_mismatch(peer, wanted));
        (CertificateProblem::Name, why)
    } else if is(&["in certificate chain"]) {
        let root =
            chain.iter().find(|one| one.self_issued).map_or_else(String::new, |root| in_brackets(&root.facts.subject));
        let why = format!("issuer unknown: the chain ends in a self-signed certificate that is not trusted{root}");
        (CertificateProblem::Issuer, why)
    } else if is(&["self-signed", "self signed"]) {
        (CertificateProblem::Issuer, "self-signed, and not among the trusted certificates".to_owned())
    } else if is(&["unable to get local issuer", "unable to get issuer", "unable to verify the first"]) {
        match missing_issuer(chain) {
            Some(why) => (CertificateProblem::Chain, format!("issuer unknown: {why}")),
            None => (CertificateProblem::Issuer, "issuer unknown: not signed by a known authority".to_owned()),
        }
    } else {
        (CertificateProblem::Issuer, reason.to_owned())
    };
    let mut details = peer.map(describe).unwrap_or_default();
    let wrong_name = peer.and_then(|peer| check_names(peer, wanted));
    if wrong_name.is_some() && matches!(problem, CertificateProblem::Issuer | CertificateProblem::Chain) {
        // It may be another server's certificate: to trust its issuer would not help.
        problem = CertificateProblem::Name;
    }
    // What would still be wrong without the first reason.
    let others = peer.map(|peer| [expired(peer, now), not_yet_valid(peer, now), wrong_name]);
    for also in others.into_iter().flatten().flatten() {
        if also != why {
            details.push(format!("also: {also}"));
        }
    }
    Explanation { problem, why, details }
}

/// Names the first certificate that `objection` is about; if none is, only that one of them `fails`.
fn first_of(chain: &[PeerCertificate], objection: impl Fn(&PeerCertificate) -> Option<String>, fails: &str) -> String {
    let found = chain.iter().enumerate().find_map(|(index, one)| Some((index, &one.facts.subject, objection(one)?)));
    match found {
        Some((0, _, why)) => why,
        Some((index, subject, why)) => format!("certificate {} of the server's chain, {subject}, {why}", index + 1),
        None if chain.is_empty() => format!("the server's certificate, or one in its chain, {fails}"),
        None => format!("a certificate in the server's chain {fails}"),
    }
}

/// Which issuer was neither sent nor is trusted. The certificates are followed from the server's own to its issuer, and so
/// on, in whatever order they were sent.
fn missing_issuer(chain: &[PeerCertificate]) -> Option<String> {
    let own = chain.first()?;
    let mut top = own;
    // Each step must reach another certificate: two that name each other would never end.
    for _ in chain {
        match chain.iter().find(|one| one.facts.subject == top.facts.issuer) {
            Some(issuer) if !issuer.self_issued => top = issuer,
            _ => break,
        }
    }
    let (count, issuer) = (chain.len(), &top.facts.issuer);
    Some(match count {
        1 => format!("the server sent 1 certificate; its issuer {issuer} is missing"),
        _ => format!("the server sent {count} certificates; the issuer {issuer} of {} is missing", top.facts.subject),
    })
}

/// An objection that OpenSSL does not make: it falls back to the common name if there is no DNS name, but a common name
/// does not identify a server (RFC 9525 §2, and every browser).
pub fn reject_common_name_only(peer: &PeerCertificate, wanted: &str) -> Option<Explanation> {
    if peer.names_dns || wanted.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let problem = CertificateProblem::Name;
    Some(Explanation { problem, why: name_mismatch(peer, wanted), details: describe(peer) })
}

/// The certificate's properties, one per line.
fn describe(peer: &PeerCertificate) -> Vec<String> {
    let facts = &peer.facts;
    vec![
        format!("subject: {}", facts.subject),
        format!("names: {}", if facts.sans.is_empty() { "none".to_owned() } else { join_names(&facts.sans) }),
        format!("issuer: {}", facts.issuer),
        format!("valid: {} to {}", facts.not_before, facts.not_after),
    ]
}

fn name_mismatch(peer: &PeerCertificate, wanted: &str) -> String {
    let sans = &peer.facts.sans;
    if sans.iter().any(|name| name.contains('\0')) {
        return format!("a NUL in a name, names {}, wanted {wanted}", join_names(sans));
    }
    if !sans.is_empty() {
        return format!("names {}, wanted {wanted}", join_names(sans));
    }
    match peer.common_names.iter().any(|name| name.eq_ignore_ascii_case(wanted)) {
        true => format!("names {wanted} only as its CN, which does not count: it has no subjectAltName"),
        false if peer.common_names.is_empty() => format!("names no server, wanted {wanted}"),
        false => format!("names no server (its CN is {}), wanted {wanted}", join_names(&peer.common_names)),
    }
}

/// What is wrong with the names, if they are not the server's. RFC 9525 §6.3: `*` stands for the whole first label.
fn check_names(peer: &PeerCertificate, wanted: &str) -> Option<String> {
    let wanted_ip = wanted.parse::<IpAddr>().ok();
    let bare = wanted.strip_suffix('.').unwrap_or(wanted);
    let matches = |name: &String| match (wanted_ip, name.parse::<IpAddr>()) {
        (Some(wanted), Ok(ip)) => wanted == ip,
        (Some(_), Err(_)) | (None, Ok(_)) => false,
        (None, Err(_)) => match name.strip_prefix("*.") {
            Some(parent) => bare.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
            None => name.eq_ignore_ascii_case(bare),
        },
    };
    (!peer.facts.sans.iter().any(matches)).then(|| name_mismatch(peer, wanted))
}

fn join_names(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(MAX_NAMES).map(String::as_str).collect();
    let more = names.len().saturating_sub(MAX_NAMES);
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

fn in_brackets(name: &str) -> String {
    format!(" ({name})")
}

fn expired(peer: &PeerCertificate, now: Timestamp) -> Option<String> {
    (peer.facts.not_after < now).then(|| format!("expired on {}", format_date(peer.facts.not_after)))
}

fn not_yet_valid(peer: &PeerCertificate, now: Timestamp) -> Option<String> {
    (peer.facts.not_before > now).then(|| format!("not yet valid until {}", format_date(peer.facts.not_before)))
}

fn format_date(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).date().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::PeerFacts;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a timestamp")
    }

    fn peer(sans: &[&str], common_name: &str) -> PeerCertificate {
        PeerCertificate {
            facts: PeerFacts {
                subject: format!("CN={common_name}"),
                issuer: "CN=Example CA".to_owned(),
                sans: sans.iter().map(|name| (*name).to_owned()).collect(),
                not_before: time("2024-01-01T00:00:00Z"),
                not_after: time("2024-02-01T12:00:00Z"),
                sha256: String::new(),
            },
            common_names: vec![common_name.to_owned()],
            names_dns: !sans.is_empty(),
            self_issued: false,
        }
    }

    /// A certificate of a chain: its subject, its issuer, and when it ends.
    fn link(subject: &str, issuer: &str, not_after: &str) -> PeerCertificate {
        let mut peer = peer(&["mx.example.com"], subject);
        (peer.facts.issuer, peer.facts.not_after) = (format!("CN={issuer}"), time(not_after));
        peer.self_issued = subject == issuer;
        peer
    }

    #[test]
    fn the_certificate_of_a_chain_that_is_wrong_or_missing_is_named() {
        let (soon, past) = ("2024-02-01T12:00:00Z", "2020-02-01T00:00:00Z");
        let own = link("mx", "Middle", soon);
        let (middle, dead) = (link("Middle", "Root", soon), link("Middle", "Root", past));
        let (root, other) = (link("Root", "Root", soon), link("Other", "Root", soon));
        let circle = link("Middle", "mx", soon);
        let missing = "unable to get local issuer certificate";
        use CertificateProblem::{Chain, Date, Issuer};
        for (reason, chain, problem, why) in [
            (
                missing,
                vec![&own],
                Chain,
                "issuer unknown: the server sent 1 certificate; its issuer CN=Middle is missing",
            ),
            (
                "unable to verify the first certificate",
                vec![&own, &other],
                Chain,
                "issuer unknown: the server sent 2 certificates; the issuer CN=Middle of CN=mx is missing",
            ),
            (
                missing,
                vec![&own, &middle],
                Chain,
                "issuer unknown: the server sent 2 certificates; the issuer CN=Root of CN=Middle is missing",
            ),
            (
                missing,
                vec![&own, &other, &middle],
                Chain,
                "issuer unknown: the server sent 3 certificates; the issuer CN=Root of CN=Middle is missing",
            ),
            (
                missing,
                vec![&own, &circle],
                Chain,
                "issuer unknown: the server sent 2 certificates; the issuer CN=Middle of CN=mx is missing",
            ),
            (
                "self-signed certificate in certificate chain",
                vec![&own, &middle, &root],
                Issuer,
                "issuer unknown: the chain ends in a self-signed certificate that is not trusted (CN=Root)",
            ),
            (
                "certificate has expired",
                vec![&own, &dead],
                Date,
                "certificate 2 of the server's chain, CN=Middle, expired on 2020-02-01",
            ),
            ("certificate has expired", vec![&own, &middle], Date, "a certificate in the server's chain has expired"),
        ] {
            let chain: Vec<_> = chain.into_iter().cloned().collect();
            let explanation = explain(reason, &chain, "mx.example.com", time("2024-01-15T00:00:00Z"));
            assert_eq!((explanation.problem, explanation.why.as_str()), (problem, why));
        }
    }

    #[test]
    fn a_certificate_for_another_name_is_a_problem_of_the_name() {
        let now = time("2024-01-15T00:00:00Z");
        for reason in ["unable to get local issuer certificate", "self-signed certificate", "hostname mismatch"] {
            let chain = [peer(&["mx.example.com"], "mx.example.com")];
            assert_eq!(explain(reason, &chain, "smtp.example.com", now).problem, CertificateProblem::Name, "{reason}");
        }
    }

    #[test]
    fn each_reason_has_its_words() {
        let mx = peer(&["mx.example.com"], "mx.example.com");
        let many: Vec<String> = (0..20).map(|n| format!("{n}.example")).collect();
        let many = peer(&many.iter().map(String::as_str).collect::<Vec<_>>(), "x");
        let (during, before, after) = ("2024-01-15T00:00:00Z", "2023-12-31T00:00:00Z", "2026-01-01T00:00:00Z");
        for (reason, peer, now, why) in [
            ("certificate has expired", Some(&mx), after, "expired on 2024-02-01"),
            ("certificate has expired", Some(&mx), during, "a certificate in the server's chain has expired"),
            ("certificate has expired", None, during, "the server's certificate, or one in its chain, has expired"),
            ("certificate is not yet valid", Some(&mx), before, "not yet valid until 2024-01-01"),
            ("hostname mismatch", Some(&mx), during, "names mx.example.com, wanted smtp.example.com"),
            ("Hostname mismatch", None, during, "the certificate is not for smtp.example.com"),
            (
                "IP address mismatch",
                Some(&peer(&[], "a")),
                during,
                "names no server (its CN is a), wanted smtp.example.com",
            ),
            (
                "hostname mismatch",
                Some(&many),
                during,
                "names 0.example, 1.example, 2.example, 3.example, 4.example, 5.example, 6.example, 7.example and 12 more, wanted smtp.example.com",
            ),
            (
                "hostname mismatch",
                Some(&peer(&["smtp.example.com\0.evil.example"], "x")),
                during,
                "a NUL in a name, names smtp.example.com\0.evil.example, wanted smtp.example.com",
            ),
            (
                "unable to get local issuer certificate",
                Some(&mx),
                during,
                "issuer unknown: the server sent 1 certificate; its issuer CN=Example CA is missing",
            ),
            ("unable to verify the first certificate", None, during, "issuer unknown: not signed by a known authority"),
            ("self-signed certificate", Some(&mx), during, "self-signed, and not among the trusted certificates"),
            (
                "self signed certificate in certificate chain",
                None,
                during,
                "issuer unknown: the chain ends in a self-signed certificate that is not trusted",
            ),
            ("EE certificate key too weak", Some(&mx), during, "EE certificate key too weak"),
        ] {
            let chain: Vec<PeerCertificate> = peer.into_iter().cloned().collect();
            assert_eq!(explain(reason, &chain, "smtp.example.com", time(now)).why, why);
        }
    }

    #[test]
    fn the_details_say_what_else_is_wrong() {
        let mx = peer(&["mx.example.com"], "mx.example.com");
        let explanation = explain("hostname mismatch", &[mx], "smtp.example.com", time("2025-01-01T00:00:00Z"));
        assert_eq!(
            explanation.details,
            [
                "subject: CN=mx.example.com",
                "names: mx.example.com",
                "issuer: CN=Example CA",
                "valid: 2024-01-01T00:00:00Z to 2024-02-01T12:00:00Z",
                "also: expired on 2024-02-01",
            ]
        );
    }

    #[test]
    fn a_wrong_name_is_told_beside_an_unknown_issuer() {
        let wild = ["*.example.com", "192.0.2.1"];
        let table: [(&[&str], &str, bool, &str); 9] = [
            (&["mx.example.com"], "smtp.example.com", true, "another name"),
            (&["mx.example.com"], "MX.example.com.", false, "its own, however it is written"),
            (&wild, "smtp.example.com", false, "any first label"),
            (&wild, "a.b.example.com", true, "but one"),
            (&wild, "example.com", true, "and not none"),
            (&wild, "192.0.2.1", false, "an address"),
            (&wild, "192.0.2.2", true, "another one"),
            (&["1.example"], "::1", true, "a name is no address"),
            (&[], "mx.example.com", true, "no name counts"),
        ];
        for (sans, wanted, told, why) in table {
            let peer = peer(sans, "mx.example.com");
            let now = time("2024-01-15T00:00:00Z");
            let details = explain("unable to get local issuer certificate", &[peer], wanted, now).details;
            let also = details.iter().any(|line| line.starts_with("also: names ") && line.contains(wanted));
            assert_eq!(also, told, "{why}: {details:?}");
        }
        let peer = peer(&["a.example"], "a.example");
        let mismatch = explain("hostname mismatch", &[peer], "b.example", time("2024-01-15T00:00:00Z"));
        assert!(!mismatch.details.iter().any(|line| line.starts_with("also")), "it is said once: {mismatch:?}");
    }

    #[test]
    fn a_name_that_is_only_a_common_name_does_not_count() {
        let only = reject_common_name_only(&peer(&[], "smtp.example.com"), "smtp.example.com").expect("no name counts");
        assert!(only.why.contains("only as its CN"), "{}", only.why);
        assert_eq!(reject_common_name_only(&peer(&["smtp.example.com"], "x"), "smtp.example.com"), None);
        assert_eq!(reject_common_name_only(&peer(&[], "x"), "192.0.2.1"), None, "OpenSSL takes no CN for an address");
    }
}

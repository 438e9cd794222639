//! The report on a screen.

use super::report::{
    CertificateTrust, ChainCertificate, ProbeReply, ProbeReport, StarttlsState, TlsView, TrialOutcome, shown,
    version_number,
};
use super::warnings::days_words;
use crate::event::human_size;
use std::fmt::Write;

/// Lines are wrapped before they get longer, if they have spaces.
const WIDTH: usize = 100;

/// The width of the column of labels.
const LABEL: usize = 14;

/// The most characters of one entry; a server can say much more.
const MAX_ENTRY: usize = 1_000;

/// The most certificates that are shown.
const MAX_CHAIN: usize = 8;

/// The report as text.
pub fn probe_screen(report: &ProbeReport) -> String {
    let mut screen = ScreenWriter(String::new());
    screen.entry("server", &report.server);
    if let Some(address) = &report.address {
        screen.entry("address", &with_other_addresses(address, report));
    }
    if let Some(greeting) = &report.greeting {
        screen.entry("greeting", &all_lines(greeting));
    }
    if let Some(refused) = &report.refused_hello {
        screen.entry("EHLO", &refused.first_line());
    }
    let (label, label_in_tls) = match report.server.starts_with("lmtp") {
        true => ("LHLO", "LHLO in TLS"),
        false => (if report.refused_hello.is_some() { "HELO" } else { "EHLO" }, "EHLO in TLS"),
    };
    let mut before = None;
    for (label, reply) in [(label, &report.hello), (label_in_tls, &report.hello_in_tls)] {
        let Some(reply) = reply else { continue };
        screen.entry(label, &reply.first_line());
        if report.refused_hello.is_none() && reply.is_positive() {
            let offered = offers(reply);
            screen.entry("  offers", &offers_after(before.as_deref(), &offered));
            before = Some(offered);
        }
    }
    mechanisms(report, &mut screen);
    limits(report, &mut screen);
    starttls(&report.starttls, &mut screen);
    for trial in &report.versions {
        let outcome = match &trial.outcome {
            TrialOutcome::Accepted { cipher } => {
                format!("accepted{}", cipher.as_ref().map(|cipher| format!(", {cipher}")).unwrap_or_default())
            }
            TrialOutcome::NotAccepted(why) => format!("not accepted: {why}"),
            TrialOutcome::NotTried(why) => format!("could not be tried: {why}"),
        };
        screen.entry(&format!("TLS {}", version_number(trial.version)), &outcome);
    }
    if let Some(tls) = &report.tls {
        certificates(tls, &mut screen);
    }
    for (label, reply) in [("VRFY", &report.vrfy), ("EXPN", &report.expn)] {
        if let Some(reply) = reply {
            screen.entry(label, &reply.first_line());
        }
    }
    let times: Vec<String> =
        report.times.iter().map(|(name, time)| format!("{name} {:.1} ms", time.as_secs_f64() * 1e3)).collect();
    if !times.is_empty() {
        screen.entry("times", &times.join(", "));
    }
    warnings(report, &mut screen);
    screen.0
}

struct ScreenWriter(String);

impl ScreenWriter {
    fn entry(&mut self, label: &str, text: &str) {
        let text = shortened(text);
        self.wrapped(&format!("{label:<LABEL$}"), &text);
    }

    /// `first` begins the first line; the others are indented by its width.
    fn wrapped(&mut self, first: &str, text: &str) {
        let indent = first.chars().count();
        let mut column = 0;
        for word in text.split(' ') {
            let length = word.chars().count();
            if column == 0 {
                self.0.push_str(first);
                column = indent;
            } else if column + 1 + length > WIDTH {
                let _ = write!(self.0, "\n{:indent$}", ""); // writing to a String cannot fail
                column = indent;
            } else {
                self.0.push(' ');
                column += 1;
            }
            self.0.push_str(word);
            column += length;
        }
        while self.0.ends_with(' ') {
            self.0.pop();
        }
        self.0.push('\n');
    }
}

fn shortened(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(MAX_ENTRY) else { return text.to_owned() };
    format!("{}… ({} more bytes)", &text[..end], text.len() - end)
}

fn with_other_addresses(address: &str, report: &ProbeReport) -> String {
    let own = address.rsplit_once(':').map_or(address, |(host, _)| host.trim_matches(['[', ']']));
    let others: Vec<String> = report.resolved.iter().map(ToString::to_string).filter(|other| other != own).collect();
    if others.is_empty() { address.to_owned() } else { format!("{address}; the name also has {}", others.join(", ")) }
}

fn all_lines(reply: &ProbeReply) -> String {
    format!("{:03} {}", reply.code, reply.lines.join(" / "))
}

fn offers(reply: &ProbeReply) -> Vec<String> {
    reply.lines.iter().skip(1).map(|line| line.trim().to_owned()).collect()
}

/// What is offered. What is no different inside TLS is not shown twice.
fn offers_after(before: Option<&[String]>, offered: &[String]) -> String {
    let same =
        before.is_some_and(|before| before.iter().filter(|line| !line.eq_ignore_ascii_case("STARTTLS")).eq(offered));
    match offered {
        _ if same => "the same, without STARTTLS".to_owned(),
        [] => "nothing".to_owned(),
        lines => lines.join(", "),
    }
}

fn mechanisms(report: &ProbeReport, screen: &mut ScreenWriter) {
    let of = |reply: &ProbeReply| {
        let mechanisms = reply.mechanisms();
        if mechanisms.is_empty() { "none".to_owned() } else { mechanisms.join(" ") }
    };
    let text = match (&report.hello, &report.hello_in_tls) {
        (Some(before), Some(after)) if of(before) == of(after) => format!("{}, before TLS and in TLS", of(before)),
        (Some(before), Some(after)) => format!("{} before TLS, {} in TLS", of(before), of(after)),
        (Some(only), None) | (None, Some(only)) => of(only),
        (None, None) => return,
    };
    screen.entry("AUTH", &text);
}

fn limits(report: &ProbeReport, screen: &mut ScreenWriter) {
    let Some(reply) = report.hello_in_tls.as_ref().or(report.hello.as_ref()) else { return };
    let offered = reply.capabilities();
    let size = match (offered.size(), offered.has("SIZE")) {
        (Some(size), _) => format!("messages of up to {size} octets ({})", human_size(size)),
        (None, true) => "SIZE without a limit".to_owned(),
        (None, false) => "no SIZE".to_owned(),
    };
    // RFC 9422: RCPTMAX and others.
    let others = offered.keywords.get("LIMITS").map(|limits| format!(", {}", shown(limits))).unwrap_or_default();
    screen.entry("limits", &format!("{size}{others}"));
}

fn starttls(state: &StarttlsState, screen: &mut ScreenWriter) {
    let text = match state {
        StarttlsState::Unknown => return,
        StarttlsState::Implicit => "TLS from the first byte".to_owned(),
        StarttlsState::NotOffered => "STARTTLS is not offered".to_owned(),
        StarttlsState::Refused(reply) => format!("STARTTLS is refused: {}", reply.first_line()),
        StarttlsState::Failed(why) => why.clone(),
        StarttlsState::Used => "STARTTLS".to_owned(),
    };
    screen.entry("TLS", &text);
}

fn certificates(tls: &TlsView, screen: &mut ScreenWriter) {
    if let Some(own) = tls.chain.first() {
        screen.entry("certificate", &subject(own));
        let names = if own.names.is_empty() { "none".to_owned() } else { own.names.join(", ") };
        screen.entry("  names", &names);
        screen.entry("  issuer", &own.issuer);
        screen.entry("  until", &end(own));
    }
    let others = tls.chain.iter().enumerate().skip(1);
    for (index, one) in others.clone().take(MAX_CHAIN) {
        screen.entry(
            &format!("  chain {}", index + 1),
            &format!("{}, by {}, until {}", subject(one), one.issuer, end(one)),
        );
    }
    if let Some(more) = others.count().checked_sub(MAX_CHAIN).filter(|more| *more > 0) {
        screen.entry("", &format!("and {more} more"));
    }
    let trust = match &tls.trust {
        CertificateTrust::Verified => "trusted, and for this name".to_owned(),
        CertificateTrust::NotTrusted(_, why) => format!("not trusted: {why}"),
        CertificateTrust::NotVerified(why) => format!("not verified: {why}"),
    };
    screen.entry("  trust", &trust);
}

fn subject(certificate: &ChainCertificate) -> String {
    if certificate.subject.is_empty() { "no subject".to_owned() } else { certificate.subject.clone() }
}

/// `2027-01-31, 63 days left`.
fn end(certificate: &ChainCertificate) -> String {
    let date = certificate.not_after.to_string();
    let left = match certificate.days_left {
        1 => "1 day left".to_owned(),
        ..=0 => days_words(certificate.days_left),
        days => format!("{days} days left"),
    };
    format!("{}, {left}", date.split('T').next().unwrap_or_default())
}

fn warnings(report: &ProbeReport, screen: &mut ScreenWriter) {
    if report.warnings.is_empty() {
        if report.failure.is_none() {
            screen.0.push_str("\nnothing is remarkable\n");
        }
        return;
    }
    let plural = if report.warnings.len() == 1 { "warning" } else { "warnings" };
    let _ = writeln!(screen.0, "\n{} {plural}", report.warnings.len());
    for warning in &report.warnings {
        screen.wrapped("! ", &shortened(&warning.text));
        screen.wrapped("    ", &warning.why);
    }
}

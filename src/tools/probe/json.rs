//! The report as JSON: docs/probe.schema.json describes it.

use super::report::{
    CertificateTrust, ChainCertificate, ProbeReply, ProbeReport, StarttlsState, TlsView, TrialOutcome, VersionTrial,
    shown, version_number,
};
use crate::event::CertificateProblem;
use crate::report::json::{PROGRAM, failure, seconds};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The version of the format. It changes when programs that read the old one cannot read the new one.
const VERSION: u32 = 1;

/// The report as JSON, over several lines.
pub fn probe_json(report: &ProbeReport) -> String {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| out.insert(key.to_owned(), value);
    put("version", VERSION.into());
    put("program", PROGRAM.into());
    put("status", report.status.code().into());
    put("started", report.at.to_string().into());
    put("server", report.server.as_str().into());
    put("address", report.address.as_deref().into());
    put("resolved", report.resolved.iter().map(|address| Value::from(address.to_string())).collect());
    if let Some(one) = &report.failure {
        put("failure", failure(one));
    }
    if let Some(help) = &report.help {
        put("help", help.as_str().into());
    }
    put("greeting", reply(report.greeting.as_ref()));
    put("ehlo", hello(report.hello.as_ref()));
    put("ehlo_in_tls", hello(report.hello_in_tls.as_ref()));
    put("ehlo_refused", reply(report.refused_hello.as_ref()));
    put("starttls", starttls(&report.starttls));
    put("injected", report.injected.as_deref().into());
    put("tls_versions", report.versions.iter().map(trial).collect());
    put("tls", report.tls.as_ref().map(tls).into());
    put("vrfy", reply(report.vrfy.as_ref()));
    put("expn", reply(report.expn.as_ref()));
    let times = report.times.iter().map(|(name, time)| (name.to_ascii_lowercase(), seconds(*time).into()));
    put("times", Value::Object(times.collect()));
    let warnings = report.warnings.iter().map(|one| json!({ "kind": one.kind, "text": one.text, "why": one.why }));
    put("warnings", warnings.collect());
    format!("{:#}\n", Value::Object(out))
}

fn reply(reply: Option<&ProbeReply>) -> Value {
    reply.map(|reply| json!({ "code": reply.code, "lines": reply.lines })).into()
}

/// A reply to EHLO with what it offers.
fn hello(hello: Option<&ProbeReply>) -> Value {
    let Some(hello) = hello else { return Value::Null };
    let offered = hello.capabilities();
    let keywords: BTreeMap<_, _> = offered.keywords.iter().map(|(word, more)| (shown(word), shown(more))).collect();
    json!({
        "code": hello.code,
        "lines": hello.lines,
        "name": offered.name.as_deref().map(shown),
        "capabilities": keywords,
        "auth": hello.mechanisms(),
        "size": offered.size(),
    })
}

fn starttls(state: &StarttlsState) -> Value {
    match state {
        StarttlsState::Unknown => json!({ "state": "unknown" }),
        StarttlsState::Implicit => json!({ "state": "implicit" }),
        StarttlsState::NotOffered => json!({ "state": "not-offered" }),
        StarttlsState::Refused(refused) => json!({ "state": "refused", "reply": reply(Some(refused)) }),
        StarttlsState::Failed(why) => json!({ "state": "failed", "why": why }),
        StarttlsState::Used => json!({ "state": "used" }),
    }
}

fn trial(trial: &VersionTrial) -> Value {
    let version = version_number(trial.version);
    match &trial.outcome {
        TrialOutcome::Accepted { cipher } => json!({ "version": version, "result": "accepted", "cipher": cipher }),
        TrialOutcome::NotAccepted(why) => json!({ "version": version, "result": "not-accepted", "why": why }),
        TrialOutcome::NotTried(why) => json!({ "version": version, "result": "not-tried", "why": why }),
    }
}

fn tls(tls: &TlsView) -> Value {
    let (trusted, problem, why) = match &tls.trust {
        CertificateTrust::Verified => (Value::Bool(true), Value::Null, Value::Null),
        CertificateTrust::NotTrusted(problem, why) => (Value::Bool(false), kind(*problem).into(), why.as_str().into()),
        CertificateTrust::NotVerified(why) => (Value::Null, Value::Null, why.as_str().into()),
    };
    json!({
        "version": tls.version,
        "cipher": tls.cipher,
        "trusted": trusted,
        "problem": problem,
        "why": why,
        "days_left": tls.days_left,
        "chain": tls.chain.iter().map(certificate).collect::<Vec<_>>(),
    })
}

fn kind(problem: CertificateProblem) -> &'static str {
    match problem {
        CertificateProblem::Date => "date",
        CertificateProblem::Name => "name",
        CertificateProblem::Chain => "chain",
        CertificateProblem::Issuer => "issuer",
    }
}

fn certificate(one: &ChainCertificate) -> Value {
    json!({
        "subject": one.subject,
        "issuer": one.issuer,
        "names": one.names,
        "not_before": one.not_before.to_string(),
        "not_after": one.not_after.to_string(),
        "days_left": one.days_left,
        "sha256": one.sha256,
    })
}

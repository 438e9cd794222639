//! The notes below a diagnosis: what the server sent, what a certificate says, what may help.

use crate::event::{Cause, CertificateProblem, Failure, RowId, ServerResponse, StepId};
use crate::session::Place;
use crate::transcript::escape_unprintable;

/// The width of a note; together with its beginning 80 columns.
const WIDTH: usize = 70;

/// `step 4: RCPT TO:<b@example.com>, repetition 2, attempt 3`, with its place if that is not the failure's line.
pub(super) fn step(step: &StepId, failure: &Place) -> String {
    let mut out = format!("step {}: {}", step.number, step.title);
    if let Some(repetition) = step.repetition {
        out.push_str(&format!(", repetition {repetition}"));
    }
    if step.attempt > 1 {
        out.push_str(&format!(", attempt {}", step.attempt));
    }
    if (&step.place.file, step.place.line) != (&failure.file, failure.line) && !step.place.file.is_empty() {
        out.push_str(&format!(" ({}:{})", escape_unprintable(step.place.file.as_bytes()), step.place.line));
    }
    out
}

/// `row u24@example.org (people.csv:26), run 2, try 3`.
pub(super) fn row(row: &RowId) -> String {
    let mut out = format!("row {}", row.key);
    if !row.place.is_empty() {
        out.push_str(&format!(" ({})", row.place));
    }
    if let Some(run) = row.repetition {
        out.push_str(&format!(", run {run}"));
    }
    if row.attempt > 1 {
        out.push_str(&format!(", try {}", row.attempt));
    }
    out
}

/// Cuts a reply to the width of a note. The transcript has all of it.
fn cut(text: &str) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Returns what the server sent, which parts of it are wrong, and what may help.
pub(super) fn notes_for(failure: &Failure) -> Vec<String> {
    let mut notes = cause_notes(failure);
    notes.extend(failure.details.mismatches.iter().map(ToString::to_string));
    notes
}

fn cause_notes(failure: &Failure) -> Vec<String> {
    let help = |text: &str| vec![format!("help: {text}")];
    match &failure.cause {
        Cause::Unexpected { expected: _, got: ServerResponse::Reply { code, text } } => {
            let text = format!("{code:03} {text}");
            let mut notes = vec![format!("got: {}", cut(text.trim_end()))];
            if failure.status == crate::event::Status::Config {
                let text = "the server does not take the command that sends the content: `chunking = false` in [message] \
                    uses DATA instead of BDAT";
                notes.extend(help(text));
            }
            notes
        }
        Cause::Certificate { problem, why: _, details } => {
            let text = match problem {
                CertificateProblem::Date => "the server needs a new certificate",
                CertificateProblem::Name => "`server_name = \"NAME\"` in [tls] sets the expected name",
                CertificateProblem::Chain => {
                    "an intermediate certificate is missing: add it to the server's chain file; `ca = \"FILE\"` in [tls] or `--ca FILE` is for an authority of your own"
                }
                CertificateProblem::Issuer => "`ca = \"FILE\"` in [tls] or `--ca FILE` trusts an issuer",
            };
            let text = format!("{text}; `verify = false` or `--insecure` accepts any certificate");
            details.iter().map(ToString::to_string).chain(help(&text)).collect()
        }
        Cause::AuthRefused { code, mechanism, reply: _ } => match code {
            502 => help(
                "the server does not know AUTH here: another port, often 587 or 465, may; without [auth] no AUTH is sent",
            ),
            503 => help(
                "the server does not take AUTH now: it may want EHLO or TLS first, or the session is authenticated already",
            ),
            504 => help(&format!(
                "the server does not know {mechanism}: `mechanism = \"NAME\"` in [auth] chooses another mechanism"
            )),
            530 | 538 => help(
                "the server wants TLS first: use `starttls = \"required\"` in [tls], a step `starttls` before AUTH, or smtps://",
            ),
            _ => Vec::new(),
        },
        Cause::MissingCapability { what: _, help: Some(text) } => help(text.as_str()),
        Cause::TimedOut { section, may_expect_tls, .. } => {
            let mut notes = Vec::new();
            if *may_expect_tls {
                let text =
                    "a server that expects TLS from the first byte sends no greeting before it: did you mean smtps://?";
                notes.extend(help(text));
            }
            if section.is_some() {
                notes.extend(help("`timeout = \"30s\"` in the step or the session sets another limit"));
            }
            notes
        }
        Cause::TlsRefused { .. } => {
            help("`min_version`, `ciphers` and `security_level` in [tls] say what this side accepts")
        }
        Cause::DeliveryUnknown { .. } => help("a retry may send the message twice (RFC 1047)"),
        Cause::BytesAfterStarttls { .. } => {
            help("`inject_check = false` next to `starttls` continues, to see what the server does next")
        }
        Cause::Unexpected { .. }
        | Cause::AssertsFailed(_)
        | Cause::CaptureMissed { .. }
        | Cause::ConnectionLost { .. }
        | Cause::NotSmtp(_)
        | Cause::LineTooLong
        | Cause::UnsolicitedInput { .. }
        | Cause::CannotResolve { .. }
        | Cause::CannotConnect { .. }
        | Cause::TlsFailed { .. }
        | Cause::MissingCapability { .. }
        | Cause::Sasl { .. }
        | Cause::BadValue { .. }
        | Cause::Unreadable { .. }
        | Cause::Recipients { .. }
        | Cause::Interrupted { .. } => Vec::new(),
    }
}

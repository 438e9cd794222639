//! Directives: the remarks of a transcript that a scripted server acts on.

use super::remark::{is_of_mailrun, nearest_direction};
use super::script::{MatchMode, Pace};
use crate::net::certificate::CertificateFlaw;
use crate::session::parse_duration;
use crate::transcript::unescape;
use std::time::Duration;

/// A remark that a scripted server acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Directive {
    Connected,
    /// The handshake, with a bad certificate or with the server's own.
    StartTls(Option<CertificateFlaw>),
    /// A handshake that failed when the transcript was recorded.
    TryTls,
    /// A handshake that the server refused.
    RefuseTls {
        reset: bool,
    },
    StallTls,
    TlsClosedByClient,
    /// This line, with CRLF, on the socket below TLS.
    OutsideTls(Vec<u8>),
    ClosedByServer,
    ResetByServer,
    ClosedByClient,
    /// Ends the connection after this number of bytes of the next content.
    EndInContent {
        bytes: u64,
        reset: bool,
    },
    HalfClose,
    StopReading,
    Wait(Duration),
    /// `None` is `*: chunk off`.
    Pace(Option<Pace>),
    Repeat(u32),
    Match(MatchMode),
    AnyOrder,
    Optional,
    EndBlock,
    /// `… 1,234 more lines (96 kB)`: the transcript does not contain all of the content.
    Elision,
}

/// The longest duration in `*: wait` and `*: chunk … every`.
const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

/// Parses a remark. `None` if mailrun writes it and it only reports what happened. Any other remark is an error: if it were
/// ignored, the script would be another one.
pub(super) fn parse_directive(text: &str) -> Result<Option<Directive>, String> {
    let text = text.trim();
    let words: Vec<&str> = text.split_whitespace().collect();
    let known = match words.as_slice() {
        ["connected"] | ["connected", "to" | "from", ..] => Directive::Connected,
        ["TLS", "started" | "started:", ..] => Directive::StartTls(None),
        ["TLS", "with", flaw] => Directive::StartTls(Some(CertificateFlaw::parse(flaw).ok_or_else(|| {
            format!("unknown certificate {flaw:?}: `*: TLS with` takes {}", CertificateFlaw::NAMES.join(", "))
        })?)),
        ["TLS", "with", ..] => {
            return Err(format!("`*: TLS with` takes one of {}", CertificateFlaw::NAMES.join(", ")));
        }
        ["TLS", "handshake", "failed:", "the", "server", did @ ("closed" | "refused" | "refused:" | "reset"), ..]
        | ["TLS", "handshake", "failed", "as", "expected:", "the", "server", did, ..] => {
            Directive::RefuseTls { reset: *did == "reset" }
        }
        ["TLS", "handshake", "failed:", ..] | ["certificate", "not", "trusted:", ..] => Directive::TryTls,
        ["TLS", "closed", "by", "the", "client"] => Directive::TlsClosedByClient,
        ["stall", "TLS"] => Directive::StallTls,
        ["outside", "TLS:", ..] => Directive::OutsideTls(outside_tls(text)),
        ["closed", "by", "the", "server", ..] => Directive::ClosedByServer,
        ["reset", "by", "the", "server", ..] => Directive::ResetByServer,
        ["closed" | "reset", "by", "the", "client", ..] => Directive::ClosedByClient,
        [verb @ ("close" | "reset"), "after", rest @ ..] => match rest {
            [bytes, "bytes" | "byte"] => Directive::EndInContent {
                bytes: bytes.parse().map_err(|_| format!("`*: {verb} after 100 bytes` takes a number of bytes"))?,
                reset: *verb == "reset",
            },
            _ => return Err(format!("write `*: {verb} after 100 bytes`")),
        },
        ["half-close"] => Directive::HalfClose,
        ["stop", "reading"] => Directive::StopReading,
        ["wait", rest @ ..] => Directive::Wait(match rest {
            [duration] => {
                parse_limited_duration(duration).map_err(|why| format!("`*: wait 2s` takes a duration: {why}"))?
            }
            _ => return Err("`*: wait 2s` takes a duration".to_owned()),
        }),
        ["chunk", "off"] => Directive::Pace(None),
        ["chunk", rest @ ..] => {
            Directive::Pace(Some(parse_pace(rest).ok_or("write `*: chunk 1 every 10ms` or `*: chunk off`")?))
        }
        ["repeat", rest @ ..] => match rest {
            [times] => Directive::Repeat(
                times.parse().ok().filter(|n| *n > 0).ok_or("`*: repeat 10000` takes a number from 1 to 4294967295")?,
            ),
            _ => return Err("`*: repeat 10000` takes a number".to_owned()),
        },
        ["match", rest @ ..] => match rest {
            [mode] => Directive::Match(MatchMode::parse(mode).ok_or_else(match_modes)?),
            _ => return Err(match_modes()),
        },
        ["any", "order"] => Directive::AnyOrder,
        ["any", "order", ..] => return Err("write `*: any order` alone".to_owned()),
        ["optional"] => Directive::Optional,
        ["optional", ..] => return Err("write `*: optional` alone".to_owned()),
        ["end"] => Directive::EndBlock,
        ["…", ..] => Directive::Elision,
        [] => return Ok(None),
        _ => return if is_of_mailrun(text) { Ok(None) } else { Err(nearest_direction(text)) },
    };
    Ok(Some(known))
}

fn match_modes() -> String {
    format!("`*: match` takes {}", MatchMode::NAMES.join(", "))
}

/// The line of `outside TLS: TEXT`, in which bytes may be escaped.
fn outside_tls(text: &str) -> Vec<u8> {
    let text = text.split_once("TLS:").map_or("", |(_, line)| line.strip_prefix(' ').unwrap_or(line));
    let plain = unescape(text).ok().and_then(|body| body.bytes().map(<[u8]>::to_vec));
    let mut line = plain.unwrap_or_else(|| text.as_bytes().to_vec());
    line.extend_from_slice(b"\r\n");
    line
}

fn parse_limited_duration(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text)?;
    if duration > MAX_DURATION { Err("it is at most one day".to_owned()) } else { Ok(duration) }
}

/// `1 every 10ms`; `every …` is optional.
fn parse_pace(words: &[&str]) -> Option<Pace> {
    let (size, every) = match words {
        [size] => (size, Duration::ZERO),
        [size, "every", every] => (size, parse_limited_duration(every).ok()?),
        _ => return None,
    };
    let size = size.parse().ok().filter(|size| *size > 0)?;
    Some(Pace { size, every })
}

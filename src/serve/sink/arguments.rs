//! Parses command lines (RFC 5321 §4.1) and their ESMTP parameters.

use super::envelope::Params;
use crate::smtp::address::Mailbox;
use crate::smtp::xtext;

/// The reply that refuses a command.
pub(super) type Refusal = String;

/// The verb in upper case, and its argument.
pub(super) fn split(line: &str) -> (String, &str) {
    let (verb, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    (verb.to_ascii_uppercase(), rest.trim_matches([' ', '\t']))
}

/// An address and its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PathArgument {
    /// Without angle brackets and source route.
    pub(super) address: String,
    pub(super) params: Params,
}

/// Parses `FROM:<a@example.com> SIZE=1`. A space after the colon is accepted, as by most servers.
pub(super) fn path(argument: &str, keyword: &str, syntax: &str) -> Result<PathArgument, Refusal> {
    let wrong = || format!("501 5.5.4 syntax: {syntax}");
    let start = argument.get(..keyword.len()).filter(|start| start.eq_ignore_ascii_case(keyword));
    let rest = start.and_then(|_| argument.get(keyword.len()..)).ok_or_else(wrong)?.trim_start();
    let inside = rest.strip_prefix('<').ok_or_else(wrong)?;
    let end = closing_bracket(inside).ok_or_else(wrong)?;
    let (path, rest) = (&inside[..end], &inside[end + 1..]);
    if !rest.is_empty() && !rest.starts_with([' ', '\t']) {
        return Err(wrong());
    }
    // A source route is accepted and ignored (RFC 5321 §4.1.2, appendix C).
    let address = match path.strip_prefix('@').and_then(|route| route.split_once(':')) {
        Some((_, address)) => address,
        None => path,
    };
    let status = if keyword.eq_ignore_ascii_case("FROM:") { "5.1.7" } else { "5.1.3" };
    let mailbox = Mailbox::parse(address).map_err(|error| format!("501 {status} bad address: {}", error.why))?;
    // The bare postmaster is the only recipient without a domain (RFC 5321 §4.1.1.3).
    let postmaster = keyword.eq_ignore_ascii_case("TO:") && mailbox.local.eq_ignore_ascii_case("postmaster");
    if mailbox.domain.is_empty() && !mailbox.local.is_empty() && !postmaster {
        return Err(format!("501 {status} bad address: it has no domain"));
    }
    Ok(PathArgument { address: address.to_owned(), params: params(rest)? })
}

/// The position of the first `>` outside quotes.
fn closing_bracket(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// `esmtp-param = esmtp-keyword ["=" esmtp-value]` (RFC 5321 §4.1.2).
fn params(text: &str) -> Result<Params, Refusal> {
    let mut params = Params::new();
    for word in text.split([' ', '\t']).filter(|word| !word.is_empty()) {
        let (keyword, value) = match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value.to_owned())),
            None => (word, None),
        };
        let known = keyword.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !known || keyword.is_empty() || keyword.starts_with('-') || value.as_deref() == Some("") {
            return Err("501 5.5.4 a parameter is KEYWORD or KEYWORD=value".to_owned());
        }
        if params.insert(keyword.to_ascii_uppercase(), value).is_some() {
            return Err("501 5.5.4 a parameter stands twice".to_owned());
        }
    }
    Ok(params)
}

/// The parameters of MAIL: SIZE (RFC 1870), BODY (RFC 6152, 3030), SMTPUTF8 (RFC 6531), RET and ENVID (RFC 3461), AUTH
/// (RFC 4954), PRDR.
pub(super) fn check_mail_params(params: &Params, max_size: u64) -> Result<(), Refusal> {
    for (keyword, value) in params {
        let value = value.as_deref();
        let is_valid = match keyword.as_str() {
            "SIZE" => match value.and_then(|value| value.parse::<u64>().ok()) {
                Some(size) if size > max_size => {
                    return Err("552 5.3.4 message size exceeds fixed maximum message size".to_owned());
                }
                size => size.is_some(),
            },
            "BODY" => value.is_some_and(|value| one_of(value, &["7BIT", "8BITMIME", "BINARYMIME"])),
            "SMTPUTF8" | "PRDR" => value.is_none(),
            "RET" => value.is_some_and(|value| one_of(value, &["FULL", "HDRS"])),
            "ENVID" => value.is_some_and(|value| xtext::decode(value).is_some()),
            "AUTH" => value.is_some_and(|value| value == "<>" || xtext::decode(value).is_some()),
            _ => return Err(unsupported("MAIL", keyword)),
        };
        if !is_valid {
            return Err(format!("501 5.5.4 {keyword} has no such value"));
        }
    }
    Ok(())
}

/// The parameters of RCPT: NOTIFY and ORCPT (RFC 3461).
pub(super) fn check_rcpt_params(params: &Params) -> Result<(), Refusal> {
    for (keyword, value) in params {
        let value = value.as_deref().unwrap_or_default();
        let is_valid = match keyword.as_str() {
            "NOTIFY" => {
                value.eq_ignore_ascii_case("NEVER")
                    || value.split(',').all(|word| one_of(word, &["SUCCESS", "FAILURE", "DELAY"]))
            }
            "ORCPT" => value.split_once(';').is_some_and(|(kind, address)| !kind.is_empty() && orcpt(kind, address)),
            _ => return Err(unsupported("RCPT", keyword)),
        };
        if !is_valid {
            return Err(format!("501 5.5.4 {keyword} has no such value"));
        }
    }
    Ok(())
}

/// Whether an ORCPT address is valid: it is xtext, and with type `utf-8` it may be plain UTF-8 (RFC 6533 §3).
fn orcpt(kind: &str, address: &str) -> bool {
    kind.eq_ignore_ascii_case("utf-8") || xtext::decode(address).is_some()
}

fn one_of(value: &str, words: &[&str]) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(value))
}

/// RFC 5321 §4.1.1.11.
fn unsupported(verb: &str, keyword: &str) -> Refusal {
    format!("555 5.5.4 {verb} parameter {keyword} is not supported")
}

/// Parses `86 LAST` (RFC 3030 §2): the octets, and whether they are the last.
pub(super) fn bdat(argument: &str) -> Option<(u64, bool)> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    let octets = words.next().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
    match (words.next(), words.next()) {
        (None, _) => Some((octets, false)),
        (Some(last), None) if last.eq_ignore_ascii_case("LAST") => Some((octets, true)),
        _ => None,
    }
}

/// Parses XCLIENT's attributes and decodes their xtext values (Postfix's XCLIENT_README).
pub(super) fn xclient(argument: &str) -> Option<Vec<(String, String)>> {
    const KNOWN: [&str; 8] = ["NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT"];
    let attributes = argument.split(' ').filter(|word| !word.is_empty()).map(|word| {
        let (name, value) = word.split_once('=')?;
        let name = name.to_ascii_uppercase();
        let value = String::from_utf8(xtext::decode(value)?).ok()?;
        KNOWN.contains(&name.as_str()).then_some((name, value))
    });
    let attributes: Vec<_> = attributes.collect::<Option<_>>()?;
    (!attributes.is_empty()).then_some(attributes)
}

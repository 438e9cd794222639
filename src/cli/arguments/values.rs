//! Parsers for the values of options. clap adds the name of the option to their errors.

use crate::batch::ledger::STATES;
use crate::session::{Server, parse_duration};
use crate::smtp::address::Mailbox;
use crate::smtp::sasl::Mechanism;
use clap_complete::CompletionCandidate;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The URL of a server, as it was given.
pub fn server_url(text: &str) -> Result<String, String> {
    Server::parse(text).map(|_| text.to_owned())
}

/// A domain in lower case, without a final dot.
pub fn domain(text: &str) -> Result<String, String> {
    let domain = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if !domain.is_ascii() {
        return Err("not ASCII: use the xn-- form".to_owned());
    }
    // RFC 1035 §2.3.4: up to 63 octets per label, 255 in all with the length octets.
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if domain.len() > 253 || !domain.split('.').all(label) || domain.parse::<IpAddr>().is_ok() {
        return Err("expected a domain, as in example.com".to_owned());
    }
    Ok(domain)
}

/// Name servers: `ADDRESS` or `ADDRESS:PORT`, separated by commas or spaces.
pub fn nameservers(text: &str) -> Result<Vec<SocketAddr>, String> {
    let words = text.split([',', ' ', '\n']).filter(|word| !word.is_empty());
    words
        .map(|word| match (word.parse(), word.parse()) {
            (Ok(address), _) => Ok(address),
            (_, Ok(ip)) => Ok(SocketAddr::new(ip, 53)),
            _ => Err(format!("{word:?} is not ADDRESS:PORT, as in 127.0.0.1:53 or [::1]:53")),
        })
        .collect()
}

/// The address to listen on. `localhost` is 127.0.0.1, without resolving it.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    match (text.parse(), local) {
        (Ok(address), _) => Ok(address),
        (_, Some(port)) => Ok(SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), port)),
        _ => Err("expected ADDRESS:PORT, for instance 127.0.0.1:2525 or [::1]:2525".to_owned()),
    }
}

/// Text without line breaks and NUL.
pub fn one_line(text: &str) -> Result<String, String> {
    match text.contains(['\r', '\n', '\0']) {
        true => Err("a line break or NUL is not allowed here".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// `-`.
pub fn standard_input(text: &str) -> Result<String, String> {
    match text {
        "-" => Ok(text.to_owned()),
        _ => Err("expected `-`, for standard input; the text is given with --text or --body".to_owned()),
    }
}

/// A header field: its name (RFC 5322 §3.6.8) and its value.
pub fn header_field(text: &str) -> Result<(String, String), String> {
    let text = one_line(text)?;
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE")?;
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("a header name must be printable ASCII without space or colon".to_owned());
    }
    Ok((name.to_owned(), value.trim().to_owned()))
}

/// A duration. Zero is refused: as a time limit it would end every step at once.
pub fn duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("must be longer than zero".to_owned()),
        duration => Ok(duration),
    }
}

/// The address of `--to`.
pub fn recipient(text: &str) -> Result<Mailbox, String> {
    let mailbox = Mailbox::parse(text).map_err(|why| why.to_string())?;
    if mailbox.is_null() { Err("expected an address".to_owned()) } else { Ok(mailbox) }
}

/// How long to wait in an outage; 0 has no unit.
pub fn patience(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" { Ok(Duration::ZERO) } else { parse_duration(text) }
}

/// A whole number from 0.
pub fn unsigned(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a whole number, 0 or more".to_owned())
}

/// A number of retries.
pub fn retry_count(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("expected a whole number from 0 to {}", u32::MAX))
}

/// A whole number from 1.
pub fn positive(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "expected a whole number, 1 or more".to_owned())
}

/// A whole number from 1 to 65535.
pub fn positive_u16(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "expected a whole number from 1 to 65535".to_owned())
}

/// `NAME=VALUE`. The value may contain anything, also line breaks and `=`.
pub fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    if !is_variable_name(name) {
        return Err("a name has only letters, digits and _, and does not begin with a digit".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Whether a template can use this name.
pub fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c == '_' || c.is_alphanumeric())
}

/// `HOST:PORT:ADDR`. An IPv6 host needs brackets; for an IPv6 address they are optional.
pub fn resolution(text: &str) -> Result<(String, u16, IpAddr), String> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once("]:"),
        None => text.split_once(':'),
    }
    .ok_or("expected HOST:PORT:ADDR, as in mail.example.com:587:192.0.2.1")?;
    let (port, address) =
        rest.split_once(':').ok_or("expected HOST:PORT:ADDR, as in mail.example.com:587:192.0.2.1")?;
    if host.is_empty() {
        return Err("the host is missing".to_owned());
    }
    let port = port.parse().map_err(|_| format!("{port:?} is not a port, expected 1 to 65535"))?;
    let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
    let address = bare.parse().map_err(|_| format!("{address:?} is not an IP address"))?;
    Ok((host.to_owned(), port, address))
}

/// The states of rows, for completions.
pub fn states() -> Vec<CompletionCandidate> {
    STATES.map(CompletionCandidate::new).into()
}

/// The states that `ledger resolve` can set, for completions.
pub fn new_states() -> Vec<CompletionCandidate> {
    ["sent", "deferred", "pending"].map(CompletionCandidate::new).into()
}

/// The mechanisms of AUTH, for completions.
pub fn mechanisms() -> Vec<CompletionCandidate> {
    Mechanism::ALL.map(|mechanism| CompletionCandidate::new(mechanism.name())).into()
}

/// A state of rows in a ledger.
pub fn parse_state(text: &str) -> Result<String, String> {
    if STATES.contains(&text) { Ok(text.to_owned()) } else { Err(format!("expected one of {}", STATES.join(", "))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_parsed() {
        let table = [
            ("to=ann", Some(("to", "ann")), "plain"),
            ("to=", Some(("to", "")), "an empty value is a value"),
            ("to=a=b\r\nc", Some(("to", "a=b\r\nc")), "only the first = divides"),
            ("to", None, "no value"),
            ("=x", None, "no name"),
            ("1a=x", None, "no name in a template"),
            ("a b=x", None, "no name in a template"),
        ];
        for (text, expected, why) in table {
            let expected = expected.map(|(n, v)| (n.to_owned(), v.to_owned()));
            assert_eq!(assignment(text).ok(), expected, "{why}");
        }
    }

    #[test]
    fn listen_addresses_are_parsed() {
        let table = [
            ("127.0.0.1:0", Some("127.0.0.1:0"), "an address"),
            ("[::1]:25", Some("[::1]:25"), "IPv6"),
            ("localhost:2525", Some("127.0.0.1:2525"), "the one name that needs no resolving"),
            ("2525", None, "no address"),
            ("localhost", None, "no port"),
            ("mx.example:25", None, "names are not resolved here"),
        ];
        for (text, expected, why) in table {
            assert_eq!(listen_address(text).map(|address| address.to_string()).ok().as_deref(), expected, "{why}");
        }
    }

    #[test]
    fn domains_are_parsed() {
        let long = format!("{}.example", "a".repeat(64));
        let table = [
            ("Example.COM.", Some("example.com"), "as it is queried"),
            ("_dmarc.example-1.org", Some("_dmarc.example-1.org"), "characters allowed in names"),
            ("localhost", Some("localhost"), "one label"),
            ("", None, "nothing"),
            ("a..b", None, "an empty label"),
            ("bücher.example", None, "not ASCII"),
            ("192.0.2.1", None, "an address has no exchanger"),
            ("ann@example.com", None, "a mailbox is no domain"),
            (&long, None, "a label of 64"),
        ];
        for (text, expected, why) in table {
            assert_eq!(domain(text).ok().as_deref(), expected, "{why}");
        }
    }

    #[test]
    fn nameservers_are_parsed() {
        let at = |list: &[&str]| Ok(list.iter().map(|text| text.parse().expect("an address")).collect::<Vec<_>>());
        assert_eq!(nameservers("127.0.0.1:5353"), at(&["127.0.0.1:5353"]));
        assert_eq!(nameservers("192.0.2.1, ::1 [::1]:54"), at(&["192.0.2.1:53", "[::1]:53", "[::1]:54"]));
        assert!(nameservers("dns.example").is_err());
    }

    #[test]
    fn resolutions_are_parsed() {
        let table = [
            ("mx.example:25:192.0.2.1", Some(("mx.example", 25, "192.0.2.1")), "IPv4"),
            ("mx.example:25:2001:db8::1", Some(("mx.example", 25, "2001:db8::1")), "IPv6 bare"),
            ("mx.example:25:[::1]", Some(("mx.example", 25, "::1")), "IPv6 in brackets"),
            ("[::1]:25:127.0.0.1", Some(("::1", 25, "127.0.0.1")), "a host in brackets"),
            ("mx.example:25", None, "no address"),
            ("mx.example:smtp:192.0.2.1", None, "no port"),
            (":25:192.0.2.1", None, "no host"),
            ("mx.example:25:elsewhere", None, "a name is no address"),
        ];
        for (text, expected, why) in table {
            let expected =
                expected.map(|(h, p, a)| (h.to_owned(), p, a.parse().expect("the table's addresses are valid")));
            assert_eq!(resolution(text).ok(), expected, "{why}");
        }
    }
}

//! The URL of a server.

use super::suggestions::closest_name;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Smtp,
    /// TLS from the first byte.
    Smtps,
    Lmtp,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Smtps => "smtps",
            Self::Lmtp => "lmtp",
        }
    }

    /// RFC 5321 §4.5.4.2 and RFC 8314 §7.3. LMTP has no port of its own and must not use 25 (RFC 2033 §5); servers use 24.
    fn default_port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Smtps => 465,
            Self::Lmtp => 24,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAddress {
    /// The host, without brackets.
    Tcp {
        host: String,
        port: u16,
    },
    Unix(PathBuf),
}

/// `smtp://host[:port]`, `smtps://`, `lmtp://`, `lmtp+unix:///path`, `smtp+unix:///path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub scheme: Scheme,
    pub address: ServerAddress,
}

impl Server {
    /// Whether it is on this machine, as far as its name says so.
    pub fn is_local(&self) -> bool {
        match &self.address {
            ServerAddress::Unix(_) => true,
            ServerAddress::Tcp { host, .. } => {
                host.eq_ignore_ascii_case("localhost")
                    || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
            }
        }
    }

    /// The error says what is wrong with the URL.
    pub fn parse(url: &str) -> Result<Self, String> {
        if let Some(c) = url.chars().find(|c| c.is_control()) {
            return Err(format!("a control character ({}) in the server's URL", c.escape_unicode()));
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(format!("\"{url}\" is not a server's URL: write smtp://HOST, smtps://HOST or lmtp://HOST"));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "smtp" => Self::tcp(Scheme::Smtp, rest),
            "smtps" => Self::tcp(Scheme::Smtps, rest),
            "lmtp" => Self::tcp(Scheme::Lmtp, rest),
            "smtp+unix" => Self::unix(Scheme::Smtp, rest),
            "lmtp+unix" => Self::unix(Scheme::Lmtp, rest),
            unknown => {
                let known = ["smtp", "smtps", "lmtp", "smtp+unix", "lmtp+unix"];
                let meant =
                    closest_name(unknown, known.into_iter()).map(|meant| format!("; did you mean \"{meant}\"?"));
                Err(format!(
                    "unknown scheme \"{scheme}\": smtp, smtps, lmtp, smtp+unix and lmtp+unix are known{}",
                    meant.unwrap_or_default()
                ))
            }
        }
    }

    fn unix(scheme: Scheme, path: &str) -> Result<Self, String> {
        if !path.starts_with('/') || path.len() < 2 {
            return Err(format!(
                "\"{path}\" is not the absolute path of a socket: write {}+unix:///PATH",
                scheme.name()
            ));
        }
        Ok(Self { scheme, address: ServerAddress::Unix(PathBuf::from(path)) })
    }

    fn tcp(scheme: Scheme, rest: &str) -> Result<Self, String> {
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains('@') {
            return Err("user and password do not belong in the server's URL: write them under [auth]".to_owned());
        }
        if let Some(at) = authority.find(['/', '?', '#']) {
            return Err(format!("\"{}\" is not allowed after the host", &authority[at..]));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(literal) => {
                let Some((host, port)) = literal.split_once(']') else {
                    return Err(format!("\"{authority}\" lacks the closing bracket"));
                };
                // The resolver checks a zone (RFC 6874).
                let address = host.split_once('%').map_or(host, |(address, _)| address);
                if address.parse::<Ipv6Addr>().is_err() {
                    return Err(format!("\"{address}\" is not an IPv6 address"));
                }
                match port {
                    "" => (host, None),
                    _ => (host, Some(port.strip_prefix(':').ok_or(format!("\"{port}\" after the bracket"))?)),
                }
            }
            None if authority.matches(':').count() > 1 => {
                return Err(format!("\"{authority}\" has too many colons: write an IPv6 address in brackets, [::1]"));
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (checked_name(host)?, Some(port)),
                None => (checked_name(authority)?, None),
            },
        };
        let port = match port {
            None => scheme.default_port(),
            Some(text) => text
                .parse::<u16>()
                .ok()
                .filter(|port| *port > 0 && text.bytes().all(|b| b.is_ascii_digit()))
                .ok_or(format!("\"{text}\" is not a port from 1 to 65535"))?,
        };
        Ok(Self { scheme, address: ServerAddress::Tcp { host: host.to_owned(), port } })
    }

    /// The host name for certificates. Over a UNIX socket it is `localhost`.
    pub fn host(&self) -> &str {
        match &self.address {
            ServerAddress::Tcp { host, .. } => host,
            ServerAddress::Unix(_) => "localhost",
        }
    }

    /// The same URL with another host. A UNIX socket is unchanged.
    pub fn at(&self, host: &str) -> Self {
        let address = match &self.address {
            ServerAddress::Tcp { port, .. } => ServerAddress::Tcp { host: host.to_owned(), port: *port },
            ServerAddress::Unix(path) => ServerAddress::Unix(path.clone()),
        };
        Self { scheme: self.scheme, address }
    }

    pub fn is_lmtp(&self) -> bool {
        self.scheme == Scheme::Lmtp
    }
}

fn checked_name(host: &str) -> Result<&str, String> {
    if host.is_empty() {
        return Err("the server's URL has no host".to_owned());
    }
    match host.chars().find(|c| !c.is_ascii_alphanumeric() && !"-_.".contains(*c)) {
        None => Ok(host),
        Some(c) if !c.is_ascii() => Err(format!("\"{host}\" is not ASCII: write its xn-- form")),
        Some(c) => Err(format!("'{c}' is not allowed in a host name")),
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme.name();
        match &self.address {
            ServerAddress::Unix(path) => write!(f, "{scheme}+unix://{}", path.display()),
            ServerAddress::Tcp { host, port } => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                write!(f, "{scheme}://{host}")?;
                if *port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{port}") }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn urls_name_a_host_and_a_port_or_a_socket() {
        let table = [
            ("smtp://mx.example.com", "mx.example.com", 25, "SMTP's port"),
            ("smtps://mx.example.com", "mx.example.com", 465, "submissions' port"),
            ("lmtp://mx.example.com", "mx.example.com", 24, "LMTP's port"),
            ("smtp://127.0.0.1:2525", "127.0.0.1", 2525, "a port"),
            ("smtp://[::1]:2525", "::1", 2525, "IPv6 in brackets"),
            ("smtp://[::1]", "::1", 25, "IPv6 without a port"),
            ("smtp://[fe80::1%eth0]:25", "fe80::1%eth0", 25, "with a zone"),
            ("SMTP://localhost/", "localhost", 25, "schemes know no case; a slash at the end is nothing"),
        ];
        for (url, host, port, why) in table {
            let server = Server::parse(url).expect(why);
            assert_eq!(server.address, ServerAddress::Tcp { host: host.to_owned(), port }, "{why}");
            assert_eq!(Server::parse(&server.to_string()), Ok(server), "{why}");
        }
        let socket = Server::parse("lmtp+unix:///run/dovecot/lmtp").expect("a UNIX socket");
        assert!(socket.is_lmtp());
        assert_eq!(socket.host(), "localhost");
        assert_eq!(socket.address, ServerAddress::Unix(PathBuf::from("/run/dovecot/lmtp")));
    }

    #[test]
    fn an_invalid_url_is_an_error_with_its_reason() {
        let table = [
            ("mx.example.com", "smtp://HOST", "no scheme"),
            ("http://x", "lmtp+unix are known", "another scheme"),
            ("smpt://x", "did you mean \"smtp\"?", "two letters exchanged"),
            ("smtpp://x", "did you mean \"smtp\"?", "a letter twice"),
            ("SMPTS://x", "did you mean \"smtps\"?", "schemes know no case"),
            ("smtp+unx:///x", "did you mean \"smtp+unix\"?", "a letter missing"),
            ("smtp://", "no host", "no host"),
            ("smtp://:25", "no host", "a port alone"),
            ("smtp://x:0", "1 to 65535", "port 0"),
            ("smtp://x:65536", "1 to 65535", "beyond the last port"),
            ("smtp://x:+25", "1 to 65535", "a sign"),
            ("smtp://x:", "1 to 65535", "an empty port"),
            ("smtp://::1", "brackets", "IPv6 without brackets"),
            ("smtp://[::1", "closing bracket", "an open bracket"),
            ("smtp://[::g]", "IPv6", "not an address"),
            ("smtp://[::1]25", "after the bracket", "no colon"),
            ("smtp://u:p@x", "[auth]", "credentials"),
            ("smtp://x/path", "not allowed after the host", "a path"),
            ("smtp://a b", "not allowed in a host name", "a space"),
            ("smtp://b\u{fc}cher.example", "xn--", "not ASCII"),
            ("smtp://x\r\nQUIT", "control character", "a line break"),
            ("lmtp+unix://run/lmtp", "absolute path", "a relative path"),
            ("lmtp+unix:///", "absolute path", "a folder"),
        ];
        for (url, words, why) in table {
            let error = Server::parse(url).expect_err(why);
            assert!(error.contains(words), "{why}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "(smtp://|lmtp\\+unix://)?.*") {
            if let Ok(server) = Server::parse(&text) {
                prop_assert_eq!(Server::parse(&server.to_string()), Ok(server));
            }
        }
    }
}

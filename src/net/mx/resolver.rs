//! Queries name servers over UDP, and over TCP if a response is too long for that (RFC 7766).
//!
//! `/etc/resolv.conf` says which, how often and how long. A query's number and source port are random, and its socket
//! receives from the server that was asked only (RFC 5452).

use super::query::{DnsResponse, MxAnswer, build_question, parse_response};
use crate::exec::Clock;
use crate::net::clock::SystemClock;
use crate::net::endpoint::{Endpoint, describe_io_error};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const CONFIGURATION: &str = "/etc/resolv.conf";
/// The same limit as that of the system's resolver.
const MAX_SERVERS: usize = 3;
/// Room for a response over UDP: without EDNS it has up to 512 bytes (RFC 1035 §4.2.1).
const DATAGRAM: usize = 4096;

/// The name servers to ask.
#[derive(Clone, Debug, Default)]
pub enum Nameservers {
    /// Those of this machine.
    #[default]
    System,
    Given(Vec<SocketAddr>),
}

/// Whom to ask, how long, and how often.
#[derive(Debug, PartialEq, Eq)]
struct ResolverConfig {
    servers: Vec<SocketAddr>,
    timeout: Duration,
    attempts: u32,
}

impl Nameservers {
    fn config(&self) -> ResolverConfig {
        match self {
            Self::System => parse_resolv_conf(&std::fs::read_to_string(CONFIGURATION).unwrap_or_default()),
            Self::Given(servers) => ResolverConfig { servers: servers.clone(), ..parse_resolv_conf("") },
        }
    }
}

/// Parses resolv.conf(5): `nameserver`, and the options `timeout` and `attempts` within the bounds that the manual
/// names.
fn parse_resolv_conf(text: &str) -> ResolverConfig {
    let (mut servers, mut timeout, mut attempts) = (Vec::new(), 5, 2);
    for line in text.lines() {
        let mut fields = line.split_whitespace();
        match fields.next() {
            Some("nameserver") => {
                let address = fields.next().and_then(|address| address.parse::<IpAddr>().ok());
                servers.extend(address.map(|address| SocketAddr::new(address, 53)));
            }
            Some("options") => {
                for option in fields {
                    match option.split_once(':').map(|(name, value)| (name, value.parse::<u32>())) {
                        Some(("timeout", Ok(value))) => timeout = value.clamp(1, 30),
                        Some(("attempts", Ok(value))) => attempts = value.clamp(1, 5),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    servers.truncate(MAX_SERVERS);
    if servers.is_empty() {
        servers.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 53));
    }
    ResolverConfig { servers, timeout: Duration::from_secs(timeout.into()), attempts }
}

/// Asks one server after another, until one answers.
pub fn query_mx(
    nameservers: &Nameservers,
    domain: &str,
    deadline: Instant,
    clock: &SystemClock,
) -> Result<MxAnswer, String> {
    let config = nameservers.config();
    let mut why = String::new();
    for _ in 0..config.attempts {
        for server in &config.servers {
            let until = deadline.min(Instant::now() + config.timeout);
            match query_server(*server, domain, until, clock) {
                Ok(DnsResponse::Answer(answer)) => return Ok(answer),
                Ok(DnsResponse::Refused(what)) => why = format!("{what} ({server})"),
                Ok(DnsResponse::Truncated | DnsResponse::Other) => {
                    why = format!("the name server's answer is broken ({server})")
                }
                Err(error) => why = format!("the name server did not answer: {} ({server})", describe_io_error(&error)),
            }
            if clock.interrupted().is_some() || Instant::now() >= deadline {
                return Err(why);
            }
        }
    }
    Err(why)
}

fn query_server(server: SocketAddr, domain: &str, deadline: Instant, clock: &SystemClock) -> io::Result<DnsResponse> {
    let query = DnsQuery::new(domain)?;
    match query.send_over_udp(server, deadline, clock)? {
        DnsResponse::Truncated => query.send_over_tcp(server, deadline, clock),
        response => Ok(response),
    }
}

/// A query for the mail exchangers of a domain.
struct DnsQuery<'d> {
    domain: &'d str,
    id: u16,
    message: Vec<u8>,
}

fn random_number() -> io::Result<u16> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(u16::from_be_bytes(bytes))
}

impl<'d> DnsQuery<'d> {
    fn new(domain: &'d str) -> io::Result<Self> {
        let id = random_number()?;
        Ok(Self { domain, id, message: build_question(domain, id).map_err(io::Error::other)? })
    }

    fn send_over_udp(&self, server: SocketAddr, deadline: Instant, clock: &SystemClock) -> io::Result<DnsResponse> {
        let any = if server.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        // Port 0: the system chooses a random one.
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.connect(server)?;
        socket.send(&self.message)?;
        let mut buffer = [0; DATAGRAM];
        loop {
            let slice = clock.wait_slice(deadline);
            if clock.interrupted().is_some() || slice.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            socket.set_read_timeout(Some(slice))?;
            match socket.recv(&mut buffer) {
                // A message that is not the response may be forged: the response may still come.
                Ok(count) => match parse_response(&buffer[..count], self.domain, self.id) {
                    DnsResponse::Other => {}
                    response => return Ok(response),
                },
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Over TCP a message is preceded by its length (RFC 1035 §4.2.2).
    fn send_over_tcp(&self, server: SocketAddr, deadline: Instant, clock: &SystemClock) -> io::Result<DnsResponse> {
        let mut socket = Endpoint::Tcp { address: server, source: None }.connect(deadline, clock)?;
        socket.set_deadline(deadline);
        let length = u16::try_from(self.message.len()).map_err(io::Error::other)?;
        let message = [&length.to_be_bytes()[..], &self.message].concat();
        let timed_out = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
            _ => error,
        };
        socket.write_all(&message).map_err(timed_out)?;
        let mut length = [0; 2];
        socket.read_exact(&mut length).map_err(timed_out)?;
        let mut answer = vec![0; u16::from_be_bytes(length).into()];
        socket.read_exact(&mut answer).map_err(timed_out)?;
        Ok(parse_response(&answer, self.domain, self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_configuration_is_read() {
        let at = |addresses: &[&str]| -> Vec<SocketAddr> {
            addresses.iter().map(|ip| SocketAddr::new(ip.parse().expect("an address"), 53)).collect()
        };
        let table = [
            ("nameserver 192.0.2.1\nnameserver ::1\n", at(&["192.0.2.1", "::1"]), 5, 2, "two servers"),
            ("", at(&["127.0.0.1"]), 5, 2, "none: this machine"),
            ("# nameserver 192.0.2.9\n;x\nnameserver nowhere\n", at(&["127.0.0.1"]), 5, 2, "no address"),
            ("options timeout:1 attempts:9 rotate\n", at(&["127.0.0.1"]), 1, 5, "within bounds"),
            ("options timeout:x attempts:0", at(&["127.0.0.1"]), 5, 1, "what is not a number is ignored"),
            (
                "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
                at(&["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
                5,
                2,
                "three at most",
            ),
        ];
        for (text, servers, seconds, attempts, why) in table {
            assert_eq!(
                parse_resolv_conf(text),
                ResolverConfig { servers, timeout: Duration::from_secs(seconds), attempts },
                "{why}"
            );
        }
    }
}

//! The client's timeouts of RFC 5321 §4.5.3.2.

use std::time::Duration;

/// What a client waits for, which decides how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    Greeting,
    /// The greeting without TLS on port 465, where TLS comes first (RFC 8314 §3.3): a server there waits for the client.
    GreetingOnTlsPort,
    Mail,
    Rcpt,
    DataInitiation,
    DataBlock,
    DataTermination,
    /// RFC 5321 defines no timeout for other commands; five minutes is the usual one.
    Other,
}

impl Timeout {
    /// How long to wait at most.
    pub fn limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::GreetingOnTlsPort => 5,
            Self::Greeting | Self::Mail | Self::Rcpt | Self::Other => 5 * 60,
            Self::DataInitiation => 2 * 60,
            Self::DataBlock => 3 * 60,
            Self::DataTermination => 10 * 60,
        })
    }

    /// What sets the limit, for messages: `RFC 5321 §4.5.3.2.1`.
    pub fn section(self) -> Option<&'static str> {
        match self {
            Self::Greeting => Some("RFC 5321 §4.5.3.2.1"),
            Self::GreetingOnTlsPort => Some("port 465, where TLS comes first"),
            Self::Mail => Some("RFC 5321 §4.5.3.2.2"),
            Self::Rcpt => Some("RFC 5321 §4.5.3.2.3"),
            Self::DataInitiation => Some("RFC 5321 §4.5.3.2.4"),
            Self::DataBlock => Some("RFC 5321 §4.5.3.2.5"),
            Self::DataTermination => Some("RFC 5321 §4.5.3.2.6"),
            Self::Other => None,
        }
    }

    /// The timeout for the greeting of a server on this port, without TLS.
    pub fn of_plain_greeting(port: u16) -> Self {
        if port == 465 { Self::GreetingOnTlsPort } else { Self::Greeting }
    }

    /// The timeout for a command line, by its verb, compared without regard to case. BDAT may be the last of the
    /// message (RFC 3030 §2), so its timeout is that of the end of DATA.
    pub fn of_command(line: &[u8]) -> Self {
        let verb = line.split(|b| b.is_ascii_whitespace()).next().unwrap_or_default();
        let is = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
        if is("MAIL") {
            Self::Mail
        } else if is("RCPT") {
            Self::Rcpt
        } else if is("DATA") {
            Self::DataInitiation
        } else if is("BDAT") {
            Self::DataTermination
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_wait_as_long_as_the_rfc_says() {
        let table: &[(&[u8], Timeout, u64, Option<&str>)] = &[
            (b"MAIL FROM:<>", Timeout::Mail, 300, Some("RFC 5321 §4.5.3.2.2")),
            (b"rcpt to:<a@b>", Timeout::Rcpt, 300, Some("RFC 5321 §4.5.3.2.3")),
            (b"Data\r\n", Timeout::DataInitiation, 120, Some("RFC 5321 §4.5.3.2.4")),
            (b"BDAT 5 LAST", Timeout::DataTermination, 600, Some("RFC 5321 §4.5.3.2.6")),
            (b"EHLO x", Timeout::Other, 300, None),
            (b"DATABASE", Timeout::Other, 300, None),
            (b"", Timeout::Other, 300, None),
        ];
        for (line, wait, seconds, section) in table {
            let found = Timeout::of_command(line);
            assert_eq!(found, *wait, "{}", String::from_utf8_lossy(line));
            assert_eq!((found.limit().as_secs(), found.section()), (*seconds, *section));
        }
        assert_eq!(Timeout::DataBlock.limit().as_secs(), 180);
        assert_eq!(Timeout::of_plain_greeting(25).limit().as_secs(), 300);
        assert_eq!(Timeout::of_plain_greeting(465).limit().as_secs(), 5);
    }
}

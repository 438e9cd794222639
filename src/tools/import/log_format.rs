//! The formats of logs, and how they are recognized.

use super::dialogue::is_reply;
use super::formats::marks::{self, LineMark, Marked};
use super::log_text::{LogLine, find, is_command, log_lines};

/// A format that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogFormat {
    Transcript,
    Swaks,
    Curl,
    Telnet,
    SClient,
    Postfix,
    Exim,
    EximTest,
    PhpMailer,
    Nodemailer,
    Smtplib,
    JavaMail,
    Ruby,
    NetSmtp,
    Msmtp,
    Mutt,
    Sendmail,
    Tshark,
    Pcap,
}

impl LogFormat {
    pub const ALL: [Self; 19] = [
        Self::Transcript,
        Self::Swaks,
        Self::Curl,
        Self::Telnet,
        Self::SClient,
        Self::Postfix,
        Self::Exim,
        Self::EximTest,
        Self::PhpMailer,
        Self::Nodemailer,
        Self::Smtplib,
        Self::JavaMail,
        Self::Ruby,
        Self::NetSmtp,
        Self::Msmtp,
        Self::Mutt,
        Self::Sendmail,
        Self::Tshark,
        Self::Pcap,
    ];

    /// Its name in `--as`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transcript => "transcript",
            Self::Swaks => "swaks",
            Self::Curl => "curl",
            Self::Telnet => "telnet",
            Self::SClient => "s_client",
            Self::Postfix => "postfix",
            Self::Exim => "exim",
            Self::EximTest => "exim-test",
            Self::PhpMailer => "phpmailer",
            Self::Nodemailer => "nodemailer",
            Self::Smtplib => "smtplib",
            Self::JavaMail => "javamail",
            Self::Ruby => "ruby",
            Self::NetSmtp => "net-smtp",
            Self::Msmtp => "msmtp",
            Self::Mutt => "mutt",
            Self::Sendmail => "sendmail",
            Self::Tshark => "tshark",
            Self::Pcap => "pcap",
        }
    }

    /// What it is, for help and comments.
    pub fn title(self) -> &'static str {
        match self {
            Self::Transcript => "a transcript with `C:` and `S:`",
            Self::Swaks => "output of swaks",
            Self::Curl => "output of curl -v or curl --trace",
            Self::Telnet => "a paste without marks",
            Self::SClient => "a paste of openssl s_client or gnutls-cli",
            Self::Postfix => "a log of Postfix with -v",
            Self::Exim => "debug output of Exim",
            Self::EximTest => "output of the client of Exim's test suite",
            Self::PhpMailer => "debug output of PHPMailer",
            Self::Nodemailer => "debug output of nodemailer",
            Self::Smtplib => "debug output of Python's smtplib",
            Self::JavaMail => "debug output of JavaMail",
            Self::Ruby => "debug output of Ruby's Net::SMTP",
            Self::NetSmtp => "debug output of Perl's Net::SMTP",
            Self::Msmtp => "output of msmtp --debug",
            Self::Mutt => "a debug log of mutt",
            Self::Sendmail => "output of sendmail -v or mailx -v",
            Self::Tshark => "a TCP stream that tshark followed",
            Self::Pcap => "a pcap or pcapng file",
        }
    }
}

/// Recognizes the format of a log: the one with the most marked lines, otherwise a paste without marks.
pub fn detect_log_format(log: &[u8]) -> Option<LogFormat> {
    if is_capture(log) {
        return Some(LogFormat::Pcap);
    }
    let lines = log_lines(log);
    // The remarks of `exim -bh` look like the client's lines of sendmail.
    if lines.iter().any(|line| line.after("**** SMTP testing session").is_some()) {
        // With `-d` it shows each line once more.
        let is_debugged = lines.iter().any(|line| find(line.bytes, "SMTP<<").is_some());
        return Some(if is_debugged { LogFormat::Exim } else { LogFormat::Telnet });
    }
    if lines.iter().any(|line| line.bytes == b"Follow: tcp,ascii") {
        return Some(LogFormat::Tshark);
    }
    let marked: [(LogFormat, LineMark); 15] = [
        (LogFormat::Postfix, marks::postfix),
        (LogFormat::Exim, marks::exim),
        (LogFormat::PhpMailer, marks::php_mailer),
        (LogFormat::Nodemailer, marks::nodemailer),
        (LogFormat::Smtplib, marks::smtplib),
        (LogFormat::Msmtp, marks::msmtp),
        (LogFormat::Mutt, marks::mutt),
        (LogFormat::NetSmtp, marks::net_smtp),
        (LogFormat::Ruby, marks::ruby),
        (LogFormat::Curl, marks::curl_trace),
        (LogFormat::Sendmail, marks::sendmail),
        (LogFormat::EximTest, marks::exim_test),
        (LogFormat::Transcript, marks::transcript),
        (LogFormat::Swaks, marks::swaks),
        (LogFormat::Curl, marks::curl),
    ];
    let count = |mark: LineMark| lines.iter().filter(|line| mark(line.bytes).is_some()).count();
    let best = marked.iter().rev().map(|(format, mark)| (count(*mark), *format)).max_by_key(|(count, _)| *count);
    // Content may have lines that look marked.
    let plain = lines.iter().filter(|line| is_reply(line.bytes)).count();
    match best {
        Some((count, format)) if count > 0 && (count > plain || format == LogFormat::Transcript) => Some(format),
        // Its replies have no marks.
        Some((_, LogFormat::Sendmail)) if lines.iter().any(|line| sends_command(line.bytes)) => {
            Some(LogFormat::Sendmail)
        }
        _ => unmarked(&lines),
    }
}

fn sends_command(line: &[u8]) -> bool {
    matches!(marks::sendmail(line), Some(Marked::Sent(text)) if is_command(text))
}

/// Whether the first bytes are those of a pcap or pcapng file.
pub fn is_capture(log: &[u8]) -> bool {
    const PCAP: [u32; 2] = [0xa1b2_c3d4, 0xa1b2_3c4d];
    const PCAPNG: u32 = 0x0a0d_0d0a;
    let Some(magic) = log.first_chunk() else { return false };
    let (big, little) = (u32::from_be_bytes(*magic), u32::from_le_bytes(*magic));
    big == PCAPNG || PCAP.contains(&big) || PCAP.contains(&little)
}

/// A paste without marks has replies and commands.
fn unmarked(lines: &[LogLine<'_>]) -> Option<LogFormat> {
    let has = |wanted: &str| lines.iter().any(|line| find(line.bytes, wanted).is_some());
    let begins = |wanted: &str| lines.iter().any(|line| line.after(wanted).is_some());
    let replies = lines.iter().filter(|line| is_reply(line.bytes)).count();
    if replies == 0 {
        return None;
    }
    if begins("=== Trying ") || begins("=== Connected to ") {
        return Some(LogFormat::Swaks);
    }
    if begins("DEBUG SMTP: ") {
        return Some(LogFormat::JavaMail);
    }
    if begins("CONNECTED(") || has("openssl s_client") || begins("SSL-Session:") || begins("- Simple Client Mode:") {
        return Some(LogFormat::SClient);
    }
    let commands = lines.iter().any(|line| is_command(line.bytes));
    (commands || begins("Ncat: ") || begins("Escape character is") || begins("Trying ")).then_some(LogFormat::Telnet)
}

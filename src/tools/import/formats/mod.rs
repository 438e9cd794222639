//! The formats: each reads a log as a [`LoggedDialogue`].

mod capture;
mod curl;
mod curl_trace;
mod exim;
mod exim_test;
mod followed_stream;
mod javamail;
mod literals;
mod marked_lines;
pub mod marks;
mod nodemailer;
mod paste;
mod php_mailer;
mod postfix;
mod ruby;
mod s_client;
mod smtplib;
mod swaks;
mod tcp_streams;
mod transcript;

use super::dialogue::LoggedDialogue;
use super::error::ImportError;
use super::log_format::LogFormat;
use super::log_text::log_lines;

/// Reads a log.
///
/// # Errors
/// If the log is not of this format.
pub fn read_log(log: &[u8], format: LogFormat) -> Result<LoggedDialogue, ImportError> {
    let lines = || log_lines(log);
    match format {
        LogFormat::Transcript => transcript::read(log),
        LogFormat::Swaks => Ok(swaks::read(&lines())),
        LogFormat::Curl => Ok(curl::read(&lines())),
        LogFormat::Telnet => Ok(paste::read_telnet(&lines())),
        LogFormat::SClient => Ok(s_client::read(&lines())),
        LogFormat::Postfix => Ok(postfix::read(&lines())),
        LogFormat::Exim => Ok(exim::read(&lines())),
        LogFormat::EximTest => Ok(exim_test::read(&lines())),
        LogFormat::PhpMailer => Ok(php_mailer::read(&lines())),
        LogFormat::Nodemailer => Ok(nodemailer::read(&lines())),
        LogFormat::Smtplib => Ok(smtplib::read(&lines())),
        LogFormat::Ruby => Ok(ruby::read(&lines())),
        LogFormat::JavaMail => Ok(javamail::read(&lines())),
        LogFormat::Sendmail => Ok(marked_lines::read(&lines(), &marked_lines::SENDMAIL)),
        LogFormat::Msmtp => Ok(marked_lines::read(&lines(), &marked_lines::MSMTP)),
        LogFormat::Mutt => Ok(marked_lines::read(&lines(), &marked_lines::MUTT)),
        LogFormat::NetSmtp => Ok(marked_lines::read(&lines(), &marked_lines::NET_SMTP)),
        LogFormat::Tshark => Ok(followed_stream::read(&lines())),
        LogFormat::Pcap => capture::read(log),
    }
}

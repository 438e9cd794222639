//! The options of `shell`.

use crate::cli::arguments::values;
use clap::{Args, ValueHint};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

const SHELL_EXAMPLES: &str = "\
Examples:
  mailrun shell smtp://127.0.0.1:2525             type SMTP at a prompt; :help lists the commands
  mailrun shell --save bug.toml smtp://mx.example.com < lines.txt
                                                  send each line after the reply to the one before it";

/// Sends SMTP that is typed at a prompt or comes from a pipe.
///
/// Every line is logged as C: or S:. STARTTLS does the handshake. What is typed after AUTH is hidden.
#[derive(Debug, Args)]
#[command(after_help = SHELL_EXAMPLES)]
pub struct ShellArguments {
    /// The server: smtp://, smtps://, lmtp://, smtp+unix://, lmtp+unix://
    #[arg(value_name = "URL", value_parser = values::server_url)]
    pub url: String,
    /// Write the dialogue as a session file at the end
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub save: Option<PathBuf>,
    /// A variable for the sessions of :run; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::assignment)]
    pub var: Vec<(String, String)>,
    /// The time limit of each reply
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = values::duration)]
    pub timeout: Option<Duration>,
    /// The time limit for connecting and for TLS handshakes
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = values::duration)]
    pub connect_timeout: Option<Duration>,
    /// Also trust the certificates in this PEM file; repeatable
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca: Vec<PathBuf>,
    /// Do not verify certificates
    #[arg(long)]
    pub insecure: bool,
    /// Connect over IPv4 only
    #[arg(long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Connect over IPv6 only
    #[arg(long)]
    pub ipv6: bool,
    /// Connect to ADDR instead of HOST:PORT; repeatable
    #[arg(long, value_name = "HOST:PORT:ADDR", value_parser = values::resolution)]
    pub resolve: Vec<(String, u16, IpAddr)>,
}

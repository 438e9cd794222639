//! The options of `shell`.

use super::run::ConnectArguments;
use super::values;
use clap::{Args, ValueHint};
use std::path::PathBuf;

const SHELL_EXAMPLES: &str = "\
Examples:
  mailrun shell smtp://127.0.0.1:2525             type SMTP at a prompt; :help lists the commands
  mailrun shell --mx example.com                  the mail exchanger of a domain
  mailrun shell --save bug.toml smtp://mx.example.com < lines.txt
                                                  send each line after the reply to the one before it";

/// Sends SMTP that is typed at a prompt or comes from a pipe.
///
/// Every line is logged as C: or S:. STARTTLS does the handshake. What is typed after AUTH is hidden.
#[derive(Debug, Args)]
#[command(after_help = SHELL_EXAMPLES)]
pub struct ShellArguments {
    /// The server: smtp://, smtps://, lmtp://, smtp+unix://, lmtp+unix://; needed unless --mx is given
    #[arg(id = "server", value_name = "URL", value_parser = values::server_url, required_unless_present = "mx")]
    pub url: Option<String>,
    /// Write the dialogue as a session file at the end
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub save: Option<PathBuf>,
    /// A variable for the sessions of :run; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::assignment)]
    pub var: Vec<(String, String)>,
    #[command(flatten)]
    pub connect: ConnectArguments,
}

//! The options of `probe`.

use super::run::ConnectArguments;
use super::values;
use clap::{Args, ValueHint};
use std::path::PathBuf;

const PROBE_EXAMPLES: &str = "\
Examples:
  mailrun probe smtp://mx.example.com
  mailrun probe --strict --json smtps://mail.example.com | jq '.warnings[].text'
  mailrun probe --mx example.com                  the best mail exchanger of that domain, on port 25
  mailrun probe --save smoke.toml smtp://mx.example.com && mailrun test smoke.toml";

/// Shows a server's state on one screen: what it says, offers and accepts, and what is remarkable about it.
///
/// It connects up to seven times, one after the other, and sends EHLO, STARTTLS, VRFY, EXPN and QUIT: no mail and no password.
#[derive(Debug, Args)]
#[command(after_help = PROBE_EXAMPLES)]
pub struct ProbeArguments {
    /// The server: smtp://, smtps://, lmtp://, smtp+unix://, lmtp+unix://
    // Its name is what `--mx` conflicts with.
    #[arg(value_name = "URL", required_unless_present = "mx", value_parser = values::server_url)]
    pub server: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
    /// Exit with 1 if there are warnings
    #[arg(long)]
    pub strict: bool,
    /// Also write a session file that passes against the server as it is
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub save: Option<PathBuf>,
    /// client_name, the name in EHLO; for --save also recipient and elsewhere; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::assignment)]
    pub var: Vec<(String, String)>,
    #[command(flatten)]
    pub connect: ConnectArguments,
}

//! The options of `serve`.

use crate::cli::arguments::values;
use clap::{Args, ValueHint};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

const SERVE_EXAMPLES: &str = "\
Examples:
  mailrun serve bug-17.txt               play the transcript's S: side to whoever connects
  mailrun serve bug-17.txt -- ./client   run the client with MAILRUN_SERVER set to the server's URL;
                                         0 only where both came to their end
  mailrun serve --sink mail              accept mail and keep it as mail/*.eml

The first line on standard output is `listening on ADDRESS:PORT`.";

/// Plays the server's side of a transcript, or accepts mail and keeps it.
#[derive(Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub struct ServeArguments {
    /// A transcript to play, or rules by command (*.toml)
    #[arg(value_name = "FILE", conflicts_with = "sink", value_hint = ValueHint::FilePath)]
    pub script: Option<PathBuf>,
    /// Accept mail and keep it in this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub sink: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:2525, with a COMMAND 127.0.0.1:0]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = values::listen_address)]
    pub listen: Option<SocketAddr>,
    /// TLS from the first byte
    #[arg(long)]
    pub tls: bool,
    /// The certificate as PEM, with its chain; one is made at start otherwise
    #[arg(long, value_name = "FILE", requires = "key", value_hint = ValueHint::FilePath)]
    pub cert: Option<PathBuf>,
    /// The certificate's key as PEM
    #[arg(long, value_name = "FILE", requires = "cert", value_hint = ValueHint::FilePath)]
    pub key: Option<PathBuf>,
    /// Write the issuer of the certificate that was made, for clients to trust
    #[arg(long, value_name = "FILE", conflicts_with = "cert", value_hint = ValueHint::FilePath)]
    pub write_ca: Option<PathBuf>,
    /// End after that many connections
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = values::positive)]
    pub connections: Option<u64>,
    /// Where a server of rules keeps the mail that it accepts
    #[arg(long, value_name = "DIR", conflicts_with = "sink", value_hint = ValueHint::DirPath)]
    pub store: Option<PathBuf>,
    /// A command to run against the server
    #[arg(value_name = "COMMAND", last = true, value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

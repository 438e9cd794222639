//! The options of `serve`.

use crate::cli::arguments::values;
use crate::serve::MatchMode;
use clap::{Args, ValueEnum, ValueHint};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

const SERVE_EXAMPLES: &str = "\
Examples:
  mailrun serve bug-17.txt               play the S: side of the transcript
  mailrun serve bug-17.txt -- ./client   run the client with MAILRUN_SERVER set to the server's URL;
                                         exit with 0 only if both came to their end
  mailrun serve --sink mail              accept mail and keep it as mail/*.eml

  mailrun serve --transcript log.txt --timestamps bug-17.txt   and log what the clients say

Without --json -, the first line on standard output is `listening on ADDRESS:PORT`.";

/// Plays the server's side of a transcript, follows rules, or accepts mail and keeps it.
#[derive(Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub struct ServeArguments {
    /// A transcript or a log to play, or a file of rules (*.toml)
    #[arg(value_name = "FILE", conflicts_with = "sink", value_hint = ValueHint::FilePath)]
    pub script: Option<PathBuf>,
    /// Accept all mail and keep it in this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub sink: Option<PathBuf>,
    /// Listen here; port 0 takes a free port [default: 127.0.0.1:2525, with a COMMAND 127.0.0.1:0]
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = values::listen_address)]
    pub listen: Option<SocketAddr>,
    /// Use TLS from the first byte
    #[arg(long)]
    pub tls: bool,
    /// The certificate and its chain, as PEM [default: generated at start]
    #[arg(long, value_name = "FILE", requires = "key", value_hint = ValueHint::FilePath)]
    pub cert: Option<PathBuf>,
    /// The key of the certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "cert", value_hint = ValueHint::FilePath)]
    pub key: Option<PathBuf>,
    /// Write the issuer of the generated certificate, for clients to trust
    #[arg(long, value_name = "FILE", conflicts_with = "cert", value_hint = ValueHint::FilePath)]
    pub write_ca: Option<PathBuf>,
    /// Exit after N connections
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = values::positive)]
    pub connections: Option<u64>,
    /// Keep the mail that a server with rules accepts in this folder
    #[arg(long, value_name = "DIR", conflicts_with = "sink", value_hint = ValueHint::DirPath)]
    pub store: Option<PathBuf>,
    /// How a script compares what clients send
    #[arg(long = "match", value_name = "MODE", value_enum)]
    pub matching: Option<Matching>,
    /// Write the transcript as the server saw it; `-` is standard output
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub transcript: Option<PathBuf>,
    /// Start each line of the transcript with the seconds since the first connection
    #[arg(long, help_heading = "Output")]
    pub timestamps: bool,
    /// Add a hex dump of the bytes of both sides below the lines of the transcript
    #[arg(long, help_heading = "Output")]
    pub hex: bool,
    /// Print events as JSON Lines on standard output; the first one has the address
    #[arg(long, value_name = "-", value_parser = ["-"], allow_hyphen_values = true, help_heading = "Output")]
    pub json: Option<String>,
    /// The command to run against the server
    #[arg(value_name = "COMMAND", last = true, value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// How a script compares the lines of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Matching {
    /// Command lines, except the argument of EHLO, HELO and LHLO; content is not compared [default]
    Command,
    /// Every line
    Exact,
    /// The first word; content is not compared
    Verb,
    /// Nothing
    Any,
}

impl From<Matching> for MatchMode {
    fn from(matching: Matching) -> Self {
        match matching {
            Matching::Command => Self::Command,
            Matching::Exact => Self::Exact,
            Matching::Verb => Self::Verb,
            Matching::Any => Self::Any,
        }
    }
}

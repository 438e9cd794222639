//! The options of `run` and `test`, and those that `check` and `show` have of them.

use crate::cli::arguments::values;
use crate::report::TranscriptOptions;
use crate::session::StepRange;
use clap::{Args, ValueEnum, ValueHint};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub(super) const TEST_ABOUT: &str = "\
Runs sessions as a test suite.

A line for each session on standard output, a diagnosis with the dialogue around it for each failure, a summary. All files \
are read first: one that is broken counts as an error, and the others run.";

pub(super) const TEST_EXAMPLES: &str = "\
Examples:
  mailrun test --server smtp://127.0.0.1:2525 sessions/smoke/
  mailrun test --wait 30s --jobs 4 --junit junit.xml --html report.html sessions/
  mailrun test --tag tls --skip-tag slow --fail-fast sessions/
  mailrun test --json - sessions/ | jq 'select(.event == \"step_finished\")'

`mailrun --help` lists the exit statuses.";

const RUN_EXAMPLES: &str = "\
Examples:
  mailrun run report.toml               send what the file says and show the dialogue
  mailrun run --dry-run report.toml     the same against a server inside mailrun
  mailrun run --quiet nightly/          for cron: prints nothing unless something failed
  mailrun run --server smtp://127.0.0.1:2525 --var to=ann@example.com hello.toml
  mkdir -p logs && mailrun run --transcript 'logs/{session}.log' sessions/

Standard output has the transcripts, standard error remarks and errors. `mailrun --help` lists the exit statuses.";

/// Runs sessions one after another and prints each transcript.
///
/// All files are read first: what is wrong with any of them is reported, and the others run.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub struct RunArguments {
    /// Session files, folders (every *.toml below, sorted, but for names that begin with `_`), globs; `-` is standard
    /// input
    #[arg(value_name = "SESSION", required = true, value_hint = ValueHint::AnyPath)]
    pub sessions: Vec<String>,
    #[command(flatten)]
    pub inputs: InputArguments,
    #[command(flatten)]
    pub select: SelectArguments,
    #[command(flatten)]
    pub part: PartArguments,
    #[command(flatten)]
    pub dry: DryRunArguments,
    #[command(flatten)]
    pub batch: BatchArguments,
    #[command(flatten)]
    pub output: OutputArguments,
    #[command(flatten)]
    pub reports: ReportArguments,
    #[command(flatten)]
    pub connect: ConnectArguments,
}

/// What changes what a session means.
#[derive(Debug, Args)]
#[command(next_help_heading = "What the session means")]
pub struct InputArguments {
    /// The server in place of the file's: smtp://, smtps://, lmtp://, smtp+unix://, lmtp+unix://
    #[arg(long, value_name = "URL", value_parser = values::server_url)]
    pub server: Option<String>,
    /// Set a variable, in place of [vars]; repeatable. The value is a number or boolean where [vars] has one, else text
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::assignment)]
    pub var: Vec<(String, String)>,
    /// Set variables from a TOML file of strings, numbers and booleans; repeatable, --var wins
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub vars: Vec<PathBuf>,
    /// Let sessions read files below this folder too, besides their own; repeatable
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub file_root: Vec<PathBuf>,
    /// Let sessions run the commands that their { command = … } name
    #[arg(long)]
    pub allow_commands: bool,
    /// Make random values repeatable
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = values::unsigned)]
    pub seed: Option<u64>,
    /// Colour on the terminal; NO_COLOR and CLICOLOR_FORCE are honoured
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

/// Which sessions, and how many at a time.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which sessions")]
pub struct SelectArguments {
    /// Only sessions whose file's name or path fits this pattern (*, ?, [a-z]); repeatable, any of them
    #[arg(long, value_name = "GLOB")]
    pub filter: Vec<String>,
    /// Only sessions that have this tag; repeatable, any of them
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// No session that has this tag; repeatable
    #[arg(long, value_name = "TAG")]
    pub skip_tag: Vec<String>,
    /// Begin no other session once one has failed
    #[arg(long)]
    pub fail_fast: bool,
    /// So many sessions at a time: what each prints stays together, in the order of the files. And so many connections
    /// of a batch, in place of the file's
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = values::positive_u16)]
    pub jobs: Option<u16>,
}

/// A part of each session. What it makes of the session is no transaction that a ledger could record.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which sessions")]
pub struct PartArguments {
    /// Begin the [[step]] section with step N, as results count them; [[open]] and [[close]] are always played
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = values::positive, conflicts_with = "ledger")]
    pub from_step: Option<u64>,
    /// End the [[step]] section with step N
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = values::positive, conflicts_with = "ledger")]
    pub to_step: Option<u64>,
}

impl PartArguments {
    pub fn part(&self) -> StepRange {
        StepRange { from: self.from_step, to: self.to_step }
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Reports")]
pub struct ReportArguments {
    /// Write a JUnit report: a suite for each session, a case for each step
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub junit: Option<PathBuf>,
    /// Write a TAP 14 report
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub tap: Option<PathBuf>,
    /// Write a JSON report; with `-` events go to standard output as JSON Lines, and all else to standard error
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub json: Option<PathBuf>,
    /// Write an HTML report: one file that holds everything
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub html: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Trying it out")]
pub struct DryRunArguments {
    /// Run against a server inside mailrun on a loopback port: nothing leaves the machine
    #[arg(long)]
    pub dry_run: bool,
    /// Where --dry-run keeps the mail; a temporary folder otherwise, named at the end
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub sink: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Batches and load")]
pub struct BatchArguments {
    /// Keep a ledger in this SQLite file: what was sent is never sent again
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ledger: Option<PathBuf>,
    /// Send also what may have been delivered already, with the same Message-ID
    #[arg(long)]
    pub resend_unknown: bool,
    /// Try again what failed temporarily, so many times, as [retry] does
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = values::retry_count)]
    pub retry: Option<u32>,
    /// At most so many rows or sessions a second over all connections, evenly: 50/s, 600/m
    #[arg(long, value_name = "RATE", allow_hyphen_values = true, value_parser = crate::session::parse_rate)]
    pub rate: Option<f64>,
    /// This machine's share of the rows or sessions, the I-th of N; stable over runs and machines
    #[arg(long, value_name = "I/N", allow_hyphen_values = true, value_parser = crate::batch::Shard::parse)]
    pub shard: Option<crate::batch::Shard>,
    /// Load: run everything so many times, and say how fast it went
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = values::positive)]
    pub repeat: Option<u64>,
    /// Load: run again and again for so long, and say how fast it went
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = values::duration)]
    pub duration: Option<Duration>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArguments {
    /// Write the whole transcript to a file; `{session}` in the name gives one file each
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub transcript: Option<PathBuf>,
    /// Put the seconds since connecting in front of each line
    #[arg(long)]
    pub timestamps: bool,
    /// Show message content whole, and all BDAT commands; it is cut at 40 lines on a terminal otherwise
    #[arg(long)]
    pub full: bool,
    /// Show the bytes of both sides as a hex dump below the transcript's lines
    #[arg(long)]
    pub hex: bool,
    /// Show secrets in the transcript and in errors
    #[arg(long)]
    pub show_secrets: bool,
    /// Print nothing unless something failed, and then the transcript and the diagnosis
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Add remarks: resolved addresses, the certificate, decoded prompts, capabilities
    #[arg(short, long)]
    pub verbose: bool,
}

impl OutputArguments {
    /// How a transcript is written to a file: whole.
    pub fn file_options(&self) -> TranscriptOptions {
        TranscriptOptions { timestamps: self.timestamps, full: true, verbose: self.verbose, live: false, hex: self.hex }
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Connecting")]
pub struct ConnectArguments {
    /// The deadline for each step, in place of the files' `timeout`: 30s, 500ms, 5m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = values::duration)]
    pub timeout: Option<Duration>,
    /// The deadline for connecting and for TLS handshakes, in place of the files' `connect_timeout`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = values::duration)]
    pub connect_timeout: Option<Duration>,
    /// Keep trying to connect until the server is up, for so long at most
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = values::duration)]
    pub wait: Option<Duration>,
    /// Trust the certificates in this PEM file, besides the system's and the session's; repeatable
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca: Vec<PathBuf>,
    /// Do not verify certificates; said in the result
    #[arg(long)]
    pub insecure: bool,
    /// Connect over IPv4 only
    #[arg(long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Connect over IPv6 only
    #[arg(long)]
    pub ipv6: bool,
    /// The server is the best mail exchanger of this domain that can be connected to; scheme and port stay the file's
    #[arg(long, value_name = "DOMAIN", value_parser = values::domain, conflicts_with = "server")]
    pub mx: Option<String>,
    /// Connect to ADDR where HOST:PORT is meant; repeatable
    #[arg(long, value_name = "HOST:PORT:ADDR", value_parser = values::resolution)]
    pub resolve: Vec<(String, u16, IpAddr)>,
}

//! The options of `run` and `test`. `check` and `show` have some of them.

use crate::cli::arguments::values;
use crate::output::OutputKind;
use crate::report::TranscriptOptions;
use crate::session::StepRange;
use crate::smtp::address::Mailbox;
use clap::{Args, ValueEnum, ValueHint};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The long description of `test`.
pub(super) const TEST_ABOUT: &str = "\
Run sessions as a test suite

A line is printed for each session, a diagnosis with the dialogue around it for each failure, and a summary. All files are read \
first: one with errors is reported, and the others run.";

/// The examples of `test`.
pub(super) const TEST_EXAMPLES: &str = "\
Examples:
  mailrun test --server smtp://127.0.0.1:2525 sessions/smoke/
  mailrun test --wait 30s --jobs 4 --junit junit.xml --html report.html sessions/
  mailrun test --tag tls --skip-tag slow --fail-fast sessions/
  mailrun test --json - sessions/ | jq 'select(.event == \"step_finished\")'

`mailrun --help` lists the exit statuses.";

const RUN_EXAMPLES: &str = "\
Examples:
  mailrun run report.toml               send what the file says, and print the dialogue
  mailrun run --dry-run report.toml     the same against a server inside mailrun
  mailrun run --quiet nightly/          for cron: prints nothing unless something failed
  mailrun run --server smtp://127.0.0.1:2525 --var to=ann@example.com hello.toml
  mkdir -p logs && mailrun run --transcript 'logs/{session}.log' sessions/

Transcripts go to standard output, remarks and errors to standard error. `mailrun --help` lists the exit statuses.";

/// Runs sessions and prints their transcripts.
///
/// All files are read first: one with errors is reported, and the others run.
#[derive(Debug, Default, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub struct RunArguments {
    /// Session files, folders (every *.toml below, sorted, except names that begin with `_`) or patterns; `-` is standard input
    #[arg(value_name = "SESSION", required = true, value_hint = ValueHint::AnyPath)]
    pub sessions: Vec<String>,
    #[command(flatten)]
    pub inputs: InputArguments,
    #[command(flatten)]
    pub select: SelectArguments,
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

/// Options that `check` and `show` have too: server, variables, and what sessions may read and run.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Session values")]
pub struct InputArguments {
    /// Use this server instead of the one in the file: smtp://, smtps://, lmtp://, smtp+unix://, lmtp+unix://
    #[arg(long, value_name = "URL", value_parser = values::server_url)]
    pub server: Option<String>,
    /// Set a variable of [vars]; repeatable. The value is a number or a boolean if [vars] has one, otherwise text
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::assignment)]
    pub var: Vec<(String, String)>,
    /// Set variables from a TOML file of strings, numbers and booleans; repeatable, --var wins
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub vars: Vec<PathBuf>,
    /// Also let sessions read files below this folder; repeatable
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub file_root: Vec<PathBuf>,
    /// Let sessions run the programs of { command = … }
    #[arg(long)]
    pub allow_commands: bool,
    /// Make random values repeatable
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = values::unsigned)]
    pub seed: Option<u64>,
    /// Colours on the terminal; NO_COLOR and CLICOLOR_FORCE are honoured
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// Which sessions and steps run, and how many sessions in parallel.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Selection")]
pub struct SelectArguments {
    /// Run only sessions whose file name or path matches this pattern (*, ?, [a-z]); repeatable
    #[arg(long, value_name = "GLOB")]
    pub filter: Vec<String>,
    /// Run only sessions with this tag; repeatable
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// Exclude sessions with this tag; repeatable
    #[arg(long, value_name = "TAG")]
    pub skip_tag: Vec<String>,
    /// Stop after the first failed session
    #[arg(long)]
    pub fail_fast: bool,
    /// Count a session that is skipped as failed
    #[arg(long)]
    pub no_skip: bool,
    /// Run up to N sessions in parallel; output is grouped by session, in file order. For a batch: up to N connections
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = values::positive_u16)]
    pub jobs: Option<u16>,
    #[command(flatten)]
    pub part: PartArguments,
}

/// The part of each session that runs. A ledger cannot record a part of a transaction, so it is excluded.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Selection")]
pub struct PartArguments {
    /// Skip the [[step]]s before step N, as results count them; [[open]] and [[close]] always run
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = values::positive, conflicts_with = "ledger")]
    pub from_step: Option<u64>,
    /// Skip the [[step]]s after step N
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = values::positive, conflicts_with = "ledger")]
    pub to_step: Option<u64>,
}

impl PartArguments {
    /// The steps that run.
    pub fn step_range(&self) -> StepRange {
        StepRange { from: self.from_step, to: self.to_step }
    }
}

/// The report files.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Reports")]
pub struct ReportArguments {
    /// Write a JUnit report: a suite per session, a case per step with its file and line; without the content of messages
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub junit: Option<PathBuf>,
    /// Write a TAP report
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub tap: Option<PathBuf>,
    /// Write a JSON report; `-` prints events as JSON Lines on standard output, and everything else on standard error
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub json: Option<PathBuf>,
    /// Write an HTML report in one file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub html: Option<PathBuf>,
}

/// Runs sessions as a test suite, and reports to monitoring systems.
#[derive(Debug, Args)]
pub struct TestArguments {
    #[command(flatten)]
    pub run: RunArguments,
    #[command(flatten)]
    pub monitoring: MonitoringArguments,
}

/// What monitoring systems read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Monitoring")]
pub struct MonitoringArguments {
    /// Print one line for Nagios or Icinga, and exit with 0 (OK), 1 (WARNING), 2 (CRITICAL) or 3 (UNKNOWN)
    #[arg(long)]
    pub nagios: bool,
    /// WARNING if a certificate expires in less than N days [default: 14]
    #[arg(long, value_name = "N", requires = "nagios", allow_hyphen_values = true, value_parser = clap::value_parser!(u32))]
    pub warning_days: Option<u32>,
    /// CRITICAL if a certificate expires in less than N days [default: 7]
    #[arg(long, value_name = "N", requires = "nagios", allow_hyphen_values = true, value_parser = clap::value_parser!(u32))]
    pub critical_days: Option<u32>,
    /// Write metrics for the textfile collector of Prometheus' node exporter
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub prometheus: Option<PathBuf>,
}

/// Whether the run is dry, and where it keeps the mail.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Dry run")]
pub struct DryRunArguments {
    /// Run against a server inside mailrun on a loopback port; nothing leaves the machine
    #[arg(long)]
    pub dry_run: bool,
    /// Keep the mail of --dry-run in this folder [default: a temporary folder, named at the end]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub sink: Option<PathBuf>,
}

/// Ledger, retries, rate, shard and load.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Batches and load")]
pub struct BatchArguments {
    /// Record what was sent in this SQLite file, and never send it again
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ledger: Option<PathBuf>,
    /// Also send what may have been delivered already, with the same Message-ID
    #[arg(long)]
    pub resend_unknown: bool,
    /// Retry temporary failures up to N times, like [retry]
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = values::retry_count)]
    pub retry: Option<u32>,
    /// Start at most N rows; those that the ledger, `exclude` or `if` skips do not count
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = values::positive)]
    pub limit: Option<u64>,
    /// Run only the row with this key; repeatable
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub key: Vec<String>,
    /// Send each message to this address instead of its recipients, and record nothing
    #[arg(long, value_name = "ADDRESS", value_parser = values::recipient, conflicts_with = "ledger")]
    pub to: Option<Mailbox>,
    /// Wait up to this time for a connection in an outage [default: 10m with a ledger, otherwise 0]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = values::patience)]
    pub patience: Option<Duration>,
    /// Start at most this many rows or sessions per second, over all connections: 50/s, 600/m
    #[arg(long, value_name = "RATE", allow_hyphen_values = true, value_parser = crate::session::parse_rate)]
    pub rate: Option<f64>,
    /// Run shard I of N of the rows or sessions; the same in each run and on each machine
    #[arg(long, value_name = "I/N", allow_hyphen_values = true, value_parser = crate::batch::Shard::parse)]
    pub shard: Option<crate::batch::Shard>,
    /// Load: run everything N times, and print statistics
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = values::positive)]
    pub repeat: Option<u64>,
    /// Load: run again and again for this time, and print statistics
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = values::duration)]
    pub duration: Option<Duration>,
    /// Send content to a server that is not on a loopback address with --repeat or --duration
    #[arg(long)]
    pub yes: bool,
}

impl BatchArguments {
    /// Whether everything runs several times, to measure.
    pub fn is_load(&self) -> bool {
        self.repeat.is_some() || self.duration.is_some()
    }
}

/// What is printed, and the transcript file.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArguments {
    /// Write the whole transcript to a file; `-` is standard output. With `{session}` in the name, one file per session
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub transcript: Option<PathBuf>,
    /// Start each line with the seconds since connecting
    #[arg(long)]
    pub timestamps: bool,
    /// Print message content and BDAT commands in full; on a terminal content is otherwise cut after 40 lines
    #[arg(long)]
    pub full: bool,
    /// Add a hex dump of the bytes of both sides below the lines
    #[arg(long)]
    pub hex: bool,
    /// Print secrets in transcripts and errors
    #[arg(long)]
    pub show_secrets: bool,
    /// Print nothing unless something failed; then print the dialogue around the failure and the diagnosis
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Add details: resolved addresses, certificates, decoded prompts, capabilities
    #[arg(short, long)]
    pub verbose: bool,
}

impl OutputArguments {
    /// Whether the whole transcript goes to standard output (`--transcript -`).
    pub fn prints_transcript(&self) -> bool {
        self.transcript.as_deref() == Some(Path::new("-"))
    }

    /// What the transcript is written to.
    pub fn transcript_kind(&self) -> OutputKind {
        if self.prints_transcript() { OutputKind::Terminal } else { OutputKind::File }
    }

    /// The options of a transcript file, which is always complete.
    pub fn file_options(&self) -> TranscriptOptions {
        TranscriptOptions { timestamps: self.timestamps, full: true, verbose: self.verbose, live: false, hex: self.hex }
    }
}

/// Time limits, certificates and addresses.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectArguments {
    /// The time limit of each step or reply, instead of a session file's `timeout`: 30s, 500ms, 5m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = values::duration)]
    pub timeout: Option<Duration>,
    /// The time limit for connecting and for TLS handshakes, instead of a session file's `connect_timeout`
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = values::duration)]
    pub connect_timeout: Option<Duration>,
    /// Keep trying to connect for up to this time, until the server is up
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = values::duration)]
    pub wait: Option<Duration>,
    /// Also trust the certificates in this PEM file; repeatable
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca: Vec<PathBuf>,
    /// Do not verify certificates; the result says so
    #[arg(long)]
    pub insecure: bool,
    /// Connect over IPv4 only
    #[arg(long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Connect over IPv6 only
    #[arg(long)]
    pub ipv6: bool,
    /// Use the best mail exchanger of this domain as the server, with the scheme and port of the session's `server`, otherwise smtp:// and 25
    #[arg(long, value_name = "DOMAIN", value_parser = values::domain, conflicts_with = "server")]
    pub mx: Option<String>,
    /// Connect to ADDR instead of HOST:PORT; repeatable
    #[arg(long, value_name = "HOST:PORT:ADDR", value_parser = values::resolution)]
    pub resolve: Vec<(String, u16, IpAddr)>,
}

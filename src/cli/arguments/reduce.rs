//! The options of `reduce`.

use crate::cli::arguments::{ConnectArguments, InputArguments, values};
use clap::{Args, ValueHint};

const REDUCE_EXAMPLES: &str = "\
Examples:
  mailrun reduce bug.toml --while 'reply.code == 503' > small.toml
  mailrun reduce bug.toml --while 'failed and step.command == \"RCPT\"' --server smtp://127.0.0.1:2525
  mailrun reduce bug.toml --while closed --confirm 3

Names in EXPR: status (of the session so far), failed, closed (by the server), reply, step.name, step.number, \
step.command and session. EXPR must be true after some step of SESSION; otherwise the exit status is 1.";

/// Finds the smallest session that still shows a fault, and prints it.
///
/// Steps are removed first, then recipients, arguments and bytes. Each session that is tried runs over a fresh connection.
#[derive(Debug, Args)]
#[command(after_help = REDUCE_EXAMPLES)]
pub struct ReduceArguments {
    /// A session file without [rows]; `-` is standard input
    #[arg(value_name = "SESSION", value_hint = ValueHint::FilePath)]
    pub session: String,
    /// What the fault is: an expression that is true after some step
    #[arg(long = "while", value_name = "EXPR", allow_hyphen_values = true)]
    pub condition: String,
    /// Run each session N times: it shows the fault only if each run does
    #[arg(long, value_name = "N", default_value_t = 1, allow_hyphen_values = true, value_parser = values::positive_u16)]
    pub confirm: u16,
    /// Send content to a server that is not on a loopback address, again and again
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub inputs: InputArguments,
    #[command(flatten)]
    pub connect: ConnectArguments,
}

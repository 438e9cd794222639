//! The options of `ledger`.

use clap::{Args, Subcommand, ValueHint};
use std::path::PathBuf;

const LEDGER_EXAMPLES: &str = "\
Examples:
  mailrun ledger news.db                                counts by state
  mailrun ledger news.db list --state unknown           what may have been delivered, or not
  mailrun ledger news.db resolve ann@example.com sent   it was: never send it again
  mailrun ledger news.db resolve --state unknown pending
  mailrun ledger news.db export --csv > news.csv
  mailrun ledger news.db merge shard-1.db shard-2.db";

/// Shows, resolves and merges what batches have sent.
#[derive(Debug, Args)]
#[command(after_help = LEDGER_EXAMPLES)]
pub struct LedgerArguments {
    /// The ledger that --ledger made
    #[arg(value_name = "LEDGER", value_hint = ValueHint::FilePath)]
    pub ledger: PathBuf,
    #[command(subcommand)]
    pub command: Option<LedgerCommand>,
}

#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// List rows, and recipients of rows with several: key, state, Message-ID, reply
    List {
        /// Only those in this state
        #[arg(long, value_name = "STATE", value_parser = crate::cli::arguments::values::parse_state)]
        state: Option<String>,
    },
    /// Print everything as CSV
    Export {
        /// As CSV, which is the only form
        #[arg(long)]
        csv: bool,
        /// Only those in this state
        #[arg(long, value_name = "STATE", value_parser = crate::cli::arguments::values::parse_state)]
        state: Option<String>,
    },
    /// Say what became of a row, or of all rows in a state: sent, deferred or pending
    Resolve {
        /// The row's key
        #[arg(value_name = "KEY")]
        key: Option<String>,
        /// What it is now: sent, deferred or pending
        #[arg(value_name = "TO", conflicts_with = "state")]
        to: Option<String>,
        /// All rows in this state, in place of a key
        #[arg(long, value_name = "STATE", value_parser = crate::cli::arguments::values::parse_state)]
        state: Option<String>,
    },
    /// Take over the rows of other ledgers, such as those of other shards
    Merge {
        /// Ledgers to read
        #[arg(value_name = "LEDGER", required = true, value_hint = ValueHint::FilePath)]
        others: Vec<PathBuf>,
    },
}

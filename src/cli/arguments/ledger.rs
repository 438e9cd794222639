//! The options of `ledger`.

use crate::cli::arguments::values;
use clap::{Args, Subcommand, ValueHint};
use clap_complete::ArgValueCandidates;
use std::path::PathBuf;

const LEDGER_EXAMPLES: &str = "\
Examples:
  mailrun ledger news.db                                counts by state
  mailrun ledger news.db list --state unknown           what may have been delivered
  mailrun ledger news.db resolve ann@example.com sent   it was sent: never send it again
  mailrun ledger news.db resolve --state unknown pending
  mailrun ledger news.db export --csv > news.csv
  mailrun ledger news.db merge shard-1.db shard-2.db";

/// Shows, resolves, exports and merges ledgers, which record what batches have sent.
#[derive(Debug, Args)]
#[command(after_help = LEDGER_EXAMPLES)]
pub struct LedgerArguments {
    /// The ledger file, as given to --ledger
    #[arg(value_name = "LEDGER", value_hint = ValueHint::FilePath)]
    pub ledger: PathBuf,
    #[command(subcommand)]
    pub command: Option<LedgerCommand>,
}

/// The commands of `ledger`.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Print a line per row, or per recipient of a row with several: key, state, Message-ID, reply
    List {
        /// Only rows in this state
        #[arg(long, value_name = "STATE", value_parser = values::parse_state, add = ArgValueCandidates::new(values::states))]
        state: Option<String>,
    },
    /// Print the rows as CSV
    Export {
        /// Use CSV, the only format
        #[arg(long)]
        csv: bool,
        /// Only rows in this state
        #[arg(long, value_name = "STATE", value_parser = values::parse_state, add = ArgValueCandidates::new(values::states))]
        state: Option<String>,
    },
    /// Set the state of a row, or of all rows in a state
    Resolve {
        /// The row's key
        #[arg(value_name = "KEY")]
        key: Option<String>,
        /// The new state: sent, deferred or pending
        #[arg(value_name = "TO", conflicts_with = "state", add = ArgValueCandidates::new(values::new_states))]
        to: Option<String>,
        /// All rows in this state, instead of a key
        #[arg(long, value_name = "STATE", value_parser = values::parse_state, add = ArgValueCandidates::new(values::states))]
        state: Option<String>,
    },
    /// Add the rows of other ledgers, such as those of other shards
    Merge {
        /// Ledgers to read
        #[arg(value_name = "LEDGER", required = true, value_hint = ValueHint::FilePath)]
        others: Vec<PathBuf>,
    },
}

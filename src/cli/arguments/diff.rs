//! The options of `diff`.

use crate::cli::arguments::{ConnectArguments, InputArguments, values};
use clap::{Args, ValueHint};
use std::path::PathBuf;

const DIFF_EXAMPLES: &str = "\
Examples:
  mailrun diff bug.toml --server smtp://127.0.0.1:2525 --server smtp://127.0.0.1:2526
                                              run a session against two servers
  mailrun diff --text before.txt after.txt    compare two transcripts, the words too
  mailrun diff before.json after.json         compare two JSON reports

Exit status: 0 if both are alike, 1 if they differ. If there is nothing to compare, for example because a server cannot be reached, \
it is that of the error; `mailrun --help` lists them.";

/// Shows where two servers answer differently: codes, enhanced codes and capabilities.
///
/// It compares two transcripts, two JSON reports, or what two servers answer to a session. Neither what the client says nor the
/// order of capabilities is a difference.
#[derive(Debug, Args)]
#[command(mut_arg("mx", |mx| mx.hide(true).conflicts_with("files")), after_help = DIFF_EXAMPLES, override_usage = "mailrun diff [OPTIONS] <A> <B>\n       mailrun diff [OPTIONS] <SESSION> --server <URL> --server <URL>")]
pub struct DiffArguments {
    /// Two transcripts or JSON reports, or one session; `-` is standard input
    #[arg(value_name = "FILE", required = true, num_args = 1..=2, value_hint = ValueHint::FilePath)]
    pub files: Vec<String>,
    /// A server to run the session against; given twice
    #[arg(long, value_name = "URL", value_parser = values::server_url)]
    pub server: Vec<String>,
    /// Compare the words of replies, too
    #[arg(long)]
    pub text: bool,
    /// Set a variable of [vars]; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = values::assignment)]
    pub var: Vec<(String, String)>,
    /// Set variables from a TOML file; repeatable, --var wins
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub vars: Vec<PathBuf>,
    /// Also let the session read files below this folder; repeatable
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub file_root: Vec<PathBuf>,
    /// Let the session run the programs of { command = … }
    #[arg(long)]
    pub allow_commands: bool,
    #[command(flatten)]
    pub connect: ConnectArguments,
}

impl DiffArguments {
    /// How the session is read and run against a server. Both runs have the same random values.
    pub fn for_server(&self, server: &str, seed: u64) -> (InputArguments, ConnectArguments) {
        let inputs = InputArguments {
            server: Some(server.to_owned()),
            var: self.var.clone(),
            vars: self.vars.clone(),
            file_root: self.file_root.clone(),
            allow_commands: self.allow_commands,
            seed: Some(seed),
            ..InputArguments::default()
        };
        (inputs, self.connect.clone())
    }
}

//! The options of `export`.

use crate::cli::arguments::InputArguments;
use crate::tools::export::ExportFormat;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};

const EXPORT_EXAMPLES: &str = "\
Examples:
  mailrun export bug.toml --as sh > bug.sh && sh bug.sh 127.0.0.1 2525
  mailrun export login.toml --as openssl > login.sh
  mailrun export mail.toml --as swaks";

/// Prints the dialogue of a session as commands for someone without mailrun.
///
/// The commands send the same bytes with the same pauses, and wait for the replies as the session does. Secrets become
/// environment variables. A step that the format cannot express exactly is an error (65) that names it.
#[derive(Debug, Args)]
#[command(after_help = EXPORT_EXAMPLES)]
pub struct ExportArguments {
    /// A session file; `-` is standard input
    #[arg(value_name = "SESSION", value_hint = ValueHint::FilePath)]
    pub session: String,
    /// What the commands are for
    #[arg(long = "as", value_name = "FORMAT", value_parser = formats())]
    pub format: ExportFormat,
    #[command(flatten)]
    pub inputs: InputArguments,
}

fn formats() -> impl TypedValueParser<Value = ExportFormat> {
    PossibleValuesParser::new(
        ExportFormat::ALL.map(|format| clap::builder::PossibleValue::new(format.name()).help(format.title())),
    )
    .map(|name| ExportFormat::ALL.into_iter().find(|format| format.name() == name).unwrap_or(ExportFormat::Sh))
}

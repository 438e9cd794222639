//! The options of `import`.

use crate::tools::import::LogFormat;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};

const IMPORT_EXAMPLES: &str = "\
Examples:
  mailrun import swaks.log > bug.toml
  swaks --to b@example.com 2>&1 | mailrun import - > bug.toml
  mailrun import --as postfix /var/log/mail.log";

/// Makes a session file from a transcript or a log of another program, and prints it.
///
/// The session says what the client of the log said, and expects the replies of the log. Every guess is marked with a
/// comment. Credentials become variables whose values come from the environment.
#[derive(Debug, Args)]
#[command(after_help = IMPORT_EXAMPLES)]
pub struct ImportArguments {
    /// The log; `-` is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: String,
    /// The format of the log [default: recognized]
    #[arg(long = "as", value_name = "FORMAT", value_parser = formats())]
    pub format: Option<LogFormat>,
}

fn formats() -> impl TypedValueParser<Value = LogFormat> {
    PossibleValuesParser::new(
        LogFormat::ALL.map(|format| clap::builder::PossibleValue::new(format.name()).help(format.title())),
    )
    .map(|name| LogFormat::ALL.into_iter().find(|format| format.name() == name).unwrap_or(LogFormat::Transcript))
}

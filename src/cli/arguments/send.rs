//! The options of `send`.

use super::run::{Color, ConnectArguments, DryRunArguments, OutputArguments};
use super::values;
use clap::{ArgGroup, Args, ValueHint};
use std::path::PathBuf;

const SEND_EXAMPLES: &str = "\
Examples:
  mailrun send --server smtp://127.0.0.1 --from a@example.com --to b@example.com --subject hello --text hi
  df -h | mailrun send --server smtp://mail.example.com --from cron@example.com --to ops@example.com --subject disks -
  mailrun send --server smtps://mail.example.com --user ann --from ann@example.com --to bob@example.com \\
      --subject report --body report.txt --attach report.pdf --save report.toml

The password of --user comes from --password-file, MAILRUN_PASSWORD or netrc, or is asked for.";

/// Sends one message without a session file.
///
/// It does what a session file with [message] does, which --save writes. Values are sent as they are: they are no templates.
#[derive(Debug, Args)]
#[command(after_help = SEND_EXAMPLES, group = ArgGroup::new("content").required(true))]
pub struct SendArguments {
    #[command(flatten)]
    pub message: MessageArguments,
    #[command(flatten)]
    pub dry: DryRunArguments,
    #[command(flatten)]
    pub output: OutputArguments,
    #[command(flatten)]
    pub connect: ConnectArguments,
    /// Colours on the terminal; NO_COLOR and CLICOLOR_FORCE are honoured
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,
}

/// The message, and how it is sent.
#[derive(Debug, Args)]
#[command(next_help_heading = "Message")]
pub struct MessageArguments {
    /// The server: smtp://, smtps://, lmtp://, smtp+unix://, lmtp+unix://
    #[arg(long, value_name = "URL", required_unless_present = "mx", value_parser = values::server_url)]
    pub server: Option<String>,
    /// The sender: ADDRESS or NAME <ADDRESS>
    #[arg(long, value_name = "ADDRESS", value_parser = values::one_line)]
    pub from: String,
    /// A recipient: ADDRESS or NAME <ADDRESS>; repeatable
    #[arg(long, value_name = "ADDRESS", required = true, value_parser = values::one_line)]
    pub to: Vec<String>,
    /// The subject
    #[arg(long, value_name = "SUBJECT", allow_hyphen_values = true, value_parser = values::one_line)]
    pub subject: String,
    /// The text
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, group = "content")]
    pub text: Option<String>,
    /// A file with the text; `-` is standard input
    #[arg(long, value_name = "FILE", group = "content", value_hint = ValueHint::FilePath)]
    pub body: Option<PathBuf>,
    /// `-` reads the text from standard input
    #[arg(value_name = "-", group = "content", value_parser = values::standard_input)]
    pub input: Option<String>,
    /// The text is HTML; a plain text part is made from it
    #[arg(long)]
    pub html: bool,
    /// A file to attach; repeatable
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub attach: Vec<PathBuf>,
    /// A header field; repeatable. Date and Message-ID replace the default
    #[arg(long, value_name = "NAME: VALUE", value_parser = values::header_field)]
    pub header: Vec<(String, String)>,
    /// Log in as this user
    #[arg(long, value_name = "USER", value_parser = values::one_line)]
    pub user: Option<String>,
    /// The file with the password
    #[arg(long, value_name = "FILE", requires = "user", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
    /// Also write the session file, for `mailrun run`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub save: Option<PathBuf>,
}

//! The options of `auth-string`.

use crate::cli::arguments::values;
use clap::Args;
use clap_complete::ArgValueCandidates;

const AUTH_STRING_EXAMPLES: &str = "\
Examples:
  mailrun auth-string PLAIN --user ann@example.com    asks for the password
  printf '%s\\n' ann secret | mailrun auth-string LOGIN
  mailrun auth-string CRAM-MD5 --user tim --challenge PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+
  mailrun auth-string --decode AHRpbQB0YW5zdGFhZg==

Other users of the machine can see a password on the command line: leave it out, or set MAILRUN_PASSWORD.";

/// Prints the base64 strings that a client sends for AUTH, one per line.
///
/// Missing values are asked for on a terminal, or read from standard input, one per line: user, password or token, challenge.
#[derive(Debug, Args)]
#[command(after_help = AUTH_STRING_EXAMPLES)]
pub struct AuthStringArguments {
    /// PLAIN, LOGIN, CRAM-MD5, XOAUTH2, OAUTHBEARER, EXTERNAL or ANONYMOUS
    #[arg(value_name = "MECHANISM", required_unless_present = "decode", add = ArgValueCandidates::new(values::mechanisms))]
    pub mechanism: Option<String>,
    /// The base64 to decode [default: lines of standard input]
    #[arg(value_name = "BASE64", requires = "decode")]
    pub encoded: Vec<String>,
    /// The user's name
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// The password
    #[arg(long, value_name = "PASSWORD")]
    pub password: Option<String>,
    /// The token, for XOAUTH2 and OAUTHBEARER
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// The authorization identity: the user to act as
    #[arg(long, value_name = "USER")]
    pub authzid: Option<String>,
    /// The server's challenge, for CRAM-MD5
    #[arg(long, value_name = "BASE64")]
    pub challenge: Option<String>,
    /// Decode base64; NUL is printed as \x00
    #[arg(long)]
    pub decode: bool,
}

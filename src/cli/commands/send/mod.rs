//! `mailrun send`: sends one message without a session file.
//!
//! The options become a session file with `[message]`, which runs like any other.

mod session_text;

use super::run;
use crate::cli::arguments::{InputArguments, MessageArguments, RunArguments, SendArguments};
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::cli::output::new_file::{cannot_save, save_session};
use crate::cli::sessions::diagnostics::source_error;
use crate::cli::suite_runner::suite::Suite;
use crate::event::Status;
use crate::session::{Server, Sources, TextDecoding, decode_text};
use crate::source::{SessionPath, SystemSources, io_error_text, read_argument_file};
use session_text::{Content, Password};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The longest text that is taken from standard input, or turned from HTML to text, in bytes: that of a template's result.
const MAX_TEXT: u64 = 16 << 20;

/// The width of the plain text that is made of HTML, in columns.
const PLAIN_WIDTH: usize = 76;

/// Sends the message. `origin` says where an option came from, for errors.
pub fn main(arguments: &SendArguments, origin: &dyn Fn(&str) -> String) -> Result<Status, CommandError> {
    let message = &arguments.message;
    check_headers(message)?;
    let content = read_content(message)?;
    let text = |password, folder: Option<&Path>| session_text::write(message, &content, password, folder);
    if let Some(path) = &message.save {
        save_session(path, &text(Password::Saved, Some(&folder_of(path)?)))?;
    }
    let own = text(password(message), None);
    let inputs = InputArguments {
        server: message.server.clone(),
        // The command line names its files itself, so they may be anywhere.
        file_root: vec![PathBuf::from("/")],
        color: arguments.color,
        ..InputArguments::default()
    };
    let run = RunArguments {
        inputs,
        dry: arguments.dry.clone(),
        output: arguments.output.clone(),
        connect: arguments.connect.clone(),
        ..RunArguments::default()
    };
    let name = message.save.clone().unwrap_or_else(|| PathBuf::from("send"));
    let suite = Suite::open_sessions(&run, origin, &|inputs| {
        Ok(vec![inputs.load_text(SessionPath::File(name.clone()), &own)])
    })?;
    run::run_suite(suite, &run)
}

/// Refuses header fields that other options or the parts of the message make.
fn check_headers(message: &MessageArguments) -> Result<(), CommandError> {
    let mut seen: Vec<&str> = Vec::new();
    for (name, _) in &message.header {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let help = if is("From") || is("To") || is("Subject") {
            Some(format!("give --{}", name.to_ascii_lowercase()))
        } else if is("Cc") || is("Bcc") || is("Resent-Bcc") {
            Some("give each recipient with --to".to_owned())
        } else if is("MIME-Version") || name.to_ascii_lowercase().starts_with("content-") {
            Some("it is made from the text and the attachments".to_owned())
        } else if is("DKIM-Signature") {
            Some("a session file with [dkim] signs".to_owned())
        } else {
            None
        };
        if let Some(help) = help {
            return Err(CommandError::usage(format!("--header cannot set {name}")).with_help(help));
        }
        if seen.iter().any(|other| is(other)) {
            return Err(CommandError::usage(format!("--header sets {name} twice")));
        }
        seen.push(name);
    }
    Ok(())
}

/// Reads what cannot stay in its file: standard input, and HTML, of which plain text is made.
fn read_content(message: &MessageArguments) -> Result<Content, CommandError> {
    let file = message.body.as_deref().filter(|path| *path != Path::new("-"));
    let (text, file) = match (&message.text, file) {
        (Some(text), _) => (Some(text.clone()), None),
        (None, Some(path)) if message.html => {
            let bytes = read_argument_file(path).map_err(|why| source_error(why).with_prefix("--body"))?;
            (Some(as_text(&bytes, "--body")?), Some(path.to_owned()))
        }
        (None, Some(path)) => (None, Some(path.to_owned())),
        (None, None) => (Some(read_standard_input()?), None),
    };
    let plain = text.as_deref().filter(|_| message.html).map(plain_text).transpose()?;
    Ok(Content { text, file, plain })
}

/// The plain text of HTML, with links as footnotes.
fn plain_text(html: &str) -> Result<String, CommandError> {
    html2text::from_read(html.as_bytes(), PLAIN_WIDTH)
        .map_err(|why| CommandError::invalid_data(format!("no plain text can be made of the HTML: {why}")))
}

fn read_standard_input() -> Result<String, CommandError> {
    let mut bytes = Vec::new();
    io::stdin().take(MAX_TEXT + 1).read_to_end(&mut bytes).map_err(|why| {
        CommandError::new(Status::NoInput, format!("cannot read standard input: {}", io_error_text(&why)))
    })?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_TEXT {
        let error = CommandError::invalid_data("the text on standard input is longer than 16 MiB");
        return Err(error.with_help("attach it as a file: --attach FILE"));
    }
    as_text(&bytes, "standard input")
}

/// Text in UTF-8, or as a byte order mark says. Other bytes become U+FFFD, with a warning.
fn as_text(bytes: &[u8], what: &str) -> Result<String, CommandError> {
    let (text, invalid) = decode_text(bytes, TextDecoding::of_content(None))
        .map_err(|why| CommandError::invalid_data(format!("{what}: {why}")))?;
    if let Some(first) = invalid.in_file(what) {
        console::warning(&format!("not UTF-8: {first}: replaced by U+FFFD"));
    }
    Ok(text)
}

/// Where the password comes from: a file, the environment, netrc, or the terminal.
fn password(message: &MessageArguments) -> Password<'_> {
    if let Some(path) = &message.password_file {
        return Password::File(path);
    }
    if std::env::var_os("MAILRUN_PASSWORD").is_some_and(|value| !value.is_empty()) {
        return Password::Environment;
    }
    let host = message.server.as_deref().and_then(|url| Server::parse(url).ok()).map(|server| server.host().to_owned());
    let sources = SystemSources::new(Path::new("."), &[], false);
    let entry = match (&host, &sources) {
        (Some(host), Ok(sources)) => sources.netrc(host, message.user.as_deref(), "password").ok().flatten(),
        _ => None,
    };
    if entry.is_some() { Password::Netrc } else { Password::Prompt }
}

/// The folder of a file that is to be written, with links resolved.
fn folder_of(path: &Path) -> Result<PathBuf, CommandError> {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    folder.canonicalize().map_err(|why| cannot_save(path, &why))
}

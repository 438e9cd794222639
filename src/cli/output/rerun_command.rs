//! The command that runs a single session again, as a diagnosis prints it.

use crate::cli::arguments::RunArguments;
use crate::event::HumanDuration;
use crate::report::diagnosis::literal_secrets;
use crate::report::record::Record;
use crate::session::Session;
use crate::transcript::{Redactor, escape_unprintable};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Printed instead of a secret value.
const SECRET: &str = "[secret]";

/// The values of the command line that must not be printed.
pub struct HiddenValues {
    names: BTreeSet<String>,
    redactor: Redactor,
}

impl HiddenValues {
    /// Finds them by the session's secrets, and by what the run has found to be secret.
    pub fn of(arguments: &RunArguments, session: &Session, record: &Record) -> Self {
        if arguments.output.show_secrets {
            return Self { names: BTreeSet::new(), redactor: Redactor::off() };
        }
        let mut names = session.secret_names();
        names.extend(record.given_secrets.iter().map(|name| name.as_str().to_owned()));
        let mut redactor = literal_secrets(session);
        for (_, value) in arguments.inputs.var.iter().filter(|(name, _)| names.contains(name)) {
            redactor.add(value);
        }
        Self { names, redactor }
    }

    fn must_hide(&self, name: &str, value: &str) -> bool {
        !value.is_empty() && (self.names.contains(name) || !self.redactor.find(value.as_bytes()).is_empty())
    }
}

/// `mailrun run --server smtp://127.0.0.1:2525 smoke/relay.toml`, as a shell reads it.
pub fn command_line(arguments: &RunArguments, file: &str, hidden: &HiddenValues) -> String {
    whole_command(session_options(arguments, arguments.batch.limit, hidden), file, hidden)
}

/// The command that sends the rows of a batch that are left: as fast, and over as many connections, as this run. With
/// `--limit` it starts no more than these.
pub fn continue_command(arguments: &RunArguments, left: u64, file: &str, hidden: &HiddenValues) -> String {
    let mut words = session_options(arguments, arguments.batch.limit.map(|_| left), hidden);
    words.extend(arguments.connect.wait.map(|wait| format!("--wait {}", time(&wait))));
    words.extend(arguments.select.jobs.map(|jobs| format!("--jobs {jobs}")));
    words.extend(arguments.batch.rate.map(|rate| format!("--rate {}", rate_argument(rate))));
    whole_command(words, file, hidden)
}

fn whole_command(mut words: Vec<String>, file: &str, hidden: &HiddenValues) -> String {
    words.push(if file == "-" { file.to_owned() } else { shell_quoted(&argument_bytes(Path::new(file))) });
    hidden.redactor.redact(words.join(" ")).as_str().to_owned()
}

/// A duration as an option: what [`HumanDuration`] prints, without the space.
fn time(duration: &Duration) -> String {
    if duration.is_zero() { "0".to_owned() } else { HumanDuration(*duration).to_string().replace(' ', "") }
}

/// Rows per second as `--rate` reads them: `50/s`, `90/m`.
fn rate_argument(rate: f64) -> String {
    let whole = |seconds: f64| {
        let number = (rate * seconds).round();
        (number >= 1.0 && (number - rate * seconds).abs() < 1e-6).then_some(number)
    };
    let units = [("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let found = units.iter().find_map(|(unit, seconds)| Some(format!("{}/{unit}", whole(*seconds)?)));
    found.unwrap_or_else(|| format!("{}/h", rate * 3600.0))
}

/// `mailrun run`, and the options that decide what a session means and sends.
fn session_options(arguments: &RunArguments, limit: Option<u64>, hidden: &HiddenValues) -> Vec<String> {
    let mut words = vec!["mailrun".to_owned(), "run".to_owned()];
    let mut option = |name: &str, value: &[u8]| words.push(format!("{name} {}", shell_quoted(value)));
    let (meaning, connect) = (&arguments.inputs, &arguments.connect);
    meaning.server.iter().for_each(|server| option("--server", server.as_bytes()));
    for (name, value) in &meaning.var {
        let value = if hidden.must_hide(name, value) { SECRET } else { value };
        option("--var", format!("{name}={value}").as_bytes());
    }
    meaning.vars.iter().for_each(|path| option("--vars", &argument_bytes(path)));
    meaning.file_root.iter().for_each(|path| option("--file-root", &argument_bytes(path)));
    meaning.seed.iter().for_each(|seed| option("--seed", seed.to_string().as_bytes()));
    arguments.select.part.from_step.iter().for_each(|number| option("--from-step", number.to_string().as_bytes()));
    arguments.select.part.to_step.iter().for_each(|number| option("--to-step", number.to_string().as_bytes()));
    // Without the ledger, a batch would send everything again.
    arguments.batch.ledger.iter().for_each(|path| option("--ledger", &argument_bytes(path)));
    arguments.batch.shard.iter().for_each(|shard| option("--shard", shard.to_string().as_bytes()));
    limit.iter().for_each(|limit| option("--limit", limit.to_string().as_bytes()));
    arguments.batch.key.iter().for_each(|key| option("--key", key.as_bytes()));
    arguments.batch.to.iter().for_each(|address| option("--to", address.to_string().as_bytes()));
    arguments.batch.patience.iter().for_each(|patience| option("--patience", time(patience).as_bytes()));
    arguments.batch.retry.iter().for_each(|times| option("--retry", times.to_string().as_bytes()));
    connect.timeout.iter().for_each(|timeout| option("--timeout", time(timeout).as_bytes()));
    connect.connect_timeout.iter().for_each(|timeout| option("--connect-timeout", time(timeout).as_bytes()));
    connect.ca.iter().for_each(|path| option("--ca", &argument_bytes(path)));
    connect.mx.iter().for_each(|domain| option("--mx", domain.as_bytes()));
    let resolutions = connect.resolve.iter();
    resolutions.for_each(|(host, port, address)| option("--resolve", format!("{host}:{port}:{address}").as_bytes()));
    let flags = [
        (meaning.allow_commands, "--allow-commands"),
        (arguments.dry.dry_run, "--dry-run"),
        (connect.insecure, "--insecure"),
        (connect.ipv4, "--ipv4"),
        (connect.ipv6, "--ipv6"),
    ];
    words.extend(flags.iter().filter(|(given, _)| *given).map(|(_, flag)| (*flag).to_owned()));
    words
}

/// A file name as a shell reads it.
pub fn file_argument(path: &Path) -> String {
    shell_quoted(&argument_bytes(path))
}

/// A file name as an argument. A name that begins with `-` gets `./` in front, so that it is not read as an option.
fn argument_bytes(path: &Path) -> Vec<u8> {
    let name = path.as_os_str().as_encoded_bytes();
    if name.starts_with(b"-") { [b"./", name].concat() } else { name.to_vec() }
}

/// Quotes an argument for a shell. If it has characters that must not reach a terminal, bash's `$'…'` is used.
pub fn shell_quoted(word: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./:@=,+%".contains(byte);
    let shown = escape_unprintable(word);
    if !word.is_empty() && word.iter().all(plain) {
        shown
    } else if shown.as_bytes() == word {
        format!("'{}'", shown.replace('\'', "'\\''"))
    } else {
        let mut out = String::from("$'");
        // Backslashes are doubled first, since escaping adds more of them.
        for piece in word.split_inclusive(|byte| matches!(byte, b'\\' | b'\'')) {
            match piece {
                [before @ .., mark @ (b'\\' | b'\'')] => {
                    out.push_str(&escape_unprintable(before));
                    out.push('\\');
                    out.push(char::from(*mark));
                }
                rest => out.push_str(&escape_unprintable(rest)),
            }
        }
        out.push('\'');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_quoted_for_a_shell() {
        let table: [(&[u8], &str, &str); 9] = [
            (b"smtp://[::1]:25", "'smtp://[::1]:25'", "brackets are a pattern"),
            (b"a/b.toml", "a/b.toml", "a plain word"),
            (b"it's", "'it'\\''s'", "a quote"),
            (b"$(x)", "'$(x)'", "a command"),
            (b"a\\x0ab", "'a\\x0ab'", "a backslash is one"),
            (b"new\nline", "$'new\\x0aline'", "a line break must not end the command"),
            (b"\x1b[2J'\\", "$'\\x1b[2J\\'\\\\'", "nothing reaches the terminal, and quotes stay quotes"),
            (b"\xff", "$'\\xff'", "no UTF-8"),
            (b"", "''", "nothing"),
        ];
        for (word, expected, why) in table {
            assert_eq!(shell_quoted(word), expected, "{why}");
        }
    }

    #[test]
    fn a_rate_is_printed_as_the_option_reads_it() {
        for text in ["50/s", "1/s", "90/m", "1/m", "7/h", "1/h", "1000000/s", "2.5/h"] {
            let rate = crate::session::parse_rate(text).expect(text);
            let printed = rate_argument(rate);
            let again = crate::session::parse_rate(&printed).expect(&printed);
            assert!((again - rate).abs() < rate * 1e-9, "{text}: {printed}");
            assert!(text == "2.5/h" || printed == text, "{text}: {printed}");
        }
        assert_eq!(rate_argument(10.0), "10/s", "600/m");
    }

    #[test]
    fn a_shell_reads_quoted_arguments_back() {
        let words: [&[u8]; 5] = [b"a\n\x1b'\\$(x)`", b"it's", b"\\n", b"\xffabc", "\u{202e}x".as_bytes()];
        for word in words {
            let script = format!("printf %s {}", shell_quoted(word));
            let output = std::process::Command::new("bash").args(["-c", &script]).output().expect("bash is there");
            assert_eq!(output.stdout, word, "{script}");
        }
    }

    #[test]
    fn a_file_name_is_not_read_as_an_option() {
        assert_eq!(argument_bytes(Path::new("-dash.toml")), b"./-dash.toml");
        assert_eq!(argument_bytes(Path::new("a-b.toml")), b"a-b.toml");
    }
}

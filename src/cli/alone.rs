//! The command that runs one session alone, as a diagnosis shows it.

use super::arguments::RunArguments;
use crate::event::Words;
use crate::transcript::printable;

/// `mailrun run --server smtp://127.0.0.1:2525 smoke/relay.toml`.
pub fn command(arguments: &RunArguments, file: &str) -> String {
    let mut words = vec!["mailrun".to_owned(), "run".to_owned()];
    let mut option = |name: &str, value: &str| words.push(format!("{name} {}", quoted(value)));
    let (meaning, connect) = (&arguments.meaning, &arguments.connect);
    meaning.server.iter().for_each(|server| option("--server", server));
    meaning.var.iter().for_each(|(name, value)| option("--var", &format!("{name}={value}")));
    meaning.vars.iter().for_each(|path| option("--vars", &path.to_string_lossy()));
    meaning.file_root.iter().for_each(|path| option("--file-root", &path.to_string_lossy()));
    meaning.seed.iter().for_each(|seed| option("--seed", &seed.to_string()));
    arguments.part.from_step.iter().for_each(|number| option("--from-step", &number.to_string()));
    arguments.part.to_step.iter().for_each(|number| option("--to-step", &number.to_string()));
    // A duration's words are what the option reads, but for the shortest ones.
    let time = |duration: &std::time::Duration| Words(*duration).to_string().replace(' ', "");
    connect.timeout.iter().for_each(|timeout| option("--timeout", &time(timeout)));
    connect.connect_timeout.iter().for_each(|timeout| option("--connect-timeout", &time(timeout)));
    connect.ca.iter().for_each(|path| option("--ca", &path.to_string_lossy()));
    connect.mx.iter().for_each(|domain| option("--mx", domain));
    let resolutions = connect.resolve.iter();
    resolutions.for_each(|(host, port, address)| option("--resolve", &format!("{host}:{port}:{address}")));
    let flags = [
        (meaning.allow_commands, "--allow-commands"),
        (arguments.dry.dry_run, "--dry-run"),
        (connect.insecure, "--insecure"),
        (connect.ipv4, "--ipv4"),
        (connect.ipv6, "--ipv6"),
    ];
    words.extend(flags.iter().filter(|(given, _)| *given).map(|(_, flag)| (*flag).to_owned()));
    words.push(quoted(file));
    printable(words.join(" ").as_bytes())
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=,+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        let table = [
            ("smtp://[::1]:25", "'smtp://[::1]:25'", "brackets are a pattern"),
            ("a/b.toml", "a/b.toml", "a plain word"),
            ("it's", "'it'\\''s'", "a quote"),
            ("$(x)", "'$(x)'", "a command"),
            ("", "''", "nothing"),
        ];
        for (word, expected, why) in table {
            assert_eq!(quoted(word), expected, "{why}");
        }
    }
}

//! `mailrun completions`: completions for a shell.
//!
//! The script that is printed asks mailrun for what can be typed next. So the position of an argument counts, and a script is
//! never older than the program.

use crate::cli::arguments::{CompletionsArguments, definition};
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::event::Status;
use clap_complete::env::{CompleteEnv, Shells};

/// The scripts set it to the name of their shell. mailrun then prints what can be typed next, and nothing else.
const VARIABLE: &str = "MAILRUN_COMPLETE";

/// Prints the script for a shell.
pub fn main(arguments: &CompletionsArguments) -> Result<Status, CommandError> {
    let name = arguments.shell.to_string();
    let shells = Shells::builtins();
    let shell =
        shells.completer(&name).ok_or_else(|| CommandError::usage(format!("there are no completions for {name}")))?;
    let mut script = Vec::new();
    // Writing to memory cannot fail.
    let _ = shell.write_registration(VARIABLE, "mailrun", "mailrun", "mailrun", &mut script);
    Ok(console::print(&String::from_utf8_lossy(&script)))
}

/// Answers the script of a shell and ends the process. Returns if no script asked.
pub fn answer() {
    CompleteEnv::with_factory(definition).var(VARIABLE).bin("mailrun").complete();
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;
    use std::ffi::OsString;

    /// What can be typed in place of the last word.
    fn completed(words: &[&str]) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("news.toml"), "").expect("a file can be written");
        std::fs::create_dir(folder.path().join("smoke")).expect("a folder can be made");
        let words: Vec<OsString> = ["mailrun"].iter().chain(words).map(OsString::from).collect();
        let last = words.len() - 1;
        let found = clap_complete::engine::complete(&mut definition(), words, last, Some(folder.path()));
        let found = found.expect("the words can be completed");
        found.iter().map(|candidate| candidate.get_value().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn each_position_offers_what_can_be_there() {
        let (files, folders): (&[&str], &[&str]) = (&["news.toml", "smoke/"], &["smoke/"]);
        let states: &[&str] = &["pending", "sent", "unknown"];
        /// What is typed; what is offered then, and what is not; why.
        type Row<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str], &'a str);
        let table: &[Row<'_>] = &[
            (&["ne"], &["new"], &["run"], "a command"),
            (&["new", ""], &["report", "smoke", "suite"], files, "a kind"),
            (&["new", "report", ""], files, &["report", "batch"], "a file after the kind"),
            (&["man", ""], &["run", "test", "man"], files, "a command"),
            (&["man", "run", ""], &[], &["run", "news.toml"], "nothing after it"),
            (&["run", ""], files, &["always"], "sessions"),
            (&["test", "news.toml", ""], files, &[], "more sessions"),
            (&["check", "n"], &["news.toml"], &["smoke/"], "the beginning of a name"),
            (&["import", ""], files, &["swaks"], "a log"),
            (&["import", "--as", ""], &["swaks", "pcap"], files, "a format"),
            (&["run", "--color", ""], &["always", "never"], files, "a word"),
            (&["serve", "--match", ""], &["command", "any"], files, "a word"),
            (&["run", "--junit", ""], files, &["--junit"], "a file"),
            (&["run", "--sink", ""], folders, &["news.toml"], "a folder"),
            (&["ledger", "news.db", ""], &["list", "resolve"], files, "a command of the ledger"),
            (&["ledger", "news.db", "list", "--state", ""], states, files, "a state"),
            (
                &["ledger", "news.db", "resolve", "ann", ""],
                &["sent", "deferred", "pending"],
                &["unknown"],
                "a new state",
            ),
            (&["auth-string", "PL"], &["PLAIN"], &["LOGIN"], "a mechanism"),
            (&["completions", ""], &["bash", "fish", "zsh"], files, "a shell"),
            (&["test", "--tag", ""], &[], files, "a word of one's own"),
            (&["shell", ""], &[], files, "a URL"),
        ];
        for (words, offered, others, why) in table {
            let found = completed(words);
            for word in *offered {
                assert!(found.iter().any(|one| one == word), "{words:?} ({why}) lacks {word}: {found:?}");
            }
            for word in *others {
                assert!(!found.iter().any(|one| one == word), "{words:?} ({why}) offers {word}");
            }
        }
    }

    #[test]
    fn every_shell_has_a_script_that_names_mailrun() {
        for shell in clap_complete::Shell::value_variants() {
            let shells = Shells::builtins();
            let completer = shells.completer(&shell.to_string()).expect("the shell is known");
            let mut script = Vec::new();
            completer
                .write_registration(VARIABLE, "mailrun", "mailrun", "mailrun", &mut script)
                .expect("a Vec takes all");
            let script = String::from_utf8(script).expect("a script is text");
            assert!(script.contains(VARIABLE) && script.contains("mailrun"), "{shell}: {script}");
        }
    }
}

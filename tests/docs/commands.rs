//! The commands that the pages and the help of each command show: mailrun's own parser takes their options.

use crate::blocks::{blocks, of_kind};
use std::iter::Peekable;
use std::str::Chars;

/// The commands of a line of shell, each a list of words. Expansions become `1`.
fn shell_commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => word.get_or_insert_default().extend(chars.by_ref().take_while(|c| *c != '\'')),
            '"' => read_quoted(&mut chars, word.get_or_insert_default()),
            '$' => expand(&mut chars, word.get_or_insert_default()),
            '\\' => word.get_or_insert_default().extend(chars.next()),
            '#' if word.is_none() => break,
            ' ' | '|' | '&' | ';' | '<' | '>' => {
                commands.last_mut().expect("there is one").extend(word.take());
                if c != ' ' {
                    commands.push(Vec::new());
                }
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    commands.last_mut().expect("there is one").extend(word);
    commands
}

fn read_quoted(chars: &mut Peekable<Chars>, word: &mut String) {
    while let Some(c) = chars.next().filter(|c| *c != '"') {
        match c {
            '$' => expand(chars, word),
            '\\' => word.extend(chars.next()),
            _ => word.push(c),
        }
    }
}

/// Reads what follows a `$`: a name, or something in brackets.
fn expand(chars: &mut Peekable<Chars>, word: &mut String) {
    let mut depth = 0;
    while let Some(c) = chars.peek() {
        match c {
            '(' | '{' => depth += 1,
            ')' | '}' if depth == 1 => {
                chars.next();
                break;
            }
            ')' | '}' => depth -= 1,
            _ if depth == 0 && !c.is_ascii_alphanumeric() && *c != '_' => break,
            _ => {}
        }
        chars.next();
    }
    word.push('1');
}

/// The calls of mailrun in a line, also those after `--`.
fn mailrun_calls(line: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for words in shell_commands(line) {
        let begins = |at: usize| words[..at].iter().all(|word| word.contains('=')) || words[at - 1] == "--";
        let starts = (0..words.len()).filter(|at| words[*at] == "mailrun" && begins(*at));
        calls.extend(starts.map(|at| words[at..].to_vec()));
    }
    calls
}

#[test]
fn commands_are_split_as_a_shell_splits_them() {
    let table: [(&str, &[&[&str]]); 5] = [
        ("A=1 mailrun run a.toml > x", &[&["mailrun", "run", "a.toml"]]),
        ("x | mailrun import - # why", &[&["mailrun", "import", "-"]]),
        ("mailrun --shard \"$A/$((B + 1))\" 'a b'", &[&["mailrun", "--shard", "1/1", "a b"]]),
        ("mailrun serve x -- mailrun run", &[&["mailrun", "serve", "x", "--", "mailrun", "run"], &["mailrun", "run"]]),
        ("docker build --tag mailrun .", &[]),
    ];
    for (line, expected) in table {
        assert_eq!(mailrun_calls(line), expected, "{line}");
    }
}

/// # Panics
/// If mailrun does not take the options of a call.
fn check_calls(place: &str, text: &str) -> usize {
    let text = text.replace("\\\n", " ");
    let calls: Vec<_> = text.lines().flat_map(|line| mailrun_calls(line.trim_start())).collect();
    for call in &calls {
        if let Err(error) = mailrun::cli::definition().try_get_matches_from(call) {
            panic!("{place}: {}\n{error}", call.join(" "));
        }
    }
    calls.len()
}

#[test]
fn mailrun_takes_every_command_that_the_pages_show() {
    let blocks = blocks();
    let calls: usize = of_kind(&blocks, "sh").iter().map(|block| check_calls(&block.place(), &block.text)).sum();
    assert!(calls > 60, "the pages show commands: {calls}");
}

#[test]
fn mailrun_takes_every_example_of_the_help() {
    let mut definition = mailrun::cli::definition();
    definition.build();
    // What an example does may follow it, after several spaces.
    let examples = |command: &clap::Command| {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default().replace("\\\n      ", "");
        let lines = help.lines().map(|line| line.trim_start().split("   ").next().unwrap_or_default());
        lines.collect::<Vec<_>>().join("\n")
    };
    let calls: usize =
        definition.get_subcommands().map(|command| check_calls(command.get_name(), &examples(command))).sum();
    assert!(calls > 30, "the help has examples: {calls}");
}

//! `mailrun ledger`: shows, resolves, exports and merges ledgers.

use crate::batch::ledger::{LedgerAdmin, ResolveCounts, ResolveTarget};
use crate::cli::arguments::{LedgerArguments, LedgerCommand};
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::cli::output::rerun_command::shell_quoted;
use crate::event::{Status, group_thousands};
use crate::report::diagnosis::escape_workflow_commands;
use crate::transcript::escape_unprintable;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Runs `ledger` or one of its commands.
pub fn main(arguments: &LedgerArguments) -> Result<Status, CommandError> {
    let open = || LedgerAdmin::open(&arguments.ledger);
    match &arguments.command {
        None => counts(&open()?),
        Some(LedgerCommand::List { state }) => list(&open()?, state.as_deref()),
        Some(LedgerCommand::Export { csv: _, state }) => export(&open()?, state.as_deref()),
        Some(LedgerCommand::Resolve { key, state, to }) => {
            resolve(&open()?, key.as_deref(), state.as_deref(), to.as_deref())
        }
        Some(LedgerCommand::Merge { others }) => merge(&arguments.ledger, others),
    }
}

/// Adds the rows of other ledgers, all of which must be ledgers: if one is not, no ledger is created or changed.
fn merge(path: &Path, others: &[PathBuf]) -> Result<Status, CommandError> {
    for other in others {
        LedgerAdmin::open(other)?;
    }
    let ledger = LedgerAdmin::open_or_create(path)?;
    let mut status = Status::Passed;
    for other in others {
        let count = rows(ledger.merge(other)?);
        let name = escape_unprintable(other.as_os_str().as_encoded_bytes());
        status = Status::worst([status, console::print(&format!("{count} of {name}\n"))]);
    }
    Ok(status)
}

/// `1 row`, `2,000 rows`.
fn rows(count: usize) -> String {
    format!("{} {}", group_thousands(count), if count == 1 { "row" } else { "rows" })
}

/// Sets the state of a row, or of all rows in a state.
fn resolve(
    ledger: &LedgerAdmin,
    key: Option<&str>,
    state: Option<&str>,
    to: Option<&str>,
) -> Result<Status, CommandError> {
    let (which, to) = match (key, state, to) {
        (Some(key), None, Some(to)) => (ResolveTarget::Key(key), to),
        (None, Some(state), Some(to)) => (ResolveTarget::State(state), to),
        // `resolve --state unknown sent`: the positional argument is the new state.
        (Some(to), Some(state), None) if is_resolved_state(to) => (ResolveTarget::State(state), to),
        _ => {
            let message = "give a key and its new state, or --state STATE and the new one: sent, deferred or pending";
            return Err(CommandError::usage(message));
        }
    };
    if !is_resolved_state(to) {
        let word = escape_unprintable(to.as_bytes());
        let message = format!("\"{word}\" is not a state to resolve a row to: expected sent, deferred or pending");
        return Err(CommandError::usage(message));
    }
    let changed = ledger.resolve(&which, to)?;
    if let ResolveTarget::Key(key) = which
        && changed == ResolveCounts::default()
    {
        let key = escape_unprintable(key.as_bytes());
        return Err(CommandError::invalid_data(format!(
            "there is no row with the key {key}, or a running batch holds it"
        )));
    }
    let mut text = String::new();
    if changed.resolved > 0 || changed.deferred == 0 {
        text = format!("{} {to}\n", rows(changed.resolved));
    }
    if changed.deferred > 0 {
        text += &format!("{} deferred: the next run sends the rest\n", rows(changed.deferred));
    }
    Ok(console::print(&text))
}

fn is_resolved_state(word: &str) -> bool {
    matches!(word, "sent" | "deferred" | "pending")
}

fn counts(ledger: &LedgerAdmin) -> Result<Status, CommandError> {
    let counts = ledger.counts()?;
    let mut text = String::new();
    for (state, count) in &counts {
        text += &format!("{:<9}{:>9}\n", escape_unprintable(state.as_bytes()), group_thousands(*count));
    }
    let total = counts.iter().map(|(_, count)| count).sum();
    Ok(console::print(&format!("{text}{:<9}{:>9}\n", "rows", group_thousands(total))))
}

fn list(ledger: &LedgerAdmin, state: Option<&str>) -> Result<Status, CommandError> {
    let (mut out, failed) = console::StdoutWriter::new();
    // A line for each row, with its recipients at the end if it has several.
    let (mut line, mut of, mut id_of_row) = (String::new(), None, None);
    let mut write = |line: &mut String| {
        let text = escape_workflow_commands(&format!("{line}\n"));
        let is_written = line.is_empty() || out.write_all(text.as_bytes()).is_ok();
        line.clear();
        is_written
    };
    ledger.list(state, &mut |entry| {
        let row = Some((entry.session, entry.key.clone()));
        let mut is_written = true;
        if of != row {
            is_written = write(&mut line);
            line = shown_key(&entry.key);
            of = row;
        }
        let words = match &entry.recipient {
            Some(recipient) => {
                line += &format!(" <{}>", escape_unprintable(recipient.as_bytes()));
                [Some(entry.state), entry.message_id.filter(|id| Some(id) != id_of_row.as_ref()), entry.reply]
            }
            None => {
                id_of_row.clone_from(&entry.message_id);
                [Some(entry.state), entry.message_id, entry.reply]
            }
        };
        for word in words.iter().flatten() {
            line += &format!(" {}", escape_unprintable(word.as_bytes()));
        }
        is_written
    })?;
    write(&mut line);
    let _ = out.flush();
    Ok(failed.status())
}

/// A key in a line whose words are separated by spaces. One that has spaces, or is empty, is quoted for a shell.
fn shown_key(key: &str) -> String {
    let is_word = !key.is_empty() && !key.contains(char::is_whitespace) && !key.starts_with(['\'', '$']);
    if is_word { escape_unprintable(key.as_bytes()) } else { shell_quoted(key.as_bytes()) }
}

fn export(ledger: &LedgerAdmin, state: Option<&str>) -> Result<Status, CommandError> {
    let (out, failed) = console::StdoutWriter::new();
    // Fields are escaped only on a terminal: other readers get the exact values.
    let seen = std::io::stdout().is_terminal();
    let text = |value: &str| if seen { escape_unprintable(value.as_bytes()) } else { value.to_owned() };
    let mut table = csv::Writer::from_writer(out);
    let header = ["session", "key", "recipient", "state", "message_id", "reply", "queue_id", "attempts", "changed"];
    let mut alive = table.write_record(header).is_ok();
    ledger.list(state, &mut |entry| {
        let attempts = entry.attempts.to_string();
        let known = |value: &Option<String>| value.as_deref().map(text).unwrap_or_default();
        let fields = [
            text(&entry.session),
            text(&entry.key),
            known(&entry.recipient),
            text(&entry.state),
            known(&entry.message_id),
            known(&entry.reply),
            known(&entry.queue_id),
            attempts,
            text(&entry.changed),
        ];
        alive = alive && table.write_record(&fields).is_ok();
        alive
    })?;
    let _ = table.flush();
    Ok(failed.status())
}

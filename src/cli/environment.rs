//! Options from the environment: `--connect-timeout` as `MAILRUN_CONNECT_TIMEOUT`.
//!
//! Variables become arguments before those of the command line, so that clap parses both in the same way. A variable is ignored
//! if the command line has the same option or one that conflicts with it. Lists have one value per line, flags are `1`, and an
//! empty variable counts as not set. Options that could send mail to the wrong people unnoticed have no variable.

use crate::cli::arguments::Arguments;
use crate::session::closest_name;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The options that only the command line has: a variable that was left over would choose who gets mail, or show secrets.
pub const WITHOUT_VARIABLE: [&str; 6] = ["to", "key", "limit", "show-secrets", "resend-unknown", "yes"];

/// The arguments, and which options came from the environment.
#[derive(Debug)]
pub struct ParsedArguments {
    pub arguments: Arguments,
    from_environment: Vec<String>,
}

impl ParsedArguments {
    /// Where an option came from, for errors: `--vars` or `MAILRUN_VARS`.
    pub fn origin(&self, long: &str) -> String {
        if self.from_environment.iter().any(|l| l == long) { variable_name(long) } else { format!("--{long}") }
    }
}

/// Parses the command line and the environment. `arguments` begins with the name of the program.
pub fn parse(
    arguments: Vec<OsString>,
    lookup: &dyn Fn(&str) -> Option<OsString>,
) -> Result<ParsedArguments, clap::Error> {
    // First without the environment and without errors, to see which options the command line has.
    let given = Arguments::command().ignore_errors(true).try_get_matches_from(&arguments).ok();
    let mut definition = Arguments::command();
    definition.build();
    let mut all = arguments;
    let mut from_environment = Vec::new();
    if let Some((name, matches)) = given.as_ref().and_then(ArgMatches::subcommand)
        && let Some(command) = definition.find_subcommand(name)
        && let Some(place) = all.iter().skip(1).position(|argument| argument == name)
    {
        // `ledger FILE list`: the options of the inner command go to the end, but before `--`.
        if let Some((name, matches)) = matches.subcommand()
            && let Some(command) = command.find_subcommand(name)
        {
            let behind = all.iter().skip(place + 2).skip_while(|argument| *argument != name);
            let end = all.len() - behind.skip_while(|argument| *argument != "--").count();
            let (extra, names) = arguments_for(command, matches, lookup)?;
            all.splice(end..end, extra);
            from_environment.extend(names);
        }
        let (extra, names) = arguments_for(command, matches, lookup)?;
        all.splice(place + 2..place + 2, extra);
        from_environment.extend(names);
    }
    Arguments::command()
        .try_get_matches_from(&all)
        .and_then(|matches| Arguments::from_arg_matches(&matches))
        .map_err(|error| {
            if error.kind() == ErrorKind::InvalidUtf8 {
                return invalid_utf8(&all, &from_environment);
            }
            let error = suggest_commands_of_option(suggest_a_command(error, &definition), &definition);
            add_variable_name(error, &from_environment)
        })
        .map(|arguments| ParsedArguments { arguments, from_environment })
}

/// The arguments for a command from the environment, and the names of their options.
fn arguments_for(
    command: &Command,
    given: &ArgMatches,
    lookup: &dyn Fn(&str) -> Option<OsString>,
) -> Result<(Vec<OsString>, Vec<String>), clap::Error> {
    let on_command_line = |arg: &Arg| {
        given.try_contains_id(arg.get_id().as_str()).is_ok()
            && given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
    };
    let mut extra = Vec::new();
    let mut names = Vec::new();
    for arg in command.get_arguments() {
        let Some(long) = arg.get_long().filter(|long| !matches!(*long, "help" | "version")) else { continue };
        // The key of `serve` is a file.
        if WITHOUT_VARIABLE.contains(&long) && command.get_name() != "serve" {
            continue;
        }
        let Some(value) = lookup(&variable_name(long)).filter(|value| !value.is_empty()) else { continue };
        let contradicted = command
            .get_arguments()
            .any(|other| on_command_line(other) && (conflicts(command, arg, other) || conflicts(command, other, arg)));
        if on_command_line(arg) || contradicted {
            continue;
        }
        match arg.get_action() {
            ArgAction::SetTrue => match value.as_bytes() {
                b"1" | b"true" => extra.push(format!("--{long}").into()),
                b"0" | b"false" => continue,
                _ => return Err(bad_flag(long, &value)),
            },
            ArgAction::Append => {
                for line in value.as_bytes().split(|b| *b == b'\n') {
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    if !line.is_empty() {
                        extra.push(option(long, line));
                    }
                }
            }
            _ => extra.push(option(long, value.as_bytes())),
        }
        names.push(long.to_owned());
    }
    Ok((extra, names))
}

fn conflicts(command: &Command, one: &Arg, other: &Arg) -> bool {
    command.get_arg_conflicts_with(one).iter().any(|arg| arg.get_id() == other.get_id())
}

fn option(long: &str, value: &[u8]) -> OsString {
    let mut argument = format!("--{long}=").into_bytes();
    argument.extend_from_slice(value);
    OsString::from_vec(argument)
}

/// `MAILRUN_CONNECT_TIMEOUT` for `connect-timeout`.
pub fn variable_name(long: &str) -> String {
    format!("MAILRUN_{}", long.replace('-', "_").to_ascii_uppercase())
}

fn bad_flag(long: &str, value: &OsStr) -> clap::Error {
    let value = crate::transcript::escape_unprintable(value.as_bytes());
    let name = variable_name(long);
    let message = format!("invalid value '{value}' for '{name} (--{long})': expected 1 or true, or 0 or false\n");
    // A raw error has no usage: that of the whole program would not help.
    clap::Error::raw(ErrorKind::InvalidValue, message)
}

/// The error that names the arguments that are not UTF-8, and the variables that they come from.
fn invalid_utf8(arguments: &[OsString], from_environment: &[String]) -> clap::Error {
    let shown = arguments.iter().filter(|argument| argument.to_str().is_none()).map(|argument| {
        let text = crate::transcript::escape_unprintable(argument.as_bytes());
        let given = text.strip_prefix("--").and_then(|option| option.split_once('='));
        match given.filter(|(long, _)| from_environment.iter().any(|known| known == long)) {
            Some((long, value)) => format!("'{value}' in {} (--{long})", variable_name(long)),
            None => format!("'{text}'"),
        }
    });
    clap::Error::raw(ErrorKind::InvalidUtf8, format!("not UTF-8: {}\n", shown.collect::<Vec<_>>().join(", ")))
}

/// Adds a suggestion if clap has none, such as for two swapped letters.
fn suggest_a_command(mut error: clap::Error, definition: &Command) -> clap::Error {
    if error.get(ContextKind::SuggestedSubcommand).is_none()
        && let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand)
        && let Some(meant) = closest_name(typed, definition.get_subcommands().map(Command::get_name))
    {
        let meant = ContextValue::Strings(vec![meant.to_owned()]);
        error.insert(ContextKind::SuggestedSubcommand, meant);
    }
    error
}

/// Names the commands that have an unknown option, instead of clap's tip that it might be a value.
fn suggest_commands_of_option(mut error: clap::Error, definition: &Command) -> clap::Error {
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidArg) else { return error };
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(long) = typed.strip_prefix("--").and_then(|typed| typed.split('=').next()) else { return error };
    let has = |command: &&Command| command.get_arguments().any(|arg| arg.get_long() == Some(long));
    let whose: Vec<_> =
        definition.get_subcommands().filter(has).map(|command| format!("`{}`", command.get_name())).collect();
    if !long.is_empty() && !whose.is_empty() {
        let tip = format!("'--{long}' is an option of {}", whose.join(" and "));
        error.remove(ContextKind::SuggestedArg);
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// Adds the name of the variable to an error about an option whose value came from the environment.
fn add_variable_name(mut error: clap::Error, from_environment: &[String]) -> clap::Error {
    if let Some(ContextValue::String(about)) = error.get(ContextKind::InvalidArg) {
        let long = about.trim_start_matches("--").split([' ', '=']).next().unwrap_or_default();
        if from_environment.iter().any(|l| l == long) {
            let named = ContextValue::String(format!("{} ({about})", variable_name(long)));
            error.insert(ContextKind::InvalidArg, named);
        }
    }
    error
}

#[cfg(test)]
mod tests;

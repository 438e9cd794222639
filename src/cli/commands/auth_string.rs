//! `mailrun auth-string`: makes the base64 strings for AUTH, and decodes them.

use crate::cli::arguments::AuthStringArguments;
use crate::cli::error::CommandError;
use crate::cli::output::console;
use crate::cli::output::terminal_prompt;
use crate::event::Status;
use crate::session::closest_name;
use crate::smtp::sasl::{Credentials, Mechanism, start_exchange};
use crate::transcript::escape_unprintable;
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::io::{BufRead, Read};

/// Accepts missing padding, which some servers omit.
const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The longest line that is read, in bytes.
const LONGEST_LINE: u64 = 1 << 20;

/// The source of missing values.
pub trait Prompt {
    /// Asks for a line. `hidden` turns the echo off. `None` at the end of the input.
    fn ask(&mut self, what: &str, hidden: bool) -> std::io::Result<Option<String>>;
}

/// Prints the strings. `origin` says whether an option came from the environment.
pub fn main(arguments: &AuthStringArguments, origin: &dyn Fn(&str) -> String) -> Result<Status, CommandError> {
    let mut input = StdinPrompt;
    let lines = check_options(arguments, origin).and_then(|()| match arguments.decode {
        true => decode(arguments, &mut input),
        false => encode(arguments, &mut input),
    });
    let text = lines?.iter().map(|line| format!("{line}\n")).collect::<String>();
    Ok(console::print(&text))
}

/// Refuses options that are not used. Those of the environment may be meant for other commands, and are ignored.
fn check_options(arguments: &AuthStringArguments, origin: &dyn Fn(&str) -> String) -> Result<(), CommandError> {
    let name = arguments.mechanism.as_deref().unwrap_or_default();
    let (who, used): (String, &[&str]) = match Mechanism::parse(name) {
        _ if arguments.decode => ("--decode".to_owned(), &[]),
        Ok(mechanism) => (mechanism.to_string(), options_of(mechanism)),
        // An unknown mechanism is an error later.
        Err(_) => return Ok(()),
    };
    let given = [
        ("user", &arguments.user),
        ("password", &arguments.password),
        ("token", &arguments.token),
        ("authzid", &arguments.authzid),
        ("challenge", &arguments.challenge),
    ];
    for (option, _) in given.iter().filter(|(option, value)| value.is_some() && !used.contains(option)) {
        let option = format!("--{option}");
        if origin(option.trim_start_matches('-')) == option {
            return Err(CommandError::usage(format!("{who} does not use {option}")));
        }
    }
    Ok(())
}

/// The options that a mechanism uses.
fn options_of(mechanism: Mechanism) -> &'static [&'static str] {
    match mechanism {
        Mechanism::Plain => &["user", "password", "authzid"],
        Mechanism::Login => &["user", "password"],
        Mechanism::CramMd5 => &["user", "password", "challenge"],
        Mechanism::Xoauth2 => &["user", "token"],
        Mechanism::OauthBearer => &["user", "token", "authzid"],
        Mechanism::External => &["user", "authzid"],
        Mechanism::Anonymous => &["user"],
        // These are an error later.
        Mechanism::ScramSha256Plus | Mechanism::ScramSha1Plus | Mechanism::ScramSha256 | Mechanism::ScramSha1 => {
            &["user", "password", "token", "authzid", "challenge"]
        }
    }
}

/// The mechanisms whose strings do not depend on a nonce of the server.
const OFFLINE_MECHANISMS: [Mechanism; 7] = [
    Mechanism::Plain,
    Mechanism::Login,
    Mechanism::CramMd5,
    Mechanism::Xoauth2,
    Mechanism::OauthBearer,
    Mechanism::External,
    Mechanism::Anonymous,
];

fn unknown_mechanism(name: &str) -> String {
    let names = OFFLINE_MECHANISMS.map(Mechanism::name);
    let meant = closest_name(name, names.into_iter()).map_or(String::new(), |meant| format!(": did you mean {meant}?"));
    format!("unknown mechanism \"{name}\", expected one of {}{meant}", names.join(", "))
}

/// The base64 strings, one for each message of the mechanism.
fn encode(arguments: &AuthStringArguments, input: &mut dyn Prompt) -> Result<Vec<String>, CommandError> {
    let name = arguments.mechanism.as_deref().unwrap_or_default();
    let mechanism = Mechanism::parse(name).map_err(|unknown| {
        let why = if unknown.is_intentional { unknown.to_string() } else { unknown_mechanism(&unknown.name) };
        CommandError::usage(escape_unprintable(why.as_bytes()))
    })?;
    let (user, password, token, challenge) = match mechanism {
        Mechanism::Plain | Mechanism::Login => (true, true, false, false),
        Mechanism::CramMd5 => (true, true, false, true),
        Mechanism::Xoauth2 | Mechanism::OauthBearer => (true, false, true, false),
        Mechanism::External | Mechanism::Anonymous => (false, false, false, false),
        Mechanism::ScramSha256Plus | Mechanism::ScramSha1Plus | Mechanism::ScramSha256 | Mechanism::ScramSha1 => {
            let error = CommandError::usage(format!("{mechanism} depends on a nonce of the server"));
            return Err(error.with_help("use `auth` in a session file"));
        }
    };
    let mut need = |needed: bool, given: &Option<String>, what: &str, hidden: bool| match given {
        None if needed => read_missing(input, what, hidden),
        given => Ok(given.clone().unwrap_or_default()),
    };
    let credentials = Credentials {
        user: need(user, &arguments.user, "user", false)?,
        password: need(password, &arguments.password, "password", true)?,
        token: need(token, &arguments.token, "token", true)?,
        authzid: arguments.authzid.clone().unwrap_or_default(),
        ..Credentials::default()
    };
    // A challenge for another mechanism need not be base64.
    let given = arguments.challenge.clone().filter(|_| challenge);
    let challenge = need(challenge, &given, "challenge", false)?;
    let challenge = LENIENT_BASE64
        .decode(challenge.trim())
        .map_err(|_| CommandError::usage("the challenge is not base64".to_owned()))?;

    // RFC 4616 §2: NUL divides PLAIN's fields, and no other mechanism has a use for it.
    for (what, value) in [
        ("user", &credentials.user),
        ("password", &credentials.password),
        ("token", &credentials.token),
        ("authorization identity", &credentials.authzid),
    ] {
        if value.contains(['\0', '\r', '\n']) {
            return Err(CommandError::invalid_data(format!("the {what} contains a line break or a NUL")));
        }
    }

    let mut exchange = start_exchange(mechanism, credentials, "");
    let mut messages = Vec::new();
    messages.extend(exchange.start().map_err(sasl_error)?);
    match mechanism {
        Mechanism::Login => {
            for prompt in [&b"Username:"[..], b"Password:"].iter().skip(messages.len()) {
                messages.push(exchange.respond(prompt).map_err(sasl_error)?);
            }
        }
        Mechanism::CramMd5 => messages.push(exchange.respond(&challenge).map_err(sasl_error)?),
        _ => {}
    }
    // RFC 4954 §4: an empty initial response is sent as `=`.
    Ok(messages.iter().map(|m| if m.bytes.is_empty() { "=".to_owned() } else { STANDARD.encode(&m.bytes) }).collect())
}

fn sasl_error(why: crate::smtp::sasl::SaslError) -> CommandError {
    CommandError::invalid_data(escape_unprintable(why.to_string().as_bytes()))
}

fn read_missing(input: &mut dyn Prompt, what: &str, hidden: bool) -> Result<String, CommandError> {
    match input.ask(what, hidden) {
        Ok(Some(line)) => Ok(line),
        Ok(None) => Err(CommandError::invalid_data(format!(
            "the {what} is missing: give --{what}, or a line on standard input"
        ))),
        Err(why) => Err(CommandError::new(Status::NoInput, format!("cannot read the {what}: {why}"))),
    }
}

/// Decodes base64, one line for each string.
fn decode(arguments: &AuthStringArguments, input: &mut dyn Prompt) -> Result<Vec<String>, CommandError> {
    let mut encoded = arguments.encoded.clone();
    // A mechanism may be given first, as for encoding. It does not matter here.
    if let Some(first) = arguments.mechanism.as_ref().filter(|name| Mechanism::parse(name).is_err()) {
        encoded.insert(0, first.clone());
    }
    if encoded.is_empty() {
        while let Some(line) =
            input.ask("base64", false).map_err(|why| CommandError::new(Status::NoInput, why.to_string()))?
        {
            encoded.push(line);
        }
    }
    encoded
        .iter()
        .map(|line| match line.trim() {
            "=" => Ok(String::new()),
            text => LENIENT_BASE64.decode(text).map(|bytes| escape_unprintable(&bytes)).map_err(|_| {
                CommandError::invalid_data(format!("{} is not base64", escape_unprintable(text.as_bytes())))
            }),
        })
        .collect()
}

/// Standard input: prompts on a terminal, otherwise reads the next line.
struct StdinPrompt;

impl Prompt for StdinPrompt {
    fn ask(&mut self, what: &str, hidden: bool) -> std::io::Result<Option<String>> {
        terminal_prompt::ask(what, hidden, || {
            let mut line = Vec::new();
            std::io::stdin().lock().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
            if line.is_empty() {
                return Ok(None);
            }
            if line.pop_if(|b| *b == b'\n').is_some() {
                line.pop_if(|b| *b == b'\r');
            }
            String::from_utf8(line).map(Some).map_err(|_| std::io::Error::other("the input is not UTF-8"))
        })
    }
}

#[cfg(test)]
mod tests;

//! `:auth`: the SASL exchange, with a password that is asked for.

use super::link::{NoReply, ShellLink};
use super::recording::{RecordedAction, RecordedLogin, RecordedReply, SecretKind};
use super::shell_input::ShellInput;
use crate::exec::ServerAddress;
use crate::smtp::reply::Reply;
use crate::smtp::sasl::{AuthDialogue, AuthLine, AuthTurn, Credentials, Mechanism, MechanismChoice};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io;

/// Authenticates with the mechanism of that name; without a name with the strongest that the server offers. False: it was not
/// tried, and nothing was asked for.
pub fn log_in(link: &mut ShellLink, name: &str, input: &mut dyn ShellInput) -> io::Result<bool> {
    let mechanism = match choose(link, name) {
        Ok(mechanism) => mechanism,
        Err(why) => {
            link.say(&why);
            return Ok(false);
        }
    };
    let Some(credentials) = ask(link, mechanism, input)? else { return Ok(true) };
    let nonce = nonce()?;
    let login = RecordedLogin {
        mechanism,
        user: credentials.user.clone(),
        secret: secret_of(mechanism),
        in_plain_text: link.tls().is_none(),
    };
    match exchange(link, AuthDialogue::new(mechanism, credentials, &nonce)) {
        Ok(reply) => link.record(RecordedAction::Login(login), RecordedReply::Code(reply.code.get())),
        Err(LoginError::NoReply(why)) => link.record(RecordedAction::Login(login), why.into()),
        Err(LoginError::Failed(why)) => link.say(&format!("AUTH {mechanism} failed: {why}")),
    }
    Ok(true)
}

/// The mechanism that is named, or the strongest that takes a password. Without a name nothing is sent that can be read on
/// the way.
fn choose(link: &ShellLink, name: &str) -> Result<Mechanism, String> {
    if !name.is_empty() {
        return Mechanism::parse(name).map_err(|unknown| unknown.to_string());
    }
    let offered = link.capabilities().auth();
    if offered.is_empty() {
        return Err("the server has offered no mechanism (EHLO shows them); :auth PLAIN tries one all the same".into());
    }
    let choice = MechanismChoice {
        offered: &offered,
        has_password: true,
        has_token: false,
        channel_binding: link.tls().is_some_and(|tls| tls.server_end_point.is_some()),
        client_certificate: false,
    };
    let Some(mechanism) = choice.strongest() else {
        return Err(format!("the server offers {}; :auth NAME chooses one of them", offered.join(", ")));
    };
    if mechanism.is_plaintext() && !link.is_private() {
        return Err(format!(
            "AUTH {mechanism} would send the password unencrypted: STARTTLS first, or :auth {mechanism} to send it so"
        ));
    }
    Ok(mechanism)
}

fn secret_of(mechanism: Mechanism) -> Option<SecretKind> {
    match mechanism {
        Mechanism::ScramSha256Plus
        | Mechanism::ScramSha1Plus
        | Mechanism::ScramSha256
        | Mechanism::ScramSha1
        | Mechanism::CramMd5
        | Mechanism::Plain
        | Mechanism::Login => Some(SecretKind::Password),
        Mechanism::Xoauth2 | Mechanism::OauthBearer => Some(SecretKind::Token),
        Mechanism::External | Mechanism::Anonymous => None,
    }
}

/// Asks for what the mechanism needs; `None` if that was abandoned.
fn ask(link: &mut ShellLink, mechanism: Mechanism, input: &mut dyn ShellInput) -> io::Result<Option<Credentials>> {
    let (host, port) = match &link.server().address {
        ServerAddress::Tcp { host, port } => (host.clone(), *port),
        ServerAddress::Unix(_) => (link.server().host().to_owned(), 0),
    };
    let mut credentials = Credentials {
        host,
        port,
        channel_binding: link.tls().and_then(|tls| tls.server_end_point.clone()),
        plus_offered: link.capabilities().auth().iter().any(|name| name.ends_with("-PLUS")),
        ..Credentials::default()
    };
    if mechanism != Mechanism::External {
        let Some(user) = input.ask("user", false)? else { return Ok(None) };
        credentials.user = user;
    }
    let (what, value) = match secret_of(mechanism) {
        Some(SecretKind::Password) => ("password", &mut credentials.password),
        Some(SecretKind::Token) => ("token", &mut credentials.token),
        None => return Ok(Some(credentials)),
    };
    let Some(secret) = input.ask(what, true)? else { return Ok(None) };
    link.log().redactor.add(&secret);
    *value = secret;
    Ok(Some(credentials))
}

/// Printable letters without a comma that nobody can guess.
fn nonce() -> io::Result<String> {
    let mut bytes = [0; 18];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(STANDARD.encode(bytes))
}

enum LoginError {
    NoReply(NoReply),
    Failed(String),
}

/// The dialogue, up to the reply that decides it.
fn exchange(link: &mut ShellLink, mut dialogue: AuthDialogue) -> Result<Reply, LoginError> {
    let failed = |error: crate::smtp::sasl::SaslError| LoginError::Failed(error.to_string());
    let mut line = dialogue.start(true).map_err(failed)?;
    loop {
        let reply = send(link, &line)?;
        line = match dialogue.reply(&reply) {
            AuthTurn::Send(line) => line,
            AuthTurn::Cancel(error) => {
                send(link, &AuthLine { text: "*".to_owned(), secret: None })?;
                return Err(failed(error));
            }
            AuthTurn::Fail(error) => return Err(failed(error)),
            AuthTurn::Decided => return Ok(reply),
        };
    }
}

fn send(link: &mut ShellLink, line: &AuthLine) -> Result<Reply, LoginError> {
    let mut hidden = None;
    if let Some(secret) = &line.secret {
        link.log().redactor.add_response(secret);
        hidden = Some(line.text.rfind(' ').map_or(0, |at| at + 1));
    }
    if !link.send(format!("{}\r\n", line.text).as_bytes(), hidden) {
        return Err(LoginError::NoReply(NoReply::Closed));
    }
    link.read_reply().map_err(LoginError::NoReply)
}

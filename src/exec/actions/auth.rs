//! Authentication: SASL over AUTH (RFC 4954). The dialogue itself is in `smtp::sasl`.

use super::command::exchange;
use crate::event::{Cause, Note, Status};
use crate::exec::checks::{any, any_or_end, judge};
use crate::exec::connection::SHORT_WAIT;
use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::exec::exchange::SmtpCommand;
use crate::exec::read_outcome::ReadOutcome;
use crate::prepare::one_line;
use crate::session::{AuthSettings, Expectation, ReplyFacts, ServerAddress, Template};
use crate::smtp::sasl::{AuthDialogue, AuthTurn, Credentials, Mechanism, MechanismChoice, SaslError};
use crate::smtp::timeouts::Timeout;
use crate::transcript::SafeText;
use std::time::Duration;

/// What helps if a server offers AUTH alone.
const NO_MECHANISM: &str =
    "the server names no mechanism; `mechanism = \"PLAIN\"` in [auth] tries that one all the same";

/// Authenticates as the step says.
pub fn auth(context: &mut StepContext<'_, '_>, settings: &AuthSettings) -> Result<(), StepError> {
    authenticate(context, settings, context.expected()?, context.step.timeout)
}

/// One exchange with one mechanism: a refusal never leads to another.
pub fn authenticate(
    context: &mut StepContext<'_, '_>,
    settings: &AuthSettings,
    expect: &Expectation,
    timeout: Option<Duration>,
) -> Result<(), StepError> {
    let credentials = credentials(context, settings)?;
    let mechanism = mechanism(context, settings, &credentials)?;
    let secrets = vec![credentials.password.clone(), credentials.token.clone()];
    let mut dialogue = AuthDialogue::new(mechanism, credentials, &context.row.scope.random_letters(24));
    let started = dialogue.start(settings.initial_response);
    let mut line = started.map_err(|error| sasl_failure(context, &dialogue, &error))?;
    let any = any_or_end(expect);
    loop {
        if let Some(secret) = &line.secret {
            context.events.secrets.redactor.add_response(secret);
        }
        let bytes = format!("{}\r\n", line.text).into_bytes();
        let command = SmtpCommand {
            short_secrets: secrets.clone(),
            deadline: context.deadline(timeout, Timeout::Other),
            reply_to: Some("AUTH"),
            ..SmtpCommand::line(context, &bytes, &any, timeout)
        };
        // `None`: the end that the step expects in place of a reply.
        let Some(facts) = exchange(context, &command)? else { return Ok(()) };
        let turn = dialogue.reply(&facts.reply);
        if !dialogue.challenge().is_empty() {
            let text = context.events.shown(dialogue.challenge());
            context.note(Note::DecodedChallenge { text });
        }
        line = match turn {
            AuthTurn::Send(line) => line,
            AuthTurn::Cancel(error) => {
                cancel(context, timeout)?;
                return Err(StepError { closes_connection: true, ..sasl_failure(context, &dialogue, &error) });
            }
            AuthTurn::Fail(error) => return Err(sasl_failure(context, &dialogue, &error)),
            AuthTurn::Decided => return judge_decision(context, &dialogue, expect, facts),
        };
    }
}

/// Renders who logs in. Password and token are secrets wherever they come from.
fn credentials(context: &mut StepContext<'_, '_>, settings: &AuthSettings) -> Result<Credentials, StepError> {
    let text = |context: &StepContext<'_, '_>, template: &Option<Template>| match template {
        Some(template) => context.renderer().render_line(template),
        None => Ok(String::new()),
    };
    let (password, token) = (secret(context, &settings.password)?, secret(context, &settings.token)?);
    let (host, port) = match &context.server().address {
        ServerAddress::Tcp { host, port } => (host.clone(), *port),
        ServerAddress::Unix(_) => (context.server().host().to_owned(), 0),
    };
    Ok(Credentials {
        user: text(context, &settings.user)?,
        authzid: text(context, &settings.authzid)?,
        password,
        token,
        host,
        port,
        channel_binding: context.connection.server.tls.as_ref().and_then(|tls| tls.server_end_point.clone()),
        plus_offered: context.connection.server.ehlo.auth().iter().any(|name| name.ends_with("-PLUS")),
    })
}

/// The redactor knows it before anything is shown of it, even that it cannot be sent.
fn secret(context: &mut StepContext<'_, '_>, template: &Option<Template>) -> Result<String, StepError> {
    let Some(template) = template else { return Ok(String::new()) };
    let text = context.renderer().render(template)?;
    context.events.secrets.redactor.add(&text);
    one_line(&context.events.secrets, text, template)
}

/// The mechanism that is named, or the strongest that both sides have.
fn mechanism(
    context: &StepContext<'_, '_>,
    settings: &AuthSettings,
    credentials: &Credentials,
) -> Result<Mechanism, StepError> {
    let offered = context.connection.server.ehlo.auth();
    let chosen = settings.mechanism.or_else(|| {
        let choice = MechanismChoice {
            offered: &offered,
            has_password: settings.password.is_some(),
            has_token: settings.token.is_some(),
            channel_binding: credentials.channel_binding.is_some(),
            client_certificate: context.connection.is_encrypted() && context.connector.tls.client_cert.is_some(),
        };
        choice.strongest()
    });
    let lacking = |what: String, help: Option<SafeText>| {
        StepError::new(Status::Config, Cause::MissingCapability { what: context.events.shown(what), help })
    };
    let Some(mechanism) = chosen else {
        let (what, help) = match offered.is_empty() {
            true if context.connection.server.ehlo.has("AUTH") => {
                ("a SASL mechanism: it offers AUTH without mechanisms".to_owned(), Some(SafeText::new(NO_MECHANISM)))
            }
            true => ("AUTH".to_owned(), None),
            false => (format!("a SASL mechanism that both sides have (it offers {})", offered.join(", ")), None),
        };
        return Err(lacking(what, help));
    };
    if mechanism.is_plaintext() && !context.connection.is_encrypted() && !settings.allow_plaintext {
        let what = format!("an encrypted connection for AUTH {mechanism}, whose credentials can be read on the way");
        return Err(lacking(what, Some(SafeText::new("allow_plaintext = true in [auth] sends them all the same"))));
    }
    Ok(mechanism)
}

/// Judges the reply that ended the exchange.
fn judge_decision(
    context: &StepContext<'_, '_>,
    dialogue: &AuthDialogue,
    expect: &Expectation,
    facts: ReplyFacts,
) -> Result<(), StepError> {
    let (code, mut words) = (facts.reply.code, facts.reply.code_and_text());
    let deadline = context.deadline(None, Timeout::Other);
    match judge(context, expect, ReadOutcome::Reply(facts), "the reply to AUTH", deadline) {
        Err(_) if matches!(code.class(), 4 | 5) => {
            let status = match code.get() {
                400..500 => Status::TempFail,
                // The server does not know AUTH or the mechanism, or not in this state (RFC 4954 §4, RFC 5321 §4.2.4).
                502 | 503 | 504 | 530 | 538 => Status::Config,
                _ => Status::NoPerm,
            };
            if let Some(refusal) = dialogue.refusal() {
                words = format!("{words}; the server said {}", refusal.trim());
            }
            let (mechanism, reply) = (SafeText::new(dialogue.mechanism().name()), context.events.shown_reply(words));
            Err(StepError::new(status, Cause::AuthRefused { mechanism, reply, code: code.get() }))
        }
        judged => judged.map(drop),
    }
}

/// Gives up with `*` (RFC 4954 §4) and reads the reply to it. Whatever comes of that, the challenge is what went wrong,
/// unless a signal ends it.
fn cancel(context: &mut StepContext<'_, '_>, timeout: Option<Duration>) -> Result<(), StepError> {
    let (any, deadline) = (any(), context.deadline(timeout, Timeout::Other));
    let command = SmtpCommand::line(context, b"*\r\n", &any, Some(deadline.duration.min(SHORT_WAIT)));
    match exchange(context, &command) {
        Err(error) if matches!(error.cause, Cause::Interrupted { .. }) => Err(error),
        _ => Ok(()),
    }
}

/// The dialogue failed. The connection stays open only if nothing was sent yet.
fn sasl_failure(context: &StepContext<'_, '_>, dialogue: &AuthDialogue, error: &SaslError) -> StepError {
    let status = match error {
        SaslError::BadSignature => Status::NoPerm,
        SaslError::InvalidCredential(_) => Status::DataErr,
        // After the proof the server's error is its refusal.
        SaslError::Refused(_) if dialogue.secret_sent() => Status::NoPerm,
        SaslError::UnexpectedChallenge
        | SaslError::EarlySuccess
        | SaslError::BadChallenge(_)
        | SaslError::Refused(_) => Status::Protocol,
    };
    let (mechanism, why) = (SafeText::new(dialogue.mechanism().name()), context.events.shown(error.to_string()));
    let failure = StepError::closing(status, Cause::Sasl { mechanism, why });
    StepError { closes_connection: !matches!(error, SaslError::InvalidCredential(_)), ..failure }
}

//! The SASL exchange of AUTH (RFC 4954).

use super::command::exchange;
use crate::event::{Cause, Note, Status};
use crate::exec::checks::{any, any_or_end, judge};
use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::exec::exchange::{SHORT_WAIT, SmtpCommand, reply_words};
use crate::exec::read_outcome::ReadOutcome;
use crate::prepare::one_line;
use crate::session::{AuthSettings, Expectation, ServerAddress, Template};
use crate::smtp::reply::Reply;
use crate::smtp::sasl::{self, Credentials, Mechanism, MechanismChoice, Response, SaslError, SaslExchange};
use crate::smtp::timeouts::Timeout;
use crate::transcript::SafeText;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

/// The longest AUTH command with an initial response, CRLF included (RFC 4954 §4).
const MAX_COMMAND: usize = 512;
/// Rounds of challenge and response; no mechanism here has more than four.
const MAX_ROUNDS: usize = 16;
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
    let short_secrets = vec![credentials.password.clone(), credentials.token.clone()];
    let nonce = context.row.scope.random_letters(24);
    let any = any_or_end(expect);
    let mut commands = AuthExchange { mechanism, short_secrets, any, timeout, secret_sent: false };
    let mut exchange = sasl::start_exchange(mechanism, credentials, &nonce);
    let first = exchange.start().map_err(|error| commands.unable(context, &error))?;
    let (mut said, mut pending) = commands.open(context, first, settings.initial_response)?;
    for _ in 0..MAX_ROUNDS {
        // The end that the step expects in place of a reply.
        let Some(reply) = said else { return Ok(()) };
        if reply.code.get() != 334 {
            if pending.is_some() && reply.code.class() == 2 {
                return Err(commands.unable(context, &SaslError::EarlySuccess));
            }
            return commands.end(context, exchange.as_mut(), expect, &reply);
        }
        let challenge = match commands.challenge(context, &reply) {
            Some(challenge) => challenge,
            None => {
                return Err(commands.cancel(context, "the server's challenge is not base64", Status::Protocol));
            }
        };
        let response = match pending.take() {
            // The response that could not stand in the AUTH command answers the empty challenge (RFC 4954 §4).
            Some(response) => response,
            None => match exchange.respond(&challenge) {
                Ok(response) => response,
                Err(error) => return Err(commands.exchange_error(context, &error)),
            },
        };
        said = commands.respond(context, response)?;
    }
    Err(commands.cancel(context, "the server does not stop asking", Status::Protocol))
}

/// Renders who logs in. Password and token are secrets wherever they come from.
fn credentials(context: &mut StepContext<'_, '_>, settings: &AuthSettings) -> Result<Credentials, StepError> {
    let text = |context: &StepContext<'_, '_>, template: &Option<Template>| match template {
        Some(template) => context.renderer().render_line(template),
        None => Ok(String::new()),
    };
    let (password, token) = (secret(context, &settings.password)?, secret(context, &settings.token)?);
    let (host, port) = match &context.connector.server.address {
        ServerAddress::Tcp { host, port } => (host.clone(), *port),
        ServerAddress::Unix(_) => (context.connector.server.host().to_owned(), 0),
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

/// What the commands of one exchange share.
struct AuthExchange {
    mechanism: Mechanism,
    /// The secrets that responses are made of: hidden though they may be short.
    short_secrets: Vec<String>,
    /// What may come when a reply is due.
    any: Expectation,
    timeout: Option<Duration>,
    /// Whether something made of the secret has left.
    secret_sent: bool,
}

impl AuthExchange {
    /// Sends AUTH. Gives its reply, or nothing if an expected end came in its place, and the first response if that is still
    /// to be sent.
    fn open(
        &mut self,
        context: &mut StepContext<'_, '_>,
        first: Option<Response>,
        initial: bool,
    ) -> Result<(Option<Reply>, Option<Response>), StepError> {
        let command = format!("AUTH {}", self.mechanism);
        let Some(response) = first else { return self.line(context, &command).map(|reply| (reply, None)) };
        // RFC 4954 §4: an empty response is `=` there.
        let encoded = if response.bytes.is_empty() { "=".to_owned() } else { STANDARD.encode(&response.bytes) };
        if !initial || command.len() + encoded.len() + 3 > MAX_COMMAND {
            return self.line(context, &command).map(|reply| (reply, Some(response)));
        }
        self.hide(context, &response);
        self.line(context, &format!("{command} {encoded}")).map(|reply| (reply, None))
    }

    fn respond(&mut self, context: &mut StepContext<'_, '_>, response: Response) -> Result<Option<Reply>, StepError> {
        self.hide(context, &response);
        self.line(context, &STANDARD.encode(&response.bytes))
    }

    fn hide(&mut self, context: &mut StepContext<'_, '_>, response: &Response) {
        if response.secret {
            self.secret_sent = true;
            context.events.secrets.redactor.add_response(&response.bytes);
        }
    }

    fn line(&self, context: &mut StepContext<'_, '_>, line: &str) -> Result<Option<Reply>, StepError> {
        let bytes = format!("{line}\r\n").into_bytes();
        let line = SmtpCommand::line(context, &bytes, &self.any, self.timeout);
        let deadline = context.deadline(self.timeout, Timeout::Other);
        let command =
            SmtpCommand { short_secrets: self.short_secrets.clone(), deadline, reply_to: Some("AUTH"), ..line };
        Ok(exchange(context, &command)?.map(|facts| facts.reply))
    }

    /// Decodes a challenge; `None` if it is not base64. A bare `334` is the empty one.
    fn challenge(&self, context: &mut StepContext<'_, '_>, reply: &Reply) -> Option<Vec<u8>> {
        let text = reply.lines.first().map(Vec::as_slice).unwrap_or_default().trim_ascii();
        let challenge = if reply.lines.len() > 1 { None } else { STANDARD.decode(text).ok() }?;
        if !challenge.is_empty() {
            let text = context.events.shown(&challenge);
            context.note(Note::DecodedChallenge { text });
        }
        Some(challenge)
    }

    /// Judges the reply that ended the exchange.
    fn end(
        &self,
        context: &mut StepContext<'_, '_>,
        exchange: &mut dyn SaslExchange,
        expect: &Expectation,
        reply: &Reply,
    ) -> Result<(), StepError> {
        let facts =
            context.connection.server.reply.clone().ok_or_else(|| self.sasl(context, Status::Protocol, "no reply"))?;
        let deadline = context.deadline(self.timeout, Timeout::Other);
        let answer = ReadOutcome::Reply(facts);
        let judged = judge(context, expect, answer, "the reply to AUTH", deadline);
        if reply.code.class() == 2 {
            // It is a success only if the mechanism says so too: before any verdict.
            let data = sasl::additional_data(reply);
            exchange.finish(data.as_deref()).map_err(|error| self.unable(context, &error))?;
        }
        match judged {
            Ok(_) => Ok(()),
            Err(_) if matches!(reply.code.class(), 4 | 5) => {
                let code = reply.code.get();
                let status = match code {
                    400..500 => Status::TempFail,
                    // The server does not know AUTH or the mechanism, or not in this state (RFC 4954 §4, RFC 5321 §4.2.4).
                    502 | 503 | 504 | 530 | 538 => Status::Config,
                    _ => Status::NoPerm,
                };
                let mechanism = SafeText::new(self.mechanism.name());
                let mut words = reply_words(reply);
                if let Some(refusal) = exchange.refusal() {
                    words = format!("{words}; the server said {}", refusal.trim());
                }
                let reply = context.events.shown_reply(words);
                Err(StepError::new(status, Cause::AuthRefused { mechanism, reply, code }))
            }
            Err(error) => Err(error),
        }
    }

    /// An error of the exchange after a challenge.
    fn exchange_error(&self, context: &mut StepContext<'_, '_>, error: &SaslError) -> StepError {
        match error {
            // Nothing is left to send, and the credentials are not sent twice.
            SaslError::UnexpectedChallenge | SaslError::EarlySuccess => self.unable(context, error),
            SaslError::BadSignature => self.cancel(context, &error.to_string(), Status::NoPerm),
            // After the proof the server's error is its refusal.
            SaslError::Refused(_) if self.secret_sent => self.cancel(context, &error.to_string(), Status::NoPerm),
            SaslError::BadChallenge(_) | SaslError::Refused(_) => {
                self.cancel(context, &error.to_string(), Status::Protocol)
            }
            SaslError::InvalidCredential(_) => self.cancel(context, &error.to_string(), Status::DataErr),
        }
    }

    /// Gives up with `*` (RFC 4954 §4), reads the reply to it, and that is the end of the connection.
    fn cancel(&self, context: &mut StepContext<'_, '_>, why: &str, status: Status) -> StepError {
        let (any, deadline) = (any(), context.deadline(self.timeout, Timeout::Other));
        let timeout = Some(deadline.duration.min(SHORT_WAIT));
        let command = SmtpCommand::line(context, b"*\r\n", &any, timeout);
        match exchange(context, &command) {
            Err(error) if matches!(error.cause, Cause::Interrupted { .. }) => error,
            // Whatever came of it, the challenge was what went wrong.
            _ => self.sasl(context, status, why),
        }
    }

    fn unable(&self, context: &StepContext<'_, '_>, error: &SaslError) -> StepError {
        let status = match error {
            SaslError::BadSignature => Status::NoPerm,
            SaslError::InvalidCredential(_) => Status::DataErr,
            SaslError::Refused(_) if self.secret_sent => Status::NoPerm,
            SaslError::UnexpectedChallenge
            | SaslError::EarlySuccess
            | SaslError::BadChallenge(_)
            | SaslError::Refused(_) => Status::Protocol,
        };
        let mut failure = self.sasl(context, status, &error.to_string());
        // Nothing was sent yet: the dialogue is in step.
        failure.closes_connection = !matches!(error, SaslError::InvalidCredential(_));
        failure
    }

    fn sasl(&self, context: &StepContext<'_, '_>, status: Status, why: &str) -> StepError {
        let mechanism = SafeText::new(self.mechanism.name());
        StepError::closing(status, Cause::Sasl { mechanism, why: context.events.shown(why) })
    }
}

//! The SASL exchange of AUTH (RFC 4954).

use super::{Command, exchange, expected};
use crate::event::{Cause, Note, Status};
use crate::exec::channel::Channel;
use crate::exec::judge;
use crate::exec::player::Player;
use crate::exec::trouble::Trouble;
use crate::exec::variables;
use crate::session::{Address, AuthSettings, Expect, Step, Template};
use crate::smtp::limits::Wait;
use crate::smtp::reply::Reply;
use crate::smtp::sasl::{self, Choice, Credentials, Exchange, Mechanism, Response, SaslError};
use crate::transcript::Shown;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;

/// The longest AUTH command with an initial response, CRLF included (RFC 4954 §4).
const MAX_COMMAND: usize = 12_288;
/// Rounds of challenge and response; no mechanism here has more than four.
const MAX_ROUNDS: usize = 16;
/// How long the reply to `*` is awaited: the exchange is over, whatever it says.
const PATIENCE: Duration = Duration::from_secs(2);

pub fn auth(
    player: &mut Player<'_>,
    channel: &mut Channel,
    settings: &AuthSettings,
    step: &Step,
) -> Result<(), Trouble> {
    let expect = expected(player, step)?;
    authenticate(player, channel, settings, expect, step.timeout)
}

/// One exchange with one mechanism: a refusal never leads to another.
pub fn authenticate(
    player: &mut Player<'_>,
    channel: &mut Channel,
    settings: &AuthSettings,
    expect: &Expect,
    timeout: Option<Duration>,
) -> Result<(), Trouble> {
    let credentials = credentials(player, channel, settings)?;
    let mechanism = mechanism(player, channel, settings, &credentials)?;
    let used = vec![credentials.password.clone(), credentials.token.clone()];
    let nonce = player.scope.random_letters(24);
    let any = judge::any_or_end(expect);
    let mut talk = Talk { mechanism, used, any, timeout, secret_sent: false };
    let mut exchange = sasl::exchange(mechanism, credentials, &nonce);
    let first = exchange.start().map_err(|error| talk.unable(player, &error))?;
    let (mut said, mut pending) = talk.open(player, channel, first, settings.initial_response)?;
    for _ in 0..MAX_ROUNDS {
        // The end that the step expects in place of a reply.
        let Some(reply) = said else { return Ok(()) };
        if reply.code.get() != 334 {
            if pending.is_some() && reply.code.class() == 2 {
                return Err(talk.unable(player, &SaslError::EarlySuccess));
            }
            return talk.end(player, channel, exchange.as_mut(), expect, &reply);
        }
        let challenge = match talk.challenge(player, channel, &reply) {
            Some(challenge) => challenge,
            None => return Err(talk.cancel(player, channel, "the server's challenge is not base64", Status::Protocol)),
        };
        let response = match pending.take() {
            // The response that could not stand in the AUTH command answers the empty challenge (RFC 4954 §4).
            Some(response) => response,
            None => match exchange.respond(&challenge) {
                Ok(response) => response,
                Err(error) => return Err(talk.broken(player, channel, &error)),
            },
        };
        said = talk.respond(player, channel, response)?;
    }
    Err(talk.cancel(player, channel, "the server goes on asking", Status::Protocol))
}

/// Renders who logs in. Password and token are secrets wherever they come from.
fn credentials(player: &mut Player<'_>, channel: &Channel, settings: &AuthSettings) -> Result<Credentials, Trouble> {
    let text = |player: &Player<'_>, template: &Option<Template>| match template {
        Some(template) => player.render_line(template),
        None => Ok(String::new()),
    };
    let (password, token) = (secret(player, &settings.password)?, secret(player, &settings.token)?);
    let (host, port) = match &player.server.address {
        Address::Tcp { host, port } => (host.clone(), *port),
        Address::Unix(_) => (player.server.host().to_owned(), 0),
    };
    Ok(Credentials {
        user: text(player, &settings.user)?,
        authzid: text(player, &settings.authzid)?,
        password,
        token,
        host,
        port,
        channel_binding: channel.tls.as_ref().and_then(|tls| tls.server_end_point.clone()),
        plus_offered: channel.ehlo.auth().iter().any(|name| name.ends_with("-PLUS")),
    })
}

/// Learnt before anything is said about it, be it that it cannot be sent.
fn secret(player: &mut Player<'_>, template: &Option<Template>) -> Result<String, Trouble> {
    let Some(template) = template else { return Ok(String::new()) };
    let text = player.render(template)?;
    player.narrator.redactor.add(&text);
    variables::one_line(&player.narrator, text, template)
}

/// The mechanism that is named, or the strongest that both sides have.
fn mechanism(
    player: &Player<'_>,
    channel: &Channel,
    settings: &AuthSettings,
    credentials: &Credentials,
) -> Result<Mechanism, Trouble> {
    let offered = channel.ehlo.auth();
    let chosen = settings.mechanism.or_else(|| {
        let choice = Choice {
            offered: &offered,
            has_password: settings.password.is_some(),
            has_token: settings.token.is_some(),
            channel_binding: credentials.channel_binding.is_some(),
            client_certificate: channel.encrypted() && player.tls.client_cert.is_some(),
        };
        choice.strongest()
    });
    let lacking = |what: String, help: Option<Shown>| {
        Trouble::new(Status::Config, Cause::Lacking { what: player.narrator.shown(what), help })
    };
    let Some(mechanism) = chosen else {
        let what = match offered.is_empty() {
            true => "AUTH".to_owned(),
            false => format!("a SASL mechanism that both sides have (it offers {})", offered.join(", ")),
        };
        return Err(lacking(what, None));
    };
    if mechanism.is_plaintext() && !channel.encrypted() && !settings.allow_plaintext {
        let what = format!("an encrypted connection for AUTH {mechanism}, whose credentials can be read on the way");
        return Err(lacking(what, Some(Shown::new("allow_plaintext = true in [auth] sends them all the same"))));
    }
    Ok(mechanism)
}

/// What the commands of one exchange share.
struct Talk {
    mechanism: Mechanism,
    /// The secrets that responses are made of: hidden though they may be short.
    used: Vec<String>,
    /// What may come where a reply is due.
    any: Expect,
    timeout: Option<Duration>,
    /// Whether something made of the secret has left.
    secret_sent: bool,
}

impl Talk {
    /// Sends AUTH. Gives its reply, or nothing where an expected end came in its place, and the first response where that is
    /// still to be sent.
    fn open(
        &mut self,
        player: &mut Player<'_>,
        channel: &mut Channel,
        first: Option<Response>,
        initial: bool,
    ) -> Result<(Option<Reply>, Option<Response>), Trouble> {
        let command = format!("AUTH {}", self.mechanism);
        let Some(response) = first else { return self.line(player, channel, &command).map(|reply| (reply, None)) };
        // RFC 4954 §4: an empty response is `=` there.
        let encoded = if response.bytes.is_empty() { "=".to_owned() } else { STANDARD.encode(&response.bytes) };
        if !initial || command.len() + encoded.len() + 3 > MAX_COMMAND {
            return self.line(player, channel, &command).map(|reply| (reply, Some(response)));
        }
        self.hide(player, &response);
        self.line(player, channel, &format!("{command} {encoded}")).map(|reply| (reply, None))
    }

    fn respond(
        &mut self,
        player: &mut Player<'_>,
        channel: &mut Channel,
        response: Response,
    ) -> Result<Option<Reply>, Trouble> {
        self.hide(player, &response);
        self.line(player, channel, &STANDARD.encode(&response.bytes))
    }

    fn hide(&mut self, player: &mut Player<'_>, response: &Response) {
        if response.secret {
            self.secret_sent = true;
            player.narrator.redactor.add_response(&response.bytes);
        }
    }

    fn line(&self, player: &mut Player<'_>, channel: &mut Channel, line: &str) -> Result<Option<Reply>, Trouble> {
        let bytes = format!("{line}\r\n").into_bytes();
        let line = Command::line(&bytes, &self.any, self.timeout);
        let command = Command { used: self.used.clone(), wait: Wait::Other, reply_to: Some("AUTH"), ..line };
        Ok(exchange(player, channel, &command)?.map(|facts| facts.reply))
    }

    /// Decodes a challenge; `None` where it is not base64. A bare `334` is the empty one.
    fn challenge(&self, player: &mut Player<'_>, channel: &Channel, reply: &Reply) -> Option<Vec<u8>> {
        let text = reply.lines.first().map(Vec::as_slice).unwrap_or_default().trim_ascii();
        let challenge = if reply.lines.len() > 1 { None } else { STANDARD.decode(text).ok() }?;
        if !challenge.is_empty() {
            let text = player.narrator.shown(&challenge);
            player.note(channel, Note::Prompt { text });
        }
        Some(challenge)
    }

    /// Judges the reply that ended the exchange.
    fn end(
        &self,
        player: &mut Player<'_>,
        channel: &Channel,
        exchange: &mut dyn Exchange,
        expect: &Expect,
        reply: &Reply,
    ) -> Result<(), Trouble> {
        let facts = channel.reply.clone().ok_or_else(|| self.sasl(player, Status::Protocol, "no reply"))?;
        let limit = player.limit(self.timeout, Wait::Other);
        let answer = crate::exec::answer::Answer::Reply(facts);
        let judged = player.judge(expect, answer, "the reply to AUTH", limit);
        if reply.code.class() == 2 {
            // Success is only success where the mechanism says so too: before any verdict.
            let data = sasl::additional_data(reply);
            exchange.finish(data.as_deref()).map_err(|error| self.unable(player, &error))?;
        }
        match judged {
            Ok(_) => Ok(()),
            Err(_) if matches!(reply.code.class(), 4 | 5) => {
                let status = if reply.code.class() == 4 { Status::TempFail } else { Status::NoPerm };
                let mechanism = Shown::new(self.mechanism.name());
                let mut words = judge::reply_words(reply);
                if let Some(refusal) = exchange.refusal() {
                    words = format!("{words}; the server said {}", refusal.trim());
                }
                let reply = player.narrator.said(words);
                Err(Trouble::new(status, Cause::AuthRefused { mechanism, reply }))
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// An error of the exchange behind a challenge.
    fn broken(&self, player: &mut Player<'_>, channel: &mut Channel, error: &SaslError) -> Trouble {
        match error {
            // Nothing is left to say, and the credentials are not said twice.
            SaslError::UnexpectedChallenge | SaslError::EarlySuccess => self.unable(player, error),
            SaslError::BadSignature => self.cancel(player, channel, &error.to_string(), Status::NoPerm),
            // Behind the proof the server's error is its refusal.
            SaslError::Refused(_) if self.secret_sent => {
                self.cancel(player, channel, &error.to_string(), Status::NoPerm)
            }
            SaslError::BadChallenge(_) | SaslError::Refused(_) => {
                self.cancel(player, channel, &error.to_string(), Status::Protocol)
            }
            SaslError::Unpreparable(_) => self.cancel(player, channel, &error.to_string(), Status::DataErr),
        }
    }

    /// Gives up with `*` (RFC 4954 §4), reads the reply to it, and that is the end of the connection.
    fn cancel(&self, player: &mut Player<'_>, channel: &mut Channel, why: &str, status: Status) -> Trouble {
        let (any, limit) = (judge::any(), player.limit(self.timeout, Wait::Other));
        let timeout = Some(limit.duration.min(PATIENCE));
        match exchange(player, channel, &Command::line(b"*\r\n", &any, timeout)) {
            Err(trouble) if matches!(trouble.cause, Cause::Interrupted { .. }) => trouble,
            // Whatever came of it, the challenge was what went wrong.
            _ => self.sasl(player, status, why),
        }
    }

    fn unable(&self, player: &Player<'_>, error: &SaslError) -> Trouble {
        let status = match error {
            SaslError::BadSignature => Status::NoPerm,
            SaslError::Unpreparable(_) => Status::DataErr,
            SaslError::Refused(_) if self.secret_sent => Status::NoPerm,
            SaslError::UnexpectedChallenge
            | SaslError::EarlySuccess
            | SaslError::BadChallenge(_)
            | SaslError::Refused(_) => Status::Protocol,
        };
        let mut trouble = self.sasl(player, status, &error.to_string());
        // Nothing was sent yet: the dialogue is in step.
        trouble.severs = !matches!(error, SaslError::Unpreparable(_));
        trouble
    }

    fn sasl(&self, player: &Player<'_>, status: Status, why: &str) -> Trouble {
        let mechanism = Shown::new(self.mechanism.name());
        Trouble::severing(status, Cause::Sasl { mechanism, why: player.narrator.shown(why) })
    }
}

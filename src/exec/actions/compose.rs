//! Makes the mail and its envelope of what `[message]` says.

use super::body;
use crate::exec::player::Player;
use crate::exec::trouble::Trouble;
use crate::message::{Address, Draft, MessageError, build, parse_address_list};
use crate::session::{Message, Template, fresh_letters};
use crate::smtp::address::Mailbox;
use crate::smtp::content::ContentEncoder;
use std::borrow::Cow;
use std::io::Read;

/// A mail that is ready to be sent.
pub struct Mail<'a> {
    pub from: Mailbox,
    /// Each once, in order.
    pub recipients: Vec<Mailbox>,
    /// Short secrets that it may hold.
    pub used: Vec<String>,
    /// ESMTP parameters of the session's own, as they stand behind MAIL and RCPT; empty where there are none.
    pub mail_params: String,
    pub rcpt_params: String,
    /// With CRLF line ends.
    content: Cow<'a, [u8]>,
    internationalized: bool,
}

/// Renders and builds. Everything that is wrong with it shows here, before anything is sent.
pub fn compose<'a>(player: &mut Player<'a>, message: &Message) -> Result<Mail<'a>, Trouble> {
    let from = addresses(player, std::slice::from_ref(&message.from))?;
    let (to, cc) = (addresses(player, &message.to)?, addresses(player, &message.cc)?);
    let bcc = addresses(player, &message.bcc)?;
    let envelope_from = match &message.envelope_from {
        Some(template) => mailbox(player, template)?,
        None => from
            .first()
            .map(|address| address.mailbox.clone())
            .ok_or_else(|| Trouble::bad_value(&player.narrator, "from names no address").at(&message.from.span))?,
    };
    let mut recipients = Vec::new();
    match &message.envelope_to {
        Some(templates) => {
            for template in templates {
                recipients.push(mailbox(player, template)?);
            }
        }
        None => recipients.extend([&to, &cc, &bcc].into_iter().flatten().map(|address| address.mailbox.clone())),
    }
    let mut seen = std::collections::HashSet::new();
    recipients.retain(|recipient| seen.insert(recipient.clone()));
    if recipients.is_empty() {
        return Err(Trouble::bad_value(&player.narrator, "the message has no recipient").at(&message.span));
    }
    let mut used = Vec::new();
    let text = match &message.text {
        Some(content) => {
            let mut source = body::open(player, content)?;
            let mut text = String::new();
            source.reader.read_to_string(&mut text).map_err(|error| {
                Trouble::unreadable(&player.narrator, format!("{}: {error}", source.name)).at(&source.span)
            })?;
            used = source.used;
            text
        }
        None => String::new(),
    };
    let line = |template: &Option<Template>| template.as_ref().map(|template| player.render_line(template)).transpose();
    let mut headers = Vec::new();
    for (name, value) in &message.headers {
        headers.push((name.clone(), player.render_line(value)?));
    }
    let (subject, date, id) = (line(&message.subject)?, line(&message.date)?, line(&message.message_id)?);
    let (mail_params, rcpt_params) = (line(&message.mail_params)?, line(&message.rcpt_params)?);
    let reply_to = addresses(player, &message.reply_to)?;
    let date = date.unwrap_or_else(|| now(player));
    let message_id = id.unwrap_or_else(|| message_id(player, &envelope_from));
    let draft = Draft { from, to, cc, reply_to, subject, date, message_id, headers, text };
    let built = build(&draft).map_err(|error| wrong(player, &error, message))?;
    let mut content = Vec::new();
    let mut encoder = ContentEncoder::new(false);
    encoder.push(&built, &mut content);
    encoder.end_line(&mut content);
    let internationalized = draft.is_internationalized()
        || std::iter::once(&envelope_from).chain(&recipients).any(Mailbox::is_internationalized);
    Ok(Mail {
        from: envelope_from,
        recipients,
        content: content.into(),
        used,
        mail_params: mail_params.unwrap_or_default(),
        rcpt_params: rcpt_params.unwrap_or_default(),
        internationalized,
    })
}

impl Mail<'_> {
    /// Its octets with CRLF line ends, before stuffing (RFC 1870 §3).
    pub fn size(&self) -> u64 {
        self.content.len() as u64
    }

    /// Whether bytes beyond ASCII stand in it, whatever the server takes: without 8BITMIME it cannot be sent.
    pub fn eight_bit(&self) -> bool {
        !self.content.is_ascii()
    }

    /// Whether its headers or its envelope need SMTPUTF8 (RFC 6531).
    pub fn internationalized(&self) -> bool {
        self.internationalized
    }

    /// The whole content with CRLF line ends, not stuffed and without the dot: exactly [`Mail::size`] octets, else the
    /// reading fails with an error whose words name what cannot be sent (a file that became shorter, longer, or cannot
    /// be read). What was sent so far is then never ended with a dot.
    pub fn open(&self, _eight_bit_allowed: bool) -> Result<Box<dyn Read + '_>, std::io::Error> {
        Ok(Box::new(&*self.content))
    }
}

fn addresses(player: &Player<'_>, templates: &[Template]) -> Result<Vec<Address>, Trouble> {
    let mut all = Vec::new();
    for template in templates {
        let text = player.render_line(template)?;
        let parsed = parse_address_list(&text)
            .map_err(|error| Trouble::bad_value(&player.narrator, error.to_string()).at(&template.span))?;
        all.extend(parsed);
    }
    Ok(all)
}

fn mailbox(player: &Player<'_>, template: &Template) -> Result<Mailbox, Trouble> {
    let text = player.render_line(template)?;
    Mailbox::parse(&text).map_err(|error| {
        Trouble::bad_value(&player.narrator, format!("the address \"{text}\": {}", error.why)).at(&template.span)
    })
}

/// RFC 5322 §3.3.
fn now(player: &Player<'_>) -> String {
    let now = player.narrator.clock.timestamp().to_zoned(player.settings.zone.clone());
    now.strftime("%a, %-d %b %Y %H:%M:%S %z").to_string()
}

/// Made once, and kept over retries: never from the seeded source, since it must be unique (RFC 5322 §3.6.4).
fn message_id(player: &mut Player<'_>, from: &Mailbox) -> String {
    let domain = if from.domain.is_empty() { "localhost" } else { &from.domain };
    let seconds = player.narrator.clock.timestamp().as_second();
    player.message_id.get_or_insert_with(|| format!("<{seconds}.{}@{domain}>", fresh_letters(16))).clone()
}

fn wrong(player: &Player<'_>, error: &MessageError, message: &Message) -> Trouble {
    Trouble::bad_value(&player.narrator, error.to_string()).at(&message.span)
}

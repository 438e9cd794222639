//! Makes the mail and its envelope of what `[message]` says.

use super::material;
use crate::exec::player::Player;
use crate::exec::trouble::Trouble;
use crate::message::{
    Address, Attachment, BuildError, Content, Draft, Eml, EmlError, build, check_media_type, parse_address_list,
};
use crate::session::{Attachment as Attached, Message, SourcePath, Span, Template, fresh_letters};
use crate::smtp::address::Mailbox;
use std::io::Read;
use std::path::Path;

/// A mail that is ready to be sent.
pub struct Mail<'a> {
    pub from: Mailbox,
    /// Each once, in order; none where all have had it before.
    pub recipients: Vec<Mailbox>,
    /// Short secrets that it may hold.
    pub used: Vec<String>,
    /// ESMTP parameters of the session's own, as they stand behind MAIL and RCPT; empty where there are none.
    pub mail_params: String,
    pub rcpt_params: String,
    /// Whether it came as it is, by `eml`.
    pub ready: bool,
    content: Content<'a>,
}

/// The addresses that the file's keys name, for the envelope and the headers.
struct Named {
    from: Vec<Address>,
    to: Vec<Address>,
    cc: Vec<Address>,
    bcc: Vec<Address>,
}

/// Renders, opens and builds. Everything that is wrong with it shows here, before anything is sent.
pub fn compose<'a>(player: &mut Player<'a>, message: &Message) -> Result<Mail<'a>, Trouble> {
    let named = Named {
        from: addresses(player, message.from.as_slice())?,
        to: addresses(player, &message.to)?,
        cc: addresses(player, &message.cc)?,
        bcc: addresses(player, &message.bcc)?,
    };
    let ready = match &message.eml {
        Some(path) => Some((eml(player, path)?, path)),
        None => None,
    };
    let wrong = |player: &Player<'_>, error: &EmlError, path: &SourcePath| {
        let help = "envelope_from and envelope_to name the envelope in place of the headers";
        Trouble::bad_value(&player.narrator, format!("{error} ({help})")).at(&path.span)
    };
    let from = match (&message.envelope_from, named.from.first(), &ready) {
        (Some(template), ..) => Some(mailbox(player, template)?),
        (None, Some(address), _) => Some(address.mailbox.clone()),
        (None, None, Some((eml, path))) => eml.from().map_err(|error| wrong(player, &error, path))?,
        (None, None, None) => None,
    };
    let span = message.from.as_ref().map_or(&message.span, |from| &from.span);
    let Some(from) = from else {
        let what = if ready.is_some() {
            "the mail has no From, and envelope_from does not stand"
        } else {
            "from names no address"
        };
        return Err(Trouble::bad_value(&player.narrator, what).at(span));
    };
    let mut recipients = Vec::new();
    let listed: Vec<_> =
        [&named.to, &named.cc, &named.bcc].into_iter().flatten().map(|one| one.mailbox.clone()).collect();
    match (&message.envelope_to, &ready) {
        (Some(templates), _) => {
            for template in templates {
                recipients
                    .extend(addresses(player, std::slice::from_ref(template))?.into_iter().map(|one| one.mailbox));
            }
        }
        (None, None) => recipients = listed,
        (None, Some((eml, path))) => {
            recipients = listed;
            if recipients.is_empty() {
                recipients = eml.recipients().map_err(|error| wrong(player, &error, path))?;
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    recipients.retain(|recipient| seen.insert(recipient.clone()));
    if recipients.is_empty() || recipients.iter().any(Mailbox::is_null) {
        let mut named = message.envelope_to.iter().flatten().chain(&message.to).chain(&message.cc).chain(&message.bcc);
        let span = named.next().map_or(&message.span, |template| &template.span);
        return Err(Trouble::bad_value(&player.narrator, "the message has no recipient").at(span));
    }
    // An earlier attempt at the row has reached some already.
    let done = &player.row.done;
    recipients.retain(|recipient| done.is_empty() || !done.contains(&player.known_as(recipient)));
    let params = [line(player, &message.mail_params)?, line(player, &message.rcpt_params)?];
    let [mail_params, rcpt_params] = params.map(Option::unwrap_or_default);
    let is_ready = ready.is_some();
    let (content, mut used) = match ready {
        Some((eml, _)) => (eml.content, Vec::new()),
        None => made(player, message, named, &from)?,
    };
    used.extend(lines(message).flat_map(|template| player.secrets_in(template)));
    Ok(Mail { from, recipients, used, mail_params, rcpt_params, ready: is_ready, content })
}

/// The templates that become lines of the envelope and of headers.
fn lines(message: &Message) -> impl Iterator<Item = &Template> {
    let single = [
        &message.from,
        &message.envelope_from,
        &message.subject,
        &message.date,
        &message.message_id,
        &message.mail_params,
        &message.rcpt_params,
    ];
    let lists = [&message.to, &message.cc, &message.bcc, &message.reply_to];
    let attached = message.attachments.iter().flat_map(|one| [&one.name, &one.media_type, &one.inline]);
    single
        .into_iter()
        .chain(attached)
        .flatten()
        .chain(lists.into_iter().flatten())
        .chain(message.envelope_to.iter().flatten())
        .chain(message.headers.iter().map(|(_, value)| value))
}

/// A mail that is ready, looked through.
fn eml<'a>(player: &Player<'a>, path: &SourcePath) -> Result<Eml<'a>, Trouble> {
    let (_, source) = material::file(player, path)?;
    Eml::new(source).map_err(|error| material::unreadable(player, &error, &path.span))
}

/// A mail of its parts, and the short secrets that it may hold.
fn made<'a>(
    player: &mut Player<'a>,
    message: &Message,
    named: Named,
    envelope_from: &Mailbox,
) -> Result<(Content<'a>, Vec<String>), Trouble> {
    let mut headers = Vec::new();
    for (name, value) in &message.headers {
        headers.push((name.clone(), player.render_line(value)?));
    }
    let (subject, date) = (line(player, &message.subject)?, line(player, &message.date)?);
    let date = date.unwrap_or_else(|| now(player));
    let message_id = match line(player, &message.message_id)? {
        Some(id) => id,
        None => fresh_message_id(player, envelope_from),
    };
    let mut used = Vec::new();
    let mut part = |content, html| -> Result<_, Trouble> {
        let (part, secrets) = material::text(player, content, html, &message_id)?;
        used.extend(secrets);
        Ok(part)
    };
    let text = message.text.as_ref().map(|text| part(text, false)).transpose()?;
    let html = message.html.as_ref().map(|html| part(html, true)).transpose()?;
    let attachments =
        message.attachments.iter().map(|attached| attachment(player, attached)).collect::<Result<_, _>>()?;
    let reply_to = addresses(player, &message.reply_to)?;
    let Named { from, to, cc, .. } = named;
    let draft = Draft { from, to, cc, reply_to, subject, date, message_id, headers, text, html, attachments };
    let content = build(draft).map_err(|error| match error {
        BuildError::Message(error) => {
            let span = place_of(message, &error.field);
            Trouble::bad_value(&player.narrator, error.to_string()).at(span)
        }
        BuildError::Source(error) => material::unreadable(player, &error, &message.span),
    })?;
    Ok((content, used))
}

/// Where the file gives what stands in that header.
fn place_of<'m>(message: &'m Message, header: &str) -> &'m Span {
    let key = match header {
        "From" => &message.from,
        "Subject" => &message.subject,
        "Date" => &message.date,
        "Message-ID" => &message.message_id,
        "Content-ID" => message.attachments.iter().map(|one| &one.inline).find(|id| id.is_some()).unwrap_or(&None),
        _ => &None,
    };
    let listed = match header {
        "To" => message.to.first(),
        "Cc" => message.cc.first(),
        "Reply-To" => message.reply_to.first(),
        _ => message.headers.iter().find(|(name, _)| name == header).map(|(_, value)| value),
    };
    key.as_ref().or(listed).map_or(&message.span, |template| &template.span)
}

fn attachment<'a>(player: &Player<'a>, attached: &Attached) -> Result<Attachment<'a>, Trouble> {
    let (path, source) = material::file(player, &attached.path)?;
    let media_type = line(player, &attached.media_type)?;
    if let (Some(given), Some(template)) = (&media_type, &attached.media_type) {
        let what = |why| Trouble::bad_value(&player.narrator, format!("\"{given}\": {why}")).at(&template.span);
        check_media_type(given).map_err(what)?;
    }
    let name = match line(player, &attached.name)? {
        Some(name) => name,
        None if path == Path::new("-") => "standard-input".to_owned(),
        None => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    Ok(Attachment { source, name, media_type, inline: line(player, &attached.inline)? })
}

fn line(player: &Player<'_>, template: &Option<Template>) -> Result<Option<String>, Trouble> {
    template.as_ref().map(|template| player.render_line(template)).transpose()
}

impl Mail<'_> {
    /// Its octets with CRLF line ends, before stuffing (RFC 1870 §3).
    pub fn size(&self) -> u64 {
        self.content.size()
    }

    /// Whether bytes beyond ASCII stand in it: a mail that is ready, or addresses in headers. Whatever is made is
    /// encoded, so that every server takes it.
    pub fn eight_bit(&self) -> bool {
        self.content.eight_bit()
    }

    /// Whether its headers or its envelope need SMTPUTF8 (RFC 6531).
    pub fn internationalized(&self) -> bool {
        self.content.internationalized()
            || std::iter::once(&self.from).chain(&self.recipients).any(Mailbox::is_internationalized)
    }

    /// The whole content with CRLF line ends, not stuffed and without the dot: exactly [`Mail::size`] octets, else the
    /// reading fails with an error whose words name what cannot be sent (a file that became shorter, longer, or cannot
    /// be read). What was sent so far is then never ended with a dot.
    pub fn open(&self) -> Result<Box<dyn Read + '_>, std::io::Error> {
        Ok(Box::new(self.content.open()))
    }
}

fn addresses(player: &Player<'_>, templates: &[Template]) -> Result<Vec<Address>, Trouble> {
    let mut all = Vec::new();
    for template in templates {
        let text = player.render_line(template)?;
        let parsed = parse_address_list(&text).map_err(|error| {
            let what = if text.trim().is_empty() { "an address is empty".to_owned() } else { error.to_string() };
            Trouble::bad_value(&player.narrator, what).at(&template.span)
        })?;
        all.extend(parsed);
    }
    Ok(all)
}

fn mailbox(player: &Player<'_>, template: &Template) -> Result<Mailbox, Trouble> {
    let text = player.render_line(template)?;
    Mailbox::parse(&text).map_err(|error| {
        Trouble::bad_value(&player.narrator, format!("the address \"{text}\": {}", error.within(&text)))
            .at(&template.span)
    })
}

/// RFC 5322 §3.3.
fn now(player: &Player<'_>) -> String {
    let now = player.narrator.clock.timestamp().to_zoned(player.settings.zone.clone());
    now.strftime("%a, %-d %b %Y %H:%M:%S %z").to_string()
}

/// Made once, and kept over retries: never from the seeded source, since it must be unique (RFC 5322 §3.6.4).
fn fresh_message_id(player: &mut Player<'_>, from: &Mailbox) -> String {
    let domain = if from.domain.is_empty() { "localhost" } else { &from.domain };
    let seconds = player.narrator.clock.timestamp().as_second();
    let base = player.message_id.get_or_insert_with(|| format!("<{seconds}.{}@{domain}>", fresh_letters(16)));
    player.several.message_id(base)
}

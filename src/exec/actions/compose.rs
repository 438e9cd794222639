//! Makes the mail and its envelope of what `[message]` says.

use super::material;
use crate::exec::error::StepError;
use crate::exec::executor::Executor;
use crate::message::{
    BuildError, Draft, Eml, EmlError, EncodedMessage, FilePart, NamedMailbox, build, check_media_type,
    parse_address_list,
};
use crate::session::{AttachedFile, Message, SourcePath, Span, Template, unseeded_letters};
use crate::smtp::address::Mailbox;
use std::io::Read;
use std::path::Path;

/// A mail that is ready to be sent.
pub struct PreparedMessage<'a> {
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
    content: EncodedMessage<'a>,
}

/// The addresses that the file's keys name, for the envelope and the headers.
struct HeaderAddresses {
    from: Vec<NamedMailbox>,
    to: Vec<NamedMailbox>,
    cc: Vec<NamedMailbox>,
    bcc: Vec<NamedMailbox>,
}

/// Renders, opens and builds. Everything that is wrong with it shows here, before anything is sent.
pub fn compose<'a>(executor: &mut Executor<'a>, message: &Message) -> Result<PreparedMessage<'a>, StepError> {
    let named = HeaderAddresses {
        from: addresses(executor, message.from.as_slice())?,
        to: addresses(executor, &message.to)?,
        cc: addresses(executor, &message.cc)?,
        bcc: addresses(executor, &message.bcc)?,
    };
    let ready = match &message.eml {
        Some(path) => Some((eml(executor, path)?, path)),
        None => None,
    };
    let wrong = |executor: &Executor<'_>, error: &EmlError, path: &SourcePath| {
        let help = "envelope_from and envelope_to name the envelope in place of the headers";
        StepError::bad_value(&executor.events, format!("{error} ({help})")).at(&path.span)
    };
    let from = match (&message.envelope_from, named.from.first(), &ready) {
        (Some(template), ..) => Some(mailbox(executor, template)?),
        (None, Some(address), _) => Some(address.mailbox.clone()),
        (None, None, Some((eml, path))) => eml.from().map_err(|error| wrong(executor, &error, path))?,
        (None, None, None) => None,
    };
    let span = message.from.as_ref().map_or(&message.span, |from| &from.span);
    let Some(from) = from else {
        let what = if ready.is_some() {
            "the mail has no From, and envelope_from does not stand"
        } else {
            "from names no address"
        };
        return Err(StepError::bad_value(&executor.events, what).at(span));
    };
    let mut recipients = Vec::new();
    let listed: Vec<_> =
        [&named.to, &named.cc, &named.bcc].into_iter().flatten().map(|one| one.mailbox.clone()).collect();
    match (&message.envelope_to, &ready) {
        (Some(templates), _) => {
            for template in templates {
                recipients
                    .extend(addresses(executor, std::slice::from_ref(template))?.into_iter().map(|one| one.mailbox));
            }
        }
        (None, None) => recipients = listed,
        (None, Some((eml, path))) => {
            recipients = listed;
            if recipients.is_empty() {
                recipients = eml.recipients().map_err(|error| wrong(executor, &error, path))?;
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    recipients.retain(|recipient| seen.insert(recipient.clone()));
    if recipients.is_empty() || recipients.iter().any(Mailbox::is_null) {
        let mut named = message.envelope_to.iter().flatten().chain(&message.to).chain(&message.cc).chain(&message.bcc);
        let span = named.next().map_or(&message.span, |template| &template.span);
        return Err(StepError::bad_value(&executor.events, "the message has no recipient").at(span));
    }
    // An earlier attempt at the row has reached some already.
    let done = &executor.row.excluded;
    recipients.retain(|recipient| done.is_empty() || !done.contains(&executor.ledger_recipient(recipient)));
    let params = [line(executor, &message.mail_params)?, line(executor, &message.rcpt_params)?];
    let [mail_params, rcpt_params] = params.map(Option::unwrap_or_default);
    let is_ready = ready.is_some();
    let (content, mut used) = match ready {
        Some((eml, _)) => (eml.content, Vec::new()),
        None => made(executor, message, named, &from)?,
    };
    used.extend(lines(message).flat_map(|template| executor.secrets_in(template)));
    Ok(PreparedMessage { from, recipients, used, mail_params, rcpt_params, ready: is_ready, content })
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
fn eml<'a>(executor: &Executor<'a>, path: &SourcePath) -> Result<Eml<'a>, StepError> {
    let (_, source) = material::file(executor, path)?;
    Eml::new(source).map_err(|error| material::unreadable(executor, &error, &path.span))
}

/// A mail of its parts, and the short secrets that it may hold.
fn made<'a>(
    executor: &mut Executor<'a>,
    message: &Message,
    named: HeaderAddresses,
    envelope_from: &Mailbox,
) -> Result<(EncodedMessage<'a>, Vec<String>), StepError> {
    let mut headers = Vec::new();
    for (name, value) in &message.headers {
        headers.push((name.clone(), executor.render_line(value)?));
    }
    let (subject, date) = (line(executor, &message.subject)?, line(executor, &message.date)?);
    let date = date.unwrap_or_else(|| now(executor));
    let message_id = match line(executor, &message.message_id)? {
        Some(id) => id,
        None => fresh_message_id(executor, envelope_from),
    };
    let mut used = Vec::new();
    let mut part = |content, html| -> Result<_, StepError> {
        let (part, secrets) = material::text(executor, content, html, &message_id)?;
        used.extend(secrets);
        Ok(part)
    };
    let text = message.text.as_ref().map(|text| part(text, false)).transpose()?;
    let html = message.html.as_ref().map(|html| part(html, true)).transpose()?;
    let attachments =
        message.attachments.iter().map(|attached| attachment(executor, attached)).collect::<Result<_, _>>()?;
    let reply_to = addresses(executor, &message.reply_to)?;
    let HeaderAddresses { from, to, cc, .. } = named;
    let draft = Draft { from, to, cc, reply_to, subject, date, message_id, headers, text, html, attachments };
    let content = build(draft).map_err(|error| match error {
        BuildError::Message(error) => {
            let span = place_of(message, &error.field);
            StepError::bad_value(&executor.events, error.to_string()).at(span)
        }
        BuildError::Source(error) => material::unreadable(executor, &error, &message.span),
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

fn attachment<'a>(executor: &Executor<'a>, attached: &AttachedFile) -> Result<FilePart<'a>, StepError> {
    let (path, source) = material::file(executor, &attached.path)?;
    let source = material::cached(executor, source, &attached.path.span);
    let media_type = line(executor, &attached.media_type)?;
    if let (Some(given), Some(template)) = (&media_type, &attached.media_type) {
        let what = |why| StepError::bad_value(&executor.events, format!("\"{given}\": {why}")).at(&template.span);
        check_media_type(given).map_err(what)?;
    }
    let name = match line(executor, &attached.name)? {
        Some(name) => name,
        None if path == Path::new("-") => "standard-input".to_owned(),
        None => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    Ok(FilePart { source, name, media_type, inline: line(executor, &attached.inline)? })
}

fn line(executor: &Executor<'_>, template: &Option<Template>) -> Result<Option<String>, StepError> {
    template.as_ref().map(|template| executor.render_line(template)).transpose()
}

impl PreparedMessage<'_> {
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

    /// The whole content with CRLF line ends, not stuffed and without the dot: exactly [`PreparedMessage::size`] octets, else the
    /// reading fails with an error whose words name what cannot be sent (a file that became shorter, longer, or cannot
    /// be read). What was sent so far is then never ended with a dot.
    pub fn open(&self) -> Result<Box<dyn Read + '_>, std::io::Error> {
        Ok(Box::new(self.content.open()))
    }
}

fn addresses(executor: &Executor<'_>, templates: &[Template]) -> Result<Vec<NamedMailbox>, StepError> {
    let mut all = Vec::new();
    for template in templates {
        let text = executor.render_line(template)?;
        let parsed = parse_address_list(&text).map_err(|error| {
            let what = if text.trim().is_empty() { "an address is empty".to_owned() } else { error.to_string() };
            StepError::bad_value(&executor.events, what).at(&template.span)
        })?;
        all.extend(parsed);
    }
    Ok(all)
}

fn mailbox(executor: &Executor<'_>, template: &Template) -> Result<Mailbox, StepError> {
    let text = executor.render_line(template)?;
    Mailbox::parse(&text).map_err(|error| {
        StepError::bad_value(&executor.events, format!("the address \"{text}\": {}", error.within(&text)))
            .at(&template.span)
    })
}

/// RFC 5322 §3.3.
fn now(executor: &Executor<'_>) -> String {
    let now = executor.events.clock.timestamp().to_zoned(executor.settings.zone.clone());
    now.strftime("%a, %-d %b %Y %H:%M:%S %z").to_string()
}

/// Made once, and kept over retries: never from the seeded source, since it must be unique (RFC 5322 §3.6.4).
fn fresh_message_id(executor: &mut Executor<'_>, from: &Mailbox) -> String {
    let domain = if from.domain.is_empty() { "localhost" } else { &from.domain };
    let seconds = executor.events.clock.timestamp().as_second();
    let base = executor.message_id.get_or_insert_with(|| format!("<{seconds}.{}@{domain}>", unseeded_letters(16)));
    executor.numbering.message_id(base)
}

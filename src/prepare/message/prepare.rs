//! Makes a message and its envelope of what `[message]` says.

use super::addresses::{authors, mailboxes, reverse_path};
use super::context::MessageContext;
use super::job::MessageNotices;
use super::parts::TextKind;
use super::signing::sign;
use crate::event::{Note, StepError};
use crate::message::{
    BuildError, Draft, Eml, EmlError, EncodedMessage, FilePart, NamedMailbox, build, check_media_type,
};
use crate::session::{
    AddressSource, AttachedFile, ContentPath, DATE_HELP, Message, SourcePath, Template, date_field, unseeded_letters,
};
use crate::smtp::address::Mailbox;
use std::collections::HashSet;

/// A message that is ready to be sent to any server.
pub struct PreparedMessage<'a> {
    pub from: Mailbox,
    /// Each once, in order; empty if all have had it before.
    pub recipients: Vec<Mailbox>,
    pub notices: MessageNotices,
    /// ESMTP parameters of the session's own for MAIL and RCPT; empty if there are none.
    pub mail_params: String,
    pub rcpt_params: String,
    /// Whether it is a mail of `eml`, which is sent as it is.
    pub is_eml: bool,
    pub content: EncodedMessage<'a>,
}

/// The addresses that the file's keys name, for the envelope and the headers.
struct HeaderAddresses {
    from: Vec<NamedMailbox>,
    to: Vec<NamedMailbox>,
    cc: Vec<NamedMailbox>,
    bcc: Vec<NamedMailbox>,
    reply_to: Vec<NamedMailbox>,
}

impl HeaderAddresses {
    fn all(&self) -> impl Iterator<Item = &Mailbox> {
        [&self.from, &self.to, &self.cc, &self.bcc, &self.reply_to].into_iter().flatten().map(|one| &one.mailbox)
    }

    /// Leaves out recipients of whom `is_excluded` holds.
    fn exclude(&mut self, is_excluded: impl Fn(&Mailbox) -> bool) {
        [&mut self.to, &mut self.cc, &mut self.bcc]
            .into_iter()
            .for_each(|list| list.retain(|one| !is_excluded(&one.mailbox)));
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Mailbox> {
        let lists = [&mut self.from, &mut self.to, &mut self.cc, &mut self.bcc, &mut self.reply_to];
        lists.into_iter().flatten().map(|one| &mut one.mailbox)
    }
}

/// The mail of `eml`, and the key that names it.
type GivenMail<'m, 'a> = Option<(Eml<'a>, &'m SourcePath)>;

/// Renders, opens and builds. Everything that is wrong with it shows here, before anything is sent.
pub fn prepare_message<'a>(
    context: &mut MessageContext<'_, 'a>,
    message: &Message,
) -> Result<PreparedMessage<'a>, StepError> {
    let mut named = HeaderAddresses {
        from: authors(context, message.from.as_ref())?,
        to: mailboxes(context, &message.to)?,
        cc: mailboxes(context, &message.cc)?,
        bcc: mailboxes(context, &message.bcc)?,
        reply_to: mailboxes(context, &message.reply_to)?,
    };
    let given: GivenMail<'_, 'a> = match &message.eml {
        Some(path) => Some((eml(context, path)?, path)),
        None => None,
    };
    let mut from = sender(context, message, &named, &given)?;
    let mut recipients = recipients(context, message, &named, &given)?;
    let params = [line(context, &message.mail_params)?, line(context, &message.rcpt_params)?];
    let [mail_params, mut rcpt_params] = params.map(Option::unwrap_or_default);
    if context.run.options.target.recipient.is_some() {
        rcpt_params = without_notifications(&rcpt_params);
    }
    let uses_smtputf8 = named.all().chain(&recipients).chain([&from]).any(Mailbox::is_internationalized)
        || given.as_ref().is_some_and(|(eml, _)| eml.content.internationalized())
        || mail_params.split(' ').any(|param| param.eq_ignore_ascii_case("SMTPUTF8"));
    if !uses_smtputf8 {
        named.all_mut().chain(&mut recipients).chain([&mut from]).for_each(Mailbox::convert_domain);
    }
    let mut excluded = Vec::new();
    if let Some(list) = context.run.exclusions {
        named.exclude(|mailbox| list.contains_mailbox(mailbox));
        excluded.extend(recipients.extract_if(.., |recipient| list.contains_mailbox(recipient)));
    }
    let all_excluded = recipients.is_empty();
    // An earlier attempt at the row has reached some already.
    let done = &context.row.row.excluded;
    recipients
        .retain(|recipient| done.is_empty() || !done.contains(&context.row.ledger_name(context.secrets, recipient)));
    if let Some(recipient) = context.run.options.target.recipient.as_ref().filter(|_| !recipients.is_empty()) {
        recipients = vec![recipient.clone()];
        if !uses_smtputf8 {
            recipients.iter_mut().for_each(Mailbox::convert_domain);
        }
    }
    let is_eml = given.is_some();
    let (mut content, mut notices) = match given {
        Some((eml, _)) => {
            let notes = eml.removed.iter().map(|what| Note::PartRemoved { what }).collect();
            (eml.content, MessageNotices { notes, ..MessageNotices::default() })
        }
        None => build_parts(context, message, named, &from)?,
    };
    notices.notes.extend(sign(context, message, &mut content)?);
    let envelope_and_headers = message.envelope_and_headers();
    notices.short_secrets.extend(envelope_and_headers.flat_map(|template| context.renderer().short_secrets(template)));
    notices.all_excluded = all_excluded;
    notices.notes.extend(excluded.iter().map(|recipient| {
        let address = context.secrets.shown(recipient.to_string());
        Note::RecipientExcluded { address }
    }));
    Ok(PreparedMessage { from, recipients, notices, mail_params, rcpt_params, is_eml, content })
}

/// The address of MAIL: that of `envelope_from`, else of `from`, else of the mail's own From field.
fn sender(
    context: &MessageContext<'_, '_>,
    message: &Message,
    named: &HeaderAddresses,
    given: &GivenMail<'_, '_>,
) -> Result<Mailbox, StepError> {
    let from = match (&message.envelope_from, named.from.first(), given) {
        (Some(source), ..) => Some(reverse_path(context, source)?),
        (None, Some(address), _) => Some(address.mailbox.clone()),
        (None, None, Some((eml, path))) => eml.from().map_err(|error| no_envelope(context, &error, path))?,
        (None, None, None) => None,
    };
    from.ok_or_else(|| {
        let what = match given {
            Some(_) => "the mail has no From, and envelope_from is not given",
            None => "from names no address",
        };
        context.bad_value(what).at(message.from.as_ref().map_or(&message.span, AddressSource::span))
    })
}

/// The addresses of RCPT, each once: those of `envelope_to`, else of `to`, `cc` and `bcc`, else of the mail's own fields.
fn recipients(
    context: &MessageContext<'_, '_>,
    message: &Message,
    named: &HeaderAddresses,
    given: &GivenMail<'_, '_>,
) -> Result<Vec<Mailbox>, StepError> {
    // A key that is given and renders to nothing does not make the mail's own recipients those of the envelope.
    let names_nobody = message.to.is_empty() && message.cc.is_empty() && message.bcc.is_empty();
    let mut recipients: Vec<Mailbox> = match (&message.envelope_to, given) {
        (Some(sources), _) => mailboxes(context, sources)?.into_iter().map(|one| one.mailbox).collect(),
        (None, Some((eml, path))) if names_nobody => {
            eml.recipients().map_err(|error| no_envelope(context, &error, path))?
        }
        (None, _) => [&named.to, &named.cc, &named.bcc].into_iter().flatten().map(|one| one.mailbox.clone()).collect(),
    };
    let mut seen = HashSet::new();
    recipients.retain(|recipient| seen.insert(recipient.comparison_key()));
    if recipients.is_empty() || recipients.iter().any(Mailbox::is_null) {
        let mut sources =
            message.envelope_to.iter().flatten().chain(&message.to).chain(&message.cc).chain(&message.bcc);
        let span = sources.next().map_or(&message.span, AddressSource::span);
        return Err(context.bad_value("the message has no recipient").at(span));
    }
    Ok(recipients)
}

/// A mail of `eml` does not say whom it is from or for.
fn no_envelope(context: &MessageContext<'_, '_>, error: &EmlError, path: &SourcePath) -> StepError {
    let help = "envelope_from and envelope_to name the envelope in place of the headers";
    context.bad_value(format!("{error} ({help})")).at(&path.span)
}

/// The parameters of RCPT for another recipient than the message's own: without ORCPT, which names that one, and NOTIFY.
fn without_notifications(params: &str) -> String {
    let is_kept = |param: &&str| {
        let name = param.split('=').next().unwrap_or_default();
        !name.eq_ignore_ascii_case("ORCPT") && !name.eq_ignore_ascii_case("NOTIFY")
    };
    params.split(' ').filter(is_kept).collect::<Vec<_>>().join(" ")
}

/// A mail of `eml`, looked through.
fn eml<'a>(context: &MessageContext<'_, 'a>, path: &SourcePath) -> Result<Eml<'a>, StepError> {
    let (_, source) = context.parts().file(path)?;
    Eml::new(source).map_err(|error| context.parts().unreadable(&error, &path.span))
}

/// A mail of its parts, and what is to be known of it.
fn build_parts<'a>(
    context: &mut MessageContext<'_, 'a>,
    message: &Message,
    named: HeaderAddresses,
    envelope_from: &Mailbox,
) -> Result<(EncodedMessage<'a>, MessageNotices), StepError> {
    let mut headers = Vec::new();
    for (name, value) in &message.headers {
        headers.push((name.clone(), context.renderer().render_line(value)?));
    }
    let subject = line(context, &message.subject)?;
    let date = match &message.date {
        Some(template) => date(context, template)?,
        None => now(context),
    };
    let message_id = match line(context, &message.message_id)? {
        Some(id) => id,
        None => fresh_message_id(context, envelope_from),
    };
    let mut notices = MessageNotices::default();
    let mut part = |content, kind| -> Result<_, StepError> {
        let (part, more) = context.parts().text(content, kind, &message_id)?;
        notices.short_secrets.extend(more.short_secrets);
        notices.notes.extend(more.notes);
        Ok(part)
    };
    let text = message.text.as_ref().map(|text| part(text, TextKind::Plain)).transpose()?;
    let html = message.html.as_ref().map(|html| part(html, TextKind::Html)).transpose()?;
    let mut attachments = Vec::new();
    for attached in &message.attachments {
        for path in context.parts().attached(attached)? {
            attachments.push(attachment(context, attached, &path)?);
        }
    }
    let HeaderAddresses { from, to, cc, reply_to, .. } = named;
    let draft = Draft { from, to, cc, reply_to, subject, date, message_id, headers, text, html, attachments };
    let content = build(draft).map_err(|error| match error {
        BuildError::Message(error) => {
            let span = message.header_span(&error.field);
            context.bad_value(error.to_string()).at(span)
        }
        BuildError::Source(error) => context.parts().unreadable(&error, &message.span),
    })?;
    Ok((content, notices))
}

fn attachment<'a>(
    context: &MessageContext<'_, 'a>,
    attached: &AttachedFile,
    path: &ContentPath,
) -> Result<FilePart<'a>, StepError> {
    let source = context.parts().content(path, &attached.path.span)?;
    let source = context.parts().cached(source, &attached.path.span);
    let media_type = line(context, &attached.media_type)?;
    if let (Some(given), Some(template)) = (&media_type, &attached.media_type) {
        let what = |why| context.bad_value(format!("\"{given}\": {why}")).at(&template.span);
        check_media_type(given).map_err(what)?;
    }
    let name = match line(context, &attached.name)? {
        Some(name) => name,
        None if path.is_standard_input() => "standard-input".to_owned(),
        None => path.path().file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    Ok(FilePart { source, name, media_type, inline: line(context, &attached.inline)? })
}

fn line(context: &MessageContext<'_, '_>, template: &Option<Template>) -> Result<Option<String>, StepError> {
    context.renderer().render_optional_line(template)
}

impl PreparedMessage<'_> {
    /// Whether its headers or its envelope need SMTPUTF8 (RFC 6531).
    pub fn is_internationalized(&self) -> bool {
        self.content.internationalized()
            || std::iter::once(&self.from).chain(&self.recipients).any(Mailbox::is_internationalized)
    }
}

/// The Date field that `date` gives.
fn date(context: &MessageContext<'_, '_>, template: &Template) -> Result<String, StepError> {
    let text = context.renderer().render_line(template)?;
    date_field(&text, &context.run.options.host.zone)
        .ok_or_else(|| context.bad_value(format!("\"{text}\" is not a date ({DATE_HELP})")).at(&template.span))
}

/// RFC 5322 §3.3.
fn now(context: &MessageContext<'_, '_>) -> String {
    let now = context.clock.timestamp().to_zoned(context.run.options.host.zone.clone());
    now.strftime("%a, %-d %b %Y %H:%M:%S %z").to_string()
}

/// Made once, and kept over retries: never from the seeded source, since it must be unique (RFC 5322 §3.6.4).
fn fresh_message_id(context: &mut MessageContext<'_, '_>, from: &Mailbox) -> String {
    let domain = if from.domain.is_empty() { "localhost" } else { &from.domain };
    let seconds = context.clock.timestamp().as_second();
    let base = context.row.message_id.get_or_insert_with(|| format!("<{seconds}.{}@{domain}>", unseeded_letters(16)));
    context.row.numbering.message_id(base)
}

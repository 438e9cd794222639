//! The templates of a message, by what they become.

use super::{AddressSource, Message, Span, Template};

impl Message {
    /// The templates that become lines of the envelope and of headers.
    pub fn envelope_and_headers(&self) -> impl Iterator<Item = &Template> {
        let single = [&self.subject, &self.date, &self.message_id, &self.mail_params, &self.rcpt_params];
        let lists = [&self.to, &self.cc, &self.bcc, &self.reply_to];
        let addresses = self.from.iter().chain(&self.envelope_from).chain(lists.into_iter().flatten());
        let addresses = addresses.chain(self.envelope_to.iter().flatten());
        let attached = self.attachments.iter().flat_map(|one| [&one.name, &one.media_type, &one.inline]);
        single
            .into_iter()
            .chain(attached)
            .flatten()
            .chain(addresses.flat_map(AddressSource::templates))
            .chain(self.headers.iter().map(|(_, value)| value))
    }

    /// Where the file gives the value of that header.
    pub fn header_span(&self, header: &str) -> &Span {
        let key = match header {
            "Subject" => &self.subject,
            "Date" => &self.date,
            "Message-ID" => &self.message_id,
            "Content-ID" => self.attachments.iter().map(|one| &one.inline).find(|id| id.is_some()).unwrap_or(&None),
            _ => &None,
        };
        let address = match header {
            "From" => self.from.as_ref(),
            "To" => self.to.first(),
            "Cc" => self.cc.first(),
            "Reply-To" => self.reply_to.first(),
            _ => None,
        };
        let own = self.headers.iter().find(|(name, _)| name == header).map(|(_, value)| value);
        let template = key.as_ref().or(own).map(|template| &template.span);
        address.map(AddressSource::span).or(template).unwrap_or(&self.span)
    }
}

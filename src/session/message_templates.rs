//! The templates of a message, by what they become.

use super::{Message, Span, Template};

impl Message {
    /// The templates that become lines of the envelope and of headers.
    pub fn envelope_and_headers(&self) -> impl Iterator<Item = &Template> {
        let single = [
            &self.from,
            &self.envelope_from,
            &self.subject,
            &self.date,
            &self.message_id,
            &self.mail_params,
            &self.rcpt_params,
        ];
        let lists = [&self.to, &self.cc, &self.bcc, &self.reply_to];
        let attached = self.attachments.iter().flat_map(|one| [&one.name, &one.media_type, &one.inline]);
        single
            .into_iter()
            .chain(attached)
            .flatten()
            .chain(lists.into_iter().flatten())
            .chain(self.envelope_to.iter().flatten())
            .chain(self.headers.iter().map(|(_, value)| value))
    }

    /// Where the file gives the value of that header.
    pub fn header_span(&self, header: &str) -> &Span {
        let key = match header {
            "From" => &self.from,
            "Subject" => &self.subject,
            "Date" => &self.date,
            "Message-ID" => &self.message_id,
            "Content-ID" => self.attachments.iter().map(|one| &one.inline).find(|id| id.is_some()).unwrap_or(&None),
            _ => &None,
        };
        let listed = match header {
            "To" => self.to.first(),
            "Cc" => self.cc.first(),
            "Reply-To" => self.reply_to.first(),
            _ => self.headers.iter().find(|(name, _)| name == header).map(|(_, value)| value),
        };
        key.as_ref().or(listed).map_or(&self.span, |template| &template.span)
    }
}

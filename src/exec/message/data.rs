//! A message's content through DATA: stuffed, ended by a dot, with the envelope of the next message after it.

use super::content::{ContentOptions, ContentProgress, write_content};
use super::delivery::Delivery;
use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::exec::outbox::command_bytes;
use crate::prepare::ContentSource;
use crate::smtp::timeouts::Timeout;

impl<'a> Delivery<'_, 'a> {
    /// Sends the content and its dot, and reads the replies.
    pub fn send_data(&mut self, context: &mut StepContext<'_, 'a>) -> Result<(), StepError> {
        let (job, expect) = (self.job, context.expected()?);
        let following = self.prepare_following(context, false, 0);
        let commands = following.as_ref().map(|(_, commands)| command_bytes(commands));
        let source = ContentSource {
            reader: Box::new(job.content.open()),
            // The message itself checks that it is as long as it was said to be.
            length: None,
            name: "the message".to_owned(),
            span: job.span.clone(),
            short_secrets: job.notices.short_secrets.clone(),
        };
        let options = ContentOptions {
            stuffing: true,
            expect,
            recipients: &self.remaining_recipients(),
            following_commands: match (&following, &commands) {
                (Some((queued, _)), Some(commands)) => Some((commands, &queued.job.notices.short_secrets)),
                _ => None,
            },
        };
        let (written, dot_left) = write_content(context, source, &options);
        self.complete = dot_left;
        if written? == ContentProgress::AnsweredEarly {
            self.report_early_reply(context);
            return Ok(());
        }
        self.complete = true;
        let outbox = &mut context.connection.outbox;
        // The dot ends the transaction, whatever becomes of the message (RFC 5321 §4.1.1.4).
        outbox.in_transaction = following.is_some();
        if let Some((queued, commands)) = following {
            outbox.queue(queued, commands);
        }
        let deadline = context.deadline(context.step.timeout, Timeout::DataTermination);
        let outcome = context.connection.read_reply(context.events, deadline.at);
        self.apply_content_reply(context, outcome, deadline)
    }
}

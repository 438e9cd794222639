//! Content through DATA: stuffed, ended by a dot, with the next message's envelope after it.

use super::super::body::{self, ContentOptions, ContentProgress, ContentSource, FollowingCommands};
use super::Transaction;
use super::look_ahead::QueuedMessage;
use crate::exec::connection::SmtpConnection;
use crate::exec::error::StepError;
use crate::exec::executor::Executor;
use crate::smtp::timeouts::Timeout;
use std::cell::Cell;
use std::io::Read;

impl<'t> Transaction<'t> {
    pub(super) fn data(
        &mut self,
        executor: &mut Executor<'_>,
        connection: &mut SmtpConnection,
    ) -> Result<(), StepError> {
        // Behind a 354 content that cannot be had can only be given up with the connection.
        let reader = self.open(executor).map_err(|error| StepError { closes_connection: true, ..error })?;
        let ahead = QueuedMessage::prepare(executor, connection, self.step, self.plan, self.next, false, 0);
        let lines = ahead.as_ref().map(QueuedMessage::bytes);
        let following_commands = match (&ahead, &lines) {
            (Some(ahead), Some(lines)) => Some(FollowingCommands { lines, used: &ahead.plan.mail.used }),
            _ => None,
        };
        let source = ContentSource {
            reader,
            // The mail itself sees to it that it is as long as it was said to be.
            length: None,
            name: "the message".to_owned(),
            span: self.message.span.clone(),
            used: self.plan.mail.used.clone(),
        };
        let (timeout, dot_left) = (self.step.timeout, Cell::new(false));
        let sending = ContentOptions {
            stuffing: true,
            timeout,
            chunk: self.step.chunk,
            expect: self.expect,
            recipients: &self.left(),
            dot_left: &dot_left,
            following_commands,
        };
        let sent = body::send(executor, connection, source, &sending);
        self.complete = dot_left.get();
        if sent? == ContentProgress::AnsweredEarly {
            self.answered_early(executor, connection);
            return Ok(());
        }
        self.complete = true;
        // The dot ends the transaction, whatever becomes of the mail (RFC 5321 §4.1.1.4).
        connection.in_transaction = ahead.is_some();
        executor.ahead.extend(ahead);
        let limit = executor.limit(timeout, Timeout::DataTermination);
        let answer = connection.read_reply(&mut executor.events, limit.at);
        self.apply_content_reply(executor, connection, answer, limit)
    }

    pub(super) fn open(&self, executor: &Executor<'_>) -> Result<Box<dyn Read + 't>, StepError> {
        self.plan
            .mail
            .open()
            .map(|reader| -> Box<dyn Read + 't> { reader })
            .map_err(|error| self.unreadable(executor, &error))
    }

    pub(super) fn unreadable(&self, executor: &Executor<'_>, error: &std::io::Error) -> StepError {
        StepError::unreadable(&executor.events, format!("the message: {error}")).at(&self.message.span)
    }
}

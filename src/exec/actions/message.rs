//! The `message` step.

use super::outcome::ActionOutcome;
use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::exec::message::Delivery;
use crate::prepare::{ServerTraits, prepare_job};
use crate::session::FollowingMessage;
use crate::session::Message;

/// Sends the message, or continues it if something of it has left with the one before. `index` is its index in the
/// file, `following` the message that follows it.
pub fn message<'a>(
    context: &mut StepContext<'_, 'a>,
    message: &'a Message,
    index: usize,
    following: Option<FollowingMessage<'a>>,
) -> Result<ActionOutcome, StepError> {
    context.expected()?;
    let this = (index, context.row.scope.loop_index());
    let (mut job, fully_sent) = match context.connection.outbox.take_due() {
        Some(queued) => {
            context.row.message_id = queued.message_id;
            context.row.numbering.begin(index, false);
            (queued.job, queued.fully_sent)
        }
        None => {
            // Another attempt carries the Message-ID of the one before; another message never does.
            let again = context.row.last_message == Some(this);
            context.row.numbering.begin(index, again);
            let number = context.connection.outbox.next_number();
            let ehlo = context.connection.server.ehlo.clone();
            let server = ServerTraits { ehlo: &ehlo, is_lmtp: context.server().is_lmtp() };
            (prepare_job(&mut context.message_context(), message, server, number)?, false)
        }
    };
    context.row.last_message = Some(this);
    for note in std::mem::take(&mut job.notices.notes) {
        context.note(note);
    }
    if job.recipients.is_empty() {
        let excluded = job.notices.all_excluded;
        context.progress.record.all_excluded |= excluded;
        return Ok(if excluded { ActionOutcome::Excluded } else { ActionOutcome::AlreadySent });
    }
    context.connection.log.row.begin_message();
    Delivery::new(&job, following, fully_sent).run(context).map(|()| ActionOutcome::Passed)
}

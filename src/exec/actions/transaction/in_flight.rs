//! Messages in flight: whole messages of the rows that follow leave before the one before them is answered (`in_flight`),
//! where BDAT makes that possible (RFC 3030 §4.2). Each is judged in the turn of its own row.

use super::Transaction;
use super::bdat::{CHUNK, fill};
use super::envelope::{CommandKind, EnvelopeCommand};
use super::look_ahead::{FollowingMessage, QueuedMessage};
use crate::exec::connection::SmtpConnection;
use crate::exec::executor::Executor;
use crate::exec::{DeliveryIntent, RowResult};
use crate::session::{Action, Session};
use crate::transcript::ContentWindow;

/// Messages that leave in one write, and where each of them ends in it.
#[derive(Default)]
struct FlightBatch<'a> {
    messages: Vec<QueuedMessage<'a>>,
    ends: Vec<usize>,
    bytes: Vec<u8>,
}

/// How many messages may be in flight where `next` follows: more than one only where the messages of all rows follow
/// one another with nothing between them.
pub(super) fn most(session: &Session, next: Option<&FollowingMessage<'_>>) -> usize {
    let rows = session.rows.as_ref().filter(|_| next.is_some_and(|next| next.in_next_row));
    let [step] = session.steps.as_slice() else { return 1 };
    let alone = step.repeat_count() <= 1 && matches!(step.action, Action::Message(_));
    match rows {
        Some(rows) if alone => usize::try_from(rows.in_flight).unwrap_or(usize::MAX),
        _ => 1,
    }
}

impl Transaction<'_> {
    /// Sends as many of the messages that follow as may be in flight with this one. What cannot leave now has its own
    /// turn, and says there why.
    pub(super) fn fill_flight(&mut self, executor: &mut Executor<'_>, connection: &mut SmtpConnection) {
        let most = most(executor.session, self.next.as_ref());
        // What has come already is judged first: so replies that come together let messages leave together.
        let busy = connection.has_pending() && !executor.ahead.is_empty();
        if most <= 1 || busy || connection.cut || !connection.is_open() {
            return;
        }
        let mut batch = FlightBatch::default();
        while executor.ahead.len() + batch.messages.len() + 1 < most && batch.bytes.len() < CHUNK {
            let index = executor.ahead.len() + batch.messages.len();
            let Some(ahead) =
                QueuedMessage::prepare(executor, connection, self.step, self.plan, self.next, true, index)
            else {
                break;
            };
            let Some(content) = whole(&ahead) else { break };
            batch.add(ahead, &content);
        }
        if !batch.messages.is_empty() && record_intent(executor, &batch.messages) {
            self.launch(executor, connection, batch);
        }
    }

    fn launch<'a>(&self, executor: &mut Executor<'a>, connection: &mut SmtpConnection, batch: FlightBatch<'a>) {
        let mut rest = &batch.bytes[..];
        for (ahead, from) in batch.messages.iter().zip(std::iter::once(&0).chain(&batch.ends)) {
            let used = &ahead.plan.mail.used;
            let commands: usize = ahead.lines.iter().map(|line| line.text.len()).sum();
            let end = batch.ends.iter().find(|end| *end > from).copied().unwrap_or(*from);
            let (message, behind) = rest.split_at_checked(end - from).unwrap_or((rest, &[]));
            let (commands, content) = message.split_at_checked(commands).unwrap_or((message, &[]));
            executor.events.emit_sent(&connection.name, commands, used);
            executor.events.emit_content(&connection.name, content, &[], &mut ContentWindow::default(), used);
            rest = behind;
        }
        let (written, stop) = self.write_blocks(executor, connection, &[&batch.bytes]);
        connection.cut = stop.is_some();
        let left = batch.ends.iter().filter(|end| **end <= written).count();
        for (index, mut ahead) in batch.messages.into_iter().enumerate() {
            if index < left {
                ahead.fully_sent = true;
                executor.ahead.push_back(ahead);
            } else if let Some(row) = &ahead.row {
                executor.row_source.finished(row, RowResult::not_started());
            }
        }
    }
}

impl<'a> FlightBatch<'a> {
    /// Adds a message with its content, which is one chunk.
    fn add(&mut self, mut ahead: QueuedMessage<'a>, content: &[u8]) {
        ahead.lines.push_back(EnvelopeCommand::new(CommandKind::Last, format!("BDAT {} LAST\r\n", content.len())));
        self.bytes.extend(ahead.lines.iter().flat_map(|line| line.text.bytes()));
        self.bytes.extend_from_slice(content);
        self.ends.push(self.bytes.len());
        self.messages.push(ahead);
    }
}

/// The content, where it is at hand as a whole and may leave before anything is answered.
fn whole(ahead: &QueuedMessage<'_>) -> Option<Vec<u8>> {
    let plan = &ahead.plan;
    if !plan.chunked || !plan.eager || plan.mail.size() > CHUNK as u64 {
        return None;
    }
    let (mut content, mut reader) = (Vec::new(), plan.mail.open().ok()?);
    fill(reader.as_mut(), &mut content, plan.mail.size()).ok().filter(|complete| *complete).map(|_| content)
}

/// Records that they are being sent, all at once; false where that cannot be: then none leaves.
fn record_intent(executor: &mut Executor<'_>, messages: &[QueuedMessage<'_>]) -> bool {
    let first = executor.ahead.len() + 1;
    let intents: Vec<_> = messages
        .iter()
        .enumerate()
        .map(|(index, message)| DeliveryIntent {
            ahead: first + index,
            message_id: message.message_id.as_deref(),
            recipients: executor.recipients_shown(&message.plan.mail.recipients),
            earlier: &[],
        })
        .collect();
    executor.row_source.record_intent(&intents).is_ok()
}

//! The messages that follow on the same connection: the envelope of the next one leaves in one write with the end of the
//! one before (RFC 2920 §3.1), so that a message costs one round trip; with BDAT whole messages may be in flight.

use super::bdat::{MAX_CHUNK, fill_chunk, write_blocks};
use super::delivery::Delivery;
use crate::event::RowResult;
use crate::exec::connection::{SHORT_WAIT, SmtpConnection};
use crate::exec::context::StepContext;
use crate::exec::events::EventSink;
use crate::exec::outbox::{QueuedMessage, command_bytes};
use crate::exec::read_outcome::ReadOutcome;
use crate::exec::row_source::DeliveryIntent;
use crate::prepare::{CommandKind, EnvelopeCommand, MessageContext, ServerTraits, prepare_job};
use crate::session::max_in_flight;
use crate::transcript::ContentWindow;

/// A message that is prepared before its turn, and the commands of it that leave now.
pub type PreparedQueued<'a> = (QueuedMessage<'a>, Vec<EnvelopeCommand>);

impl<'a> Delivery<'_, 'a> {
    /// Prepares the message that follows, if its envelope may leave with this one's end. `reset`: RSET comes before it;
    /// `index`: how many rows are between. If it cannot be prepared its own step will say why.
    pub fn prepare_following(
        &self,
        context: &mut StepContext<'_, 'a>,
        reset: bool,
        index: usize,
    ) -> Option<PreparedQueued<'a>> {
        let following = self.following.filter(|following| following.connection == context.connection.name)?;
        let step = context.step;
        let is_alone = !self.job.policy.pipelined || step.retry.is_some() || step.chunk.is_some();
        // A server that does not know BDAT reads the octets, and what comes after them, as commands.
        let is_first_chunk = self.job.policy.chunked && !context.run.shared.chunking.is_accepted();
        if is_alone || is_first_chunk || following.depends_on(context.run.session, step) {
            return None;
        }
        let mut row = context.row.clone();
        if following.in_next_row {
            row.begin(context.rows.peek(index).filter(|row| row.error.is_none())?);
        }
        row.scope.set_loop(following.repetition);
        row.numbering.begin(following.index, false);
        let (secrets, clock) = (&context.events.secrets, context.events.clock);
        let mut inputs = MessageContext { run: context.run, row: &mut row, secrets, clock };
        let number = context.connection.outbox.next_number();
        let server = ServerTraits { ehlo: &context.connection.server.ehlo, is_lmtp: context.server().is_lmtp() };
        let job = prepare_job(&mut inputs, following.message, server, number).ok()?;
        if !job.policy.pipelined || job.recipients.is_empty() {
            return None;
        }
        let commands = job.envelope(reset);
        let next_row = following.in_next_row.then_some(row.row);
        Some((QueuedMessage { job, message_id: row.message_id, next_row, fully_sent: false }, commands))
    }

    /// Sends as many of the messages that follow as may be in flight with this one. What cannot leave now has its own
    /// turn, and says there why.
    pub fn fill_flight(&mut self, context: &mut StepContext<'_, 'a>) {
        let most = max_in_flight(context.run.session, self.following.as_ref());
        let (connection, queued) = (&*context.connection, context.connection.outbox.queued_count());
        // What has come already is judged first: so replies that come together let messages leave together.
        let is_busy = connection.has_unread_input() && queued > 0;
        if most <= 1 || is_busy || connection.outbox.write_failed || !connection.is_open() {
            return;
        }
        let mut flight = Flight::default();
        while queued + flight.messages.len() + 1 < most && flight.bytes.len() < MAX_CHUNK {
            let index = queued + flight.messages.len();
            let Some(prepared) = self.prepare_following(context, true, index) else { break };
            let Some(content) = whole_content(&prepared.0) else { break };
            flight.add(prepared, &content);
        }
        if !flight.messages.is_empty() && record_intents(context, &flight.messages) {
            launch(context, flight);
        }
    }
}

/// Messages that leave in one write.
#[derive(Default)]
struct Flight<'a> {
    messages: Vec<FlightMessage<'a>>,
    bytes: Vec<u8>,
}

/// A message in it, and where its commands and its content end.
struct FlightMessage<'a> {
    prepared: PreparedQueued<'a>,
    commands_end: usize,
    end: usize,
}

impl<'a> Flight<'a> {
    /// Adds a message with its content, which is one chunk.
    fn add(&mut self, (queued, mut commands): PreparedQueued<'a>, content: &[u8]) {
        let last = format!("BDAT {} LAST\r\n", content.len());
        commands.push(EnvelopeCommand::new(CommandKind::LastChunk, last));
        self.bytes.extend_from_slice(&command_bytes(&commands));
        let commands_end = self.bytes.len();
        self.bytes.extend_from_slice(content);
        self.messages.push(FlightMessage { prepared: (queued, commands), commands_end, end: self.bytes.len() });
    }
}

/// The content, if it is at hand as a whole and may leave before anything is answered.
fn whole_content(queued: &QueuedMessage<'_>) -> Option<Vec<u8>> {
    let (content, policy) = (&queued.job.content, queued.job.policy);
    if !policy.chunked || !policy.eager || content.size() > MAX_CHUNK as u64 {
        return None;
    }
    let mut octets = Vec::new();
    fill_chunk(&mut content.open(), &mut octets, content.size()).ok().filter(|complete| *complete).map(|_| octets)
}

/// Records that they are being sent, all at once; false if that fails: then none leaves.
fn record_intents(context: &mut StepContext<'_, '_>, messages: &[FlightMessage<'_>]) -> bool {
    let first = context.connection.outbox.queued_count() + 1;
    let intents: Vec<_> = messages
        .iter()
        .enumerate()
        .map(|(index, message)| DeliveryIntent {
            ahead: first + index,
            message_id: message.prepared.0.message_id.as_deref(),
            recipients: context.row.ledger_names(&context.events.secrets, &message.prepared.0.job.recipients),
            earlier: &[],
        })
        .collect();
    context.rows.record_intent(&intents).is_ok()
}

/// Writes them. Those that have not left as a whole are pending again.
fn launch<'a>(context: &mut StepContext<'_, 'a>, flight: Flight<'a>) {
    let mut begin = 0;
    for message in &flight.messages {
        let (name, used) = (&context.connection.name, &message.prepared.0.job.notices.short_secrets);
        let bytes = |from, to| flight.bytes.get(from..to).unwrap_or_default();
        context.events.emit_sent(name, bytes(begin, message.commands_end), used);
        let content = bytes(message.commands_end, message.end);
        context.events.emit_content(name, content, &[], &mut ContentWindow::default(), used);
        begin = message.end;
    }
    let (written, stop) = write_blocks(context, &[&flight.bytes]);
    let outbox = &mut context.connection.outbox;
    outbox.write_failed = stop.is_some();
    for message in flight.messages {
        let (queued, commands) = message.prepared;
        if message.end <= written {
            outbox.queue(QueuedMessage { fully_sent: true, ..queued }, commands);
        } else if let Some(row) = &queued.next_row {
            context.rows.finished(row, RowResult::not_started());
        }
    }
}

/// Takes back an envelope whose message will not be sent: its replies are read; if the server waits for content then, the
/// connection is closed without a dot.
pub fn discard_queued(connection: &mut SmtpConnection<'_>, events: &mut EventSink<'_>) {
    // What is in flight is judged in its own turn.
    let Some(queued) = connection.outbox.take_unfinished() else { return };
    let until = events.now() + SHORT_WAIT;
    while let Some(command) = connection.outbox.take_reply_of(queued.job.number) {
        match connection.read_reply(events, until) {
            ReadOutcome::Reply(facts) if command.kind == CommandKind::Data && facts.reply.code.get() == 354 => {}
            ReadOutcome::Reply(facts) if facts.reply.code.get() == 421 => break,
            ReadOutcome::Reply(_) => continue,
            ReadOutcome::Ended(_)
            | ReadOutcome::Nothing { .. }
            | ReadOutcome::Malformed(_)
            | ReadOutcome::Interrupted(_) => {}
        }
        connection.fail(events);
        break;
    }
    connection.outbox.forget_replies_of(queued.job.number);
}

//! Messages in flight: whole messages of the rows that follow leave before the one before them is answered (`in_flight`),
//! where BDAT makes that possible (RFC 3030 §4.2). Each is judged in the turn of its own row.

use super::Transaction;
use super::ahead::{Ahead, Next};
use super::chunks::{CHUNK, fill};
use super::envelope::{Line, Order};
use crate::exec::Sealing;
use crate::exec::channel::Channel;
use crate::exec::player::Player;
use crate::session::{Action, Session};
use crate::transcript::Passage;

/// Messages that leave in one write, and where each of them ends in it.
#[derive(Default)]
struct Batch<'a> {
    messages: Vec<Ahead<'a>>,
    ends: Vec<usize>,
    bytes: Vec<u8>,
}

/// How many messages may be in flight where `next` follows: more than one only where the messages of all rows follow
/// one another with nothing between them.
pub(super) fn most(session: &Session, next: Option<&Next<'_>>) -> usize {
    let rows = session.rows.as_ref().filter(|_| next.is_some_and(|next| next.in_next_row));
    let [step] = session.steps.as_slice() else { return 1 };
    let alone = step.times() <= 1 && matches!(step.action, Action::Message(_));
    match rows {
        Some(rows) if alone => usize::try_from(rows.in_flight).unwrap_or(usize::MAX),
        _ => 1,
    }
}

impl Transaction<'_> {
    /// Sends as many of the messages that follow as may be in flight with this one. What cannot leave now has its own
    /// turn, and says there why.
    pub(super) fn fill_flight(&mut self, player: &mut Player<'_>, channel: &mut Channel) {
        let most = most(player.session, self.next.as_ref());
        // What has come already is judged first: so replies that come together let messages leave together.
        let busy = channel.has_pending() && !player.ahead.is_empty();
        if most <= 1 || busy || channel.cut || !channel.is_open() {
            return;
        }
        let mut batch = Batch::default();
        while player.ahead.len() + batch.messages.len() + 1 < most && batch.bytes.len() < CHUNK {
            let index = player.ahead.len() + batch.messages.len();
            let Some(ahead) = Ahead::prepare(player, channel, self.step, self.plan, self.next, true, index) else {
                break;
            };
            let Some(content) = whole(&ahead) else { break };
            batch.add(ahead, &content);
        }
        if !batch.messages.is_empty() && seal(player, &batch.messages) {
            self.launch(player, channel, batch);
        }
    }

    fn launch<'a>(&self, player: &mut Player<'a>, channel: &mut Channel, batch: Batch<'a>) {
        let mut rest = &batch.bytes[..];
        for (ahead, from) in batch.messages.iter().zip(std::iter::once(&0).chain(&batch.ends)) {
            let used = &ahead.plan.mail.used;
            let commands: usize = ahead.lines.iter().map(|line| line.text.len()).sum();
            let end = batch.ends.iter().find(|end| *end > from).copied().unwrap_or(*from);
            let (message, behind) = rest.split_at_checked(end - from).unwrap_or((rest, &[]));
            let (commands, content) = message.split_at_checked(commands).unwrap_or((message, &[]));
            player.narrator.sent(&channel.name, commands, used);
            player.narrator.content(&channel.name, content, &[], &mut Passage::default(), used);
            rest = behind;
        }
        let (written, stop) = self.write_blocks(player, channel, &[&batch.bytes]);
        channel.cut = stop.is_some();
        let (left, mut unsent) = (batch.ends.iter().filter(|end| **end <= written).count(), false);
        for (index, mut ahead) in batch.messages.into_iter().enumerate() {
            if index < left {
                ahead.whole = true;
                player.ahead.push_back(ahead);
            } else {
                unsent = true;
            }
        }
        if unsent {
            player.feed.unsent(player.ahead.len());
        }
    }
}

impl<'a> Batch<'a> {
    /// Adds a message with its content, which is one chunk.
    fn add(&mut self, mut ahead: Ahead<'a>, content: &[u8]) {
        ahead.lines.push_back(Line::new(Order::Last, format!("BDAT {} LAST\r\n", content.len())));
        self.bytes.extend(ahead.lines.iter().flat_map(|line| line.text.bytes()));
        self.bytes.extend_from_slice(content);
        self.ends.push(self.bytes.len());
        self.messages.push(ahead);
    }
}

/// The content, where it is at hand as a whole and may leave before anything is answered.
fn whole(ahead: &Ahead<'_>) -> Option<Vec<u8>> {
    let plan = &ahead.plan;
    if !plan.chunked || !plan.eager || plan.mail.size() > CHUNK as u64 {
        return None;
    }
    let (mut content, mut reader) = (Vec::new(), plan.mail.open().ok()?);
    fill(reader.as_mut(), &mut content, plan.mail.size()).ok().filter(|complete| *complete).map(|_| content)
}

/// Records that they are being sent, all at once; false where that cannot be: then none leaves.
fn seal(player: &mut Player<'_>, messages: &[Ahead<'_>]) -> bool {
    let first = player.ahead.len() + 1;
    let sealings: Vec<_> = messages
        .iter()
        .enumerate()
        .map(|(index, message)| Sealing {
            ahead: first + index,
            message_id: message.message_id.as_deref(),
            recipients: player.recipients_shown(&message.plan.mail.recipients),
        })
        .collect();
    player.feed.sending(&sealings).is_ok()
}

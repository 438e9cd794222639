//! Content through BDAT (RFC 3030 §2): octets as they are, in chunks, behind RCPT in one write where that may be.

use super::ahead::Ahead;
use super::envelope::{Line, Order};
use super::{Transaction, flight, judge};
use crate::exec::answer::{Answer, End, Turn, Unwritten};
use crate::exec::channel::Channel;
use crate::exec::player::Player;
use crate::exec::trouble::{Limit, Trouble};
use crate::smtp::limits::Wait;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::time::Duration;

/// The most octets of a chunk. A chunk is held whole, since LAST is said only of content that is there to its end; at a
/// megabyte, held once, that is little memory, and a reply for each is little to read.
pub(super) const CHUNK: usize = 1 << 20;
/// What one deadline is for.
const BLOCK: usize = 64 * 1024;
/// How long a server has to say why it did not take the content.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Transaction<'_> {
    /// Sends the content, `envelope` in front of it, and reads all replies. A chunk that is refused is the last.
    pub(super) fn chunks(
        &mut self,
        player: &mut Player<'_>,
        channel: &mut Channel,
        mut envelope: Vec<Line>,
    ) -> Result<(), Trouble> {
        let mut reader = self.open(player)?;
        let (mut content, mut begun) = (Vec::new(), false);
        loop {
            let last = fill(reader.as_mut(), &mut content, self.plan.mail.size()).map_err(|error| {
                let trouble = self.unreadable(player, &error);
                // What was sent can only be given up with the connection.
                Trouble { severs: begun || trouble.severs, ..trouble }
            })?;
            let end = if last { content.len() } else { cut(&content) };
            let whole = content.split_at_checked(end).unwrap_or((&content, &[]));
            let ahead = if last && flight::most(player.session, self.next.as_ref()) == 1 {
                Ahead::prepare(player, channel, self.step, self.plan, self.next, true, 0)
            } else {
                None
            };
            begun = true;
            self.chunk(player, channel, std::mem::take(&mut envelope), whole, last, ahead.as_ref())?;
            if last {
                self.complete = true;
                player.ahead.extend(ahead);
                return self.land(player, channel);
            }
            content.drain(..end);
            if self.plan.pipelined {
                self.hear_arrived(player, channel)?;
            } else {
                self.hear_all(player, channel)?;
            }
            if self.is_hopeless() {
                break;
            }
        }
        self.hear_all(player, channel)?;
        channel.in_message = false;
        Ok(())
    }

    /// All of the message has left: sends what may be in flight with it, and reads its replies.
    pub(super) fn land(&mut self, player: &mut Player<'_>, channel: &mut Channel) -> Result<(), Trouble> {
        channel.in_message = true;
        self.fill_flight(player, channel);
        let heard = self.hear_all(player, channel);
        channel.in_message = false;
        heard
    }

    /// Writes a chunk with what stands before and behind it, in one write, each block of it within its deadline. With its
    /// content comes what is known of the next one's.
    fn chunk(
        &mut self,
        player: &mut Player<'_>,
        channel: &mut Channel,
        envelope: Vec<Line>,
        (content, later): (&[u8], &[u8]),
        last: bool,
        ahead: Option<&Ahead<'_>>,
    ) -> Result<(), Trouble> {
        if self.awaited.is_empty() {
            self.our_turn(player, channel)?;
        }
        if last {
            player.seal(&self.left())?;
        }
        let mut commands: Vec<u8> = envelope.iter().flat_map(|line| line.text.bytes()).collect();
        let own = commands.len();
        let (order, word) = if last { (Order::Last, " LAST") } else { (Order::Chunk, "") };
        let command = Line::new(order, format!("BDAT {}{word}\r\n", content.len()));
        commands.extend_from_slice(command.text.as_bytes());
        let used = &self.plan.mail.used;
        let (before, chunk) = commands.split_at_checked(own).unwrap_or((&commands, &[]));
        player.narrator.sent(&channel.name, before, used);
        player.narrator.between = !last;
        player.narrator.sent(&channel.name, chunk, used);
        player.narrator.between = false;
        player.narrator.content(&channel.name, content, later, &mut self.passage, used);
        let end = commands.len() + content.len();
        let behind = ahead.map(Ahead::bytes).unwrap_or_default();
        if let Some(ahead) = ahead {
            player.narrator.sent(&channel.name, &behind, &ahead.plan.mail.used);
        }
        self.awaited.extend(envelope.into_iter().chain([command]));
        channel.in_message = true;
        let (written, stop) = self.write_blocks(player, channel, &[&commands, content, &behind]);
        match stop {
            None => Ok(()),
            Some((stop, limit)) => {
                self.complete = last && written >= end;
                self.broken_off(player, channel, stop, limit)
            }
        }
    }

    /// Writes, each block within its deadline, whatever parts it is of. Gives how many bytes left, and why no more did.
    pub(super) fn write_blocks(
        &self,
        player: &mut Player<'_>,
        channel: &mut Channel,
        parts: &[&[u8]],
    ) -> (usize, Option<(Unwritten, Limit)>) {
        let all: usize = parts.iter().map(|part| part.len()).sum();
        let mut rest: VecDeque<&[u8]> = parts.iter().copied().collect();
        let (mut written, mut block) = (0, Vec::with_capacity(all.min(BLOCK)));
        while written < all && !rest.is_empty() {
            block.clear();
            while let Some(part) = rest.front_mut().filter(|_| block.len() < BLOCK) {
                let (now, later) = part.split_at(part.len().min(BLOCK - block.len()));
                block.extend_from_slice(now);
                *part = later;
                if later.is_empty() {
                    rest.pop_front();
                }
            }
            let limit = player.limit(self.step.timeout, Wait::DataBlock);
            let (count, result) = channel.write_paced(&mut player.narrator, &block, self.step.chunk, limit.at, false);
            written += count;
            if let Err(stop) = result {
                player.narrator.unwritten(&channel.name, all - written);
                return (written, Some((stop, limit)));
            }
        }
        (written, None)
    }

    /// Nothing has arrived that no command asked for.
    fn our_turn(&self, player: &mut Player<'_>, channel: &mut Channel) -> Result<(), Trouble> {
        if !channel.is_open() {
            return Err(Trouble::lost(&player.narrator, &End::Absent));
        }
        match channel.turn(&mut player.narrator) {
            Turn::Ours => Ok(()),
            Turn::Ended(end) => Err(Trouble::lost(&player.narrator, &end)),
            Turn::Spoke { text, answer } => Err(judge::out_of_turn(&player.narrator, &text, &answer)),
        }
    }

    /// Whether nobody can be reached any more, whatever the replies say that are still to come.
    fn is_hopeless(&self) -> bool {
        self.is_halted() || !self.recipients.any_left()
    }

    /// Reads the replies that have come, without waiting: a refusal ends the content.
    fn hear_arrived(&mut self, player: &mut Player<'_>, channel: &mut Channel) -> Result<(), Trouble> {
        while let Some(line) = self.awaited.front() {
            player.narrator.between = line.order == Order::Chunk;
            let answer = channel.answered(&mut player.narrator);
            player.narrator.between = false;
            let Some(answer) = answer else { break };
            let Some(line) = self.awaited.pop_front() else { break };
            let limit = player.limit(self.step.timeout, Wait::of_command(line.text.as_bytes()));
            self.heard(player, channel, &line, answer, limit)?;
        }
        Ok(())
    }

    /// Writing failed: what the server said of it is read, and is what stopped the message.
    fn broken_off(
        &mut self,
        player: &mut Player<'_>,
        channel: &mut Channel,
        stop: Unwritten,
        limit: Limit,
    ) -> Result<(), Trouble> {
        let (narrator, timed_out) = (&player.narrator, matches!(stop, Unwritten::TimedOut));
        let trouble = match stop {
            Unwritten::Interrupted(interrupt) => return Err(Trouble::interrupted(interrupt)),
            _ if self.complete => Trouble::delivery_unknown(narrator, "writing failed behind the last octet"),
            Unwritten::Ended(end) => Trouble::lost(narrator, &end),
            Unwritten::TimedOut | Unwritten::Early => {
                Trouble::timed_out(narrator, "the server to take the content", limit)
            }
        };
        // Once the deadline has passed only what is there already counts.
        if timed_out {
            self.hear_arrived(player, channel)?;
            return Err(trouble);
        }
        let until = player.narrator.now() + LAST_WORDS;
        while let Some(line) = self.awaited.pop_front() {
            match channel.answer(&mut player.narrator, until) {
                answer @ (Answer::Reply(_) | Answer::Malformed(_)) => {
                    self.heard(player, channel, &line, answer, limit)?;
                }
                _ => break,
            }
        }
        Err(trouble)
    }
}

/// Reads until there is more than a chunk. Gives whether the content, which has `size` octets, has come to its end.
pub(super) fn fill(reader: &mut dyn Read, content: &mut Vec<u8>, size: u64) -> io::Result<bool> {
    let room = (CHUNK + BLOCK).saturating_sub(content.len());
    // Growing by doubling would hold it twice.
    content.reserve_exact(usize::try_from(size).map_or(room, |size| size.min(room)));
    let count = reader.take(room as u64).read_to_end(content)?;
    Ok(count < room)
}

/// Where a chunk ends: at a line's end, where there is one, so that the transcript shows whole lines.
fn cut(content: &[u8]) -> usize {
    let most = content.get(..CHUNK).unwrap_or(content);
    memchr::memrchr(b'\n', most).map_or(most.len(), |lf| lf + 1)
}

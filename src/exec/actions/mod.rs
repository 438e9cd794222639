//! What steps do: an action each, over one connection.

mod auth;
mod body;
mod compose;
mod connection;
mod line;
mod login;
mod material;
mod pipeline;
mod tls;
mod transaction;

use super::answer::{Answer, End, Turn, Unwritten};
use super::channel::Channel;
use super::judge;
use super::player::Player;
use super::trouble::{Limit, Trouble};
use crate::event::Note;
use crate::session::{Action, Chunk, CloseHow, Expect, ReplyFacts, Step};
use crate::smtp::capabilities::Capabilities;
use crate::smtp::limits::Wait;
use std::time::{Duration, Instant};

pub use compose::compose;
pub use line::rendered_title;
pub use material::try_file;
pub use tls::handshake;
pub use transaction::{Ahead, Next, settle};

/// How an action ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    Passed,
    /// `opportunistic`, and the server does not offer it.
    NotOffered,
    /// A message that all its recipients have had before.
    SentBefore,
    /// What the session requires is not there.
    SkipSession,
}

/// Does what a step says. `line` is what was rendered of it for its title, `next` the message that follows a message.
pub fn act(
    player: &mut Player<'_>,
    channel: &mut Channel,
    step: &Step,
    line: Option<String>,
    next: Option<Next<'_>>,
) -> Result<Done, Trouble> {
    match &step.action {
        Action::Wait => line::wait(player, channel, step)?,
        Action::Send(template) => line::send(player, channel, step, template, line)?,
        Action::Raw(bytes) => line::raw(player, channel, step, bytes)?,
        Action::Hello { .. } => line::hello(player, channel, step, line)?,
        Action::Starttls { policy, inject_check } => {
            return tls::starttls(player, channel, step, *policy, *inject_check);
        }
        Action::Tls => tls::tls(player, channel)?,
        Action::Auth(settings) => auth::auth(player, channel, settings, step)?,
        Action::Login => return login::login(player, channel, step),
        Action::Message(message) => return transaction::message(player, channel, step, message, next),
        Action::Body { content, dot_stuffing } => body::body(player, channel, step, content, *dot_stuffing)?,
        Action::Pipeline(members) => pipeline::pipeline(player, channel, step, members)?,
        Action::Quit => connection::quit(player, channel, step)?,
        Action::Sleep(duration) => player.pause(&channel.name, *duration)?,
        Action::Close(how) => connection::close(player, channel, *how)?,
        Action::Connect => connection::connect(player, channel)?,
        Action::Proxy { version, source, destination } => {
            connection::proxy(player, channel, step, *version, (*source, *destination))?;
        }
        Action::Xclient(attributes) => connection::xclient(player, channel, step, attributes)?,
        // A group is played by the step loop.
        Action::Steps(_) => {}
    }
    Ok(Done::Passed)
}

/// Bytes to send, and what is to come of them.
struct Command<'c> {
    bytes: &'c [u8],
    /// Short secrets in them.
    used: Vec<String>,
    chunk: Option<Chunk>,
    wait: Wait,
    timeout: Option<Duration>,
    /// `None`: nothing is read.
    expect: Option<&'c Expect>,
    /// Whether the server must have said nothing before.
    paired: bool,
    /// What is waited for, where the bytes do not say it.
    reply_to: Option<&'static str>,
    /// Which of the replies that follow is the one to content, should the bytes end any; 0: they do not.
    end_in: usize,
}

impl<'c> Command<'c> {
    /// A command line, CRLF included.
    fn line(bytes: &'c [u8], expect: &'c Expect, timeout: Option<Duration>) -> Self {
        let wait = Wait::of_command(bytes);
        let (used, expect) = (Vec::new(), Some(expect));
        Self { bytes, used, chunk: None, wait, timeout, expect, paired: true, reply_to: None, end_in: 1 }
    }

    /// For messages.
    fn waiting_for(&self) -> String {
        if let Some(command) = self.reply_to {
            return format!("the reply to {command}");
        }
        let line = self.bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        // Parameters may be secret, and are not what is waited for.
        let words: Vec<&str> = line.split_whitespace().take(if self.wait == Wait::Other { 1 } else { 2 }).collect();
        if words.is_empty() { "the reply".to_owned() } else { format!("the reply to {}", words.join(" ")) }
    }
}

/// Sends a command, waits for its reply and judges it.
fn exchange(
    player: &mut Player<'_>,
    channel: &mut Channel,
    command: &Command<'_>,
) -> Result<Option<ReplyFacts>, Trouble> {
    let limit = player.limit(command.timeout, command.wait);
    let known = put(player, channel, command, limit)?;
    let Some(expect) = command.expect else {
        channel.unpaired = true;
        return Ok(None);
    };
    let answer = match known {
        Some(answer) => answer,
        None => channel.answer(&mut player.narrator, limit.at),
    };
    if let Answer::Reply(facts) = &answer
        && command.paired
    {
        hear_hello(player, channel, command.bytes, facts);
    }
    let facts = player.judge(expect, answer, &command.waiting_for(), limit)?;
    read_through(player, channel, expect, limit.at);
    Ok(facts)
}

/// Where what is not SMTP was expected, the rest of a line that was too long is read, so that the next reply is whole.
fn read_through(player: &mut Player<'_>, channel: &mut Channel, expect: &Expect, until: Instant) {
    if expect.malformed() && !channel.read_through_line(&mut player.narrator, until) {
        channel.close(&mut player.narrator, CloseHow::Fin);
    }
}

/// Sends a command and gives its reply, whatever it says.
fn ask(player: &mut Player<'_>, channel: &mut Channel, command: &Command<'_>) -> Result<ReplyFacts, Trouble> {
    match exchange(player, channel, command)? {
        Some(facts) => Ok(facts),
        None => Err(Trouble::lost(&player.narrator, &End::Absent)),
    }
}

/// Looks whether it is the client's turn, tells, and writes. Gives the answer where it is there already.
fn put(
    player: &mut Player<'_>,
    channel: &mut Channel,
    command: &Command<'_>,
    limit: Limit,
) -> Result<Option<Answer>, Trouble> {
    let closing = command.expect.is_some_and(Expect::close);
    if !channel.is_open() {
        return Err(Trouble::lost(&player.narrator, &End::Absent));
    }
    if command.paired {
        match channel.turn(&mut player.narrator) {
            Turn::Ours => {}
            // The server was quicker with what is expected of it.
            Turn::Ended(end @ (End::Fin | End::Reset)) if closing => return Ok(Some(Answer::Ended(end))),
            Turn::Ended(end) => return Err(Trouble::lost(&player.narrator, &end)),
            Turn::Spoke { text, answer } => return Err(judge::out_of_turn(&player.narrator, &text, &answer)),
        }
    }
    if command.end_in > 0 && ends_content(command.bytes) {
        player.seal(&[])?;
        player.feed.end_leaves(command.end_in);
    }
    channel.after_starttls = command.paired && verb_is(command.bytes, "STARTTLS");
    player.narrator.sent(&channel.name, command.bytes, &command.used);
    let (count, written) = channel.write_paced(&mut player.narrator, command.bytes, command.chunk, limit.at, false);
    player.narrator.unwritten(&channel.name, command.bytes.len() - count);
    match written {
        Ok(()) | Err(Unwritten::Early) => Ok(None),
        Err(Unwritten::Interrupted(interrupt)) => Err(Trouble::interrupted(interrupt)),
        Err(Unwritten::TimedOut) => {
            let (what, words) = (command.waiting_for(), "the reply to ");
            let what = what.trim_start_matches(words);
            let waiting_for = match command.chunk {
                // The time may have gone into the pauses.
                Some(_) => format!("the last piece of {what} to leave"),
                None => format!("the server to take {what}"),
            };
            Err(Trouble::timed_out(&player.narrator, &waiting_for, limit))
        }
        Err(Unwritten::Ended(end)) => last_words(player, channel, end, closing).map(Some),
    }
}

/// Whether content may end with these bytes: a dot alone between line ends of whatever kind, as a server that is lax
/// takes them, or BDAT's last chunk (RFC 3030 §2).
fn ends_content(bytes: &[u8]) -> bool {
    bytes.split(|byte| matches!(byte, b'\r' | b'\n')).any(|line| {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let is_bdat = words.next().is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"));
        line == b"." || (is_bdat && words.next_back().is_some_and(|word| word.eq_ignore_ascii_case(b"LAST")))
    })
}

/// What the server said before it ended the connection under a write: read for a second at most.
fn last_words(player: &mut Player<'_>, channel: &mut Channel, end: End, closing: bool) -> Result<Answer, Trouble> {
    let until = player.narrator.now() + Duration::from_secs(1);
    match channel.answer(&mut player.narrator, until) {
        answer @ Answer::Reply(_) => Ok(answer),
        Answer::Ended(end) if closing => Ok(Answer::Ended(end)),
        Answer::Malformed(malformed) => Err(Trouble::malformed(&malformed)),
        Answer::Interrupted(interrupt) => Err(Trouble::interrupted(interrupt)),
        Answer::Ended(End::Absent) | Answer::Nothing { .. } => Err(Trouble::lost(&player.narrator, &end)),
        // What reading says of the end is what the transcript has.
        Answer::Ended(end) => Err(Trouble::lost(&player.narrator, &end)),
    }
}

/// EHLO and LHLO tell what the server can do; where they are refused, and behind HELO, nothing is known.
fn hear_hello(player: &mut Player<'_>, channel: &mut Channel, line: &[u8], facts: &ReplyFacts) {
    let extended = verb_is(line, "EHLO") || verb_is(line, "LHLO");
    if extended && facts.reply.code.class() == 2 {
        channel.ehlo = Capabilities::parse(&facts.reply);
        // As the server wrote them: a keyword in capitals would no longer be known for a secret.
        let offers = facts.reply.lines.iter().skip(1);
        let list = offers.map(|offer| player.narrator.shown(offer.trim_ascii())).collect();
        player.note(channel, Note::Capabilities { list });
    } else if extended || verb_is(line, "HELO") {
        channel.ehlo = Capabilities::default();
    }
}

fn verb_is(line: &[u8], verb: &str) -> bool {
    let first = line.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    first.eq_ignore_ascii_case(verb.as_bytes())
}

/// The step's expectation; every action that must have one got it when the file was read.
fn expected<'s>(player: &Player<'_>, step: &'s Step) -> Result<&'s Expect, Trouble> {
    step.expect.as_ref().ok_or_else(|| Trouble::bad_value(&player.narrator, "the step expects nothing"))
}

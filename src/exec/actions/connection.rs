//! Steps of a connection: `quit`, `close`, `connect`, `proxy`, `xclient`.

use super::{Command, exchange, expected};
use crate::event::Note;
use crate::exec::answer::End;
use crate::exec::channel::Channel;
use crate::exec::player::Player;
use crate::exec::trouble::Trouble;
use crate::session::{CloseHow, EhloFacts, Step, Template};
use crate::smtp::limits::Wait;
use crate::smtp::{proxy, xtext};
use std::net::SocketAddr;
use std::time::Duration;

/// How long the server has to close behind its 221, or to answer QUIT behind a failure.
pub const FAREWELL: Duration = Duration::from_secs(2);

/// QUIT, then waits for the server to close (RFC 5321 §4.1.1.10). Whether it did changes no verdict.
pub fn quit(player: &mut Player<'_>, channel: &mut Channel, step: &Step) -> Result<(), Trouble> {
    let expect = expected(player, step)?;
    let command = Command { chunk: step.chunk, ..Command::line(b"QUIT\r\n", expect, step.timeout) };
    match exchange(player, channel, &command) {
        Ok(_) => {}
        // Behind a delivered message the failure is said and changes no status: the mail is the server's.
        Err(trouble) if channel.delivered && player.narrator.clock.interrupted().is_none() => {
            let why = player.narrator.shown(trouble.cause.to_string());
            player.note(channel, Note::QuitFailed { why });
            channel.close(&mut player.narrator, CloseHow::Fin);
            return Ok(());
        }
        Err(trouble) => return Err(trouble),
    }
    let until = player.narrator.now() + FAREWELL;
    channel.await_close(&mut player.narrator, until);
    channel.close(&mut player.narrator, CloseHow::Fin);
    Ok(())
}

pub fn close(player: &mut Player<'_>, channel: &mut Channel, how: CloseHow) -> Result<(), Trouble> {
    if !channel.is_open() {
        return Err(Trouble::lost(&player.narrator, &End::Absent));
    }
    channel.close(&mut player.narrator, how);
    Ok(())
}

/// A new connection in place of one that ended.
pub fn connect(player: &mut Player<'_>, channel: &mut Channel) -> Result<(), Trouble> {
    channel.close(&mut player.narrator, CloseHow::Fin);
    player.connect(channel, false)
}

/// The PROXY header is the first thing on a connection, before the greeting, which may come meanwhile.
pub fn proxy(
    player: &mut Player<'_>,
    channel: &mut Channel,
    step: &Step,
    version: u8,
    (source, destination): (SocketAddr, SocketAddr),
) -> Result<(), Trouble> {
    let bytes = match version {
        1 => proxy::header_v1(source, destination),
        _ => proxy::header_v2(source, destination),
    }
    .map_err(|error| Trouble::bad_value(&player.narrator, error.to_string()))?;
    let command = Command {
        bytes: &bytes,
        used: Vec::new(),
        chunk: step.chunk,
        wait: Wait::Other,
        timeout: step.timeout,
        expect: None,
        paired: false,
        reply_to: None,
        end_in: 0,
    };
    let unpaired = channel.unpaired;
    exchange(player, channel, &command)?;
    channel.unpaired = unpaired;
    Ok(())
}

/// Postfix's XCLIENT: its reply is a new greeting, behind which the session begins anew.
pub fn xclient(
    player: &mut Player<'_>,
    channel: &mut Channel,
    step: &Step,
    attributes: &[(String, Template)],
) -> Result<(), Trouble> {
    let mut line = String::from("XCLIENT");
    for (name, value) in attributes {
        line += &format!(" {name}={}", xtext::encode(player.render_line(value)?.as_bytes()));
    }
    line += "\r\n";
    let expect = expected(player, step)?;
    let command = Command { chunk: step.chunk, ..Command::line(line.as_bytes(), expect, step.timeout) };
    let facts = exchange(player, channel, &command)?;
    if facts.is_some_and(|facts| facts.reply.code.get() == 220) {
        channel.ehlo = EhloFacts::default();
    }
    Ok(())
}

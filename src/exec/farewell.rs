//! The end of a session: QUIT where the dialogue allows it and something went wrong, and all connections closed.

use super::answer::Turn;
use super::channel::Channel;
use super::player::Player;
use super::steps::Flow;
use crate::session::CloseHow;
use std::time::Duration;

/// How long QUIT's reply is awaited behind a failure, and the server's end behind its 221.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ends all connections. What comes of it changes no verdict.
pub fn part(player: &mut Player<'_>, flow: Flow) {
    for mut channel in player.take_channels() {
        // A session that came to its end has said what it had to say; one that a signal ended has no time for it.
        if flow > Flow::On && channel.may_quit() && player.interrupted.is_none() {
            quit(player, &mut channel);
        } else if flow == Flow::On && channel.reply.as_ref().is_some_and(|facts| facts.reply.code.get() == 221) {
            // RFC 5321 §4.1.1.10: behind 221 it is the server that closes, whoever wrote the QUIT.
            let until = player.narrator.now() + PATIENCE;
            channel.await_close(&mut player.narrator, until);
        }
        channel.close(&mut player.narrator, CloseHow::Fin);
    }
}

fn quit(player: &mut Player<'_>, channel: &mut Channel) {
    if !matches!(channel.turn(&mut player.narrator), Turn::Ours) {
        return;
    }
    player.narrator.sent(&channel.name, b"QUIT\r\n", &[]);
    let until = player.narrator.now() + PATIENCE;
    let (count, written) = channel.write(&mut player.narrator, b"QUIT\r\n", until, false);
    player.narrator.unwritten(&channel.name, b"QUIT\r\n".len() - count);
    if written.is_ok() {
        channel.answer(&mut player.narrator, until);
    }
}

//! TLS: `starttls`, `tls`, and the handshake (RFC 3207).

use super::{Command, Done, exchange, expected};
use crate::event::{Cause, Fact, Note, Status};
use crate::exec::answer::{End, Turn};
use crate::exec::channel::Channel;
use crate::exec::judge;
use crate::exec::player::Player;
use crate::exec::ports::TlsFailure;
use crate::exec::trouble::Trouble;
use crate::session::{StarttlsStep, Step};
use crate::smtp::lines::split_lines;
use crate::transcript::Shown;

pub fn starttls(
    player: &mut Player<'_>,
    channel: &mut Channel,
    step: &Step,
    policy: StarttlsStep,
    inject_check: bool,
) -> Result<Done, Trouble> {
    if !channel.ehlo.has("STARTTLS") {
        match policy {
            StarttlsStep::Always => {}
            StarttlsStep::Required => return Err(not_offered()),
            StarttlsStep::Opportunistic => {
                player.note(channel, Note::InClear { why: Shown::new("the server does not offer STARTTLS") });
                return Ok(Done::NotOffered);
            }
        }
    }
    let expect = expected(player, step)?;
    let command = Command { chunk: step.chunk, ..Command::line(b"STARTTLS\r\n", expect, step.timeout) };
    let replies = channel.replies;
    let result = exchange(player, channel, &command);
    let Some(code) = channel.reply.as_ref().filter(|_| channel.replies > replies).map(|facts| facts.reply.code) else {
        return result.map(|_| Done::Passed);
    };
    match result {
        Err(trouble) if goes_on_in_clear(policy, &trouble, code.get()) => {
            refused(player, channel);
            Ok(Done::Passed)
        }
        Err(trouble) => Err(trouble),
        // Where a refusal was expected there is no handshake.
        Ok(_) if code.class() != 2 => Ok(Done::Passed),
        Ok(_) => {
            nothing_injected(player, channel, inject_check)?;
            let verify = player.tls.verify;
            handshake(player, channel, verify, None)?;
            Ok(Done::Passed)
        }
    }
}

/// A refusal, and not the end of the connection that 421 announces (RFC 5321 §3.8).
fn goes_on_in_clear(policy: StarttlsStep, trouble: &Trouble, code: u16) -> bool {
    policy == StarttlsStep::Opportunistic && !trouble.severs && code >= 400 && code != 421
}

pub fn not_offered() -> Trouble {
    Trouble::new(
        Status::Config,
        Cause::Lacking {
            what: Shown::new("STARTTLS"),
            help: Some(Shown::new("starttls = \"opportunistic\" in [tls] goes on in clear where it is not offered")),
        },
    )
}

/// An opportunistic STARTTLS was refused: the session goes on in clear and says so.
pub fn refused(player: &mut Player<'_>, channel: &Channel) {
    let reply = channel.reply.as_ref().map(|facts| judge::reply_words(&facts.reply)).unwrap_or_default();
    let why = player.narrator.shown(format!("the server refused STARTTLS: {reply}"));
    player.note(channel, Note::InClear { why });
}

/// The handshake alone.
pub fn tls(player: &mut Player<'_>, channel: &mut Channel) -> Result<(), Trouble> {
    if !channel.is_open() {
        return Err(Trouble::lost(&player.narrator, &End::Absent));
    }
    if channel.after_starttls {
        nothing_injected(player, channel, true)?;
    } else {
        match channel.turn(&mut player.narrator) {
            Turn::Ours => {}
            Turn::Ended(end) => return Err(Trouble::lost(&player.narrator, &end)),
            Turn::Spoke { text, answer } => return Err(judge::out_of_turn(&player.narrator, &text, &answer)),
        }
    }
    let verify = player.tls.verify;
    handshake(player, channel, verify, None)
}

/// Bytes in the clear behind the reply to STARTTLS would be taken for a reply inside TLS (CVE-2011-0411's kind): they
/// are shown, and are a protocol error where `check` says so.
pub fn nothing_injected(player: &mut Player<'_>, channel: &mut Channel, check: bool) -> Result<(), Trouble> {
    let text = channel.take_injected(&mut player.narrator);
    if text.is_empty() || !check {
        return Ok(());
    }
    Err(Trouble::severing(Status::Protocol, Cause::Injected { text: player.narrator.shown(text) }))
}

/// Starts TLS on the connection. `unverified` says why the certificate is not verified, where nobody asked for that.
pub fn handshake(
    player: &mut Player<'_>,
    channel: &mut Channel,
    verify: bool,
    unverified: Option<&str>,
) -> Result<(), Trouble> {
    let limit = player.connect_limit();
    let options = crate::exec::TlsOptions { verify, ..player.tls.clone() };
    let Some(stream) = channel.stream() else { return Err(Trouble::lost(&player.narrator, &End::Absent)) };
    let mut started = stream.start_tls(&options, limit.at);
    if let Err(TlsFailure::NotTls { why, said }) = &mut started {
        // RFC 5321 §4.2: a code of three digits.
        if channel.tls_due && said.len() > 3 && said.iter().take(3).all(u8::is_ascii_digit) {
            why.push_str(", but SMTP in the clear: did you mean smtp://?");
        }
        for line in split_lines(said) {
            player.narrator.received(&channel.name, line);
        }
    }
    if let Err(TlsFailure::Certificate { connected_again: true, .. }) = &started {
        player.note(channel, Note::ConnectedAgain);
    }
    let facts = started.map_err(|failure| match (player.narrator.clock.interrupted(), &failure) {
        (Some(interrupt), TlsFailure::TimedOut | TlsFailure::NotTls { .. } | TlsFailure::Other(_)) => {
            Trouble::interrupted(interrupt)
        }
        _ => Trouble::tls(&player.narrator, failure, limit),
    })?;
    player.narrator.tell(&channel.name, Fact::TlsStarted { tls: &facts, verify });
    if let Some(why) = unverified {
        player.note(channel, Note::NotVerified { why: Shown::new(why) });
    }
    channel.encrypted_now(facts);
    Ok(())
}

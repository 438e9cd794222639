//! What `login = true` does, and what `[message]` implies as `[[open]]`: greeting, EHLO, STARTTLS, EHLO, AUTH.

use super::line::{began, greeting_words};
use super::{Command, Done, ask, auth, exchange, tls};
use crate::event::Note;
use crate::exec::channel::Channel;
use crate::exec::judge;
use crate::exec::player::Player;
use crate::exec::trouble::Trouble;
use crate::session::{Scheme, StarttlsPolicy, Step};
use crate::smtp::limits::Wait;
use crate::transcript::Shown;
use std::time::Duration;

pub fn login(player: &mut Player<'_>, channel: &mut Channel, step: &Step) -> Result<Done, Trouble> {
    greeting(player, channel, step.timeout)?;
    hello(player, channel, step.timeout)?;
    if !channel.encrypted() && starttls(player, channel, step.timeout)? {
        // RFC 3207 §4.2: what the server said before TLS is forgotten, so it is asked again.
        hello(player, channel, step.timeout)?;
    }
    if player.lacks_required(channel) {
        return Ok(Done::SkipSession);
    }
    if let Some(settings) = &player.session.auth {
        auth::authenticate(player, channel, settings, &judge::codes("235"), step.timeout)?;
    }
    Ok(Done::Passed)
}

fn greeting(player: &mut Player<'_>, channel: &mut Channel, timeout: Option<Duration>) -> Result<(), Trouble> {
    let limit = player.limit(timeout, Wait::Greeting);
    let answer = channel.answer(&mut player.narrator, limit.at);
    let what = if began(&answer) { "the whole greeting" } else { greeting_words(player, channel) };
    player.judge(&judge::codes("220"), answer, what, limit).map(drop)
}

/// EHLO, and HELO where EHLO got a 5yz (RFC 5321 §3.2); LHLO over LMTP, which has no other (RFC 2033 §4.1).
fn hello(player: &mut Player<'_>, channel: &mut Channel, timeout: Option<Duration>) -> Result<(), Trouble> {
    let lmtp = player.server.is_lmtp();
    let verb = if lmtp { "LHLO" } else { "EHLO" };
    let line = format!("{verb} {}\r\n", player.client_name);
    let any = judge::any();
    let facts = ask(player, channel, &Command::line(line.as_bytes(), &any, timeout))?;
    if !lmtp && facts.reply.code.class() == 5 {
        let line = format!("HELO {}\r\n", player.client_name);
        return exchange(player, channel, &Command::line(line.as_bytes(), &judge::codes("250"), timeout)).map(drop);
    }
    accept(player, &facts, "250")
}

/// Starts TLS as the URL, `[tls]` and the connection say. Gives whether it did.
fn starttls(player: &mut Player<'_>, channel: &mut Channel, timeout: Option<Duration>) -> Result<bool, Trouble> {
    let local = channel.connected.as_ref().is_some_and(|connected| connected.local);
    let policy = player.session.tls.starttls;
    let required = match (policy, player.server.scheme) {
        (_, Scheme::Smtps) | (Some(StarttlsPolicy::Never), _) => return Ok(false),
        (Some(policy), _) => policy == StarttlsPolicy::Required,
        // LMTP is spoken between neighbours: TLS is implied on smtp:// alone.
        (None, Scheme::Lmtp) => return Ok(false),
        (None, Scheme::Smtp) => !local,
    };
    if !channel.ehlo.has("STARTTLS") {
        if required {
            return Err(tls::not_offered());
        }
        player.note(channel, Note::InClear { why: Shown::new("the server does not offer STARTTLS") });
        return Ok(false);
    }
    let any = judge::any();
    let facts = ask(player, channel, &Command::line(b"STARTTLS\r\n", &any, timeout))?;
    if facts.reply.code.get() != 220 {
        if !required && facts.reply.code.class() > 3 && facts.reply.code.get() != 421 {
            tls::refused(player, channel);
            return Ok(false);
        }
        return accept(player, &facts, "220").map(|()| false);
    }
    tls::nothing_injected(player, channel, true)?;
    let trusting = local && policy.is_none() && !player.session.has_tls && player.settings.ca.is_empty();
    let verify = player.tls.verify && !trusting;
    let why = (trusting && player.tls.verify).then_some("the server is on this machine, and there is no [tls] table");
    tls::handshake(player, channel, verify, why)?;
    Ok(true)
}

fn accept(player: &Player<'_>, facts: &crate::session::ReplyFacts, words: &str) -> Result<(), Trouble> {
    let expect = judge::codes(words);
    if expect.accepts(&facts.reply, &mut |_| None) {
        return Ok(());
    }
    Err(judge::mismatch(&player.narrator, &expect, &facts.reply))
}

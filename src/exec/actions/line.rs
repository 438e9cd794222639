//! Steps of a line: none, `send`, `raw`, `ehlo`, `helo`, `lhlo`.

use super::{Command, exchange, expected, read_through};
use crate::exec::answer::Answer;
use crate::exec::channel::Channel;
use crate::exec::player::Player;
use crate::exec::trouble::Trouble;
use crate::session::{Action, Address, HelloVerb, RawBytes, Scheme, Step, Template};
use crate::smtp::limits::Wait;
use std::io::Read;

/// What `raw = { file = … }` may hold: it is sent in one go.
const RAW_LIMIT: u64 = 64 << 20;

/// The line that a step sends, where it sends one: rendered once, for the title and the wire.
pub fn rendered_title(player: &Player<'_>, step: &Step) -> Result<Option<String>, Trouble> {
    match &step.action {
        Action::Send(template) => player.render_line(template).map(Some),
        Action::Hello { verb, name } => {
            let name = match name {
                Some(name) => player.render_line(name)?,
                None => player.client_name.clone(),
            };
            let verb = match verb {
                HelloVerb::Ehlo => "EHLO",
                HelloVerb::Helo => "HELO",
                HelloVerb::Lhlo => "LHLO",
            };
            Ok(Some(format!("{verb} {name}")))
        }
        _ => Ok(None),
    }
}

/// What the first reply is called where it does not come: `the greeting` alone is one that a server may keep back
/// because it awaits TLS.
pub fn greeting_words(player: &Player<'_>, channel: &Channel) -> &'static str {
    let clear = player.server.scheme == Scheme::Smtp && !channel.encrypted();
    if clear && matches!(player.server.address, Address::Tcp { .. }) { "the greeting" } else { "the server's greeting" }
}

/// Waits for a reply.
pub fn wait(player: &mut Player<'_>, channel: &mut Channel, step: &Step) -> Result<(), Trouble> {
    let expect = expected(player, step)?;
    // The first reply on a connection is the greeting (RFC 5321 §4.3.1).
    let (wait, what) = match channel.reply {
        None => (Wait::Greeting, greeting_words(player, channel)),
        Some(_) => (Wait::Other, "a reply"),
    };
    let limit = player.limit(step.timeout, wait);
    let answer = channel.answer(&mut player.narrator, limit.at);
    let what = if began(&answer) { "the whole reply" } else { what };
    player.judge(expect, answer, what, limit)?;
    read_through(player, channel, expect, limit.at);
    Ok(())
}

/// Whether the server had begun to speak when the time was over: then it is no server that awaits TLS.
pub fn began(answer: &Answer) -> bool {
    matches!(answer, Answer::Nothing { partial: true })
}

pub fn send(
    player: &mut Player<'_>,
    channel: &mut Channel,
    step: &Step,
    template: &Template,
    line: Option<String>,
) -> Result<(), Trouble> {
    let line = match line {
        Some(line) => line,
        None => player.render_line(template)?,
    };
    put_line(player, channel, step, line, player.secrets_in(template))
}

pub fn hello(player: &mut Player<'_>, channel: &mut Channel, step: &Step, line: Option<String>) -> Result<(), Trouble> {
    let line = match line {
        Some(line) => line,
        None => rendered_title(player, step)?.unwrap_or_default(),
    };
    put_line(player, channel, step, line, Vec::new())
}

fn put_line(
    player: &mut Player<'_>,
    channel: &mut Channel,
    step: &Step,
    line: String,
    used: Vec<String>,
) -> Result<(), Trouble> {
    let expect = expected(player, step)?;
    let bytes = (line + "\r\n").into_bytes();
    let command = Command { used, chunk: step.chunk, ..Command::line(&bytes, expect, step.timeout) };
    exchange(player, channel, &command).map(drop)
}

/// Sends bytes as they are. They may be anything, so whether the server spoke before is not asked.
pub fn raw(player: &mut Player<'_>, channel: &mut Channel, step: &Step, raw: &RawBytes) -> Result<(), Trouble> {
    let (bytes, used) = raw_bytes(player, raw)?;
    let command = Command {
        bytes: &bytes,
        used,
        chunk: step.chunk,
        wait: Wait::of_command(&bytes),
        timeout: step.timeout,
        expect: step.expect.as_ref(),
        paired: false,
        reply_to: None,
        end_in: 1,
    };
    exchange(player, channel, &command).map(drop)
}

/// The bytes of a `raw`, and the short secrets in them.
pub fn raw_bytes(player: &Player<'_>, raw: &RawBytes) -> Result<(Vec<u8>, Vec<String>), Trouble> {
    match raw {
        RawBytes::Text(template) => Ok((player.render(template)?.into_bytes(), player.secrets_in(template))),
        RawBytes::Bytes(bytes) => Ok((bytes.clone(), Vec::new())),
        RawBytes::File(path) => {
            let resolved = player.resolve(path)?;
            let narrator = &player.narrator;
            let file =
                player.sources.open(&resolved).map_err(|error| Trouble::source(narrator, &error).at(&path.span))?;
            let mut bytes = Vec::new();
            file.reader.take(RAW_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| {
                Trouble::unreadable(narrator, format!("{}: {error}", resolved.display())).at(&path.span)
            })?;
            if bytes.len() as u64 > RAW_LIMIT {
                let what = format!("{} holds more than 64 MiB, the limit of raw", resolved.display());
                return Err(Trouble::bad_value(narrator, what).at(&path.span));
            }
            Ok((bytes, Vec::new()))
        }
    }
}

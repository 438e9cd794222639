//! `pipeline`: a group of commands in one write, then all their replies in order (RFC 2920).

use super::body;
use super::line::{raw_bytes, rendered_title};
use super::{Command, ends_content, hear_hello, put, read_through};
use crate::exec::answer::{Answer, End};
use crate::exec::channel::Channel;
use crate::exec::closer::{is_unexpected_reply, look_anyway, look_closer};
use crate::exec::player::Player;
use crate::exec::trouble::{Limit, Trouble};
use crate::session::{Action, EhloFacts, Step, Value};
use crate::smtp::content::ContentEncoder;
use crate::smtp::limits::Wait;
use std::io::Read;

/// A member of the group as it is sent.
struct Member<'s> {
    step: &'s Step,
    bytes: Vec<u8>,
    used: Vec<String>,
    wait: Wait,
    /// Its own variables.
    with: Vec<(String, Value)>,
}

/// Writes the group, reads all its replies, and only then fails: with the first that failed.
pub fn pipeline(player: &mut Player<'_>, channel: &mut Channel, step: &Step, steps: &[Step]) -> Result<(), Trouble> {
    let mut members = Vec::new();
    for member in steps {
        members.extend(compose(player, member)?);
    }
    let bytes: Vec<u8> = members.iter().flat_map(|member| member.bytes.iter().copied()).collect();
    let has_content = members.iter().any(|member| matches!(member.step.action, Action::Body { .. }));
    let command = Command {
        bytes: &bytes,
        used: members.iter().flat_map(|member| member.used.iter().cloned()).collect(),
        chunk: step.chunk,
        wait: members.first().map_or(Wait::Other, |member| member.wait),
        timeout: step.timeout,
        expect: None,
        // Behind the group as a whole nothing is expected; before it the server must have been silent.
        paired: !members.iter().all(|member| matches!(member.step.action, Action::Raw(_))),
        reply_to: Some("the pipelined commands"),
        end_in: end_in(&members),
    };
    let limit = player.limit(step.timeout, command.wait);
    channel.in_message = has_content;
    let known = put(player, channel, &command, limit);
    let result = match known {
        Ok(known) => replies(player, channel, step, &members, known),
        Err(trouble) => Err(trouble),
    };
    channel.in_message = false;
    result
}

/// Which of the group's replies is the one to content that ends in it.
fn end_in(members: &[Member<'_>]) -> usize {
    let upto = members.iter().position(|member| ends_content(&member.bytes)).map_or(0, |index| index + 1);
    members.iter().take(upto).filter(|member| member.step.expect.is_some()).count().max(1)
}

/// Renders a member; nothing where its `if` is false.
fn compose<'s>(player: &mut Player<'_>, step: &'s Step) -> Result<Option<Member<'s>>, Trouble> {
    let with = player.with(&step.with)?;
    player.scope.push(with.clone());
    let composed = composed(player, step);
    player.scope.pop();
    Ok(composed?.map(|(bytes, used, wait)| Member { step, bytes, used, wait, with }))
}

/// A member's bytes, the short secrets in them, and what is waited for behind them.
type Composed = (Vec<u8>, Vec<String>, Wait);

fn composed(player: &Player<'_>, step: &Step) -> Result<Option<Composed>, Trouble> {
    if let Some(condition) = &step.condition
        && !player.evaluate(condition)?
    {
        return Ok(None);
    }
    let (bytes, used) = match &step.action {
        Action::Raw(raw) => raw_bytes(player, raw)?,
        Action::Body { content, dot_stuffing } => {
            let mut source = body::open(player, content)?;
            let mut text = Vec::new();
            source.reader.read_to_end(&mut text).map_err(|error| {
                Trouble::unreadable(&player.narrator, format!("{}: {error}", source.name)).at(&source.span)
            })?;
            let mut out = Vec::new();
            let mut encoder = ContentEncoder::new(*dot_stuffing);
            encoder.push(&text, &mut out);
            encoder.finish(&mut out);
            return Ok(Some((out, source.used, Wait::DataTermination)));
        }
        Action::Quit => (b"QUIT\r\n".to_vec(), Vec::new()),
        Action::Send(template) => {
            let line = player.render_line(template)?;
            ((line + "\r\n").into_bytes(), player.secrets_in(template))
        }
        _ => {
            let line = rendered_title(player, step)?.ok_or_else(|| {
                Trouble::bad_value(&player.narrator, "this action cannot be pipelined").at(&step.span)
            })?;
            ((line + "\r\n").into_bytes(), Vec::new())
        }
    };
    let wait = Wait::of_command(&bytes);
    Ok(Some((bytes, used, wait)))
}

/// Reads all replies, each within its own deadline, then judges them.
fn replies(
    player: &mut Player<'_>,
    channel: &mut Channel,
    step: &Step,
    members: &[Member<'_>],
    mut known: Option<Answer>,
) -> Result<(), Trouble> {
    let mut answers: Vec<(&Member<'_>, Answer, Limit, EhloFacts)> = Vec::new();
    for member in members {
        let Some(expect) = &member.step.expect else { continue };
        let limit = player.limit(member.step.timeout.or(step.timeout), member.wait);
        let answer = match known.take() {
            Some(answer) => answer,
            None => channel.answer(&mut player.narrator, limit.at),
        };
        if let Answer::Reply(facts) = &answer {
            hear_hello(player, channel, &member.bytes, facts);
        }
        let goes_on = match &answer {
            Answer::Reply(_) => true,
            Answer::Ended(End::Fin | End::Reset) => expect.close(),
            Answer::Malformed(_) => expect.malformed(),
            Answer::Ended(_) | Answer::Nothing { .. } | Answer::Interrupted(_) => false,
        };
        if goes_on {
            read_through(player, channel, expect, limit.at);
        }
        answers.push((member, answer, limit, channel.ehlo.clone()));
        // What nobody expects in place of a reply fails the group by itself: what is behind it does not come.
        if !goes_on {
            break;
        }
    }
    channel.unpaired |= members.last().is_some_and(|member| member.step.expect.is_none());
    player.show_facts(channel);
    let mut first: Option<Trouble> = None;
    for (member, answer, limit, ehlo) in answers {
        player.scope.set_ehlo(ehlo);
        player.scope.push(member.with.clone());
        let judged = judged(player, member, answer, limit);
        player.scope.pop();
        if let Err(trouble) = judged {
            let trouble = trouble.at(&member.step.span);
            first = Some(match first.take() {
                None => trouble,
                Some(first) => first.with([trouble]),
            });
        }
    }
    match first {
        Some(trouble) => Err(trouble),
        None => Ok(()),
    }
}

fn judged(player: &mut Player<'_>, member: &Member<'_>, answer: Answer, limit: Limit) -> Result<(), Trouble> {
    let Some(expect) = &member.step.expect else { return Ok(()) };
    let is_content = matches!(member.step.action, Action::Body { .. });
    let end = body::unanswered(&answer, limit);
    if let Some(why) = end.filter(|_| is_content && !expect.close() && !expect.silence()) {
        return Err(Trouble::delivery_unknown(&player.narrator, &why));
    }
    let waiting_for = Command::line(&member.bytes, expect, None).waiting_for();
    let waiting_for = if is_content { "the reply to the content".to_owned() } else { waiting_for };
    let reply = match &answer {
        Answer::Reply(facts) => Some(facts.clone()),
        _ => None,
    };
    let judged = player.judge(expect, answer, &waiting_for, limit);
    player.scope.set_reply(reply.clone());
    match judged {
        Ok(facts) => look_closer(player, member.step, facts.as_ref()),
        Err(trouble) if is_unexpected_reply(&trouble) => Err(look_anyway(player, member.step, reply.as_ref(), trouble)),
        Err(trouble) => Err(trouble),
    }
}

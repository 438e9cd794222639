//! `pipeline`: a group of commands in one write, then all their replies in order (RFC 2920).

use super::body;
use super::line::{raw_bytes, rendered_title};
use super::{SmtpCommand, read_through, send_command, update_capabilities};
use crate::exec::checks::{check_asserts_only, check_reply, is_unexpected_reply};
use crate::exec::connection::SmtpConnection;
use crate::exec::error::{Limit, StepError};
use crate::exec::executor::Executor;
use crate::exec::read_outcome::{ReadOutcome, StreamEnd};
use crate::session::{Action, EhloFacts, Step, Value};
use crate::smtp::content::ContentEncoder;
use crate::smtp::timeouts::Timeout;
use std::io::Read;

/// A member of the group as it is sent.
struct PipelinedCommand<'s> {
    step: &'s Step,
    bytes: Vec<u8>,
    used: Vec<String>,
    wait: Timeout,
    /// Its own variables.
    with: Vec<(String, Value)>,
}

/// Writes the group, reads all its replies, and only then fails: with the first that failed.
pub fn pipeline(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    step: &Step,
    steps: &[Step],
) -> Result<(), StepError> {
    let mut members = Vec::new();
    for member in steps {
        members.extend(compose(executor, member)?);
    }
    let bytes: Vec<u8> = members.iter().flat_map(|member| member.bytes.iter().copied()).collect();
    let has_content = members.iter().any(|member| matches!(member.step.action, Action::Body { .. }));
    let command = SmtpCommand {
        bytes: &bytes,
        used: members.iter().flat_map(|member| member.used.iter().cloned()).collect(),
        chunk: step.chunk,
        wait: members.first().map_or(Timeout::Other, |member| member.wait),
        timeout: step.timeout,
        expect: None,
        // Behind the group as a whole nothing is expected; before it the server must have been silent.
        requires_quiet: !members.iter().all(|member| matches!(member.step.action, Action::Raw(_))),
        reply_to: Some("the pipelined commands"),
        records_content: true,
    };
    let limit = executor.limit(step.timeout, command.wait);
    connection.in_message = has_content;
    let known = send_command(executor, connection, &command, limit);
    let result = match known {
        Ok(known) => replies(executor, connection, step, &members, known),
        Err(error) => Err(error),
    };
    connection.in_message = false;
    result
}

/// Renders a member; nothing where its `if` is false.
fn compose<'s>(executor: &mut Executor<'_>, step: &'s Step) -> Result<Option<PipelinedCommand<'s>>, StepError> {
    let with = executor.with(&step.with)?;
    executor.scope.push_layer(with.clone());
    let composed = composed(executor, step);
    executor.scope.pop_layer();
    Ok(composed?.map(|(bytes, used, wait)| PipelinedCommand { step, bytes, used, wait, with }))
}

/// A member's bytes, the short secrets in them, and what is waited for behind them.
type RenderedCommand = (Vec<u8>, Vec<String>, Timeout);

fn composed(executor: &Executor<'_>, step: &Step) -> Result<Option<RenderedCommand>, StepError> {
    if let Some(condition) = &step.condition
        && !executor.evaluate(condition)?
    {
        return Ok(None);
    }
    let (bytes, used) = match &step.action {
        Action::Raw(raw) => raw_bytes(executor, raw)?,
        Action::Body { content, dot_stuffing } => {
            let mut source = body::open(executor, content)?;
            let mut text = Vec::new();
            source.reader.read_to_end(&mut text).map_err(|error| {
                StepError::unreadable(&executor.events, format!("{}: {error}", source.name)).at(&source.span)
            })?;
            let mut out = Vec::new();
            let mut encoder = ContentEncoder::new(*dot_stuffing);
            encoder.push(&text, &mut out);
            encoder.finish(&mut out);
            return Ok(Some((out, source.used, Timeout::DataTermination)));
        }
        Action::Quit => (b"QUIT\r\n".to_vec(), Vec::new()),
        Action::Send(template) => {
            let line = executor.render_line(template)?;
            ((line + "\r\n").into_bytes(), executor.secrets_in(template))
        }
        _ => {
            let line = rendered_title(executor, step)?.ok_or_else(|| {
                StepError::bad_value(&executor.events, "this action cannot be pipelined").at(&step.span)
            })?;
            ((line + "\r\n").into_bytes(), Vec::new())
        }
    };
    let wait = Timeout::of_command(&bytes);
    Ok(Some((bytes, used, wait)))
}

/// Reads all replies, each within its own deadline, then judges them.
fn replies(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    step: &Step,
    members: &[PipelinedCommand<'_>],
    mut known: Option<ReadOutcome>,
) -> Result<(), StepError> {
    let mut answers: Vec<(&PipelinedCommand<'_>, ReadOutcome, Limit, EhloFacts)> = Vec::new();
    for member in members {
        let Some(expect) = &member.step.expect else { continue };
        let limit = executor.limit(member.step.timeout.or(step.timeout), member.wait);
        let answer = match known.take() {
            Some(answer) => answer,
            None => connection.read_reply(&mut executor.events, limit.at),
        };
        if let ReadOutcome::Reply(facts) = &answer {
            update_capabilities(executor, connection, &member.bytes, facts);
        }
        let goes_on = match &answer {
            ReadOutcome::Reply(_) => true,
            ReadOutcome::Ended(StreamEnd::Fin | StreamEnd::Reset) => expect.accepts_close(),
            ReadOutcome::Malformed(_) => expect.accepts_malformed(),
            ReadOutcome::Ended(_) | ReadOutcome::Nothing { .. } | ReadOutcome::Interrupted(_) => false,
        };
        if goes_on {
            read_through(executor, connection, expect, limit.at);
        }
        answers.push((member, answer, limit, connection.ehlo.clone()));
        // What nobody expects in place of a reply fails the group by itself: what is behind it does not come.
        if !goes_on {
            break;
        }
    }
    connection.unpaired |= members.last().is_some_and(|member| member.step.expect.is_none());
    executor.show_facts(connection);
    let mut first: Option<StepError> = None;
    for (member, answer, limit, ehlo) in answers {
        executor.scope.set_ehlo(ehlo);
        executor.scope.push_layer(member.with.clone());
        let judged = judged(executor, member, answer, limit);
        executor.scope.pop_layer();
        if let Err(error) = judged {
            let error = error.at(&member.step.span);
            first = Some(match first.take() {
                None => error,
                Some(first) => first.with([error]),
            });
        }
    }
    match first {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn judged(
    executor: &mut Executor<'_>,
    member: &PipelinedCommand<'_>,
    answer: ReadOutcome,
    limit: Limit,
) -> Result<(), StepError> {
    let Some(expect) = &member.step.expect else { return Ok(()) };
    let is_content = matches!(member.step.action, Action::Body { .. });
    let end = body::unanswered(&answer, limit);
    if let Some(why) = end.filter(|_| is_content && !expect.accepts_close() && !expect.accepts_silence()) {
        return Err(StepError::delivery_unknown(&executor.events, &why));
    }
    let waiting_for = SmtpCommand::line(&member.bytes, expect, None).waiting_for();
    let waiting_for = if is_content { "the reply to the content".to_owned() } else { waiting_for };
    let reply = match &answer {
        ReadOutcome::Reply(facts) => Some(facts.clone()),
        _ => None,
    };
    let judged = executor.judge(expect, answer, &waiting_for, limit);
    executor.scope.set_reply(reply.clone());
    match judged {
        Ok(facts) => check_reply(executor, member.step, facts.as_ref()),
        Err(error) if is_unexpected_reply(&error) => {
            Err(check_asserts_only(executor, member.step, reply.as_ref(), error))
        }
        Err(error) => Err(error),
    }
}

//! The `pipeline` step: a group of commands in one write, then all their replies in order (RFC 2920).

use super::quit::excuse_failure;
use super::raw::{bdat_bytes, raw_bytes};
use super::rendered_line::rendered_line;
use crate::exec::checks::{check_asserts_only, check_reply, is_unexpected_reply, judge};
use crate::exec::connection::ConnectionState;
use crate::exec::context::StepContext;
use crate::exec::error::{Deadline, StepError};
use crate::exec::exchange::{SmtpCommand, reply_to_line, send_command, skip_long_line, update_capabilities};
use crate::exec::message::unanswered;
use crate::exec::read_outcome::{ReadOutcome, StreamEnd};
use crate::prepare::ContentSource;
use crate::session::{Action, EhloFacts, Step, Value};
use crate::smtp::content::ContentEncoder;
use crate::smtp::timeouts::Timeout;
use std::io::Read;
use std::sync::Arc;

/// A command of the group as it is sent.
struct PipelinedCommand<'s> {
    step: &'s Step,
    rendered: RenderedCommand,
    /// Its own variables.
    with: Vec<(String, Value)>,
    /// Whether it is sent where content is expected, so that its first words are no command.
    is_in_content: bool,
}

/// The bytes of a command, the short secrets in them, and what its reply's deadline is for.
struct RenderedCommand {
    bytes: Vec<u8>,
    short_secrets: Vec<String>,
    wait: Timeout,
}

/// What came as the reply to a command of the group.
struct PipelinedReply<'m, 's> {
    command: &'m PipelinedCommand<'s>,
    outcome: ReadOutcome,
    deadline: Deadline,
    /// What the server offered then.
    ehlo: Arc<EhloFacts>,
}

/// Writes the group, reads all its replies, and only then fails: with the first that failed.
pub fn pipeline(context: &mut StepContext<'_, '_>, steps: &[Step]) -> Result<(), StepError> {
    let mut commands = Vec::new();
    for step in steps {
        commands.extend(prepare(context, step)?);
    }
    let bytes: Vec<u8> = commands.iter().flat_map(|command| command.rendered.bytes.iter().copied()).collect();
    let (content, mut at) = (context.connection.log.content_in(&bytes), 0);
    for command in &mut commands {
        command.is_in_content = content.iter().any(|range| range.contains(&at));
        at += command.rendered.bytes.len();
    }
    let has_content = commands.iter().any(|command| ends_content(&command.step.action));
    let (step, wait) = (context.step, commands.first().map_or(Timeout::Other, |command| command.rendered.wait));
    let whole = SmtpCommand {
        bytes: &bytes,
        short_secrets: commands.iter().flat_map(|command| command.rendered.short_secrets.iter().cloned()).collect(),
        chunk: step.chunk,
        deadline: context.deadline(step.timeout, wait),
        expect: None,
        // After the group as a whole nothing is expected; before it the server must have been silent.
        requires_quiet: !commands.iter().all(|command| matches!(command.step.action, Action::Raw(_))),
        reply_to: Some("the pipelined commands"),
        records_content: true,
    };
    context.connection.set_in_content(has_content);
    let result = match send_command(context, &whole) {
        Ok(known) => read_replies(context, &commands, known),
        Err(error) => Err(error),
    };
    context.connection.set_in_content(false);
    let replies = result?;
    if commands.last().is_some_and(|command| command.step.expect.is_none()) {
        context.connection.state = ConnectionState::OutOfSync;
    }
    judge_replies(context, replies)
}

/// Renders a command; `None` if its `if` is false.
fn prepare<'s>(context: &mut StepContext<'_, '_>, step: &'s Step) -> Result<Option<PipelinedCommand<'s>>, StepError> {
    let with = context.own_values(&step.with)?;
    context.row.scope.push_layer(with.clone());
    let rendered = render(context, step);
    context.row.scope.pop_layer();
    Ok(rendered?.map(|rendered| PipelinedCommand { step, rendered, with, is_in_content: false }))
}

fn render(context: &StepContext<'_, '_>, step: &Step) -> Result<Option<RenderedCommand>, StepError> {
    let renderer = context.renderer();
    if let Some(condition) = &step.condition
        && !renderer.evaluate(condition)?
    {
        return Ok(None);
    }
    let (bytes, short_secrets) = match &step.action {
        Action::Raw(raw) => raw_bytes(context, raw)?,
        Action::Bdat { octets, last } => bdat_bytes(context, octets, *last)?,
        Action::Body { content, dot_stuffing } => {
            let mut source = ContentSource::open(&context.parts(), content)?;
            let mut text = Vec::new();
            source.reader.read_to_end(&mut text).map_err(|error| {
                StepError::unreadable(renderer.secrets, format!("{}: {error}", source.name)).at(&source.span)
            })?;
            let mut bytes = Vec::new();
            let mut encoder = ContentEncoder::new(*dot_stuffing);
            encoder.push(&text, &mut bytes);
            encoder.finish(&mut bytes);
            let (short_secrets, wait) = (source.short_secrets, Timeout::DataTermination);
            return Ok(Some(RenderedCommand { bytes, short_secrets, wait }));
        }
        Action::Quit => (b"QUIT\r\n".to_vec(), Vec::new()),
        action => {
            let line = rendered_line(context, step)?
                .ok_or_else(|| context.bad_value("this action cannot be pipelined").at(&step.span))?;
            let short_secrets = match action {
                Action::Send(template) => renderer.short_secrets(template),
                _ => Vec::new(),
            };
            ((line + "\r\n").into_bytes(), short_secrets)
        }
    };
    let wait = Timeout::of_command(&bytes);
    Ok(Some(RenderedCommand { bytes, short_secrets, wait }))
}

/// Reads all replies, each within its own deadline.
fn read_replies<'m, 's>(
    context: &mut StepContext<'_, '_>,
    commands: &'m [PipelinedCommand<'s>],
    mut known: Option<ReadOutcome>,
) -> Result<Vec<PipelinedReply<'m, 's>>, StepError> {
    let mut replies = Vec::new();
    for command in commands {
        let Some(expect) = &command.step.expect else { continue };
        let timeout = command.step.timeout.or(context.step.timeout);
        let deadline = context.deadline(timeout, command.rendered.wait);
        let outcome = match known.take() {
            Some(outcome) => outcome,
            None => context.connection.read_reply(context.events, deadline.at),
        };
        if let ReadOutcome::Reply(facts) = &outcome {
            update_capabilities(context, &command.rendered.bytes, facts);
        }
        let is_expected = match &outcome {
            ReadOutcome::Reply(_) => true,
            ReadOutcome::Ended(StreamEnd::Fin | StreamEnd::Reset) => expect.accepts_close(),
            ReadOutcome::Malformed(_) => expect.accepts_malformed(),
            ReadOutcome::Ended(_) | ReadOutcome::Nothing { .. } | ReadOutcome::Interrupted(_) => false,
        };
        if is_expected {
            skip_long_line(context, expect, deadline.at);
        }
        replies.push(PipelinedReply { command, outcome, deadline, ehlo: context.connection.server.ehlo.clone() });
        // What nobody expects in place of a reply fails the group by itself: what is after it does not come.
        if !is_expected {
            break;
        }
    }
    Ok(replies)
}

fn judge_replies(context: &mut StepContext<'_, '_>, replies: Vec<PipelinedReply<'_, '_>>) -> Result<(), StepError> {
    context.update_scope();
    let mut first: Option<StepError> = None;
    for reply in replies {
        let step = reply.command.step;
        context.row.scope.set_ehlo(reply.ehlo.clone());
        context.row.scope.push_layer(reply.command.with.clone());
        let judged = judge_reply(context, reply);
        context.row.scope.pop_layer();
        if let Err(error) = judged {
            let error = error.at(&step.span);
            first = Some(match first.take() {
                None => error,
                Some(first) => first.with([error]),
            });
        }
    }
    first.map_or(Ok(()), Err)
}

fn judge_reply(context: &mut StepContext<'_, '_>, reply: PipelinedReply<'_, '_>) -> Result<(), StepError> {
    let PipelinedReply { command, outcome, deadline, ehlo: _ } = reply;
    let Some(expect) = &command.step.expect else { return Ok(()) };
    let is_content = ends_content(&command.step.action);
    if is_content && outcome.accepts() {
        context.connection.outbox.delivered = true;
    }
    let why = unanswered(&outcome, deadline);
    if let Some(why) = why.filter(|_| is_content && !expect.accepts_close() && !expect.accepts_silence()) {
        return Err(StepError::delivery_unknown(&context.events.secrets, &why));
    }
    let waiting_for = match is_content || command.is_in_content {
        true => "the reply to the content".to_owned(),
        false => reply_to_line(&command.rendered.bytes),
    };
    let facts = match &outcome {
        ReadOutcome::Reply(facts) => Some(facts.clone()),
        _ => None,
    };
    let judged = judge(context, expect, outcome, &waiting_for, deadline);
    context.row.scope.set_reply(facts.clone());
    match judged {
        Err(error) if matches!(command.step.action, Action::Quit) => excuse_failure(context, error),
        Ok(facts) => check_reply(context, command.step, facts.as_ref()),
        Err(error) if is_unexpected_reply(&error) => {
            Err(check_asserts_only(context, command.step, facts.as_ref(), error))
        }
        Err(error) => Err(error),
    }
}

/// Whether the reply to an action is that to a whole content.
fn ends_content(action: &Action) -> bool {
    matches!(action, Action::Body { .. } | Action::Bdat { last: true, .. })
}

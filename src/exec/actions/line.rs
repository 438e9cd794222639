//! Steps of a line: none, `send`, `raw`, `ehlo`, `helo`, `lhlo`.

use super::{SmtpCommand, exchange, expected, read_through};
use crate::exec::connection::SmtpConnection;
use crate::exec::error::StepError;
use crate::exec::executor::Executor;
use crate::exec::read_outcome::ReadOutcome;
use crate::session::{Action, HelloVerb, RawBytes, Scheme, ServerAddress, Step, Template};
use crate::smtp::timeouts::Timeout;
use std::io::Read;

/// What `raw = { file = … }` may hold: it is sent in one go.
const RAW_LIMIT: u64 = 64 << 20;

/// The line that a step sends, where it sends one: rendered once, for the title and the wire.
pub fn rendered_title(executor: &Executor<'_>, step: &Step) -> Result<Option<String>, StepError> {
    match &step.action {
        Action::Send(template) => executor.render_line(template).map(Some),
        Action::Hello { verb, name } => {
            let name = match name {
                Some(name) => executor.render_line(name)?,
                None => executor.client_name.clone(),
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
pub fn greeting_words(executor: &Executor<'_>, connection: &SmtpConnection) -> &'static str {
    let clear = executor.server.scheme == Scheme::Smtp && !connection.encrypted();
    if clear && matches!(executor.server.address, ServerAddress::Tcp { .. }) {
        "the greeting"
    } else {
        "the server's greeting"
    }
}

/// Waits for a reply.
pub fn wait(executor: &mut Executor<'_>, connection: &mut SmtpConnection, step: &Step) -> Result<(), StepError> {
    let expect = expected(executor, step)?;
    // The first reply on a connection is the greeting (RFC 5321 §4.3.1).
    let (wait, what) = match connection.reply {
        None => (Timeout::Greeting, greeting_words(executor, connection)),
        Some(_) => (Timeout::Other, "a reply"),
    };
    let limit = executor.limit(step.timeout, wait);
    let answer = connection.read_reply(&mut executor.events, limit.at);
    let what = if began(&answer) { "the whole reply" } else { what };
    executor.judge(expect, answer, what, limit)?;
    read_through(executor, connection, expect, limit.at);
    Ok(())
}

/// Whether the server had begun to speak when the time was over: then it is no server that awaits TLS.
pub fn began(answer: &ReadOutcome) -> bool {
    matches!(answer, ReadOutcome::Nothing { partial: true })
}

pub fn send(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    step: &Step,
    template: &Template,
    line: Option<String>,
) -> Result<(), StepError> {
    let line = match line {
        Some(line) => line,
        None => executor.render_line(template)?,
    };
    put_line(executor, connection, step, line, executor.secrets_in(template))
}

pub fn hello(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    step: &Step,
    line: Option<String>,
) -> Result<(), StepError> {
    let line = match line {
        Some(line) => line,
        None => rendered_title(executor, step)?.unwrap_or_default(),
    };
    put_line(executor, connection, step, line, Vec::new())
}

fn put_line(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    step: &Step,
    line: String,
    used: Vec<String>,
) -> Result<(), StepError> {
    let expect = expected(executor, step)?;
    let bytes = (line + "\r\n").into_bytes();
    let command = SmtpCommand { used, chunk: step.chunk, ..SmtpCommand::line(&bytes, expect, step.timeout) };
    exchange(executor, connection, &command).map(drop)
}

/// Sends bytes as they are. They may be anything, so whether the server spoke before is not asked.
pub fn raw(
    executor: &mut Executor<'_>,
    connection: &mut SmtpConnection,
    step: &Step,
    raw: &RawBytes,
) -> Result<(), StepError> {
    let (bytes, used) = raw_bytes(executor, raw)?;
    let command = SmtpCommand {
        bytes: &bytes,
        used,
        chunk: step.chunk,
        wait: Timeout::of_command(&bytes),
        timeout: step.timeout,
        expect: step.expect.as_ref(),
        requires_quiet: false,
        reply_to: None,
        records_content: true,
    };
    exchange(executor, connection, &command).map(drop)
}

/// The bytes of a `raw`, and the short secrets in them.
pub fn raw_bytes(executor: &Executor<'_>, raw: &RawBytes) -> Result<(Vec<u8>, Vec<String>), StepError> {
    match raw {
        RawBytes::Text(template) => Ok((executor.render(template)?.into_bytes(), executor.secrets_in(template))),
        RawBytes::Bytes(bytes) => Ok((bytes.clone(), Vec::new())),
        RawBytes::File(path) => {
            let resolved = executor.resolve(path)?;
            let events = &executor.events;
            let file =
                executor.sources.open(&resolved).map_err(|error| StepError::source(events, &error).at(&path.span))?;
            let mut bytes = Vec::new();
            file.reader.take(RAW_LIMIT + 1).read_to_end(&mut bytes).map_err(|error| {
                StepError::unreadable(events, format!("{}: {error}", resolved.display())).at(&path.span)
            })?;
            if bytes.len() as u64 > RAW_LIMIT {
                let what = format!("{} holds more than 64 MiB, the limit of raw", resolved.display());
                return Err(StepError::bad_value(events, what).at(&path.span));
            }
            Ok((bytes, Vec::new()))
        }
    }
}

//! What steps do: a file for each action.

mod auth;
mod body;
mod command;
mod connect;
mod login;
mod message;
mod outcome;
mod pipeline;
mod proxy;
mod quit;
mod raw;
mod rendered_line;
mod send;
mod starttls;
mod tls;
mod wait;
mod xclient;

pub use login::at_tls;
pub use outcome::ActionOutcome;
pub use rendered_line::rendered_line;
pub use tls::handshake;

use super::context::StepContext;
use super::error::StepError;
use super::exchange::pause;
use crate::session::Action;
use crate::session::FollowingMessage;

/// Runs the step's action. `line` is what was rendered of it for its title, `following` the message that follows, `index`
/// that of the step's own message in the file.
pub fn act<'a>(
    context: &mut StepContext<'_, 'a>,
    line: Option<String>,
    index: usize,
    following: Option<FollowingMessage<'a>>,
) -> Result<ActionOutcome, StepError> {
    match &context.step.action {
        Action::Wait => wait::wait(context)?,
        Action::Send(template) => send::send(context, line, context.renderer().short_secrets(template))?,
        Action::Raw(bytes) => raw::raw(context, bytes)?,
        Action::Hello { .. } => send::send(context, line, Vec::new())?,
        Action::Starttls { policy, inject_check } => return starttls::starttls(context, *policy, *inject_check),
        Action::Tls => tls::tls(context)?,
        Action::Auth(settings) => auth::auth(context, settings)?,
        Action::Login => return login::login(context),
        Action::Message(message) => return message::message(context, message, index, following),
        Action::Body { content, dot_stuffing } => body::body(context, content, *dot_stuffing)?,
        Action::Bdat { octets, last } => raw::bdat(context, octets, *last)?,
        Action::Pipeline(members) => pipeline::pipeline(context, members)?,
        Action::Quit => quit::quit(context)?,
        Action::Sleep(duration) => pause(context.events, &context.connection.name, *duration)?,
        Action::Close(how) => connect::close(context, *how)?,
        Action::EndTls => tls::end_tls(context)?,
        Action::Connect => connect::connect(context)?,
        Action::Proxy(settings) => proxy::proxy(context, settings)?,
        Action::Xclient(attributes) => xclient::xclient(context, attributes)?,
        // A group is run by the step loop.
        Action::Steps(_) => {}
    }
    Ok(ActionOutcome::Passed)
}

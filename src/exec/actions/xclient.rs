//! The `xclient` step.

use super::command::exchange;
use crate::exec::context::StepContext;
use crate::exec::error::StepError;
use crate::exec::exchange::SmtpCommand;
use crate::session::Template;
use crate::smtp::xtext;
use std::net::Ipv6Addr;
use std::sync::Arc;

/// Postfix's XCLIENT: its reply is a new greeting, after which the session begins anew.
pub fn xclient(context: &mut StepContext<'_, '_>, attributes: &[(String, Template)]) -> Result<(), StepError> {
    let mut line = String::from("XCLIENT");
    for (name, value) in attributes {
        let value = context.renderer().render_line(value)?;
        // Postfix's XCLIENT_README: an IPv6 address has this prefix.
        let is_ipv6 = matches!(name.as_str(), "ADDR" | "DESTADDR") && value.parse::<Ipv6Addr>().is_ok();
        let prefix = if is_ipv6 { "IPV6:" } else { "" };
        line += &format!(" {name}={prefix}{}", xtext::encode(value.as_bytes()));
    }
    line += "\r\n";
    let (step, expect) = (context.step, context.expected()?);
    let command = SmtpCommand::line(context, line.as_bytes(), expect, step.timeout);
    let facts = exchange(context, &SmtpCommand { chunk: step.chunk, ..command })?;
    if facts.is_some_and(|facts| facts.reply.code.get() == 220) {
        context.connection.server.ehlo = Arc::default();
    }
    Ok(())
}

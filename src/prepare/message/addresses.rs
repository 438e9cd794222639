//! Renders the addresses of a message. Values are data: they never choose how many addresses there are.

use super::context::MessageContext;
use crate::event::StepError;
use crate::message::NamedMailbox;
use crate::session::{
    AddressSource, AddressTemplateError, Template, is_one_value, mailbox_from_string, mailbox_from_table,
    mailboxes_from_list,
};
use crate::smtp::address::Mailbox;

/// The mailboxes of some addresses, in order. Those that render to nothing are left out.
pub fn mailboxes(context: &MessageContext<'_, '_>, sources: &[AddressSource]) -> Result<Vec<NamedMailbox>, StepError> {
    let mut all = Vec::new();
    for source in sources {
        match source {
            AddressSource::Literal { mailboxes, .. } => all.extend_from_slice(mailboxes),
            AddressSource::Mailbox(template) => {
                let rendered = context.renderer().render_marked_line(template)?;
                let mailbox = mailbox_from_string(&rendered);
                all.extend(mailbox.map_err(|error| not_one_mailbox(context, template, rendered.text(), &error))?);
            }
            AddressSource::List(template) => {
                let text = context.renderer().render_line(template)?;
                let listed = mailboxes_from_list(&text);
                all.extend(listed.map_err(|error| {
                    context.bad_value(format!("\"{text}\" is not a list of addresses: {error}")).at(&template.span)
                })?);
            }
            AddressSource::Table { name, address, .. } => {
                let name = context.renderer().render_optional_line(name)?;
                let text = context.renderer().render_line(address)?;
                let mailbox = mailbox_from_table(name.as_deref(), &text);
                all.extend(mailbox.map_err(|error| {
                    context.bad_value(format!("\"{text}\" is not an address: {error}")).at(&address.span)
                })?);
            }
        }
    }
    Ok(all)
}

/// The address of MAIL: one, or the null path if that is literal or the whole value.
pub fn reverse_path(context: &MessageContext<'_, '_>, source: &AddressSource) -> Result<Mailbox, StepError> {
    if let AddressSource::Mailbox(template) = source {
        let rendered = context.renderer().render_marked_line(template)?;
        if rendered.text().trim() == "<>" && is_one_value(&rendered) {
            return Ok(Mailbox::NULL);
        }
    }
    let found = mailboxes(context, std::slice::from_ref(source))?;
    match <[NamedMailbox; 1]>::try_from(found) {
        Ok([one]) => Ok(one.mailbox),
        Err(found) if found.is_empty() => {
            Err(context.bad_value("envelope_from is empty; \"<>\" is the null reverse path").at(source.span()))
        }
        Err(_) => Err(context.bad_value("envelope_from is more than one address").at(source.span())),
    }
}

/// The author: exactly one.
pub fn authors(
    context: &MessageContext<'_, '_>,
    source: Option<&AddressSource>,
) -> Result<Vec<NamedMailbox>, StepError> {
    let Some(source) = source else { return Ok(Vec::new()) };
    let found = mailboxes(context, std::slice::from_ref(source))?;
    match source {
        AddressSource::List(_) if found.len() > 1 => {
            Err(context.bad_value("from is more than one address").at(source.span()))
        }
        _ if found.is_empty() => Err(context.bad_value("from names no address").at(source.span())),
        _ => Ok(found),
    }
}

fn not_one_mailbox(
    context: &MessageContext<'_, '_>,
    template: &Template,
    text: &str,
    error: &AddressTemplateError,
) -> StepError {
    let help = AddressTemplateError::HELP;
    context.bad_value(format!("\"{text}\" is not one address: {error}; {help}")).at(&template.span)
}

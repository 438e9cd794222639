//! Signs messages as `[dkim]` says.

use super::context::MessageContext;
use super::parts::PartReader;
use crate::event::{Note, Status, StepError};
use crate::message::EncodedMessage;
use crate::prepare::values::{DKIM_KEY, PLACEHOLDER, ValueReader, unsigned};
use crate::session::{DkimSection, Message};
use crate::smtp::dkim::{DkimKey, DkimSettings, DkimSettingsError, DkimSigner, date_of};
use crate::transcript::SafeText;

/// What a message is signed with.
pub enum SigningKey {
    Present(DkimKey),
    /// A dry run goes without. The note is for a key that this message alone lacks.
    Absent(Option<Note>),
}

/// The key for a message, or why a dry run goes without.
pub fn signing_key(parts: &PartReader<'_, '_>, section: &DkimSection) -> Result<SigningKey, StepError> {
    let (run, renderer) = (parts.run, parts.renderer);
    let wrong = |why: String| StepError::bad_value(renderer.secrets, why).at(&section.key.span);
    let text = match run.shared.signing.fixed() {
        Some(text) => text.clone(),
        None => match key_of_row(parts, section) {
            Err(error) if run.options.dry_run && error.status == Status::NoInput => {
                let why = unsigned(renderer.secrets, &error.cause.to_string());
                return Ok(SigningKey::Absent(Some(Note::PlaceholderUsed { name: SafeText::new(DKIM_KEY), why })));
            }
            text => text?,
        },
    };
    let Some(text) = text.filter(|text| !run.options.dry_run || !text.contains(PLACEHOLDER)) else {
        return Ok(SigningKey::Absent(None));
    };
    run.shared.signing.parse(&text).map(SigningKey::Present).map_err(|why| wrong(why.to_string()))
}

/// A key that the row names. It is read by the rules of all values, and shown nowhere: no template can have it.
fn key_of_row(parts: &PartReader<'_, '_>, section: &DkimSection) -> Result<Option<String>, StepError> {
    let mut secrets = parts.renderer.secrets.clone();
    let mut reader = ValueReader::new(parts.run, None, &mut secrets, parts.clock);
    let value = reader.value(&section.key, parts.renderer.scope, true);
    value.map(|value| value.map(|text| text.to_string())).map_err(|error| error.at(&section.key.span))
}

/// Signs the message, if the session has `[dkim]`. Its content is read once for that. Returns the note of a dry run that does
/// not sign it.
pub fn sign(
    context: &MessageContext<'_, '_>,
    message: &Message,
    content: &mut EncodedMessage<'_>,
) -> Result<Option<Note>, StepError> {
    let Some(section) = &context.run.session.dkim else { return Ok(None) };
    let renderer = context.renderer();
    let (domain, selector) = (renderer.render_line(&section.domain)?, renderer.render_line(&section.selector)?);
    let settings = DkimSettings::new(&domain, &selector, section.headers.clone()).map_err(|error| {
        let at = if error == DkimSettingsError::Selector { &section.selector } else { &section.domain };
        context.bad_value(error.to_string()).at(&at.span)
    })?;
    let key = match signing_key(&context.parts(), section)? {
        SigningKey::Present(key) => key,
        SigningKey::Absent(note) => return Ok(note),
    };
    let unreadable = |error| context.parts().unreadable(&error, &message.span);
    let signable = content.signable().map_err(unreadable)?;
    let now = context.clock.timestamp().as_second();
    let timestamp = date_of(&signable).filter(|date| *date <= now).unwrap_or(now);
    let field = DkimSigner::new(settings, key).sign(&signable, u64::try_from(timestamp).unwrap_or_default());
    let field = field.map_err(|error| context.bad_value(error.to_string()).at(&section.span))?;
    content.prepend_signature(field, signable);
    Ok(None)
}

//! What `mailrun check` says about `[dkim]`: an invalid key, a short one, a domain that is not the author's.

use super::load::LoadedSession;
use crate::session::{
    Action, AddressSource, ContentPath, Diagnostic, DkimSection, Message, Sources, TextDecoding, ValueSource,
    decode_text,
};
use crate::smtp::dkim::{DkimKey, DkimSettings};
use std::io::Read;

/// Errors of the key, if the file or the environment has it, and warnings.
pub fn dkim_findings(loaded: &LoadedSession) -> Vec<Diagnostic> {
    let Some(section) = &loaded.session.dkim else { return Vec::new() };
    let mut found = Vec::new();
    match key_text(loaded, section).map(|text| DkimKey::from_pem(text.as_bytes())) {
        Some(Ok(key)) if key.is_below_recommendation() => {
            let what = format!("the RSA key has {} bits", key.key_bits());
            let warning = Diagnostic::warning(section.key.span.clone(), what);
            found.push(warning.with_help("RFC 8301 recommends at least 2,048 bits; receivers may ignore shorter keys"));
        }
        // A key in the file itself was checked when it was read.
        Some(Err(why)) if !matches!(section.key.source, ValueSource::Literal(_)) => {
            found.push(Diagnostic::error(section.key.span.clone(), why.to_string()));
        }
        _ => {}
    }
    found.extend(foreign_author(loaded, section));
    found
}

/// A warning if the signature does not count for the author (RFC 7489 §3.1).
fn foreign_author(loaded: &LoadedSession, section: &DkimSection) -> Option<Diagnostic> {
    let session = &loaded.session;
    if !section.domain.is_literal() {
        return None;
    }
    let settings = DkimSettings::new(&section.domain.source, "s", None).ok()?;
    let steps = session.all_steps().filter_map(|step| match &step.action {
        Action::Message(message) => Some(message.as_ref()),
        _ => None,
    });
    let domain =
        session.message.iter().chain(steps).filter_map(author_domain).find(|domain| !settings.covers(domain))?;
    let what = format!("\"{}\" is neither the domain of From ({domain}) nor a parent of it", section.domain.source);
    let warning = Diagnostic::warning(section.domain.span.clone(), what);
    Some(warning.with_help("for DMARC such a signature does not count"))
}

/// The domain of a literal author.
fn author_domain(message: &Message) -> Option<String> {
    match message.from.as_ref()? {
        AddressSource::Literal { mailboxes, .. } => mailboxes.first().map(|author| author.mailbox.domain.clone()),
        AddressSource::Table { address, .. } if address.is_literal() => {
            address.source.rsplit_once('@').map(|(_, domain)| domain.to_owned())
        }
        _ => None,
    }
}

fn key_text(loaded: &LoadedSession, section: &DkimSection) -> Option<String> {
    match &section.key.source {
        ValueSource::Literal(text) => Some(text.to_string()),
        ValueSource::Env { name, .. } => loaded.files.env(name).ok()?,
        ValueSource::File { path, template: false, charset, .. } if path.template.is_literal() => {
            let path = ContentPath::literal_in(&path.base, &path.template.source);
            // Standard input is left for the run.
            if path.is_standard_input() {
                return None;
            }
            let mut bytes = Vec::new();
            loaded.files.open_secret(&path).ok()?.reader.take(1 << 20).read_to_end(&mut bytes).ok()?;
            decode_text(&bytes, TextDecoding::strict(*charset)).ok().map(|(text, _)| text)
        }
        _ => None,
    }
}

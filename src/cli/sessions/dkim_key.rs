//! What `mailrun check` says about `[dkim]`: an invalid key, a short one, a domain that is not the author's.

use super::load::LoadedSession;
use crate::session::{
    Action, AddressSource, ContentPath, Diagnostic, DkimSection, Message, Sources, TextDecoding, ValueSource,
    decode_text,
};
use crate::smtp::dkim::{DkimKey, DkimSettings};
use std::io::Read;

/// The most that the file of a value may hold.
const LIMIT: u64 = 1 << 20;

/// Errors of the key, if the file or the environment has it, and warnings.
pub fn dkim_findings(loaded: &LoadedSession) -> Vec<Diagnostic> {
    let Some(section) = &loaded.session.dkim else { return Vec::new() };
    let mut found = Vec::new();
    let parsed = key_text(loaded, section)
        .map(|text| text.and_then(|text| DkimKey::from_pem(text.as_bytes()).map_err(|why| why.to_string())));
    match parsed {
        Some(Ok(key)) if key.is_below_recommendation() => {
            let what = format!("the RSA key has {} bits", key.key_bits());
            let warning = Diagnostic::warning(section.key.span.clone(), what);
            found.push(warning.with_help("RFC 8301 recommends at least 2,048 bits; receivers may ignore shorter keys"));
        }
        // A key in the file itself was checked when it was read.
        Some(Err(why)) if !matches!(section.key.source, ValueSource::Literal(_)) => {
            found.push(Diagnostic::error(section.key.span.clone(), why));
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

/// The key, or why its file cannot be one. `None` if that is known only when it runs.
fn key_text(loaded: &LoadedSession, section: &DkimSection) -> Option<Result<String, String>> {
    match &section.key.source {
        ValueSource::Literal(text) => Some(Ok(text.to_string())),
        ValueSource::Env { name, .. } => loaded.files.env(name).ok()?.map(Ok),
        ValueSource::File { path, template: false, charset, .. } if path.template.is_literal() => {
            let path = ContentPath::literal_in(&path.base, &path.template.source);
            // Standard input is left for the run.
            if path.is_standard_input() {
                return None;
            }
            let mut bytes = Vec::new();
            loaded.files.open_secret(&path).ok()?.reader.take(LIMIT + 1).read_to_end(&mut bytes).ok()?;
            if bytes.len() as u64 > LIMIT {
                return Some(Err(format!("{path} holds more than 1 MiB, the limit of a value's file")));
            }
            let decoded = decode_text(&bytes, TextDecoding::strict(*charset));
            Some(decoded.map(|(text, _)| text).map_err(|why| why.in_file(&path.to_string())))
        }
        _ => None,
    }
}

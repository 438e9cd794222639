//! Reads a transcript as a script for a server.
//!
//! `S:` lines are sent, `C:` lines are awaited, some `*:` remarks are directives. Remarks that only report what happened
//! (`expected 250, got 550`, pauses, notes) are ignored.

use super::compile::compile;
use super::directive::{Directive, parse_directive};
use super::script::{MatchMode, Script, ScriptError, script_error};
use super::script_line::{ConnectionLines, ScriptItem};
use crate::transcript::{Mark, TranscriptLine, parse};

impl Script {
    /// Reads a transcript, whose lines are compared in this mode until a directive says otherwise. All errors are returned, not
    /// only the first.
    pub fn parse(text: &str, matching: MatchMode) -> Result<Self, Vec<ScriptError>> {
        let records = parse(text).map_err(|errors| errors.into_iter().map(ScriptError::from).collect::<Vec<_>>())?;
        let mut errors = Vec::new();
        let tracks = split_by_connection(records, matching, &mut errors);
        let connections: Vec<_> = tracks.into_iter().map(|track| compile(track, &mut errors)).collect();
        if connections.is_empty() && errors.is_empty() {
            errors.push(script_error(
                1,
                "this transcript holds no connection: neither an S: or C: line nor `*: connected`",
            ));
        }
        errors.sort_by_key(|e| e.line);
        if errors.is_empty() { Ok(Self { connections }) } else { Err(errors) }
    }
}

/// Splits the lines by connection; `*: connected` begins a new one with its name.
fn split_by_connection(
    records: Vec<TranscriptLine>,
    mut matching: MatchMode,
    errors: &mut Vec<ScriptError>,
) -> Vec<ConnectionLines> {
    let mut tracks: Vec<ConnectionLines> = Vec::new();
    for (index, record) in records.into_iter().enumerate() {
        let line = index + 1;
        let (name, item) = match record {
            TranscriptLine::Comment(_) | TranscriptLine::Blank => continue,
            TranscriptLine::Wire { mark, connection, body, .. } => {
                let item = if mark == Mark::Server { ScriptItem::Server(body) } else { ScriptItem::Client(body) };
                (connection, item)
            }
            TranscriptLine::Remark { connection, text, .. } => match parse_directive(&text) {
                Ok(Some(direction)) => (connection, ScriptItem::Directive(direction)),
                Ok(None) => continue,
                Err(why) => {
                    errors.push(script_error(line, why));
                    continue;
                }
            },
        };
        let name = name.unwrap_or_else(|| "main".to_owned());
        if matches!(item, ScriptItem::Directive(Directive::Connected)) {
            tracks.push(ConnectionLines { name, matching, items: Vec::new() });
            continue;
        }
        if let ScriptItem::Directive(Directive::Match(mode)) = &item {
            matching = *mode;
        }
        match tracks.iter_mut().rfind(|track| track.name == name) {
            Some(track) => track.items.push((line, item)),
            None => tracks.push(ConnectionLines { name, matching, items: vec![(line, item)] }),
        }
    }
    tracks
}

#[cfg(test)]
mod tests;

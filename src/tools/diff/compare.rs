//! Compares two dialogues.

use super::align::align;
use super::dialogue::{ObservedConnection, ObservedDialogue, ObservedExchange, ServerAnswer};
use super::difference::{DiffSide, Difference};
use crate::smtp::capabilities::Capabilities;
use crate::smtp::reply::{EnhancedCode, Reply, ReplyCode};
use std::collections::BTreeMap;

/// What counts as a difference.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiffOptions {
    /// The words of replies count, too.
    pub text: bool,
}

/// Where the answers of two servers differ: in codes, enhanced codes and capabilities, and in words if `options` say so.
/// What a client said is no difference.
pub fn compare(a: &ObservedDialogue, b: &ObservedDialogue, options: DiffOptions) -> Vec<Difference> {
    let mut found = Vec::new();
    for (index, connection) in a.connections.iter().enumerate() {
        match counterpart(a, index, b) {
            Some(other) => compare_connections(connection, other, options, &mut found),
            None => found.extend(only(DiffSide::A, connection)),
        }
    }
    let missing = |index: &usize| counterpart(b, *index, a).is_none();
    found.extend((0..b.connections.len()).filter(missing).filter_map(|at| only(DiffSide::B, &b.connections[at])));
    found
}

/// The connection of `other` with the same name, opened as the same one of that name.
fn counterpart<'o>(
    own: &ObservedDialogue,
    index: usize,
    other: &'o ObservedDialogue,
) -> Option<&'o ObservedConnection> {
    let name = &own.connections[index].name;
    let earlier = own.connections[..index].iter().filter(|connection| connection.name == *name).count();
    other.connections.iter().filter(|connection| connection.name == *name).nth(earlier)
}

/// A connection that only one side has. One without a line is none.
fn only(side: DiffSide, connection: &ObservedConnection) -> Option<Difference> {
    let exchanges = connection.exchanges.clone();
    (!exchanges.is_empty()).then(|| Difference::Missing { side, connection: connection.name.clone(), exchanges })
}

fn compare_connections(
    a: &ObservedConnection,
    b: &ObservedConnection,
    options: DiffOptions,
    found: &mut Vec<Difference>,
) {
    // Neighbouring commands that only one side has are one difference.
    let mut alone: Option<(DiffSide, Vec<ObservedExchange>)> = None;
    let close = |alone: &mut Option<(DiffSide, Vec<ObservedExchange>)>, found: &mut Vec<Difference>| {
        if let Some((side, exchanges)) = alone.take() {
            found.push(Difference::Missing { side, connection: a.name.clone(), exchanges });
        }
    };
    for pair in align(&a.exchanges, &b.exchanges) {
        let (side, exchange) = match pair {
            (Some(x), Some(y)) => {
                close(&mut alone, found);
                found.extend(compare_exchanges(&a.name, &a.exchanges[x], &b.exchanges[y], options));
                continue;
            }
            (Some(x), None) => (DiffSide::A, &a.exchanges[x]),
            (None, Some(y)) => (DiffSide::B, &b.exchanges[y]),
            (None, None) => continue,
        };
        match &mut alone {
            Some((known, exchanges)) if *known == side => exchanges.push(exchange.clone()),
            _ => {
                close(&mut alone, found);
                alone = Some((side, vec![exchange.clone()]));
            }
        }
    }
    close(&mut alone, found);
}

fn compare_exchanges(
    connection: &str,
    a: &ObservedExchange,
    b: &ObservedExchange,
    options: DiffOptions,
) -> Option<Difference> {
    let lists = a.lists_capabilities() && b.lists_capabilities();
    let keys = |exchange: &ObservedExchange| -> Vec<AnswerKey> {
        exchange.answers.iter().map(|answer| AnswerKey::of(answer, lists, options)).collect()
    };
    let differ = |capabilities| Difference::Answers {
        connection: connection.to_owned(),
        a: a.clone(),
        b: b.clone(),
        capabilities,
    };
    if keys(a) != keys(b) {
        return Some(differ(None));
    }
    if !lists {
        return None;
    }
    let (offered_a, offered_b) = (offers(a), offers(b));
    let differing = |own: &BTreeMap<String, String>, other: &BTreeMap<String, String>| -> Vec<String> {
        let changed = own.iter().filter(|(keyword, parameters)| other.get(*keyword) != Some(parameters));
        changed.map(|(keyword, parameters)| format!("{keyword} {parameters}").trim_end().to_owned()).collect()
    };
    let (only_a, only_b) = (differing(&offered_a, &offered_b), differing(&offered_b, &offered_a));
    (!only_a.is_empty() || !only_b.is_empty()).then(|| differ(Some((only_a, only_b))))
}

/// What of an answer is compared.
#[derive(PartialEq, Eq)]
enum AnswerKey {
    Reply { code: ReplyCode, enhanced: Option<(u8, u16, u16)>, text: Option<Vec<Vec<u8>>> },
    NotSmtp(Option<String>),
    Closed,
    Reset,
    TlsStarted,
    TlsFailed(Option<String>),
}

impl AnswerKey {
    /// `lists`: the lines after the first are capabilities, which are compared by themselves.
    fn of(answer: &ServerAnswer, lists: bool, options: DiffOptions) -> Self {
        let words = |text: &String| options.text.then(|| text.clone());
        match answer {
            ServerAnswer::Reply(reply) => {
                let is_list = lists && reply.code.get() == 250;
                let compared = if is_list { 1 } else { reply.lines.len() };
                Self::Reply {
                    code: reply.code,
                    enhanced: reply.enhanced().map(|EnhancedCode { class, subject, detail }| (class, subject, detail)),
                    text: options.text.then(|| reply.lines.iter().take(compared).cloned().collect()),
                }
            }
            ServerAnswer::NotSmtp(text) => Self::NotSmtp(words(text)),
            ServerAnswer::Closed => Self::Closed,
            ServerAnswer::Reset => Self::Reset,
            ServerAnswer::TlsStarted => Self::TlsStarted,
            ServerAnswer::TlsFailed(why) => Self::TlsFailed(words(why)),
        }
    }
}

/// The capabilities of a reply to EHLO. Neither their order nor that of mechanisms matters.
fn offers(exchange: &ObservedExchange) -> BTreeMap<String, String> {
    let replies = exchange.answers.iter().filter_map(|answer| match answer {
        ServerAnswer::Reply(reply) if reply.code.get() == 250 => Some(reply),
        _ => None,
    });
    replies.flat_map(keywords).collect()
}

fn keywords(reply: &Reply) -> BTreeMap<String, String> {
    let capabilities = Capabilities::parse(reply);
    let mut mechanisms = capabilities.auth();
    mechanisms.sort_unstable();
    let mut keywords = capabilities.keywords;
    if let Some(auth) = keywords.get_mut("AUTH") {
        *auth = mechanisms.join(" ");
    }
    keywords
}

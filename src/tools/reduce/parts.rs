//! The parts of a session file: its steps, recipients, arguments, and the values that are sent.

use super::session_document::{ItemPath, SECTIONS, SessionDocument};
use toml_edit::Item;

/// Keys of a step whose value is a list of steps.
const GROUPS: [&str; 2] = ["steps", "pipeline"];

/// Keys of a step that stay: what it does, what it expects, and what people read.
const STEP_KEYS: [&str; 23] = [
    "name", "send", "raw", "ehlo", "helo", "lhlo", "starttls", "tls", "auth", "login", "message", "body", "bdat",
    "pipeline", "steps", "quit", "sleep", "close", "connect", "proxy", "xclient", "expect", "timeout",
];

/// Keys of a step that sends nothing and waits for a reply.
const WAITING: [&str; 8] = ["name", "expect", "timeout", "assert", "capture", "on_fail", "if", "with"];

/// Keys of the session that stay.
const SESSION_KEYS: [&str; 5] = ["server", "description", "client_name", "timeout", "connect_timeout"];

/// Keys of a message that name recipients.
const RECIPIENTS: [&str; 5] = ["to", "cc", "bcc", "reply_to", "envelope_to"];

/// Keys of a step whose strings are sent.
const SENT: [&str; 9] = ["send", "raw", "body", "bdat", "ehlo", "helo", "lhlo", "xclient", "message"];

/// Keys of a message whose strings are no content.
const NOT_CONTENT: [&str; 4] = ["attach", "eml", "date", "file"];

/// The steps that are in no group.
pub fn steps(session: &SessionDocument) -> Vec<ItemPath> {
    let sections = SECTIONS.into_iter().map(|section| ItemPath::of(&[section]));
    sections.flat_map(|section| elements(session, &section)).collect()
}

/// The first step, if it waits for the greeting. It stays: without it a greeting that comes late would be taken for the reply
/// to the first command, and each reply for that of the command after its own.
pub fn greeting(session: &SessionDocument) -> Option<ItemPath> {
    let first = all_steps(session).into_iter().find(|step| !is_group(session, step))?;
    session.keys(&first).iter().all(|key| WAITING.contains(&key.as_str())).then_some(first)
}

fn is_group(session: &SessionDocument, step: &ItemPath) -> bool {
    GROUPS.iter().any(|key| session.length(&step.key(key)) > 0)
}

/// How many steps there are, those of groups and pipelines included.
pub fn step_count(session: &SessionDocument) -> usize {
    all_steps(session).iter().filter(|step| !is_group(session, step)).count()
}

/// The steps of each group and pipeline, an outer group before those in it.
pub fn group_members(session: &SessionDocument) -> Vec<Vec<ItemPath>> {
    let mut found = Vec::new();
    for step in all_steps(session) {
        let members = GROUPS.into_iter().map(|key| elements(session, &step.key(key)));
        found.extend(members.filter(|members| !members.is_empty()));
    }
    found
}

/// For each message the entries of its lists of recipients.
pub fn recipient_lists(session: &SessionDocument) -> Vec<Vec<ItemPath>> {
    let lists = |message: ItemPath| {
        RECIPIENTS.into_iter().flat_map(|key| elements(session, &message.key(key))).collect::<Vec<_>>()
    };
    messages(session).into_iter().map(lists).filter(|list| !list.is_empty()).collect()
}

/// The strings that may name several recipients.
pub fn recipient_strings(session: &SessionDocument) -> Vec<ItemPath> {
    let messages = messages(session);
    let paths = messages.iter().flat_map(|message| RECIPIENTS.map(|key| message.key(key)));
    let lists = paths.flat_map(|path| [vec![path.clone()], elements(session, &path)].concat());
    lists.filter(|path| session.string(path).is_some_and(|text| text.contains(','))).collect()
}

/// The settings, and the keys of steps and messages, that may not be needed.
pub fn arguments(session: &SessionDocument) -> Vec<ItemPath> {
    let mut found = Vec::new();
    let root = ItemPath::default();
    for key in session.keys(&root) {
        if !SESSION_KEYS.contains(&key.as_str()) && !SECTIONS.contains(&key.as_str()) {
            add_with_content(session, root.key(&key), &mut found);
        }
    }
    for step in all_steps(session) {
        for key in session.keys(&step) {
            let path = step.key(&key);
            if !STEP_KEYS.contains(&key.as_str()) {
                add_with_content(session, path, &mut found);
            } else if !GROUPS.contains(&key.as_str()) && key != "expect" {
                add_content(session, &path, &mut found);
            }
        }
    }
    found
}

/// The command lines, which have words.
pub fn command_lines(session: &SessionDocument) -> Vec<ItemPath> {
    let lines = all_steps(session).into_iter().map(|step| step.key("send"));
    let messages = messages(session).into_iter();
    let params = messages.flat_map(|message| ["mail", "rcpt"].map(|key| message.key("params").key(key)));
    lines.chain(params).filter(|path| session.string(path).is_some()).collect()
}

/// The names of `[vars]` and `[secrets]`, and the tables.
pub fn definitions(session: &SessionDocument) -> Vec<ItemPath> {
    let mut found = Vec::new();
    for table in ["vars", "secrets"].map(|table| ItemPath::of(&[table])) {
        found.extend(session.keys(&table).iter().map(|key| table.key(key)));
        found.extend(session.get(&table).is_some().then_some(table));
    }
    found
}

/// How often steps are repeated.
pub fn repetitions(session: &SessionDocument) -> Vec<ItemPath> {
    all_steps(session).into_iter().map(|step| step.key("repeat")).filter(|path| session.get(path).is_some()).collect()
}

/// The lists of parts of `raw`.
pub fn raw_lists(session: &SessionDocument) -> Vec<Vec<ItemPath>> {
    let lists = all_steps(session).into_iter().map(|step| elements(session, &step.key("raw")));
    lists.filter(|list| !list.is_empty()).collect()
}

/// The tables that name a file whose content is sent as it is.
pub fn content_files(session: &SessionDocument) -> Vec<ItemPath> {
    let steps = all_steps(session).into_iter();
    let values = steps.flat_map(|step| ["body", "raw", "bdat"].map(|key| step.key(key)));
    let all = values.flat_map(|path| [vec![path.clone()], elements(session, &path)].concat());
    all.filter(|path| session.keys(path) == ["file"]).collect()
}

/// The strings that are sent, or become part of what is sent.
pub fn sent_strings(session: &SessionDocument) -> Vec<ItemPath> {
    let mut found = Vec::new();
    for step in all_steps(session) {
        SENT.into_iter().for_each(|key| add_strings(session, step.key(key), &mut found));
    }
    ["message", "vars"].into_iter().for_each(|key| add_strings(session, ItemPath::of(&[key]), &mut found));
    found
}

/// `[auth]`, and the tables of `auth` steps.
pub fn auth_tables(session: &SessionDocument) -> Vec<ItemPath> {
    let own = std::iter::once(ItemPath::of(&["auth"]));
    let tables = own.chain(all_steps(session).into_iter().map(|step| step.key("auth")));
    tables.filter(|path| session.get(path).is_some_and(Item::is_table_like)).collect()
}

/// All steps, a group before its members.
pub fn all_steps(session: &SessionDocument) -> Vec<ItemPath> {
    let mut open = steps(session);
    open.reverse();
    let mut found = Vec::new();
    while let Some(step) = open.pop() {
        let members = GROUPS.into_iter().flat_map(|key| elements(session, &step.key(key)));
        open.extend(members.collect::<Vec<_>>().into_iter().rev());
        found.push(step);
    }
    found
}

/// `[message]`, and the messages of steps.
fn messages(session: &SessionDocument) -> Vec<ItemPath> {
    let own = std::iter::once(ItemPath::of(&["message"]));
    let messages = own.chain(all_steps(session).into_iter().map(|step| step.key("message")));
    messages.filter(|path| session.get(path).is_some_and(Item::is_table_like)).collect()
}

/// The places of the elements of a list.
pub fn elements(session: &SessionDocument, list: &ItemPath) -> Vec<ItemPath> {
    (0..session.length(list)).map(|index| list.index(index)).collect()
}

fn add_with_content(session: &SessionDocument, path: ItemPath, found: &mut Vec<ItemPath>) {
    found.push(path.clone());
    add_content(session, &path, found);
}

/// The entries of a table or list, and what is in them.
fn add_content(session: &SessionDocument, path: &ItemPath, found: &mut Vec<ItemPath>) {
    for key in session.keys(path) {
        add_with_content(session, path.key(&key), found);
    }
    for element in elements(session, path) {
        add_with_content(session, element, found);
    }
}

fn add_strings(session: &SessionDocument, path: ItemPath, found: &mut Vec<ItemPath>) {
    if path.last_key().is_some_and(|key| NOT_CONTENT.contains(&key)) {
        return;
    }
    if session.string(&path).is_some() {
        found.push(path);
        return;
    }
    for key in session.keys(&path) {
        add_strings(session, path.key(&key), found);
    }
    for element in elements(session, &path) {
        add_strings(session, element, found);
    }
}

//! The numbers of a row's messages, by which a ledger and the messages themselves are told apart.

use super::{Action, Session, Step, all_steps};

/// Which of a row's messages is being sent, if the session sends several for each row.
#[derive(Clone, Debug, Default)]
pub struct MessageNumbering {
    /// How often each message of the file was begun in this row; empty if a row has one message at most.
    begun: Vec<u32>,
    /// The one that is being sent, and for which time.
    current: Option<(usize, u32)>,
}

impl MessageNumbering {
    pub fn new(session: &Session) -> Self {
        let sections = [&session.open, &session.steps, &session.close];
        let count: usize = sections.iter().map(|steps| count_messages(steps)).sum();
        let repeated = sections.iter().any(|steps| has_repeated_message(steps));
        Self { begun: vec![0; if count > 1 || repeated { count } else { 0 }], current: None }
    }

    /// A row begins.
    pub fn begin_row(&mut self) {
        self.begun.fill(0);
        self.current = None;
    }

    /// The message with this index, in the order of the file, begins. `again`: this is another attempt at it.
    pub fn begin(&mut self, index: usize, again: bool) {
        self.current = self.begun.get_mut(index).map(|times| {
            *times += u32::from(!again || *times == 0);
            (index, *times)
        });
    }

    /// `message 2`, or `message 2.3` for the third time that it is sent; `None` if there is only one.
    pub fn name(&self) -> Option<String> {
        self.number().map(|number| format!("message {number}"))
    }

    fn number(&self) -> Option<String> {
        self.current.map(|(index, times)| match times {
            1 => (index + 1).to_string(),
            times => format!("{}.{times}", index + 1),
        })
    }

    /// The Message-ID of this message, the same in each attempt. `base` is the Message-ID of the row's first message.
    pub fn message_id(&self, base: &str) -> String {
        self.number().map_or(base.to_owned(), |number| numbered(&number, base))
    }
}

fn numbered(number: &str, base: &str) -> String {
    match base.rsplit_once('@') {
        Some((left, domain)) if number != "1" => format!("{left}.{number}@{domain}"),
        _ => base.to_owned(),
    }
}

/// The Message-ID of the message that went to a recipient, by the name that a ledger knows it by, `message 2: b@x.example`.
pub fn message_id_of(recipient: &str, base: &str) -> String {
    let number = recipient.strip_prefix("message ").and_then(|rest| rest.split_once(": "));
    number.map_or(base.to_owned(), |(number, _)| numbered(number, base))
}

/// How a ledger knows a recipient: by its address, after the name of the message if a row has several.
pub fn ledger_recipient(message: Option<&str>, address: &str) -> String {
    match message {
        Some(message) => format!("{message}: {address}"),
        None => address.to_owned(),
    }
}

/// How many `message` steps there are, those in groups included.
pub fn count_messages(steps: &[Step]) -> usize {
    all_steps(steps).filter(|step| matches!(step.action, Action::Message(_))).count()
}

/// As [`count_messages`], for one step.
pub fn count_messages_of(step: &Step) -> usize {
    step.with_members().filter(|step| matches!(step.action, Action::Message(_))).count()
}

fn has_repeated_message(steps: &[Step]) -> bool {
    steps.iter().any(|step| match &step.action {
        Action::Message(_) => step.repeat_count() > 1,
        Action::Steps(members) => {
            (step.repeat_count() > 1 && count_messages(members) > 0) || has_repeated_message(members)
        }
        _ => false,
    })
}

/// Whether one of these steps, or of a group's, runs after a failure too.
pub fn has_always(steps: &[Step]) -> bool {
    steps.iter().any(|step| step.always || matches!(&step.action, Action::Steps(members) if has_always(members)))
}

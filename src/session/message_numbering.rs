//! Numbers the messages of a row, so that their Message-IDs and their records in a ledger differ.

use super::{Action, Session, Step, all_steps};

/// The message of a row that is being sent, if the session sends several per row.
#[derive(Clone, Debug, Default)]
pub struct MessageNumbering {
    /// How often each message of the file was begun in this row. Empty if a row has at most one message.
    begun: Vec<u32>,
    /// The index of the message that is being sent, and how often it was begun.
    current: Option<(usize, u32)>,
}

impl MessageNumbering {
    pub fn new(session: &Session) -> Self {
        let count: usize = session.sections().into_iter().map(count_messages).sum();
        let is_repeated = |step: &Step| step.repeat_count() > 1 && count_messages_of(step) > 0;
        let repeated = session.all_steps().any(is_repeated);
        Self { begun: vec![0; if count > 1 || repeated { count } else { 0 }], current: None }
    }

    /// A row begins.
    pub fn begin_row(&mut self) {
        self.begun.fill(0);
        self.current = None;
    }

    /// The message with this index, in file order, begins. `again`: this is another attempt.
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

/// The Message-ID of the message to a recipient, which a ledger names `message 2: b@x.example`.
pub fn message_id_of(recipient: &str, base: &str) -> String {
    let number = recipient.strip_prefix("message ").and_then(|rest| rest.split_once(": "));
    number.map_or(base.to_owned(), |(number, _)| numbered(number, base))
}

/// The name of a recipient in a ledger: the address, after the name of the message if a row has several.
pub fn ledger_recipient(message: Option<&str>, address: &str) -> String {
    match message {
        Some(message) => format!("{message}: {address}"),
        None => address.to_owned(),
    }
}

/// The number of `message` steps, including those in groups.
pub fn count_messages(steps: &[Step]) -> usize {
    all_steps(steps).filter(|step| matches!(step.action, Action::Message(_))).count()
}

/// As [`count_messages`], for one step.
pub fn count_messages_of(step: &Step) -> usize {
    count_messages(std::slice::from_ref(step))
}

/// Whether any of the steps, or a step in a group, runs after a failure.
pub fn has_always(steps: &[Step]) -> bool {
    all_steps(steps).any(|step| step.always)
}

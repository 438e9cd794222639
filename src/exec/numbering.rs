//! A turn of several messages: which of them one is, so that a ledger and the messages themselves can be told apart.

use crate::session::{Action, Message, Session, Step};

/// The messages of a turn.
#[derive(Clone, Debug, Default)]
pub struct MessageNumbering {
    /// Those of the file, in its order, by where they are held; empty where a turn has one at most.
    known: Vec<usize>,
    /// How often each was begun in this turn.
    begun: Vec<u32>,
    /// The one that is being sent, and for which time.
    current: Option<(usize, u32)>,
}

impl MessageNumbering {
    pub fn new(session: &Session) -> Self {
        let (mut known, mut repeated) = (Vec::new(), false);
        for steps in [&session.open, &session.steps, &session.close] {
            find(steps, false, &mut known, &mut repeated);
        }
        if known.len() < 2 && !repeated {
            known.clear();
        }
        Self { begun: vec![0; known.len()], known, current: None }
    }

    /// A turn begins.
    pub fn begin_turn(&mut self) {
        self.begun.fill(0);
        self.current = None;
    }

    /// A message begins; `again`: another attempt at the one that was the last.
    pub fn begin(&mut self, message: &Message, again: bool) {
        self.current = self.index(message).map(|index| {
            let times = self.begun.get_mut(index).map_or(1, |times| {
                *times += u32::from(!again || *times == 0);
                *times
            });
            (index, times)
        });
    }

    /// What the numbers are while the message that follows is made ready.
    pub fn ahead(&self, message: &Message, in_next_row: bool) -> Self {
        let mut ahead = self.clone();
        if in_next_row {
            ahead.begin_turn();
        }
        ahead.begin(message, false);
        ahead
    }

    /// `message 2`, or `message 2.3` for the third time that it is sent; `None` where there is but one.
    pub fn name(&self) -> Option<String> {
        self.number().map(|number| format!("message {number}"))
    }

    fn number(&self) -> Option<String> {
        self.current.map(|(index, times)| match times {
            1 => (index + 1).to_string(),
            times => format!("{}.{times}", index + 1),
        })
    }

    /// The Message-ID of this one, where `base` is that of the turn's first one: the same in each attempt.
    pub fn message_id(&self, base: &str) -> String {
        self.number().map_or(base.to_owned(), |number| numbered(&number, base))
    }

    fn index(&self, message: &Message) -> Option<usize> {
        self.known.iter().position(|known| *known == address(message))
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

fn address(message: &Message) -> usize {
    std::ptr::from_ref(message).addr()
}

fn find(steps: &[Step], within: bool, known: &mut Vec<usize>, repeated: &mut bool) {
    for step in steps {
        let within = within || step.repeat_count() > 1;
        match &step.action {
            Action::Message(message) => {
                *repeated |= within;
                known.push(address(message));
            }
            Action::Steps(members) => find(members, within, known, repeated),
            _ => {}
        }
    }
}

/// Whether a step sends mail by itself, or one of its group does.
pub fn has_message(step: &Step) -> bool {
    step.with_members().any(|step| matches!(step.action, Action::Message(_)))
}

/// Whether one of a group's steps runs after a failure, too.
pub fn has_always(steps: &[Step]) -> bool {
    steps.iter().any(|step| step.always || matches!(&step.action, Action::Steps(members) if has_always(members)))
}

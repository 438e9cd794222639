//! Receives content by DATA and by BDAT, stores it and replies to it.

use super::super::rules::CONTENT;
use super::{InputPhase, MAX_SIZE, Sink};
use crate::smtp::content::ContentDecoder;

impl Sink<'_> {
    /// To be called before the first content of a transaction.
    pub(super) fn begin_content(&mut self) {
        self.session.size = 0;
        self.storage_error = self.writer.as_mut().and_then(|writer| writer.begin().err());
    }

    /// Hands `content` to the writer.
    fn store_content(&mut self) {
        self.session.size += self.content.len() as u64;
        if self.storage_error.is_none() && self.session.size <= MAX_SIZE {
            self.storage_error = self.writer.as_mut().and_then(|writer| writer.content(&self.content).err());
        }
        self.content.clear();
    }

    /// Takes content of DATA from the input.
    pub(super) fn receive_data(&mut self, mut decoder: ContentDecoder) {
        let rest = self.input.get(self.used..).unwrap_or_default();
        let (used, done) = decoder.push(rest, &mut self.content);
        self.used += used;
        self.store_content();
        if done {
            self.end_content();
        } else {
            self.phase = InputPhase::Data(decoder);
        }
    }

    /// Takes octets of a BDAT chunk from the input; `left` are still to come.
    pub(super) fn receive_bdat(&mut self, left: u64, last: bool, refusal: Option<String>) {
        let rest = self.input.get(self.used..).unwrap_or_default();
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        if refusal.is_none() {
            self.content.extend_from_slice(&rest[..taken]);
            self.store_content();
        }
        self.used += taken;
        let left = left - taken as u64;
        match (left, refusal) {
            (1.., refusal) => self.phase = InputPhase::Bdat { left, last, refusal },
            // A rule that only closes sends no reply.
            (0, Some(refusal)) if refusal.is_empty() => {}
            (0, Some(refusal)) => self.reply(&refusal),
            (0, None) if last => self.end_content(),
            (0, None) => {
                let size = self.session.size;
                self.reply(&format!("250 2.0.0 {size} octets so far"));
            }
        }
    }

    /// Stores the complete content and replies; over LMTP once per recipient (RFC 2033 §4.2).
    fn end_content(&mut self) {
        let envelope = self.session.take_envelope();
        let recipients = envelope.rcpt.len();
        let refusal = if envelope.size > MAX_SIZE {
            Some("552 5.3.4 message size exceeds fixed maximum message size".to_owned())
        } else {
            self.storage_error.take().map(|_| "451 4.3.0 the mail cannot be stored".to_owned())
        };
        let lmtp = envelope.lmtp;
        // PRDR replies for each of several recipients, then for all of them (draft-hall-prdr).
        let prdr = !lmtp && recipients > 1 && envelope.mail_params.contains_key("PRDR");
        if prdr && refusal.is_none() {
            self.reply("353 content analysis has started");
        }
        let answers = if lmtp { recipients } else { 1 };
        let mut wanted = false;
        let mut verdicts = Vec::new();
        for _ in 0..answers {
            let lets = refusal.is_some() || self.apply_rule(CONTENT, "");
            wanted |= lets && refusal.is_none();
            verdicts.push((lets, self.reply_override.take(), std::mem::take(&mut self.out)));
        }
        let kept = match (&mut self.writer, wanted) {
            (Some(writer), true) => writer.commit(&envelope),
            (Some(writer), false) => {
                writer.abandon();
                Ok(String::new())
            }
            (None, _) => Ok("nothing".to_owned()),
        };
        let reply = match (refusal, kept) {
            (Some(refusal), _) => refusal,
            (None, Ok(name)) => format!("250 2.0.0 queued as {name}"),
            (None, Err(_)) => "451 4.3.0 the mail cannot be stored".to_owned(),
        };
        for (index, (lets, instead, said)) in verdicts.into_iter().enumerate() {
            self.out.extend_from_slice(&said);
            if !lets {
                continue;
            }
            if prdr && reply.starts_with('2') {
                for recipient in &envelope.rcpt {
                    self.reply(&format!("250 2.1.5 <{}> ok", recipient.address));
                }
            }
            self.reply_override = instead;
            match envelope.rcpt.get(index).filter(|_| lmtp) {
                Some(recipient) => self.reply(&format!("{reply} for <{}>", recipient.address)),
                None => self.reply(&reply),
            }
        }
    }
}

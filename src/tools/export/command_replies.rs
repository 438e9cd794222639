//! What a server answers to each command if all is well.

use super::recorded_dialogue::AwaitedReply;

/// A reply with this code, or this pattern of codes.
pub fn of_code(code: &str) -> AwaitedReply {
    AwaitedReply { codes: vec![code.to_owned()], ..AwaitedReply::default() }
}

/// Whether the first word of a line is this verb.
pub fn is_verb(line: &[u8], verb: &[u8]) -> bool {
    let word = line.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    word.eq_ignore_ascii_case(verb)
}

/// The code of a positive reply to a command. `None` if it is no command.
pub fn natural_code(line: &[u8]) -> Option<&'static str> {
    let codes: [(&[u8], &str); 11] = [
        (b"", "220"),
        (b"EHLO", "250"),
        (b"HELO", "250"),
        (b"LHLO", "250"),
        (b"MAIL", "250"),
        (b"RCPT", "250"),
        (b"RSET", "250"),
        (b"DATA", "354"),
        (b"STARTTLS", "220"),
        (b"XCLIENT", "220"),
        (b"QUIT", "221"),
    ];
    codes.iter().find(|(verb, _)| is_verb(line, verb)).map(|(_, code)| *code)
}

/// A SASL exchange whose messages do not depend on challenges.
#[derive(Default)]
pub struct SaslState {
    /// How many responses are to come.
    responses: usize,
    /// It cannot be known what the client answers.
    pub needs_challenge: bool,
}

impl SaslState {
    /// The code of the reply to a line of AUTH.
    pub fn code(&mut self, line: &[u8]) -> Option<&'static str> {
        if !is_verb(line, b"AUTH") {
            let responses = self.responses;
            self.responses = responses.saturating_sub(1);
            return match responses {
                0 => None,
                1 => Some("235"),
                _ => Some("334"),
            };
        }
        let text = String::from_utf8_lossy(line).to_ascii_uppercase();
        let mut words = text.split_ascii_whitespace().skip(1);
        let all = match words.next().unwrap_or_default() {
            "LOGIN" => 2,
            "PLAIN" | "XOAUTH2" | "OAUTHBEARER" | "EXTERNAL" | "ANONYMOUS" => 1,
            _ => {
                self.needs_challenge = true;
                1
            }
        };
        self.responses = all - usize::from(words.next().is_some());
        Some(if self.responses == 0 { "235" } else { "334" })
    }
}

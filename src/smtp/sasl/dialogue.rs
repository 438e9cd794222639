//! The client's side of AUTH as lines and replies (RFC 4954 §4). Nothing is sent here.

use super::exchange::{Credentials, Response, SaslError, SaslExchange};
use super::mechanism::Mechanism;
use super::start::start_exchange;
use crate::smtp::reply::{EnhancedCode, Reply};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The longest AUTH command with an initial response, CRLF included (RFC 4954 §4).
const MAX_COMMAND: usize = 512;
/// Rounds of challenge and response; no mechanism here has more than four.
const MAX_ROUNDS: usize = 16;

/// A line for the server, without its CRLF.
#[derive(Debug, PartialEq, Eq)]
pub struct AuthLine {
    pub text: String,
    /// What is in it before base64, if that contains the password or token or is computed from it.
    pub secret: Option<Vec<u8>>,
}

/// What a reply leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum AuthTurn {
    /// Send this line, and read its reply.
    Send(AuthLine),
    /// Give up with `*`, since the server waits for a response.
    Cancel(SaslError),
    /// The dialogue failed, and the server waits for nothing.
    Fail(SaslError),
    /// The server has decided, and a success is one for the mechanism too.
    Decided,
}

/// One exchange with one mechanism: a refusal never leads to another.
pub struct AuthDialogue {
    mechanism: Mechanism,
    exchange: Box<dyn SaslExchange>,
    /// The first response, if it was not in the AUTH command: it answers the empty challenge.
    held_back: Option<Response>,
    challenge: Vec<u8>,
    rounds: usize,
    secret_sent: bool,
}

impl AuthDialogue {
    /// `nonce` is the client's nonce for SCRAM: printable, without comma.
    pub fn new(mechanism: Mechanism, credentials: Credentials, nonce: &str) -> Self {
        let exchange = start_exchange(mechanism, credentials, nonce);
        Self { mechanism, exchange, held_back: None, challenge: Vec::new(), rounds: 0, secret_sent: false }
    }

    /// The AUTH command. With `initial_response` the mechanism's first response is part of it, if it is not too long.
    pub fn start(&mut self, initial_response: bool) -> Result<AuthLine, SaslError> {
        let command = format!("AUTH {}", self.mechanism);
        let Some(first) = self.exchange.start()? else { return Ok(AuthLine { text: command, secret: None }) };
        // An empty response is `=` there.
        let encoded = if first.bytes.is_empty() { "=".to_owned() } else { STANDARD.encode(&first.bytes) };
        let text = format!("{command} {encoded}");
        if !initial_response || text.len() + 2 > MAX_COMMAND {
            self.held_back = Some(first);
            return Ok(AuthLine { text: command, secret: None });
        }
        Ok(self.line(text, first))
    }

    /// Takes the reply to the last line.
    pub fn reply(&mut self, reply: &Reply) -> AuthTurn {
        self.challenge.clear();
        if reply.code.get() != 334 {
            let is_success = reply.code.class() == 2;
            return match self.held_back {
                Some(_) if is_success => AuthTurn::Fail(SaslError::EarlySuccess),
                _ if is_success => {
                    let finished = self.exchange.finish(additional_data(reply).as_deref());
                    finished.map_or_else(AuthTurn::Fail, |()| AuthTurn::Decided)
                }
                _ => AuthTurn::Decided,
            };
        }
        self.rounds += 1;
        if self.rounds > MAX_ROUNDS {
            return AuthTurn::Cancel(SaslError::BadChallenge("the server does not stop asking".to_owned()));
        }
        let Some(challenge) = decode_challenge(reply) else {
            return AuthTurn::Cancel(SaslError::BadChallenge("the server's challenge is not base64".to_owned()));
        };
        self.challenge = challenge;
        let response = match self.held_back.take() {
            Some(response) => Ok(response),
            None => self.exchange.respond(&self.challenge),
        };
        match response {
            Ok(response) => AuthTurn::Send(self.line(STANDARD.encode(&response.bytes), response)),
            // Nothing is left to send, and the credentials are not sent twice.
            Err(error @ (SaslError::UnexpectedChallenge | SaslError::EarlySuccess)) => AuthTurn::Fail(error),
            Err(error) => AuthTurn::Cancel(error),
        }
    }

    /// The challenge of the last reply, decoded; empty if there was none.
    pub fn challenge(&self) -> &[u8] {
        &self.challenge
    }

    pub fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// Whether something made of the password or token has left.
    pub fn secret_sent(&self) -> bool {
        self.secret_sent
    }

    /// What the server objected to in the credentials, before its final refusal (RFC 7628 §3.2.2).
    pub fn refusal(&self) -> Option<&str> {
        self.exchange.refusal()
    }

    fn line(&mut self, text: String, response: Response) -> AuthLine {
        self.secret_sent |= response.secret;
        AuthLine { text, secret: response.secret.then_some(response.bytes) }
    }
}

/// `None` if it is not base64. A bare `334` is the empty challenge.
fn decode_challenge(reply: &Reply) -> Option<Vec<u8>> {
    match reply.lines.as_slice() {
        [] => Some(Vec::new()),
        [line] => STANDARD.decode(line.trim_ascii()).ok(),
        _ => None,
    }
}

/// Additional data in base64 after the code of a 235. RFC 5802 §5 allows a last message with the outcome; RFC 4954 has
/// no place for it, but some servers send it.
fn additional_data(reply: &Reply) -> Option<Vec<u8>> {
    let [line] = reply.lines.as_slice() else { return None };
    let text = std::str::from_utf8(line).ok()?.trim();
    let text = match text.split_once(' ') {
        Some((code, rest)) if EnhancedCode::parse(code).is_some() => rest.trim_start(),
        _ => text,
    };
    STANDARD.decode(text).ok().filter(|data| !data.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::reply::ReplyParser;

    fn dialogue(mechanism: Mechanism, password: &str) -> AuthDialogue {
        let (user, password) = ("ann".to_owned(), password.to_owned());
        AuthDialogue::new(mechanism, Credentials { user, password, ..Credentials::default() }, "nonce")
    }

    fn reply(text: &str) -> Reply {
        let mut parser = ReplyParser::default();
        let replies = text.split('\n').map(|line| parser.line(line.as_bytes()).expect("a line of a reply"));
        replies.last().flatten().expect("a whole reply")
    }

    /// What is said, word by word: `AUTH PLAIN`, `334 `, …, and how it ends.
    fn talk(dialogue: &mut AuthDialogue, initial_response: bool, replies: &[&str]) -> Vec<String> {
        let mut said = vec![dialogue.start(initial_response).map_or_else(|error| format!("{error:?}"), |one| one.text)];
        for text in replies {
            said.push(match dialogue.reply(&reply(text)) {
                AuthTurn::Send(line) => line.text,
                end => format!("{end:?}"),
            });
        }
        said
    }

    #[test]
    fn the_dialogue_goes_as_rfc_4954_has_it() {
        let (user, pass, plain) = (STANDARD.encode("ann"), STANDARD.encode("pw"), STANDARD.encode("\0ann\0pw"));
        let ask = ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 ok"];
        type Row<'t> = (Mechanism, bool, &'t [&'t str], Vec<String>, &'t str);
        let words = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let table: &[Row<'_>] = &[
            (
                Mechanism::Plain,
                true,
                &["235 ok"],
                words(&[&format!("AUTH PLAIN {plain}"), "Decided"]),
                "an initial response",
            ),
            (Mechanism::Plain, false, &["334 ", "235 ok"], words(&["AUTH PLAIN", &plain, "Decided"]), "held back"),
            (Mechanism::Plain, false, &["334", "535 no"], words(&["AUTH PLAIN", &plain, "Decided"]), "a bare 334"),
            (Mechanism::Plain, false, &["235 ok"], words(&["AUTH PLAIN", "Fail(EarlySuccess)"]), "nothing was proved"),
            (Mechanism::Plain, false, &["535 no"], words(&["AUTH PLAIN", "Decided"]), "a refusal may come at any time"),
            (Mechanism::Login, true, &ask, words(&["AUTH LOGIN", &user, &pass, "Decided"]), "the server begins"),
            (
                Mechanism::Plain,
                true,
                &["334 "],
                words(&[&format!("AUTH PLAIN {plain}"), "Fail(UnexpectedChallenge)"]),
                "nothing is sent twice",
            ),
            (
                Mechanism::Plain,
                false,
                &["334 ?"],
                words(&["AUTH PLAIN", "Cancel(BadChallenge(\"the server's challenge is not base64\"))"]),
                "not base64",
            ),
            (
                Mechanism::Plain,
                false,
                &["334-\n334 "],
                words(&["AUTH PLAIN", "Cancel(BadChallenge(\"the server's challenge is not base64\"))"]),
                "a challenge is one line",
            ),
        ];
        for (mechanism, initial_response, replies, expected, why) in table {
            let said = talk(&mut dialogue(*mechanism, "pw"), *initial_response, replies);
            assert_eq!(said, *expected, "{why}");
        }
    }

    #[test]
    fn an_initial_response_leaves_with_auth_up_to_512_octets() {
        // 4 octets of base64 for 3: the longest that fits is `AUTH PLAIN ` + 496 + CRLF.
        for (length, fits) in [(366, true), (367, true), (368, false)] {
            let mut dialogue = dialogue(Mechanism::Plain, &"p".repeat(length));
            let line = dialogue.start(true).expect("PLAIN carries any password");
            assert_eq!(line.text.len() > "AUTH PLAIN".len(), fits, "{length}");
            assert_eq!((line.secret.is_some(), dialogue.secret_sent()), (fits, fits), "{length}");
            assert!(line.text.len() + 2 <= MAX_COMMAND, "{length}");
        }
    }

    #[test]
    fn a_server_that_does_not_stop_asking_is_left() {
        let mut dialogue = dialogue(Mechanism::Plain, "pw");
        let mut exchange = dialogue.start(false).map(|_| 0);
        dialogue.exchange = Box::new(Endless);
        while let (Ok(count), AuthTurn::Send(_)) = (&mut exchange, dialogue.reply(&reply("334 eA=="))) {
            *count += 1;
            assert_eq!(dialogue.challenge(), b"x");
        }
        assert_eq!(exchange, Ok(MAX_ROUNDS));
    }

    /// A mechanism without end.
    struct Endless;

    impl SaslExchange for Endless {
        fn start(&mut self) -> Result<Option<Response>, SaslError> {
            Ok(None)
        }
        fn respond(&mut self, _: &[u8]) -> Result<Response, SaslError> {
            Ok(Response::public("y"))
        }
        fn finish(&mut self, _: Option<&[u8]>) -> Result<(), SaslError> {
            Ok(())
        }
    }

    #[test]
    fn additional_data_is_one_word_of_base64() {
        let table: &[(&str, Option<&[u8]>)] = &[
            ("235 dj1hYmM=", Some(b"v=abc")),
            ("235 2.7.0 dj1hYmM=", Some(b"v=abc")),
            ("235 2.7.0 Authentication successful", None),
            ("235", None),
            ("235 2.7.0", None),
        ];
        for (line, data) in table {
            assert_eq!(additional_data(&reply(line)).as_deref(), *data, "{line}");
        }
    }
}

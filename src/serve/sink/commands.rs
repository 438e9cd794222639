//! The commands of a client, and the replies to them.

use super::arguments::{self, Refusal};
use super::client_session::Hello;
use super::envelope::Recipient;
use super::{InputPhase, MAX_RECIPIENTS, MAX_SIZE, Sink, auth, decode};
use crate::smtp::content::ContentDecoder;

const BAD_SEQUENCE: &str = "503 5.5.1 ";

impl Sink<'_> {
    /// Executes or refuses one command.
    pub(super) fn command(&mut self, line: &str) {
        let (verb, argument) = arguments::split(line);
        if verb == "BDAT" {
            return self.bdat(argument);
        }
        if !self.apply_rule(&verb, argument) {
            return;
        }
        if self.session.chunking && !matches!(verb.as_str(), "RSET" | "NOOP" | "QUIT" | "HELP") {
            // RFC 3030 §2: no other command may stand between the chunks of a transaction.
            return self.reply(&format!("{BAD_SEQUENCE}BDAT or RSET is next"));
        }
        let outcome = match verb.as_str() {
            "EHLO" => self.hello(Hello::Ehlo, argument),
            "HELO" => self.hello(Hello::Helo, argument),
            "LHLO" => self.hello(Hello::Lhlo, argument),
            "MAIL" => self.mail(argument),
            "RCPT" => self.rcpt(argument),
            "DATA" => self.start_data(argument),
            "RSET" => {
                self.reset_transaction();
                Ok("250 2.0.0 ok".to_owned())
            }
            "NOOP" => Ok("250 2.0.0 ok".to_owned()),
            "QUIT" => {
                self.close();
                Ok("221 2.0.0 bye".to_owned())
            }
            "HELP" => Ok("214 2.0.0 a sink: it accepts any mail and delivers none".to_owned()),
            "VRFY" if argument.is_empty() => Err("501 5.5.4 syntax: VRFY name".to_owned()),
            "VRFY" => Ok("252 2.5.0 not verified, but mail to it is accepted".to_owned()),
            "EXPN" | "ETRN" | "TURN" | "SEND" | "SAML" | "SOML" => Err("502 5.5.1 not implemented".to_owned()),
            "STARTTLS" => return self.start_tls_command(argument),
            "AUTH" => return self.auth(argument),
            "XCLIENT" => self.xclient(argument),
            "" => Err("500 5.5.2 an empty line is not a command".to_owned()),
            _ => Err("500 5.5.2 command not recognized".to_owned()),
        };
        self.reply(&outcome.unwrap_or_else(|refusal| refusal));
    }

    fn reset_transaction(&mut self) {
        if let Some(writer) = &mut self.writer {
            writer.abandon();
        }
        self.session.reset();
    }

    fn hello(&mut self, hello: Hello, name: &str) -> Result<String, Refusal> {
        if name.is_empty() {
            return Err("501 5.5.4 say who you are".to_owned());
        }
        let lmtp = self.session.hello == Hello::Lhlo;
        if self.session.hello != Hello::None && lmtp != (hello == Hello::Lhlo) {
            // RFC 2033 §4.1: LMTP has no HELO, SMTP has no LHLO.
            return Err(format!("500 5.5.1 this connection speaks {}", if lmtp { "LMTP" } else { "SMTP" }));
        }
        self.reset_transaction();
        self.session.hello = hello;
        self.session.helo = name.split([' ', '\t']).next().unwrap_or_default().to_owned();
        let shown: String = self.session.helo.chars().filter(|c| !c.is_control()).take(255).collect();
        if hello == Hello::Helo {
            return Ok(format!("250 localhost greets {shown}"));
        }
        let mut lines = vec![format!("localhost greets {shown}")];
        let plain = [
            "PIPELINING",
            "8BITMIME",
            "SMTPUTF8",
            "CHUNKING",
            "BINARYMIME",
            "DSN",
            "ENHANCEDSTATUSCODES",
            "PRDR",
            "VRFY",
            "HELP",
        ];
        lines.extend(plain.map(str::to_owned));
        lines.push(format!("SIZE {MAX_SIZE}"));
        if self.session.tls.is_none() {
            lines.push("STARTTLS".to_owned());
        }
        lines.push("XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT".to_owned());
        lines.push(format!("AUTH {}", auth::offered(&self.secrets).join(" ")));
        let last = lines.len() - 1;
        let coded = lines.iter().enumerate().map(|(index, line)| match index {
            index if index == last => format!("250 {line}"),
            _ => format!("250-{line}"),
        });
        Ok(coded.collect::<Vec<_>>().join("\n"))
    }

    fn mail(&mut self, argument: &str) -> Result<String, Refusal> {
        if self.session.hello == Hello::None {
            return Err(format!("{BAD_SEQUENCE}EHLO is first"));
        }
        if self.session.mail.is_some() {
            return Err(format!("{BAD_SEQUENCE}a transaction has begun already"));
        }
        let path = arguments::path(argument, "FROM:", "MAIL FROM:<address>")?;
        arguments::check_mail_params(&path.params, MAX_SIZE)?;
        check_smtputf8(&path.address, path.params.contains_key("SMTPUTF8"))?;
        let reply = format!("250 2.1.0 <{}> ok", path.address);
        self.session.mail = Some((path.address, path.params));
        Ok(reply)
    }

    fn rcpt(&mut self, argument: &str) -> Result<String, Refusal> {
        let Some((_, mail_params)) = &self.session.mail else { return Err(format!("{BAD_SEQUENCE}MAIL is first")) };
        let path = arguments::path(argument, "TO:", "RCPT TO:<address>")?;
        if path.address.is_empty() {
            return Err("501 5.1.3 bad address: the null path receives nothing".to_owned());
        }
        arguments::check_rcpt_params(&path.params)?;
        check_smtputf8(&path.address, mail_params.contains_key("SMTPUTF8"))?;
        if self.session.rcpt.len() >= MAX_RECIPIENTS {
            // RFC 5321 §4.5.3.1.10.
            return Err("452 4.5.3 too many recipients".to_owned());
        }
        let reply = format!("250 2.1.5 <{}> ok", path.address);
        self.session.rcpt.push(Recipient { address: path.address, params: path.params });
        Ok(reply)
    }

    fn check_transaction(&self) -> Result<(), Refusal> {
        match (&self.session.mail, self.session.rcpt.is_empty()) {
            (None, _) => Err(format!("{BAD_SEQUENCE}MAIL is first")),
            (Some(_), true) => Err(format!("{BAD_SEQUENCE}no valid recipients")),
            _ => Ok(()),
        }
    }

    fn start_data(&mut self, argument: &str) -> Result<String, Refusal> {
        self.check_transaction()?;
        if !argument.is_empty() {
            return Err("501 5.5.4 DATA has no parameters".to_owned());
        }
        let binary = self.session.mail.as_ref().and_then(|(_, params)| params.get("BODY"));
        if binary.is_some_and(|body| body.as_deref().is_some_and(|body| body.eq_ignore_ascii_case("BINARYMIME"))) {
            // RFC 3030 §3.
            return Err(format!("{BAD_SEQUENCE}BODY=BINARYMIME goes with BDAT"));
        }
        // A rule that accepts it with something else than 354 requests no content.
        if self.reply_override.as_ref().is_none_or(|reply| reply.starts_with(b"3")) {
            self.begin_content();
            self.phase = InputPhase::Data(ContentDecoder::default());
        }
        Ok("354 go ahead, and end with a dot".to_owned())
    }

    /// RFC 3030 §2: the octets follow even if the command is refused.
    fn bdat(&mut self, argument: &str) {
        let Some((octets, last)) = arguments::bdat(argument) else {
            // It is unknown how many octets follow.
            self.reply("501 5.5.4 syntax: BDAT octets [LAST]");
            return self.close();
        };
        let mut refusal = self.check_transaction().err();
        let total = self.session.size.saturating_add(octets);
        if refusal.is_none() && total > MAX_SIZE {
            refusal = Some("552 5.3.4 message size exceeds fixed maximum message size".to_owned());
        }
        if refusal.is_none() {
            // The reply comes after the octets.
            self.flush();
            if !self.apply_rule("BDAT", argument) {
                let reply = std::mem::take(&mut self.out);
                refusal = Some(String::from_utf8_lossy(&reply).trim_end().replace("\r\n", "\n"));
            }
        }
        match &refusal {
            Some(_) => self.reset_transaction(),
            None if !self.session.chunking => {
                self.begin_content();
                self.session.chunking = true;
            }
            None => {}
        }
        self.phase = InputPhase::Bdat { left: octets, last, refusal };
    }

    fn start_tls_command(&mut self, argument: &str) {
        if !argument.is_empty() {
            return self.reply("501 5.5.4 STARTTLS has no parameters");
        }
        if self.session.tls.is_some() {
            return self.reply("503 5.5.1 TLS has started already");
        }
        if self.session.hello == Hello::None {
            return self.reply("503 5.5.1 EHLO is first");
        }
        self.reset_transaction();
        self.starttls();
    }

    fn auth(&mut self, argument: &str) {
        if matches!(self.session.hello, Hello::None | Hello::Helo) {
            return self.reply("503 5.5.1 EHLO is first");
        }
        if self.session.authenticated.is_some() {
            // RFC 4954 §4.
            return self.reply("503 5.5.1 already authenticated");
        }
        if self.session.mail.is_some() {
            return self.reply("503 5.5.1 not during a transaction");
        }
        let mut words = argument.split(' ').filter(|word| !word.is_empty());
        let (Some(mechanism), initial, None) = (words.next(), words.next(), words.next()) else {
            return self.reply("501 5.5.4 syntax: AUTH mechanism [initial-response]");
        };
        let Some(mut exchange) = auth::ServerExchange::new(mechanism, self.secrets.clone()) else {
            return self.reply("504 5.5.4 this mechanism is not offered");
        };
        let initial = match initial {
            // The empty initial response (RFC 4954 §4).
            Some("=") => Some(Vec::new()),
            Some(text) => match decode(text) {
                Some(bytes) => Some(bytes),
                None => return self.reply("501 5.5.2 not base64"),
            },
            None => None,
        };
        let step = exchange.start(initial);
        self.auth_step(exchange, step);
    }

    /// Postfix's XCLIENT: stores the attributes, and the session begins again with a greeting.
    fn xclient(&mut self, argument: &str) -> Result<String, Refusal> {
        if self.session.mail.is_some() {
            return Err(format!("{BAD_SEQUENCE}not during a transaction"));
        }
        let attributes = arguments::xclient(argument).ok_or("501 5.5.4 syntax: XCLIENT attribute=value")?;
        self.session.xclient.extend(attributes);
        self.session.hello = Hello::None;
        self.session.authenticated = None;
        Ok("220 localhost ESMTP mailrun sink".to_owned())
    }
}

/// RFC 6531 §3.5: addresses beyond ASCII require SMTPUTF8.
fn check_smtputf8(address: &str, smtputf8: bool) -> Result<(), Refusal> {
    if address.is_ascii() || smtputf8 { Ok(()) } else { Err("553 5.6.7 this address needs SMTPUTF8".to_owned()) }
}

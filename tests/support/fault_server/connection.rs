//! A dialogue with one client, with the faults that are due.

use super::{AcceptedMail, Fault, Point, Shared, When, lock};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

pub fn serve(stream: TcpStream, number: usize, shared: &Shared) {
    let Ok(read) = stream.try_clone() else { return };
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(super::super::LONG));
    let (lines, sender) = (BufReader::new(read), String::new());
    let mut connection = Connection { lines, stream, number, shared, sender, recipients: Vec::new() };
    // A killed client ends its connection at any point.
    let _ = connection.serve();
    if shared.options.resets {
        connection.reset();
    }
}

/// Why a connection is over.
struct Ended;

impl From<std::io::Error> for Ended {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

struct Connection<'s> {
    lines: BufReader<TcpStream>,
    stream: TcpStream,
    number: usize,
    shared: &'s Shared,
    /// The MAIL command of the transaction; empty without one.
    sender: String,
    recipients: Vec<String>,
}

impl Connection<'_> {
    fn send(&mut self, reply: &str) -> Result<(), Ended> {
        Ok(self.stream.write_all(format!("{reply}\r\n").as_bytes())?)
    }

    fn read_line(&mut self) -> Result<String, Ended> {
        let mut line = Vec::new();
        match self.lines.read_until(b'\n', &mut line)? {
            0 => Err(Ended),
            _ => Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
        }
    }

    fn fault(&self, point: Point, line: &str) -> Option<Fault> {
        let faults = lock(&self.shared.faults);
        let matches = |when: &&When| {
            when.point == point
                && (when.connections.0..when.connections.1).contains(&self.number)
                && when.line.is_none_or(|words| line.contains(words))
                && when.sender.is_none_or(|words| self.sender.contains(words))
        };
        faults.iter().find(matches).map(|when| when.fault)
    }

    /// Sends the reply or the fault; returns whether the reply was sent.
    fn reply(&mut self, point: Point, line: &str, right: &str) -> Result<bool, Ended> {
        match self.fault(point, line) {
            None => self.send(right).map(|()| true),
            Some(Fault::Hold) => {
                self.hold();
                self.send(right).map(|()| true)
            }
            Some(fault) => self.inject(fault).map(|()| false),
        }
    }

    fn inject(&mut self, fault: Fault) -> Result<(), Ended> {
        match fault {
            Fault::Reply(reply) => return self.send(reply),
            Fault::ReplyThenClose(reply) => self.send(reply)?,
            Fault::ReplyThenSilence(reply) => {
                self.send(reply)?;
                self.await_end();
            }
            Fault::Silence => {
                self.tell();
                self.await_end();
            }
            Fault::Reset => self.reset(),
            Fault::Hold => {
                self.hold();
                return Ok(());
            }
            Fault::Close | Fault::AcceptThenClose => {}
        }
        Err(Ended)
    }

    fn await_end(&mut self) {
        let _ = std::io::copy(&mut self.lines, &mut std::io::sink());
    }

    fn reset(&self) {
        let _ = rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
    }

    fn tell(&self) {
        // The test may be over.
        let _ = lock(&self.shared.hold).send(());
    }

    fn hold(&self) {
        self.tell();
        let (released, changed) = &self.shared.released;
        let guard = lock(released);
        drop(changed.wait_while(guard, |released| !*released));
    }

    fn serve(&mut self) -> Result<(), Ended> {
        if !self.reply(Point::Greeting, "", "220 mx ready")? {
            return Ok(());
        }
        loop {
            let line = self.read_line()?;
            self.command(&line)?;
            if line == "QUIT" {
                return Ok(());
            }
        }
    }

    fn command(&mut self, line: &str) -> Result<(), Ended> {
        const VERBS: [&str; 12] =
            ["EHLO", "LHLO", "HELO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "QUIT"];
        let word = line.split([' ', ':']).next().unwrap_or_default();
        let point = Point::Command(VERBS.iter().copied().find(|verb| *verb == word).unwrap_or_default());
        match word {
            "EHLO" | "LHLO" => {
                let offers = ["mx"].iter().chain(&self.shared.options.offers);
                let offers: String = offers.map(|offer| format!("250-{offer}\r\n")).collect();
                self.reply(point, line, &format!("{offers}250 HELP"))?;
            }
            "AUTH" => drop(self.reply(point, line, "235 2.7.0 ok")?),
            "MAIL" => {
                self.recipients.clear();
                self.sender = line.to_owned();
                if !self.reply(point, line, "250 ok")? {
                    self.sender.clear();
                }
            }
            "RCPT" if self.sender.is_empty() => self.send("503 5.5.1 no MAIL")?,
            "RCPT" => {
                if self.reply(point, line, "250 ok")? {
                    let recipient = line.split(['<', '>']).nth(1).unwrap_or_default();
                    self.recipients.push(recipient.to_owned());
                }
            }
            "DATA" if self.recipients.is_empty() => self.send("503 5.5.1 no RCPT")?,
            "DATA" => {
                if self.reply(point, line, "354 go ahead")? {
                    self.data()?;
                }
                self.sender.clear();
            }
            "BDAT" => match self.fault(point, line) {
                // Who does not know BDAT reads the octets as commands.
                Some(fault) => self.inject(fault)?,
                None => self.chunk(line)?,
            },
            "QUIT" => drop(self.reply(point, line, "221 bye")?),
            "HELO" | "RSET" | "NOOP" => {
                if word != "NOOP" {
                    self.sender.clear();
                    self.recipients.clear();
                }
                self.reply(point, line, "250 ok")?;
            }
            "STARTTLS" => drop(self.reply(point, line, "454 4.7.0 not now")?),
            _ => self.send("500 5.5.1 unknown command")?,
        }
        Ok(())
    }

    fn data(&mut self) -> Result<(), Ended> {
        if let Some(fault) = self.fault(Point::ContentStart, "") {
            self.inject(fault)?;
        }
        let mut message_id = String::new();
        loop {
            let line = self.read_line()?;
            if line == "." {
                break;
            }
            if let Some(fault) = self.fault(Point::Content, &line) {
                self.inject(fault)?;
            }
            if let Some(id) = line.strip_prefix("Message-ID: ") {
                message_id = id.to_owned();
            }
        }
        self.accept(message_id)
    }

    /// The last chunk of a mail, which is its only one.
    fn chunk(&mut self, line: &str) -> Result<(), Ended> {
        let octets = line.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or(Ended)?;
        if !self.recipients.is_empty()
            && let Some(fault) = self.fault(Point::Content, line)
        {
            self.inject(fault)?;
        }
        let mut content = vec![0; octets];
        self.lines.read_exact(&mut content)?;
        if self.recipients.is_empty() {
            self.send("503 5.5.1 no RCPT")?;
        } else {
            self.accept(String::new())?;
        }
        self.sender.clear();
        Ok(())
    }

    /// Takes the mail, and replies: once, or over LMTP for each recipient.
    fn accept(&mut self, message_id: String) -> Result<(), Ended> {
        const QUEUED: &str = "250 2.0.0 queued as Q42";
        let recipients = std::mem::take(&mut self.recipients);
        let mut parts: Vec<&[String]> = vec![&recipients];
        if self.shared.options.lmtp {
            parts = recipients.chunks(1).collect();
        }
        for part in parts {
            let fault = self.fault(Point::ContentReply, &part.join(" "));
            if matches!(fault, None | Some(Fault::AcceptThenClose | Fault::Hold)) {
                let mails = part
                    .iter()
                    .map(|recipient| AcceptedMail { recipient: recipient.clone(), message_id: message_id.clone() });
                lock(&self.shared.accepted).extend(mails);
            }
            match fault {
                None => self.send(QUEUED)?,
                Some(Fault::Hold) => {
                    self.hold();
                    self.send(QUEUED)?;
                }
                Some(fault) => self.inject(fault)?,
            }
        }
        match self.fault(Point::ContentEnd, "") {
            Some(fault) => self.inject(fault),
            None => Ok(()),
        }
    }
}

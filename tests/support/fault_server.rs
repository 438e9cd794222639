//! A strict mail server with faults at chosen points. It records the recipients of the mail that it accepted.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A point of the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    Greeting,
    /// The reply to a command with this verb.
    Command(&'static str),
    /// Right after 354.
    ContentStart,
    /// Within the content: at each of its lines, or before the octets of a chunk.
    Content,
    /// The reply to complete content: over LMTP, the one for each recipient.
    ContentReply,
    /// After the last reply to the content.
    ContentEnd,
}

/// What happens at that point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Another reply, and the dialogue goes on. In place of the greeting it ends.
    Reply(&'static str),
    ReplyThenClose(&'static str),
    /// A reply, and nothing after it until the client leaves.
    ReplyThenSilence(&'static str),
    Close,
    /// RST in place of FIN.
    Reset,
    /// No reply until the client leaves; [`FaultServer::wait_until_held`] returns.
    Silence,
    /// At [`Point::ContentReply`]: the mail is accepted, and the connection ends without a reply.
    AcceptThenClose,
    /// The right reply, after [`FaultServer::release`] was called; [`FaultServer::wait_until_held`] returns.
    Hold,
}

/// A fault, and when it occurs.
#[derive(Clone, Debug)]
pub struct When {
    point: Point,
    fault: Fault,
    /// The first connection at which it occurs, and the first at which it does no more.
    connections: (usize, usize),
    line: Option<&'static str>,
    sender: Option<&'static str>,
}

impl When {
    pub fn at(point: Point, fault: Fault) -> Self {
        Self { point, fault, connections: (0, usize::MAX), line: None, sender: None }
    }

    /// Only on that connection, counted from 0.
    pub fn on_connection(mut self, number: usize) -> Self {
        self.connections = (number, number + 1);
        self
    }

    /// On that connection and all after it.
    pub fn starting_with_connection(mut self, number: usize) -> Self {
        self.connections.0 = number;
        self
    }

    /// Only on the first `count` connections.
    pub fn on_the_first(mut self, count: usize) -> Self {
        self.connections = (0, count);
        self
    }

    /// Only if the command, or at [`Point::ContentReply`] the recipient, contains these words.
    pub fn with(mut self, words: &'static str) -> Self {
        self.line = Some(words);
        self
    }

    /// Only in transactions whose MAIL command contains these words.
    pub fn in_mail_from(mut self, words: &'static str) -> Self {
        self.sender = Some(words);
        self
    }
}

/// A server that has not started yet.
#[derive(Clone, Debug, Default)]
pub struct FaultServerBuilder {
    offers: Vec<&'static str>,
    lmtp: bool,
    resets: bool,
    faults: Vec<When>,
}

impl FaultServerBuilder {
    /// What it offers after EHLO.
    pub fn offering(mut self, offers: &[&'static str]) -> Self {
        self.offers = offers.to_vec();
        self
    }

    /// Each recipient has a reply of its own to the content (RFC 2033 §4.2).
    pub fn lmtp(mut self) -> Self {
        self.lmtp = true;
        self
    }

    /// Each connection ends with RST in place of FIN.
    pub fn resetting(mut self) -> Self {
        self.resets = true;
        self
    }

    pub fn fault(mut self, when: When) -> Self {
        self.faults.push(when);
        self
    }

    pub fn faults(mut self, faults: impl IntoIterator<Item = When>) -> Self {
        self.faults.extend(faults);
        self
    }

    pub fn start(self) -> FaultServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let (hold, held) = channel();
        let shared = Arc::new(Shared {
            options: self.clone(),
            faults: Mutex::new(self.faults),
            accepted: Mutex::default(),
            hold: Mutex::new(hold),
            released: (Mutex::new(false), Condvar::new()),
        });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let shared = serving.clone();
                std::thread::spawn(move || serve(stream, number, &shared));
            }
        });
        FaultServer { port, shared, held }
    }
}

/// A running server; it exists until the end of the test.
pub struct FaultServer {
    pub port: u16,
    shared: Arc<Shared>,
    held: Receiver<()>,
}

/// One recipient of a mail that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AcceptedMail {
    pub recipient: String,
    /// With its angle brackets; empty if the mail has none, or came with BDAT.
    pub message_id: String,
}

impl FaultServer {
    /// A server without faults that offers PIPELINING.
    pub fn start() -> Self {
        Self::builder().start()
    }

    pub fn builder() -> FaultServerBuilder {
        FaultServerBuilder::default().offering(&["PIPELINING"])
    }

    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// Removes all faults.
    pub fn heal(&self) {
        lock(&self.shared.faults).clear();
    }

    /// What it accepted, in order: an entry for each recipient.
    pub fn accepted(&self) -> Vec<AcceptedMail> {
        lock(&self.shared.accepted).clone()
    }

    /// The recipients of what it accepted, in order.
    pub fn recipients(&self) -> Vec<String> {
        lock(&self.shared.accepted).iter().map(|mail| mail.recipient.clone()).collect()
    }

    /// The recipients since the last call.
    pub fn take_recipients(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.shared.accepted)).into_iter().map(|mail| mail.recipient).collect()
    }

    /// How many recipients it accepted mail for; fails the test if it accepted two mails for one of them.
    #[track_caller]
    pub fn accepted_once(&self) -> usize {
        let mut recipients = self.recipients();
        let all = recipients.len();
        recipients.sort();
        let twice: Vec<_> = recipients.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| &pair[0]).collect();
        assert!(twice.is_empty(), "accepted twice: {twice:?}");
        all
    }

    /// Waits until a connection is at a [`Fault::Hold`] or [`Fault::Silence`].
    pub fn wait_until_held(&self) {
        self.held.recv_timeout(super::LONG).expect("the client comes to the point where the server holds it");
    }

    /// Releases all connections that are held, and holds no more.
    pub fn release(&self) {
        *lock(&self.shared.released.0) = true;
        self.shared.released.1.notify_all();
    }
}

struct Shared {
    options: FaultServerBuilder,
    faults: Mutex<Vec<When>>,
    accepted: Mutex<Vec<AcceptedMail>>,
    hold: Mutex<Sender<()>>,
    released: (Mutex<bool>, Condvar),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: TcpStream, number: usize, shared: &Shared) {
    let Ok(read) = stream.try_clone() else { return };
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(super::LONG));
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

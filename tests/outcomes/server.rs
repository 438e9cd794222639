//! A strict server that goes wrong at one point, as long as it is told to, and records whom it took mail for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Where something goes wrong. From MAIL on it does so for the second row alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    Greeting,
    Ehlo,
    Starttls,
    Auth,
    Mail,
    /// Of the recipient whose name begins with `b`.
    Rcpt,
    /// The reply to DATA.
    Data,
    /// Content has begun.
    Midway,
    /// The reply to all of the content: over LMTP that of `b`.
    Content,
    Quit,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 451
    Later,
    /// 550
    No,
    /// 421, and the end.
    Bye,
    Close,
    Reset,
    Silence,
    /// What is not SMTP, and then nothing more.
    Garbage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerKind {
    pub pipelining: bool,
    pub chunking: bool,
    pub lmtp: bool,
}

struct Shared {
    fault: Mutex<Option<(Point, Fault)>>,
    /// Each recipient that mail was taken for, with the Message-ID.
    accepted: Mutex<Vec<String>>,
    kind: ServerKind,
}

pub struct Server {
    pub port: u16,
    shared: Arc<Shared>,
}

/// Why a connection ends.
struct ConnectionEnded;

impl From<std::io::Error> for ConnectionEnded {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

impl Server {
    pub fn start(kind: ServerKind, point: Point, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let (fault, accepted) = (Mutex::new(Some((point, fault))), Mutex::default());
        let shared = Arc::new(Shared { fault, accepted, kind });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = serving.clone();
                std::thread::spawn(move || {
                    let Ok(read) = stream.try_clone() else { return };
                    let _ = stream.set_nodelay(true);
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(60)));
                    let mut talk = Connection { lines: BufReader::new(read), stream, shared: &shared };
                    let _ = talk.serve();
                });
            }
        });
        Self { port, shared }
    }

    pub fn heal(&self) {
        *self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Takes what was accepted since it was last asked.
    pub fn accepted(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.accepted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Connection<'s> {
    lines: BufReader<TcpStream>,
    stream: TcpStream,
    shared: &'s Shared,
}

impl Connection<'_> {
    fn say(&mut self, text: &str) -> Result<(), ConnectionEnded> {
        Ok(self.stream.write_all(text.as_bytes())?)
    }

    fn line(&mut self) -> Result<String, ConnectionEnded> {
        let mut line = Vec::new();
        match self.lines.read_until(b'\n', &mut line)? {
            0 => Err(ConnectionEnded),
            _ => Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
        }
    }

    fn fault_at(&self, point: Point) -> Option<Fault> {
        let fault = *self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.filter(|(at, _)| *at == point).map(|(_, fault)| fault)
    }

    /// Goes wrong, where it is to; gives whether a refusal stands in place of `good`.
    fn reply(&mut self, point: Point, good: &str) -> Result<bool, ConnectionEnded> {
        match self.fault_at(point) {
            Some(fault) => self.go_wrong(fault).map(|()| true),
            None => self.say(good).map(|()| false),
        }
    }

    fn go_wrong(&mut self, fault: Fault) -> Result<(), ConnectionEnded> {
        match fault {
            Fault::Later => return self.say("451 4.0.0 later\r\n"),
            Fault::No => return self.say("550 5.0.0 no\r\n"),
            Fault::Bye => self.say("421 4.7.0 bye\r\n")?,
            Fault::Garbage => {
                self.say("what is SMTP?\r\n")?;
                self.await_end();
            }
            Fault::Silence => self.await_end(),
            Fault::Close => {}
            Fault::Reset => {
                let _ = rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO));
            }
        }
        Err(ConnectionEnded)
    }

    fn await_end(&mut self) {
        let _ = std::io::copy(&mut self.lines, &mut std::io::sink());
    }

    fn serve(&mut self) -> Result<(), ConnectionEnded> {
        let kind = self.shared.kind;
        if self.reply(Point::Greeting, "220 mx\r\n")? {
            return Err(ConnectionEnded);
        }
        let (mut sender, mut recipients) = (false, Vec::<String>::new());
        let mut second = false;
        loop {
            let line = self.line()?;
            let words: Vec<&str> = line.split([' ', ':']).collect();
            match words.first().copied().unwrap_or_default() {
                "EHLO" | "LHLO" => {
                    let mut offers = vec!["mx", "AUTH PLAIN"];
                    offers.extend(kind.pipelining.then_some("PIPELINING"));
                    offers.extend(kind.chunking.then_some("CHUNKING"));
                    offers.extend(self.fault_at(Point::Starttls).map(|_| "STARTTLS"));
                    let lines: String = offers.iter().map(|offer| format!("250-{offer}\r\n")).collect();
                    self.reply(Point::Ehlo, &format!("{lines}250 HELP\r\n"))?;
                }
                "STARTTLS" => drop(self.reply(Point::Starttls, "")?),
                "AUTH" => drop(self.reply(Point::Auth, "235 ok\r\n")?),
                "MAIL" => {
                    second = line.contains("<u2@");
                    (sender, recipients) = match second {
                        true => (!self.reply(Point::Mail, "250 ok\r\n")?, Vec::new()),
                        false => (self.say("250 ok\r\n").is_ok(), Vec::new()),
                    };
                }
                "RCPT" if !sender => self.say("503 5.5.1 no MAIL\r\n")?,
                "RCPT" => {
                    let name = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                    if !(second && name.starts_with('b') && self.reply(Point::Rcpt, "250 rcpt\r\n")?) {
                        if !(second && name.starts_with('b')) {
                            self.say("250 rcpt\r\n")?;
                        }
                        recipients.push(name);
                    }
                }
                "DATA" if recipients.is_empty() => self.say("503 5.5.1 no RCPT\r\n")?,
                "DATA" => {
                    let refused = match second {
                        true => self.reply(Point::Data, "354 go\r\n")?,
                        false => self.say("354 go\r\n").map(|()| false)?,
                    };
                    if !refused {
                        while self.line()? != "." {
                            self.midway(second)?;
                        }
                        self.take(second, std::mem::take(&mut recipients))?;
                    }
                    sender = false;
                }
                "BDAT" => {
                    let octets = words.get(1).and_then(|word| word.parse().ok()).ok_or(ConnectionEnded)?;
                    if !recipients.is_empty() {
                        self.midway(second)?;
                    }
                    self.lines.read_exact(&mut vec![0; octets])?;
                    match recipients.is_empty() {
                        true => self.say("503 5.5.1 no RCPT\r\n")?,
                        false => self.take(second, std::mem::take(&mut recipients))?,
                    }
                    sender = false;
                }
                "QUIT" => {
                    self.reply(Point::Quit, "221 bye\r\n")?;
                    return Ok(());
                }
                "HELO" | "RSET" => {
                    (sender, recipients) = (false, Vec::new());
                    self.say("250 ok\r\n")?;
                }
                _ => self.say("500 what\r\n")?,
            }
        }
    }

    fn midway(&mut self, second: bool) -> Result<(), ConnectionEnded> {
        match self.fault_at(Point::Midway).filter(|_| second) {
            Some(fault) => self.go_wrong(fault),
            None => Ok(()),
        }
    }

    /// Takes the mail, and replies: for all, or for each.
    fn take(&mut self, second: bool, recipients: Vec<String>) -> Result<(), ConnectionEnded> {
        let fault = self.fault_at(Point::Content).filter(|_| second);
        let record = |names: &[String]| {
            let mut accepted = self.shared.accepted.lock().unwrap_or_else(PoisonError::into_inner);
            accepted.extend_from_slice(names);
        };
        if !self.shared.kind.lmtp {
            return match fault {
                Some(fault) => self.go_wrong(fault),
                None => {
                    record(&recipients);
                    self.say("250 2.0.0 queued as Q42\r\n")
                }
            };
        }
        for name in recipients {
            match fault.filter(|_| name.starts_with('b')) {
                Some(fault) => self.go_wrong(fault)?,
                None => {
                    record(std::slice::from_ref(&name));
                    self.say("250 2.0.0 queued as Q42\r\n")?;
                }
            }
        }
        Ok(())
    }
}

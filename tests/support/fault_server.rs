//! A strict mail server with faults at chosen points. It records the recipients of the mail that it accepted.

mod connection;

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

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
            open: AtomicUsize::new(0),
        });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let shared = serving.clone();
                shared.open.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    connection::serve(stream, number, &shared);
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
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

    /// Waits until it has read all connections to their ends. What a killed client had sent may be accepted until then.
    pub fn wait_until_all_left(&self) {
        super::wait_until("the end of all connections", || self.shared.open.load(Ordering::SeqCst) == 0);
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
    /// How many connections have not ended.
    open: AtomicUsize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

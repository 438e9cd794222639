//! TLS ends and the connection goes on in plain text, with the server's bytes cut at every place.

use super::*;
use crate::exec::{ConnectOptions, Network, Server, ServerAddress};
use crate::net::SystemNetwork;
use crate::net::certificate::ServerCertificate;
use crate::net::tls::tests::acceptor_of;
use crate::prepare::TlsLimits;
use crate::session::Scheme;
use openssl::ssl::{SslAcceptor, SslStream, SslVersion};
use std::net::{TcpListener, TcpStream};

/// More than any of this takes.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// A socket whose output can be kept back.
#[derive(Debug)]
struct HeldSocket {
    socket: TcpStream,
    held: Option<Vec<u8>>,
}

impl Read for HeldSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buffer)
    }
}

impl Write for HeldSocket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.held {
            Some(held) => held.write(bytes),
            None => self.socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the server does after the handshake and a first reply inside TLS.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    /// It waits for the client's close_notify, and answers it.
    Answer,
    /// It sends close_notify by itself, together with its reply.
    First,
    /// More replies inside TLS, then its close_notify.
    MoreInside,
    /// Plain text without close_notify.
    NoNotify,
    /// The end of the connection without close_notify.
    Fin,
}

const INSIDE: &[u8] = b"250 in\r\n";
const PLAIN: &[u8] = b"250 ok\r\n";

/// The server's part; `cut`: how many bytes of all that ends TLS leave in the first of two writes. Gives how many bytes there
/// were, and what the client sent in plain text.
fn serve(acceptor: &SslAcceptor, socket: TcpStream, ending: Ending, cut: usize) -> (usize, Vec<u8>) {
    socket.set_nodelay(true).expect("an option of sockets");
    let below = socket.try_clone().expect("a second handle");
    let mut tls = acceptor.accept(HeldSocket { socket, held: None }).expect("a handshake");
    // With the reply, so that the client's library may have all of it at hand.
    tls.get_mut().held = Some(Vec::new());
    tls.write_all(INSIDE).expect("a reply");
    let wait_for_close_notify = |tls: &mut SslStream<HeldSocket>| {
        let held = tls.get_mut().held.take().unwrap_or_default();
        (&below).write_all(&held).expect("the client reads");
        assert_eq!(tls.read(&mut [0; 10]).expect("close_notify"), 0);
        tls.get_mut().held = Some(Vec::new());
    };
    match ending {
        Ending::First => drop(tls.shutdown().expect("close_notify")),
        Ending::Answer => {
            wait_for_close_notify(&mut tls);
            tls.shutdown().expect("close_notify");
        }
        Ending::MoreInside => {
            wait_for_close_notify(&mut tls);
            (0..2).for_each(|_| tls.write_all(INSIDE).expect("a reply"));
            tls.shutdown().expect("close_notify");
        }
        Ending::NoNotify | Ending::Fin => wait_for_close_notify(&mut tls),
    }
    let mut bytes = tls.get_mut().held.take().unwrap_or_default();
    if ending == Ending::Fin {
        below.shutdown(Shutdown::Write).expect("FIN");
    } else {
        bytes.extend_from_slice(PLAIN);
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        (&below).write_all(first).expect("the client reads");
        std::thread::sleep(Duration::from_millis(2));
        (&below).write_all(second).expect("the client reads");
    }
    if ending == Ending::First {
        // Not through OpenSSL, which would answer nothing more: the client's close_notify comes in a record.
        let mut header = [0; 5];
        (&below).read_exact(&mut header).expect("a record");
        let mut record = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        (&below).read_exact(&mut record).expect("the rest of it");
    }
    let mut heard = Vec::new();
    (&below).read_to_end(&mut heard).expect("the client's plain text, and its end");
    (bytes.len(), heard)
}

/// What all connections of a test share: loading certificates takes time.
struct Pair {
    network: SystemNetwork,
    acceptor: SslAcceptor,
    ca: Vec<u8>,
    details: bool,
}

impl Pair {
    fn new(version: SslVersion, details: bool) -> Self {
        let certificate = ServerCertificate::generate(&["127.0.0.1"]).expect("an address");
        let acceptor = acceptor_of(&certificate.chain_pem, &certificate.key_pem, Some(version));
        Self { network: SystemNetwork::new(), acceptor, ca: certificate.ca_pem.into_bytes(), details }
    }
}

/// Runs one ending; gives how many bytes could have been cut.
fn run(pair: &mut Pair, ending: Ending, cut: usize) -> usize {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let server = Server { scheme: Scheme::Smtp, address: ServerAddress::Tcp { host: "127.0.0.1".to_owned(), port } };
    let acceptor = pair.acceptor.clone();
    let thread = std::thread::spawn(move || serve(&acceptor, listener.accept().expect("a client").0, ending, cut));
    let mut stream = pair.network.connect(&server, &ConnectOptions::default(), soon()).expect("it listens").0;
    let options = TlsOptions {
        server_name: "127.0.0.1".to_owned(),
        verify: true,
        ca: pair.ca.clone(),
        system_roots: false,
        limits: TlsLimits::default(),
        client_cert: None,
        alpn: Vec::new(),
        details: pair.details,
    };
    stream.start_tls(&options, soon()).expect("a certificate to be trusted");
    let mut buffer = [0; 100];
    let count = stream.read(&mut buffer, soon()).expect("the reply inside TLS");
    let why = format!("{ending:?}, cut after {cut}");
    assert_eq!(&buffer[..count], INSIDE, "{why}");
    let answered = stream.end_tls(soon()).expect("the connection goes on");
    assert_eq!(answered, !matches!(ending, Ending::NoNotify | Ending::Fin), "{why}");
    assert!(stream.end_tls(soon()).is_err(), "it has ended: {why}");
    let mut plain = Vec::new();
    while plain.len() < PLAIN.len() {
        match stream.read(&mut buffer, soon()).expect("plain text, or the end") {
            0 => break,
            count => plain.extend_from_slice(&buffer[..count]),
        }
    }
    assert_eq!(plain, if ending == Ending::Fin { b"" } else { PLAIN }, "{why}");
    assert_eq!(stream.write(b"NOOP\r\n", soon()).expect("plain text"), 6, "{why}");
    stream.close(CloseMode::Fin).expect("closed");
    let (length, heard) = thread.join().expect("the server did its part");
    assert_eq!(heard, b"NOOP\r\n", "{why}");
    length
}

#[test]
fn plain_text_after_close_notify_arrives_wherever_the_bytes_are_cut() {
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let mut pair = Pair::new(version, true);
        for ending in [Ending::Answer, Ending::First, Ending::MoreInside, Ending::NoNotify] {
            let length = run(&mut pair, ending, 0);
            for cut in 1..length {
                run(&mut pair, ending, cut);
            }
        }
    }
}

#[test]
fn an_end_without_close_notify_is_the_end_of_the_connection() {
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        run(&mut Pair::new(version, true), Ending::Fin, 0);
        run(&mut Pair::new(version, false), Ending::Fin, 0);
    }
}

#[test]
fn both_libraries_end_tls() {
    run(&mut Pair::new(SslVersion::TLS1_3, false), Ending::Answer, 0);
    run(&mut Pair::new(SslVersion::TLS1_2, false), Ending::First, 0);
}

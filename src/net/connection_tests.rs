//! Over loopback sockets, unencrypted and inside TLS.

use super::*;
use crate::exec::{ConnectOptions, Network, Server, ServerAddress};
use crate::net::SystemNetwork;
use crate::net::certificate::ServerCertificate;
use crate::net::tls::tests::acceptor_of;
use crate::prepare::TlsLimits;
use crate::session::Scheme;
use openssl::ssl::SslStream;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

/// More than any of this takes.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn shortly() -> Instant {
    Instant::now() + Duration::from_millis(30)
}

/// What a test's server does with its end, when the test says go on.
type Part<S> = fn(S, &TurnSignal);

/// Takes turns with the server's thread.
struct TurnSignal {
    tell: Sender<()>,
    told: Receiver<()>,
}

impl TurnSignal {
    fn pair() -> (Self, Self) {
        let (a, b) = (mpsc::channel(), mpsc::channel());
        (Self { tell: a.0, told: b.1 }, Self { tell: b.0, told: a.1 })
    }

    fn done(&self) {
        self.tell.send(()).expect("the other side lives");
    }

    fn wait(&self) {
        self.told.recv_timeout(Duration::from_secs(20)).expect("the other side says so in time");
    }
}

fn listening() -> (TcpListener, Server) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, Server { scheme: Scheme::Smtp, address: ServerAddress::Tcp { host: "127.0.0.1".to_owned(), port } })
}

fn connect(server: &Server) -> Box<dyn Stream> {
    SystemNetwork::new().connect(server, &ConnectOptions::default(), soon()).expect("somebody listens").0
}

fn clear(part: Part<TcpStream>) -> (Box<dyn Stream>, TurnSignal, JoinHandle<()>) {
    let (listener, server) = listening();
    let (mine, theirs) = TurnSignal::pair();
    let thread = std::thread::spawn(move || part(listener.accept().expect("a client").0, &theirs));
    (connect(&server), mine, thread)
}

fn inside_tls(part: Part<SslStream<TcpStream>>) -> (Box<dyn Stream>, TurnSignal, JoinHandle<()>) {
    let (listener, server) = listening();
    let (mine, theirs) = TurnSignal::pair();
    let certificate = ServerCertificate::generate(&["127.0.0.1"]).expect("an address");
    // TLS 1.3, with its session tickets after the handshake.
    let acceptor = acceptor_of(&certificate.chain_pem, &certificate.key_pem, None);
    let thread = std::thread::spawn(move || {
        let socket = listener.accept().expect("a client").0;
        part(acceptor.accept(socket).expect("a handshake"), &theirs);
    });
    let mut stream = connect(&server);
    let options = TlsOptions {
        server_name: "127.0.0.1".to_owned(),
        verify: true,
        ca: certificate.ca_pem.into_bytes(),
        system_roots: false,
        limits: TlsLimits::default(),
        client_cert: None,
        alpn: Vec::new(),
        details: false,
    };
    stream.start_tls(&options, soon()).expect("a certificate to be trusted");
    (stream, mine, thread)
}

fn read_some(stream: &mut dyn Stream) -> Vec<u8> {
    let mut buffer = [0; 100];
    let count = stream.read(&mut buffer, soon()).expect("something comes");
    buffer[..count].to_vec()
}

fn kind(result: io::Result<usize>) -> io::ErrorKind {
    result.expect_err("an error").kind()
}

/// Both ways: the same is to be seen inside TLS.
macro_rules! both_ways {
    ($name:ident, $part:expr, $test:expr) => {
        #[test]
        fn $name() {
            let test: fn(&mut dyn Stream, &TurnSignal) = $test;
            let (mut stream, turns, thread) = clear($part);
            test(&mut *stream, &turns);
            thread.join().expect("the clear server did its part");
            let (mut stream, turns, thread) = inside_tls($part);
            test(&mut *stream, &turns);
            thread.join().expect("the TLS server did its part");
        }
    };
}

both_ways!(
    a_silent_server_times_out_and_can_be_read_again,
    |mut socket, turns| {
        turns.wait();
        socket.write_all(b"220 late\r\n").expect("written");
        turns.wait();
    },
    |stream, turns| {
        let mut buffer = [0; 100];
        assert_eq!(kind(stream.read(&mut buffer, shortly())), io::ErrorKind::TimedOut);
        assert_eq!(kind(stream.read(&mut buffer, Instant::now())), io::ErrorKind::TimedOut);
        turns.done();
        assert_eq!(read_some(stream), b"220 late\r\n");
        turns.done();
    }
);

both_ways!(
    a_dripping_server_does_not_move_the_deadline,
    |mut socket, turns| {
        // Until the client has had enough of it.
        while turns.told.recv_timeout(Duration::from_millis(5)).is_err() {
            socket.write_all(b"2").expect("written");
        }
    },
    |stream, turns| {
        let deadline = Instant::now() + Duration::from_millis(100);
        let mut buffer = [0; 10];
        let error = loop {
            match stream.read(&mut buffer, deadline) {
                Ok(count) => assert!(count > 0),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(Instant::now() >= deadline);
        turns.done();
    }
);

both_ways!(
    what_has_arrived_is_read_without_waiting,
    |mut socket, turns| {
        turns.wait();
        socket.write_all(b"421 bye\r\n").expect("written");
        turns.done();
        turns.wait();
    },
    |stream, turns| {
        let mut buffer = [0; 4];
        // Session tickets of TLS 1.3 may be there already: they are no data.
        assert_eq!(stream.read_waiting(&mut buffer).expect("no error"), None);
        turns.done();
        turns.wait();
        let first = loop {
            // Written is not yet arrived.
            if let Some(count) = stream.read_waiting(&mut buffer).expect("no error") {
                break count;
            }
        };
        assert_eq!(&buffer[..first], b"421 ");
        assert_eq!(stream.read_waiting(&mut buffer).expect("no error"), Some(4), "also from TLS's own buffer");
        assert_eq!(stream.read(&mut buffer, soon()).expect("the rest"), 1);
        assert_eq!(stream.read_waiting(&mut buffer).expect("no error"), None);
        turns.done();
    }
);

both_ways!(
    an_end_reads_as_zero,
    |socket, turns| {
        turns.wait();
        // Inside TLS without close_notify.
        drop(socket);
    },
    |stream, turns| {
        turns.done();
        let mut buffer = [0; 10];
        assert_eq!(stream.read(&mut buffer, soon()).expect("an end is no error"), 0);
        assert_eq!(stream.read_waiting(&mut buffer).expect("an end is no error"), Some(0));
    }
);

both_ways!(
    the_sending_half_is_closed_alone,
    |mut socket, turns| {
        let mut all = Vec::new();
        socket.read_to_end(&mut all).expect("read to the end");
        assert_eq!(all, b"QUIT\r\n");
        socket.write_all(b"221 bye\r\n").expect("the other half is open");
        turns.wait();
    },
    |stream, turns| {
        assert_eq!(stream.write(b"QUIT\r\n", soon()).expect("written"), 6);
        stream.close(CloseMode::Write).expect("half closed");
        assert_eq!(read_some(stream), b"221 bye\r\n");
        turns.done();
    }
);

both_ways!(
    a_close_is_an_end_for_the_server_and_for_us,
    |mut socket, turns| {
        socket.write_all(b"250 nobody reads this\r\n").expect("written");
        turns.done();
        assert_eq!(socket.read(&mut [0; 10]).expect("FIN, no RST; in TLS close_notify"), 0);
    },
    |stream, turns| {
        turns.wait();
        stream.close(CloseMode::Fin).expect("closed");
        stream.close(CloseMode::Fin).expect("closed already");
        assert_eq!(kind(stream.read(&mut [0; 10], soon())), io::ErrorKind::NotConnected);
        assert_eq!(kind(stream.write(b"x", soon())), io::ErrorKind::NotConnected);
    }
);

both_ways!(
    a_server_that_reads_nothing_times_a_write_out,
    |socket, turns| {
        turns.wait();
        drop(socket);
    },
    |stream, turns| {
        let (deadline, bytes) = (Instant::now() + Duration::from_millis(200), vec![b'x'; 1 << 16]);
        let error = loop {
            match stream.write(&bytes, deadline) {
                Ok(count) => assert!(count > 0),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        turns.done();
    }
);

#[test]
fn a_reset_is_a_reset_on_both_sides() {
    let (mut stream, turns, thread) = clear(|mut socket, turns| {
        turns.wait();
        assert_eq!(socket.read(&mut [0; 10]).expect_err("RST").kind(), io::ErrorKind::ConnectionReset);
    });
    stream.close(CloseMode::Reset).expect("closed");
    turns.done();
    thread.join().expect("it saw RST");
    let (mut stream, turns, thread) = clear(|socket, turns| {
        let socket = socket2::Socket::from(socket);
        socket.set_linger(Some(Duration::ZERO)).expect("an option of sockets");
        drop(socket);
        turns.done();
    });
    turns.wait();
    assert_eq!(kind(stream.read(&mut [0; 10], soon())), io::ErrorKind::ConnectionReset);
    // EPIPE, and no SIGPIPE.
    assert_eq!(kind(stream.write(b"NOOP\r\n", soon())), io::ErrorKind::BrokenPipe);
    thread.join().expect("it did its part");
}

#[test]
fn what_is_no_tls_behind_the_handshake_is_invalid_data() {
    let (mut stream, _turns, thread) = inside_tls(|mut tls, _| {
        tls.get_mut().write_all(b"250 unencrypted, and long enough for a record\r\n").expect("written");
    });
    assert_eq!(kind(stream.read(&mut [0; 10], soon())), io::ErrorKind::InvalidData);
    thread.join().expect("it did its part");
}

#[test]
fn half_a_record_is_neither_data_nor_lost() {
    let (mut stream, turns, thread) = inside_tls(|mut tls, turns| {
        // A record header that announces more than comes.
        tls.get_mut().write_all(&[23, 3, 3, 0, 40]).expect("written");
        turns.done();
        turns.wait();
    });
    turns.wait();
    let mut buffer = [0; 10];
    assert_eq!(stream.read_waiting(&mut buffer).expect("no error"), None);
    assert_eq!(kind(stream.read(&mut buffer, shortly())), io::ErrorKind::TimedOut);
    turns.done();
    thread.join().expect("it did its part");
    assert_eq!(stream.read(&mut buffer, soon()).expect("cut off is closed"), 0);
}

#[test]
fn a_unix_socket_is_a_stream_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lmtp");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket in an empty folder");
    let server = Server { scheme: Scheme::Lmtp, address: ServerAddress::Unix(path) };
    let mut stream = connect(&server);
    let mut buffer = [0; 10];
    assert_eq!(stream.read_waiting(&mut buffer).expect("no error"), None);
    assert_eq!(kind(stream.read(&mut buffer, shortly())), io::ErrorKind::TimedOut);
    let (mut socket, _) = listener.accept().expect("it connected");
    socket.write_all(b"220 hi\r\n").expect("written");
    assert_eq!(stream.read_waiting(&mut buffer).expect("no error"), Some(8));
    drop(socket);
    assert_eq!(stream.read(&mut buffer, soon()).expect("an end"), 0);
}
